"""Makes a sub-interpreter an application's own: its virtualenv, its `os.environ`, and a record of what it cannot load."""

import _imp
import _posixsubprocess
import importlib
import os
import site
import sys

# What extension modules say that have state which is one for the process, or that CPython says of them.
REFUSING = ("subinterpreter", "sub-interpreter", "one interpreter", "per process")

# What could not be imported because it cannot be loaded into a second interpreter: modules, messages, and for whom.
refused = []


def seclude(environment, keep):
    # The variables of the process are one for all interpreters. This interpreter's are what `os.environ` holds.
    os.putenv = lambda name, value: None
    os.unsetenv = lambda name: None
    os.environ.clear()
    variables = [text.encode("latin-1") for text in environment]
    os.environb.update(zip(variables[::2], variables[1::2]))
    _hand_down_environment()
    _record_refusals(keep)


def _hand_down_environment():
    """Children of this interpreter are given its `os.environ`, where none was chosen for them."""
    fork_exec = _posixsubprocess.fork_exec

    def with_environment(arguments, executables, close, keep, folder, environment, *others):
        if environment is None:
            environment = [name + b"=" + value for name, value in os.environb.items()]
        return fork_exec(arguments, executables, close, keep, folder, environment, *others)

    _posixsubprocess.fork_exec = with_environment
    os.posix_spawn = _spawning(os.posix_spawn)
    os.posix_spawnp = _spawning(os.posix_spawnp)


def _spawning(spawn):
    def with_environment(path, arguments, environment=None, /, **options):
        return spawn(path, arguments, os.environ if environment is None else environment, **options)

    return with_environment


def _record_refusals(keep):
    create = _imp.create_dynamic

    def create_dynamic(spec, *others):
        try:
            return create(spec, *others)
        except BaseException as error:
            # It may be an object of the main interpreter, which must not be given back in this one.
            keep(error, error.args)
            message = str(error)
            if isinstance(error, ImportError) and not any(word in message for word in REFUSING):
                raise
            refused.append((spec.name, message, _importer(sys._getframe())))
            raise ImportError(f"module {spec.name} cannot be loaded into a second interpreter: {message}") from None

    _imp.create_dynamic = create_dynamic


def _importer(frame):
    """The outermost line that is not the host's: where the application asked for it."""
    found = "?"
    while frame:
        file = frame.f_code.co_filename
        if not file.startswith(("_tower_wsgi", "<frozen ")) and os.path.dirname(file) != os.path.dirname(importlib.__file__):
            found = f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return found


def refusals():
    return sorted({module for module, _, _ in refused})


def refused_in(traceback):
    """The module that an import failed for, and for whom: what wraps the error repeats its text."""
    return next(((module, place) for module, message, place in refused if message in traceback), None)


def use(executable):
    """Turns to the virtualenv or installation of another interpreter: what the first one's has put here goes."""
    folders = [folder for folder in site.getsitepackages() if folder in sys.path]
    sys.meta_path[:] = [finder for finder in sys.meta_path if _is_built_in(finder)]
    sys.path_importer_cache.clear()
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(tuple(folder + os.sep for folder in folders)):
            del sys.modules[name]
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    installed = [path for path in sys.path if _is_library(path)]
    sys.path[:] = own + installed
    sys.executable = executable
    sys.prefix, sys.exec_prefix = sys.base_prefix, sys.base_exec_prefix
    site.PREFIXES[:] = [sys.prefix, sys.exec_prefix]
    site.ENABLE_USER_SITE = None
    site.main()


def _is_library(path):
    if path.endswith(("site-packages", "dist-packages")):
        return False
    library = sys._stdlib_dir
    return path == library or path.startswith(library + os.sep) or path.startswith(sys.base_prefix) and path.endswith(".zip")


def _is_built_in(finder):
    return getattr(finder, "__module__", "").startswith("_frozen_importlib")
