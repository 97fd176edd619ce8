"""Applications that should not be, and the outcome that each has."""

from checks import check
from checks.answers import is_clean_500
from client import eventually, expect, request


@check("returns-none", site="ill")
def none_is_no_answer(site):
    is_clean_500(site.ask("/no-iterable"))
    site.survives()


@check("returns-text", site="ill")
def text_is_no_answer(site):
    for how in ("string", "chunk", "number", "late"):
        is_clean_500(site.ask("/texts", how=how))
    site.survives()


@check("no-start", site="ill")
def no_start_is_no_answer(site):
    for how in ("whole", "empty", "stream"):
        is_clean_500(site.ask("/no-start", how=how))
    site.survives()


@check("wrong-head", site="ill")
def what_is_no_head_is_refused(site):
    for how in ("None", "bytes", "number", "three", "status"):
        answer = site.ask("/wrong-head", how=how)
        expect(answer.status == 500, f"{how}: {answer.status}")
    site.survives()


@check("raising", site="ill")
def raising_before_the_answer(site):
    for how in ("call", "started", "iter", "next"):
        is_clean_500(site.ask("/raising", how=how))
    site.logs("LookupError: in the call", "LookupError: in the first __next__")
    site.survives()


@check("raising", site="ill")
def raising_in_close(site):
    answer = site.ask("/raising", how="close")
    expect(answer.status == 200 and answer.body == b"wholewhole", str(answer))
    site.logs("LookupError: in close")
    site.survives()


@check("leaving", site="ill")
def sys_exit_is_a_failure(site):
    for how in ("exit", "interrupt", "generator", "base"):
        is_clean_500(site.ask("/leaving", how=how))
        site.survives()


@check("leaving", site="ill")
def sys_exit_in_mid_stream(site):
    answer = site.ask("/leaving", how="stream")
    expect(not answer.looks_whole(), str(answer))
    site.survives()


@check("os-exit", site="ill")
def a_process_that_ends_is_replaced(site):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/leaving", how="_exit")))
        answer = connection.head()
        expect(answer is None or answer.status >= 500, f"{answer and answer.status}")
    expect(eventually(lambda: answers(site)), "nothing answers any more")


def answers(site):
    try:
        return site.ask("/hello").body == b"hello"
    except Exception:
        return False


@check("forking", site="ill")
def a_forked_child_is_no_second_server(site):
    for how in ("exit", "sys.exit", "raise", "return"):
        notes = site.notes()
        with site.connect() as connection:
            connection.send(request("GET", site.target("/forking", how=how, notes=notes.path)))
            answer = connection.answer()
            expect(answer.body == b"parent", f"{how}: {answer}, {answer.body[:20]}")
            expect(b"child" not in connection.buffer, f"{how}: a second answer, of the child")
        expect(notes.lines() in (["child"], ["refused"]), f"{how}: {notes.lines()[1:]}")
        site.survives()


@check("recursion", site="ill")
def recursion_without_end_is_a_failure(site):
    for how in ("Python", "C"):
        is_clean_500(site.ask("/recursing", how=how))
        site.survives()


@check("printing", site="ill")
def printing_without_end_fills_no_memory(site):
    site.survives()
    before = site.process.memory()
    for to, how in (("errors", "line"), ("stdout", "line"), ("stdout", "lines")):
        notes = site.notes()
        with site.connect() as connection:
            connection.socket.settimeout(60)
            connection.send(request("GET", site.target("/printing", size=64, to=to, how=how, notes=notes.path)))
            answer = connection.answer()
            expect(answer.body == b"printed", str(answer))
        grown = (site.process.memory() - before) >> 20
        expect(grown < 48, f"64 MiB printed ({how} to {to}), {grown} MiB kept")


@check("blocking", site="impatient")
def one_that_blocks_for_too_long_is_given_up(site):
    for _ in range(6):  # more than there are threads
        notes = site.notes()
        answer = site.ask("/blocking", notes=notes.path, patience=30)
        expect(answer.status in site.server.too_slow and answer.looks_whole(), str(answer))
        expect(notes.lines(), "the application was not even called")
    site.survives()


@check("blocking", site="stuck")
def one_that_blocks_for_ever_holds_up_nobody_else(site):
    notes = site.notes()
    with site.connect() as connection:
        connection.send(request("GET", site.target("/blocking", notes=notes.path)))
        notes.wait("blocked")
        for _ in range(20):
            with site.connect() as other:
                other.send(request("GET", site.target("/hello"), ["Connection: close"]))
                expect(other.answer().body == b"hello", "another request failed")
