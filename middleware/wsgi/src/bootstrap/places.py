"""Where each application of an interpreter finds its modules, as if it were alone: `sys.path` is all of theirs in one."""

import os
import site
import sys
from importlib.machinery import PathFinder

LIBRARY = os.path.dirname(os.__file__)

# What virtualenvs have put on `sys.path` and on `sys.meta_path`, by the folders of their packages.
brought = {}

# What the records of installed distributions say, by folder and depth.
_records = {}


class Places:
    def __init__(self, folders, packages, file, others):
        """`packages` are the folders of its virtualenv, `file` is the application where that is a file."""
        self.folders = list(dict.fromkeys(folders))
        self.file = file
        own, self.finders = brought.get(tuple(packages), ((), ()))
        known = {entry for entries, _ in brought.values() for entry in entries}.union(*(other.path for other in others))
        self.foreign = {entry for entry in known if entry not in self.folders and entry not in own and not _is_common(entry)}
        self.settled = None

    @property
    def path(self):
        """Its part of `sys.path`: what is new there while it is imported is its own."""
        if self.settled is not None:
            return self.settled
        # Others may have put the same folders there in another order.
        own = iter(self.folders)
        # Many applications put their folder there once more.
        entries = [entry for entry in dict.fromkeys(sys.path) if isinstance(entry, str) and entry not in self.foreign]
        return [next(own) if entry in self.folders else entry for entry in entries]

    def settle(self):
        self.settled = self.path

    def other(self, name, spec):
        """The specification of what it would import in place of a module that was found, if that is another one."""
        path, entry = self.path, _folder_of(name, spec.origin or "")
        if "." not in name and entry in path:
            # Most are found here: what stands before it for all had nothing by that name.
            before = [folder for folder in path[: path.index(entry)] if not folder.startswith(LIBRARY)]
            own = PathFinder.find_spec(name, before)
            if not own or is_namespace(own):
                return None
        own = self.find(name)
        if is_namespace(own) and not is_namespace(spec) and not any(map(_holds_code, own.submodule_search_locations)):
            # A folder of other things.
            return None
        return own if own and not _is_same(name, own, spec) else None

    def has(self, name, spec):
        """Whether a module that was found is what it would import, or has a part of that."""
        own = self.find(name)
        return own is not None and (is_namespace(own) and is_namespace(spec) or _is_same(name, own, spec))

    def find(self, name):
        """The specification of the module that it would import by this name; `None` where there is none."""
        parent = name.rpartition(".")[0]
        if parent:
            package = self.find(parent)
            return PathFinder.find_spec(name, list(package and package.submodule_search_locations or ()))
        found = [PathFinder.find_spec(name, self.path)]
        if not found[0]:
            found = [finder.find_spec(name, None) for finder in self.finders if hasattr(finder, "find_spec")]
        # An application that is a file is a module of another name.
        return next((spec for spec in found if spec and not (self.file and _file(spec) == self.file)), None)


def bring(folders):
    """Appends the site-packages of a virtualenv, `.pth` files included."""
    key = tuple(folders)
    if key in brought:
        return
    before, finders = list(sys.path), list(sys.meta_path)
    common = [entry for entry in before if _is_common(entry)]
    if brought:
        # What it shares with others is its own, too.
        sys.path[:] = common
    else:
        # The interpreter was started with it.
        finders = [finder for finder in finders if getattr(finder, "__module__", "").startswith("_frozen_importlib")]
    try:
        for folder in folders:
            if folder not in sys.path:
                site.addsitedir(folder, set())
    finally:
        own = [entry for entry in sys.path if entry not in common]
        sys.path[:] = dict.fromkeys(before + own)
    brought[key] = own, [finder for finder in sys.meta_path if finder not in finders]


def _is_common(entry):
    """Whether all find modules there: in the standard library, and where `PYTHONPATH` says."""
    # A `Path` that an application has put there is passed over by the import system.
    if not isinstance(entry, str):
        return True
    if entry in map(os.path.abspath, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))):
        return True
    return not entry.endswith("-packages") and (entry.startswith(LIBRARY) or entry.endswith(".zip"))


def _holds_code(folder):
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return False
    return any(
        entry.name.endswith((".py", ".pyc", ".so")) or os.path.exists(os.path.join(entry.path, "__init__.py"))
        for entry in entries
    )


def is_namespace(spec):
    """Whether it has no file, but folders, to which each distribution may add its own."""
    return spec is not None and spec.origin is None and spec.submodule_search_locations is not None


def _is_same(name, one, other):
    """Whether two specifications are of one module, or of the same version of one in two virtualenvs."""
    if is_namespace(one) or is_namespace(other):
        return is_namespace(one) and is_namespace(other) and _beside(name, one) == _beside(name, other)
    files = [_file(one), _file(other)]
    if files[0] == files[1]:
        return True
    recorded = [_recorded(name, file) for file in files]
    return recorded[0] == recorded[1] is not None


def _beside(name, namespace):
    """Its folders that came with no virtualenv: parts of distributions go together, sites would go through each other's."""
    installed = {entry for entries, _ in brought.values() for entry in entries}
    folders = list(namespace.submodule_search_locations)
    return {os.path.realpath(folder) for folder in folders if _folder_of(name, f"{folder}/__init__.py") not in installed}


def place_of(spec):
    """Its file, or its first folder."""
    return _file(spec) or next(iter(spec.submodule_search_locations), "?")


def _file(spec):
    return spec.origin and os.path.realpath(spec.origin)


def _recorded(name, file):
    """What the record of its distribution says of the files of a module; `None` where no record has them."""
    folder, depth = _folder_of(name, file), name.count(".")
    if (folder, depth) not in _records:
        _records[folder, depth] = _read_records(folder, depth)
    return _records[folder, depth].get(name.replace(".", "/"))


def _folder_of(name, file):
    """The folder where one would look for the first part of a module's name."""
    folder = os.path.dirname(file)
    for _ in range(name.count(".") + os.path.basename(file).startswith("__init__.")):
        folder = os.path.dirname(folder)
    return folder


def _read_records(folder, depth):
    """By module: a sum of the paths and hashes of its sources. What was compiled may differ where it was made."""
    modules = {}
    for line in _lines_of_records(folder):
        path = line.partition(",")[0].split("/")
        # Nobody vouches for what has no hash: what was compiled there.
        if len(path) > depth and not line.endswith(",,"):
            module = "/".join([*path[:depth], path[depth].partition(".")[0]])
            modules[module] = modules.get(module, 0) + (hash(line) if path[-1].endswith(".py") else 0)
    return modules


def _lines_of_records(folder):
    try:
        entries = [entry.path for entry in os.scandir(folder) if entry.name.endswith(".dist-info")]
    except OSError:
        return
    for entry in entries:
        try:
            with open(os.path.join(entry, "RECORD"), encoding="utf-8") as record:
                yield from record.read().splitlines()
        except (OSError, ValueError):
            # Its modules have no record, and are equal to no others.
            continue
