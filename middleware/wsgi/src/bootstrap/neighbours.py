"""What applications of one interpreter must agree about: packages, whose a module's name is, the settings of Django.

Functions that look for a disagreement give `None`, or the other application's name and what the two disagree about.
"""

import importlib.metadata
import os
import re
import site
import sys

DJANGO = "DJANGO_SETTINGS_MODULE"

# Its value that no application has set. What the process has is another application's, where the interpreter has an
# `os.environ` of its own: so it is read once that is there.
outside = None

# What stands beside the code of many projects and is not imported by their applications. It counts once it is.
BESIDE = {"conftest", "docs", "fabfile", "manage", "noxfile", "scripts", "setup", "test", "tests"}

# Folders with packages, and the applications that brought them.
owners = {}
residents = []


class Resident:
    def __init__(self, name, folders, file):
        self.name = name
        self.file = file
        # Of two folders, the first has the name.
        self.modules = {}
        for folder in reversed(folders):
            self.modules.update(_modules(folder))
        # What another application has set concerns the newcomer's import no more than it should.
        self.found = os.environ.get(DJANGO)
        self.settings = None


def begin():
    """The interpreter has the `os.environ` that its applications will find."""
    global outside
    outside = os.environ.get(DJANGO)


def bring_packages(name, folders):
    """Appends the site-packages of an application's virtualenv, `.pth` files included."""
    if not all(folder in sys.path for folder in folders):
        known = _distributions(sys.path)
        for distribution, (version, _) in _distributions(folders).items():
            other, folder = known.get(distribution, (version, None))
            if other != version:
                owner = _owner(folder)
                return owner, f"{distribution} {version} is there for {name}, and {distribution} {other} for {owner}"
        for folder in folders:
            site.addsitedir(folder)
    for folder in folders:
        owners.setdefault(folder, name)
    return None


def _owner(folder):
    return owners.get(folder) or next(iter(owners.values()), "-")


def _distributions(folders):
    """Versions and folders by name; the first of a name is the one that is imported."""
    found = {}
    for distribution in importlib.metadata.distributions(path=folders):
        name = re.sub("[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        found.setdefault(name, (distribution.version, str(distribution.locate_file("")).rstrip("/")))
    # Each virtualenv has its own installers, and no application imports them.
    return {name: its for name, its in found.items() if name not in ("", "pip", "setuptools", "wheel")}


def enter(name, folders, file):
    """An application is about to be imported: looks whether names of modules stand in the way."""
    newcomer = Resident(name, folders, file and os.path.realpath(file))
    for resident in residents:
        if reason := _two_of_a_name(resident, newcomer):
            return resident.name, reason
    residents.append(newcomer)
    _set_django(outside)
    return None


def settle(application):
    """The import has ended, with an application or `None`: looks at what it has chosen."""
    newcomer = residents[-1]
    chosen = os.environ.get(DJANGO)
    # Without a choice of its own, a site of Django would take that of another one.
    if chosen != outside or type(application).__module__.startswith("django."):
        newcomer.settings = chosen or "none of its own"
    if newcomer.found is not None and chosen == outside:
        _set_django(newcomer.found)
    found = _disagreement(newcomer)
    if found or application is None:
        residents.pop()
        _set_django(newcomer.found)
    return found


def _disagreement(newcomer):
    for resident in residents[:-1]:
        if None not in (resident.settings, newcomer.settings) and resident.settings != newcomer.settings:
            return resident.name, (
                f"Django has one {DJANGO} in an interpreter,"
                f" which is {resident.settings} for {resident.name} and {newcomer.settings} for {newcomer.name}"
            )
        if reason := _two_of_a_name(resident, newcomer):
            return resident.name, reason
    return None


def _two_of_a_name(resident, newcomer):
    for name in sorted(resident.modules.keys() & newcomer.modules.keys()):
        files = [resident.modules[name], newcomer.modules[name]]
        if files[0] != files[1] and (_is_imported(name, files) or _is_for_import(name, files, resident, newcomer)):
            return f"the module {name} is {files[0]} for {resident.name} and {files[1]} for {newcomer.name}"
    return None


def _is_for_import(name, files, *applications):
    # An application that is a file is a module of another name.
    named = [application.file for application in applications if application.file]
    # A folder without `__init__.py` is a package for those alone who import it.
    return name not in BESIDE and not any(os.path.isdir(file) or file in named for file in files)


def _is_imported(name, files):
    module = sys.modules.get(name)
    found = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(os.path.realpath(file) in files for file in found if file)


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
