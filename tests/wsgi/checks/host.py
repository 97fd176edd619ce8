"""What a server is to its applications beside HTTP: a log, a process, an end."""

import gzip
import signal

from checks import check
from client import eventually, expect, request


@check("truth")
def flags_that_are_true(site):
    leave, notes = site.leave(), site.notes()
    with site.connect() as one, site.connect() as other:
        for connection in (one, other):
            connection.send(request("GET", site.target("/truth", until=leave.path, notes=notes.path)))
        notes.wait("")
        both = eventually(lambda: len(notes.lines()) == 2)
        leave.give()
        one.answer()
        other.answer()
    told = [line.split() for line in notes.lines()]
    processes = {process for process, *_ in told}
    _, multithread, multiprocess, run_once = told[0]
    is_threaded = bool(both) and len(processes) == 1
    seen = f"two requests at once in one process: {is_threaded}, multithread: {multithread}"
    expect(multithread == str(is_threaded), seen)
    expect(multiprocess == str(len(processes) > 1), f"{len(processes)} process, multiprocess: {multiprocess}")
    expect(run_once == "False", f"run_once: {run_once}")


@check("errors")
def what_is_written_is_logged(site):
    token = site.token()
    site.ask("/log", token=token)
    lines = ("by write", "by writelines 1", "by writelines 2", "flushed", "by print", "on stdout", "on stderr")
    site.logs(*(f"{token} {line}" for line in lines))


@check("errors")
def any_text_can_be_written(site):
    token = site.token()
    answer = site.ask("/odd-log", token=token)
    expect(answer.status == 200, f"{answer.status}: not every text can be printed")
    site.logs(f"{token} after all")


@check("import", site="broken")
def an_application_that_does_not_import_stops_the_start(site):
    expect(eventually(lambda: site.process.code() is not None, 30), "it serves, or seems to, without an application")
    expect(site.process.code() != 0, "it ended as if all were well")
    site.logs("Traceback", "the module named broken does not import", "broken")


@check("survival", site="ill")
def signals_and_threads(site):
    leave, notes = site.leave(), site.notes()
    expect(site.ask("/signals").status in (200, 500), "no answer")
    answer = site.ask("/starts-thread", until=leave.path, notes=notes.path)
    expect(answer.body == b"started", str(answer))
    leave.give()
    notes.wait("the thread has run")
    site.survives()


@check("survival", site="ending")
def functions_for_the_exit_run(site):
    site.survives()
    site.process.signal(signal.SIGTERM)
    expect(eventually(lambda: site.process.code() is not None, 30), "SIGTERM did not end it within 30 s")
    site.logs("the function for the exit has run")


@check("transforms", site="layers")
def a_compressed_answer_has_a_head_of_its_own(site):
    compressed(site.ask("/compressible", headers=["Accept-Encoding: gzip"]))


@check("transforms", site="layers")
def a_file_is_compressed_as_well(site):
    compressed(site.ask("/compressible", headers=["Accept-Encoding: gzip"], how="file", file=site.file()))


def compressed(answer):
    expect(answer.header("Content-Encoding") == b"gzip", f"not compressed: {answer.headers}")
    expect(answer.looks_whole() and answer.length() in (None, len(answer.body)), str(answer))
    expect(gzip.decompress(answer.body) == b"all work and no play " * 500, "it is another text")
    expect(answer.header("ETag") != b'"one"', "the strong ETag of the plain answer")
    expect(b"accept-encoding" in (answer.header("Vary") or b"").lower(), f"Vary: {answer.header('Vary')}")
    expect(answer.header("Accept-Ranges") in (None, b"none"), "ranges of what is compressed")


@check("transforms", site="layers")
def what_has_no_body_of_its_own_is_left_alone(site):
    accept = ["Accept-Encoding: gzip"]
    part = site.ask("/compressible", headers=accept, how="206")
    expect(part.header("Content-Encoding") is None and len(part.body) == 5000, f"206: {part.headers}")
    unchanged = site.ask("/compressible", headers=accept, how="304")
    expect(unchanged.status == 304 and unchanged.header("Content-Encoding") is None, f"304: {unchanged.headers}")
    head = site.ask("/compressible", headers=accept, method="HEAD")
    expect(head.status == 200 and head.length() in (None, 10_500), f"HEAD: {head.headers}")
