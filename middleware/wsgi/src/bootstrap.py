"""
What the host does in Python: importing applications, logging, leaving. Nothing here is on a request's path.

What is large and seldom needed is imported where it is needed: an application that does without it keeps the memory.
"""

import atexit
import importlib
import importlib.machinery
import io
import os
import signal
import stat
import sys
import threading
import types

import _tower_wsgi_changes as changes
import _tower_wsgi_neighbours as neighbours
import _tower_wsgi_seclude as seclude


# A line that has not ended is kept; one that never ends must not be kept for ever.
LONGEST = 64 * 1024

# The flag of a function's code that takes any number of arguments.
VARIABLE_ARGUMENTS = 0x04


class Lines(io.TextIOBase):
    """A text stream whose lines go to the gateway's log: `wsgi.errors`, `sys.stdout` and `sys.stderr`."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, log, name):
        self._log = log
        self._name = name
        self._started = threading.local()

    def writable(self):
        return True

    def isatty(self):
        return False

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        started = getattr(self._started, "text", "")
        *lines, rest = (started + text).split("\n")
        if len(rest) > LONGEST:
            lines.append(rest)
            rest = ""
        self._started.text = rest
        if rest and not started:
            _unfinished.__dict__.setdefault("lines", []).append(self)
            self._log("unfinished", b"")
        for line in lines:
            self._log(self._name, line.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self):
        rest = getattr(self._started, "text", "")
        if rest:
            self._started.text = ""
            self._log(self._name, rest.encode("utf-8", "backslashreplace"))


# Streams on which this thread has begun a line.
_unfinished = threading.local()


def finish_lines():
    """Ends the lines that a request has begun: the rest of a line would be another request's."""
    for lines in _unfinished.__dict__.pop("lines", ()):
        lines.flush()


# What the host asks of the other modules, by their names here.
bring_packages = neighbours.bring_packages
changes_of = changes.changes_of
refusals = seclude.refusals
refused_in = seclude.refused_in
use = seclude.use


def start(log, keep, disarm, environment):
    """Prepares the interpreter for applications; `environment` is given to one that is not the main one."""
    sys.stdout = sys.__stdout__ = Lines(log, "stdout")
    sys.stderr = sys.__stderr__ = Lines(log, "stderr")
    if environment is not None:
        seclude.seclude(environment, keep)
        changes.own_environment = os.environ
    # Importing `signal` has installed it, where nobody else had a handler.
    elif signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    neighbours.begin(log)
    changes.watch(log, disarm)


def become_main():
    """Other interpreters begin beside this one."""
    changes.forbid_fork()
    # Its types are static. Where they are another interpreter's first, CPython 3.13.0 crashes at the end of a third that has them.
    importlib.import_module("_datetime")


def enter(name, target, folders):
    """Whose neighbour an application must not become, and why; `None` where nothing speaks against its import."""
    file, _ = _parts(target)
    if file:
        folders = [os.path.dirname(file), *folders]
    refusal = neighbours.enter(name, folders, file)
    if not refusal:
        changes.importing = name
    return refusal


def load(name, target, folders):
    """Imports `module:attribute`, `module:factory()` or `file.py[:attribute]` and gives the application."""
    application = _find(name, target, folders)
    if not _takes_two(application):
        advice = "" if target.endswith("()") else f"; if it makes the application, write {target}()"
        raise TypeError(f"{target} cannot be called as application(environ, start_response){advice}")
    return application


def _find(name, target, folders):
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    importlib.invalidate_caches()
    file, attribute = _parts(target)
    if file:
        module = _load_file(name, file)
        attribute = attribute or ("application" if hasattr(module, "application") else "app")
    else:
        module = _import_module(target.partition(":")[0], folders)
        attribute = attribute or "application"
    is_factory = attribute.endswith("()")
    application = module
    for part in attribute.removesuffix("()").split("."):
        application = getattr(application, part)
    if is_factory:
        application = application()
    if not callable(application):
        raise TypeError(f"{target} is not callable, it is {application!r}")
    return application


def _takes_two(application):
    """Whether it may be called with two arguments. (`inspect` would tell it of more than functions, for a MiB of memory.)"""
    if type(application) is not types.FunctionType:
        return True
    code = application.__code__
    most = float("inf") if code.co_flags & VARIABLE_ARGUMENTS else code.co_argcount
    least = code.co_argcount - len(application.__defaults__ or ())
    named = code.co_kwonlyargcount - len(application.__kwdefaults__ or ())
    return least <= 2 <= most and named == 0


# Whose frames are not where an application is wrong: the host's modules and the import system.
_ON_THE_WAY = ("_tower_wsgi", "<frozen importlib.", importlib.import_module.__code__.co_filename)


def of_application(traceback):
    """A traceback of an import from the application's first frame on; `None` where it did not come so far."""
    while traceback and traceback.tb_frame.f_code.co_filename.startswith(_ON_THE_WAY):
        traceback = traceback.tb_next
    return traceback


def settle(application):
    """The import has ended, with an application or `None`: whose neighbour it cannot stay, and why."""
    changes.importing = None
    return neighbours.settle(application)


def _parts(target):
    """The path of a file, where one is named, and the attribute."""
    module, _, attribute = target.partition(":")
    is_file = module.endswith(".py") or "/" in module
    return os.path.abspath(module) if is_file else None, attribute


def wrap(name, application, middleware, folders):
    """Wraps an application in what these factories make, the first outermost."""
    for target in reversed(middleware):
        # A file is a module of its own, whose name shall not be the application's.
        application = _find(f"{name} in {target}", target, folders)(application)
        if not callable(application):
            raise TypeError(f"{target} has made nothing that is callable, but {application!r}")
    return application


# What reads these is what stands in their files; a gzip.GzipFile, for one, has a descriptor, and other content.
_PLAIN_FILES = (io.BufferedReader, io.BufferedRandom, io.FileIO)


def plain_file(wrapper):
    """Descriptor and position of a wrapped file that can be sent without Python; else None."""
    file = wrapper.filelike
    if type(file) not in _PLAIN_FILES:
        return None
    try:
        if file.writable():
            file.flush()
        descriptor = file.fileno()
        return (descriptor, file.tell()) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except (OSError, ValueError):
        return None


def _import_module(name, folders):
    module = importlib.import_module(name)
    top = sys.modules[name.partition(".")[0]]
    own = importlib.machinery.PathFinder.find_spec(top.__name__, folders)
    taken = getattr(top, "__file__", None)
    if own and own.has_location and taken and os.path.realpath(own.origin) != os.path.realpath(taken):
        raise ImportError(
            f"the name {top.__name__} is taken: it was imported from {taken} already, so {own.origin} cannot be."
            " Rename it, or name the file"
        )
    return module


def _load_file(name, path):
    import importlib.util

    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # Two files of one name are two modules; pickle and dataclasses look their module up in sys.modules.
    module_name = "wsgi_" + "".join(c if c.isalnum() else "_" for c in name)
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(module_name, None)
        raise
    return module


def enter_thread(name):
    """Makes the host's thread look like an ordinary one: threads that it starts must not be daemons by inheritance."""
    thread = threading.current_thread()
    thread.name = name
    thread._daemonic = False
    return thread.ident


class RequestTimeout(BaseException):
    """Raised in a request that is given up, where the configuration says so. `except Exception` does not hold it back."""


def stack_of(frame):
    """Where a thread stands, by its innermost frame if it has one; the innermost call is told last."""
    import traceback

    return "".join(traceback.format_stack(frame)).rstrip() if frame else "no line of Python"


def leave(milliseconds):
    """
    What an interpreter does at its end, short of its destruction: threads that still run would not survive that.

    Threads of applications have so much time to end; what is registered for the end runs in any case.
    """
    are_over = threading.Event()

    def give_up():
        if not are_over.wait(milliseconds / 1000):
            _run_exit_functions()

    threading.Thread(target=give_up, name="exit", daemon=True).start()
    try:
        threading._shutdown()
    finally:
        are_over.set()
        _run_exit_functions()


def _run_exit_functions():
    try:
        # Each runs once.
        atexit._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
