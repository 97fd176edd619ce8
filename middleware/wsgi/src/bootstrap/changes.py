"""What an application changes for everybody in this process is reported: its name, the file and the line."""

# `locale` itself, with what it imports, is half a megabyte that few applications need.
import _locale
import os
import signal
import sys
import time

# What was changed so far: the application that is being imported (or none), what, and where.
changes = {}
importing = None

# After so many, no more are told or remembered: an application may change something at every request.
MOST = 1000

# Whether there are other interpreters in this process.
is_fork_fatal = False

# Of an interpreter whose `os.environ` is not the process's.
own_environment = None

_log = None
_disarm = None
_values = {}


def watch(log, disarm):
    global _log, _disarm
    _log = log
    _disarm = disarm
    sys.addaudithook(_audit)
    # The one builds upon what it finds in the other when it is imported.
    module = sys.modules.get("locale", _locale)
    module.setlocale = _reporting_locale(module.setlocale)
    time.tzset = _reporting_zone(time.tzset)
    signal.signal = _refuse_signal
    os._exit = _telling_exit(os._exit)


def forbid_fork():
    global is_fork_fatal
    is_fork_fatal = True


def changes_of(application):
    ending = ", for all applications of this process"
    return [f"{message.removesuffix(ending)} ({place})" for name, message, place in changes if name == application]


def _audit(event, arguments):
    if event == "os.putenv":
        name, value = map(os.fsdecode, arguments)
        _report(f"os.environ[{name!r}]", value)
    elif event == "os.unsetenv":
        _report(f"os.environ[{os.fsdecode(arguments[0])!r}]", None)
    elif event == "os.chdir":
        _report("the working directory", arguments[0])
    elif event in ("os.fork", "os.forkpty") and is_fork_fatal:
        # CPython tears the other interpreters down in the child, and dies of it.
        raise RuntimeError("a child of a process with sub-interpreters does not survive: `isolation: process` can fork")


def _reporting_locale(setlocale):
    def reporting(category, locale=None):
        result = setlocale(category, locale)
        if locale is not None:
            _report("the locale", result)
        return result

    return reporting


def _reporting_zone(tzset):
    zone = os.environ.get("TZ")

    def reporting():
        before = time.tzname
        tzset()
        if time.tzname != before:
            _report("the time zone", "/".join(time.tzname))
        elif own_environment is not None and own_environment.get("TZ") != zone and not _is_in_force():
            message = "the time zone was not changed: all interpreters of this process have one"
            _tell("warning", message, _place(sys._getframe(1)))

    return reporting


def _is_in_force():
    """Whether the process's time zone serves for this interpreter's, in half a year, too. Django asks for one always."""
    # Here, as few interpreters need them.
    import datetime
    import zoneinfo

    try:
        zone = zoneinfo.ZoneInfo(own_environment.get("TZ", ""))
    except (ValueError, KeyError, OSError):
        return False
    moments = [time.time() + days * 86400 for days in (0, 182)]
    offsets = [datetime.datetime.fromtimestamp(moment, zone).utcoffset().total_seconds() for moment in moments]
    return offsets == [time.localtime(moment).tm_gmtoff for moment in moments]


def _refuse_signal(number, handler):
    # Who has a handler counts on the signal, as an alarm: its default would end all applications of this process.
    if handler != signal.SIG_DFL:
        _disarm(int(number))
    try:
        name = signal.Signals(number).name
    except ValueError:
        # The real-time signals between the first and the last have no names.
        name = f"signal {number}"
    _tell("warning", f"a handler of {name} was refused: signals are the gateway's", _place(sys._getframe(1)))
    return signal.getsignal(number)


def _telling_exit(leave):
    process = os.getpid()

    def _exit(status):
        # Not of a child that an application has forked, whose end is its own.
        if os.getpid() == process:
            place = _place(sys._getframe(1)) or "?"
            _log("exit", f"os._exit({status!r}) ends the process ({place})".encode("utf-8", "backslashreplace"))
        leave(status)

    return _exit


def _report(what, value):
    place = _place(sys._getframe(1))
    if place is None:
        return
    owner, known, its_place = _values.get(what, (importing, value, place))
    if what in _values or len(_values) < MOST:
        _values[what] = (importing, value, place)
    # Values may be secrets, and are not told.
    if known != value and owner not in (None, importing):
        _tell("warning", f"{what} was changed, to another value than {owner} had set at {its_place}", place)
    else:
        _tell("change", f"{what} was changed, for all applications of this process", place)


def _tell(stream, message, place):
    change = (importing or "", message, place or "?")
    if change not in changes and len(changes) < MOST:
        changes[change] = True
        _log(stream, f"{message} ({change[2]})".encode("utf-8", "backslashreplace"))


def _place(frame):
    """The innermost line that is neither the standard library's wrapper nor, as `None`, the host's own doing."""
    while frame and _is_wrapper(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith("_tower_wsgi"):
        return None
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_wrapper(file):
    return file.startswith(("_tower_wsgi_changes", "<frozen ")) or file in _WRAPPERS


_WRAPPERS = {os.__dict__["_Environ"].__setitem__.__code__.co_filename}
if getattr(os, "__file__", None):
    _WRAPPERS |= {os.__file__, os.path.join(os.path.dirname(os.__file__), "locale.py")}
