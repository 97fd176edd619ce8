"""What applications of one interpreter must agree about: packages, whose a module's name is, the settings of Django.

Functions that look for a disagreement give `None`, or the other application's name and what the two disagree about.
"""

import os
import sys
from importlib.machinery import ModuleSpec

import _tower_wsgi_places as places

DJANGO = "DJANGO_SETTINGS_MODULE"

# Its value that no application has set. What the process has is another application's, where the interpreter has an
# `os.environ` of its own: so it is read once that is there.
outside = None

# What stands beside the code of many projects and is not imported by their applications. It counts once it is.
BESIDE = {"conftest", "docs", "fabfile", "manage", "noxfile", "scripts", "setup", "test", "tests"}

# Folders with packages, and the applications that brought them; and those of each application.
owners = {}
packages = {}
residents = []

# The one of them that is being imported, if any.
newcomer = None

# Modules that were there before any application, or that a virtualenv has imported when it joined.
started = set()

# Modules that applications which were refused have left in `sys.modules`.
left = set()

_log = None
_told = set()


class Resident:
    def __init__(self, name, folders, file):
        self.name = name
        self.file = file
        # Of two folders, the first has the name.
        self.modules = {}
        for folder in reversed(folders):
            self.modules.update(_modules(folder))
        self.places = places.Places(folders, packages.get(name, ()), file, [resident.places for resident in residents])
        # `sys.path` as it was, to be put back where it does not stay; and as it is when its import begins.
        self.before = list(sys.path)
        self.entered = None
        # What another application has set concerns the newcomer's import no more than it should.
        self.found = os.environ.get(DJANGO)
        self.settings = None
        # What was in `sys.modules` before its import, and what that has added.
        self.earlier = set(sys.modules)
        self.loaded = set()
        # The first module that it was not given, as the other application and the reason.
        self.clash = None


def begin(log):
    """The interpreter has the `os.environ` that its applications will find."""
    global outside, _log
    outside = os.environ.get(DJANGO)
    _log = log
    _note_started(())


def _note_started(before):
    # The finder of an editable installation knows where its application is.
    started.update(name for name in sys.modules if name not in before and not name.startswith("__editable__"))


def bring_packages(name, folders):
    """Appends the site-packages of an application's virtualenv, unless a distribution has another version there."""
    if not all(folder in sys.path for folder in folders):
        known = _distributions(sys.path)
        for distribution, (version, _) in _distributions(folders).items():
            other, folder = known.get(distribution, (version, None))
            if other != version:
                owner = _owner(folder)
                return owner, f"{distribution} {version} is there for {name}, and {distribution} {other} for {owner}"
    before = set(sys.modules)
    places.bring(folders)
    _note_started(before)
    packages[name] = folders
    for folder in folders:
        owners.setdefault(folder, name)
    return None


def _owner(folder):
    return owners.get(folder) or next(iter(owners.values()), "-")


def _distributions(folders):
    """Versions and folders by name; the first of a name is the one that is imported."""
    # Here, as it takes megabytes, and one virtualenv alone does not need it.
    import importlib.metadata
    import re

    found = {}
    for distribution in importlib.metadata.distributions(path=folders):
        name = re.sub("[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        found.setdefault(name, (distribution.version, str(distribution.locate_file("")).rstrip("/")))
    # Each virtualenv has its own installers, and no application imports them.
    return {name: its for name, its in found.items() if name not in ("", "pip", "setuptools", "wheel")}


def enter(name, folders, file):
    """An application is about to be imported: looks whether names of modules stand in the way."""
    global newcomer
    newcomer = Resident(name, folders, file and os.path.realpath(file))
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    found = next(filter(None, (_two_of_a_name(resident, newcomer) for resident in residents)), None)
    if found := found or _loaded_otherwise(residents):
        _send_away()
        return found
    residents.append(newcomer)
    newcomer.entered = list(sys.path)
    if len(residents) > 1 and Watch not in sys.meta_path:
        sys.meta_path.insert(0, Watch)
    _set_django(outside)
    return None


def settle(application):
    """The import has ended, with an application or `None`: looks at what it has chosen."""
    global newcomer
    chosen = os.environ.get(DJANGO)
    # Without a choice of its own, a site of Django would take that of another one.
    if chosen != outside or type(application).__module__.startswith("django."):
        newcomer.settings = chosen or "none of its own"
    if newcomer.found is not None and chosen == outside:
        _set_django(newcomer.found)
    found = _two_settings() or newcomer.clash
    if not found and newcomer.entered != sys.path:
        # It has added folders of its own.
        found = _loaded_otherwise(residents[:-1])
    if found or application is None:
        residents.pop()
        _set_django(newcomer.found)
        _send_away()
    else:
        newcomer.places.settle()
        newcomer.loaded = set(sys.modules) - newcomer.earlier
        newcomer = None
    return found


def _send_away():
    global newcomer
    sys.path[:] = newcomer.before
    left.update(set(sys.modules) - newcomer.earlier)
    newcomer = None


def _two_settings():
    for resident in residents[:-1]:
        if None not in (resident.settings, newcomer.settings) and resident.settings != newcomer.settings:
            return resident.name, (
                f"Django has one {DJANGO} in an interpreter,"
                f" which is {resident.settings} for {resident.name} and {newcomer.settings} for {newcomer.name}"
            )
    return None


class Watch:
    """On `sys.meta_path` before all others: what an application finds, all must find, or nothing by that name."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        # What is part of a package is its own, wherever that is.
        if not _stands_alone(name):
            return None
        # Finders of old have another method, by which the import system asks them where nobody else knows.
        finders = [finder for finder in sys.meta_path if finder is not Watch and hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in finders)), None)
        clash = spec and _found_otherwise(name, spec)
        return ModuleSpec(name, Refused(*clash)) if clash else spec


class Refused:
    """Loads nothing. (Whoever merely asks whether a module is there is told that it is.)"""

    def __init__(self, other, reason):
        self.clash = other, reason

    def create_module(self, spec):
        reason = self.clash[1]
        # `importlib.reload` comes with the module.
        name = spec.name if isinstance(spec, ModuleSpec) else spec.__name__
        if newcomer:
            newcomer.clash = newcomer.clash or self.clash
        elif name not in _told:
            _told.add(name)
            _log("warning", f"an import was refused: {reason}".encode("utf-8", "backslashreplace"))
        raise ImportError(
            f"{reason}: neither is imported. Give one of the two `isolation: interpreter` (Python 3.13 or later) or"
            " `isolation: process`, or its module another name",
            name=name,
        )

    # The import system wants both.
    exec_module = create_module


def _stands_alone(name):
    parent = name.rpartition(".")[0]
    return not parent or places.is_namespace(_spec_of(sys.modules.get(parent)))


def _spec_of(module):
    """Of a module, or of what else stands in `sys.modules`; nothing of it is run, as of one that is loaded lazily."""
    try:
        spec = object.__getattribute__(module, "__dict__").get("__spec__")
    except AttributeError:
        return None
    return spec if isinstance(spec, ModuleSpec) else None


def _found_otherwise(name, found):
    """Another application than the newcomer, and for whom a module that was found would be another one."""
    differing = [resident for resident in residents if _is_of_files(found) and resident.places.other(name, found)]
    if not differing:
        return None
    one = newcomer if newcomer in differing else differing[0]
    # The newcomer is the last.
    having = [resident for resident in residents if resident is not one and resident.places.has(name, found)]
    if not having and len(differing) == 1:
        # It concerns nobody else: the application has put another folder on `sys.path`.
        return None
    pair = [one, having[-1] if having else None]
    pair.sort(key=lambda resident: resident is newcomer)
    return _name(pair[0] if newcomer else one), _difference(name, found, *pair)


def _loaded_otherwise(others):
    """Whose module the newcomer is given in place of its own: what is in `sys.modules` is looked for by nobody."""
    for name, module in list(sys.modules.items()) if others else ():
        loaded = _spec_of(module)
        if name in started or not loaded or not _stands_alone(name) or not _is_of_files(loaded):
            continue
        if newcomer.places.other(name, loaded):
            owner = next((other for other in others if name in other.loaded or other.places.has(name, loaded)), None)
            if owner or name not in left:
                return _name(owner), _difference(name, loaded, owner, newcomer)
            if newcomer not in residents:
                _forget(name)
    return None


def _is_of_files(spec):
    return spec.has_location or places.is_namespace(spec)


def _forget(name):
    """Of an application that was refused."""
    for module in [module for module in sys.modules if f"{module}.".startswith(f"{name}.")]:
        del sys.modules[module]


def _two_of_a_name(resident, newcomer):
    for name in sorted(resident.modules.keys() & newcomer.modules.keys()):
        files = [resident.modules[name], newcomer.modules[name]]
        if files[0] != files[1] and _is_for_import(name, files, resident, newcomer):
            return resident.name, f"the module {name} is {files[0]} for {resident.name} and {files[1]} for {newcomer.name}"
    return None


def _difference(name, found, *pair):
    own = [(resident and resident.places.find(name)) or found for resident in pair]
    whose = [f"{places.place_of(spec)} for {_name(resident)}" for spec, resident in zip(own, pair)]
    return f"the module {name} is {' and '.join(whose)}"


def _name(resident):
    return resident.name if resident else "another application"


def _is_for_import(name, files, *applications):
    # An application that is a file is a module of another name.
    named = [application.file for application in applications if application.file]
    # A folder without `__init__.py` is a package for those alone who import it.
    return name not in BESIDE and not any(os.path.isdir(file) or file in named for file in files)


def _modules(folder):
    """The modules of a folder by name: files, packages (by their `__init__.py`), folders that may become packages."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return {}
    modules = {}
    for entry in entries:
        name, dot, ending = entry.name.partition(".")
        if not name.isidentifier():
            continue
        path = os.path.realpath(entry.path)
        if dot:
            if ending == "py" or ending.endswith("so"):
                modules.setdefault(name, path)
        elif os.path.isdir(path):
            package = os.path.join(path, "__init__.py")
            modules[name] = package if os.path.isfile(package) else path
    return modules


def _set_django(value):
    if value is None:
        os.environ.pop(DJANGO, None)
    else:
        os.environ[DJANGO] = value
