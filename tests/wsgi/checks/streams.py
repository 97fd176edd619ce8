"""Answers that are made while they are sent."""

import contextlib
import re
import time

from checks import check
from client import Absent, eventually, expect, request


@check("write")
def written_bytes_are_sent_at_once(site):
    piece_before_leave(site, "/write-early", b"early", b" late")


@check("write")
def write_waits_for_the_client(site):
    pressure(site, "/write-endlessly", "written")


def piece_before_leave(site, path, first, last):
    """The first piece arrives before the application can know what comes next."""
    leave = site.leave()
    with site.connect() as connection:
        connection.send(request("GET", site.target(path, until=leave.path)))
        answer = connection.head()
        expect(answer, f"no head, the connection was {connection.end}")
        seen = connection.piece(answer)
        expect(seen == first, f"first came {seen!r}")
        leave.give()
        connection.body(answer)
        expect(answer.body == last and answer.looks_whole(), f"then came {answer.body!r}: {answer}")


def pressure(site, path, word):
    """The application stands still while its client does not read: not all 256 MiB are made."""
    notes = site.notes()
    with site.connect(receive_buffer=65536) as connection:
        connection.send(request("GET", site.target(path, notes=notes.path)))
        notes.wait(word)
        count, still = 0, 0
        while still < 10:
            now = len(notes.lines())
            still = still + 1 if now == count else 0
            count = now
            expect(count * 65536 <= 64 << 20, "64 MiB were made for a client that reads nothing")
            time.sleep(0.1)
    return notes


@check("streaming")
def a_chunk_is_sent_when_it_is_yielded(site):
    piece_before_leave(site, "/step", b"one", b"two")


@check("streaming")
def the_application_waits_for_the_client(site):
    pressure(site, "/flood", "yielded")


@check("streaming")
def chunks_arrive_whole_and_in_order(site):
    answer = site.ask("/counted")
    expect(answer.body == b"0123456789" * 3 and answer.looks_whole(), str(answer))


@check("close")
def closed_once_however_it_ends(site):
    for how in ("normal", "error", "write"):
        closed_once(site, how, lambda notes, how=how: site.ask("/closing", how=how, notes=notes.path))


@check("close")
def closed_after_head(site):
    closed_once(site, "HEAD", lambda notes: site.ask("/closing", method="HEAD", how="normal", notes=notes.path))


@check("close")
def closed_when_the_client_is_gone(site):
    def leave(notes):
        with site.connect() as connection:
            connection.send(request("GET", site.target("/closing", how="endless", notes=notes.path)))
            connection.until(b"x" * 1024)
            connection.reset()

    closed_once(site, "client gone", leave)


def closed_once(site, how, ask):
    notes = site.notes()
    ask(notes)
    closed = eventually(notes.lines)
    expect(closed, f"not closed: {how}")
    site.survives()
    expect(len(notes.lines()) == 1, f"closed {len(notes.lines())} times: {how}")


@check("client-gone")
def a_stream_stops_soon(site):
    notes = site.notes()
    with site.connect() as connection:
        connection.send(request("GET", site.target("/closing", how="endless", notes=notes.path)))
        connection.until(b"x" * 1024)
    notes.wait("closed")


@check("client-gone")
def empty_chunks_notice_it_too(site):
    notes = site.notes()
    with site.connect() as connection:
        connection.send(request("GET", site.target("/empty-for-long", notes=notes.path)))
        connection.is_silent(0.3)
    lines = eventually(notes.lines)
    expect(lines and lines[0].startswith("closed"), f"an application that yields b'' for 8 s: {lines and lines[0]}")


@check("client-gone")
def who_waits_for_it_goes_on(site):
    for path, word in (("/flood", "yielded"), ("/write-endlessly", "written")):
        notes = pressure(site, path, word)
        expect(eventually(lambda notes=notes: "over" in notes.lines()), f"{path} waits on for a client that is gone")


@check("broken-stream")
def never_a_clean_end_on_http_1_1(site):
    broken(site, "1.1")


@check("broken-stream")
def never_a_clean_end_on_http_1_0(site):
    broken(site, "1.0")


def broken(site, version):
    leave = site.leave()
    with site.connect() as connection:
        connection.send(request("GET", site.target("/broken-stream", until=leave.path), version=version))
        answer = connection.head()
        expect(answer and answer.status == 200, "no head before the failure")
        leave.give()
        connection.body(answer)
        expect(not answer.looks_whole(), f"HTTP/{version}: {answer}")


@check("long-streams", site="many")
def others_are_answered_beside_long_streams(site):
    leave, notes = site.leave(), site.notes()
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(site.connect())
            connection.send(request("GET", site.target("/hold", until=leave.path, notes=notes.path)))
        notes.wait("held")
        with site.connect() as connection:
            connection.send(request("GET", site.target("/other/hello")))
            answer = connection.answer()
        leave.give()
        expect(answer.body == b"hello", f"beside 8 streams: {answer}")


CONTENT = b"".join(b"%07d\n" % number for number in range(20_000))


def offered(site):
    """It is optional."""
    if "wsgi.file_wrapper" not in site.environ():
        raise Absent


@check("file-wrapper")
def every_sort_of_file_is_sent(site):
    for how in ("file", "memory", "object"):
        answer = wrapped(site, how=how)
        expect(answer.status == 200 and answer.body == CONTENT, f"{how}: {answer}")


@check("file-wrapper")
def a_file_starts_where_it_stands(site):
    answer = wrapped(site, how="file", start=80_000)
    expect(answer.body == CONTENT[80_000:], str(answer))


@check("file-wrapper")
def a_part_of_a_file(site):
    for how in ("file", "memory"):
        answer = wrapped(site, how=how, start=8000, size=1600)
        expect(answer.status == 206 and answer.body == CONTENT[8000:9600], f"{how}: {answer}")


@check("file-wrapper")
def a_wrapped_file_is_closed(site):
    offered(site)
    notes = site.notes()
    site.ask("/wrapped", how="object", notes=notes.path)
    notes.wait("closed")
    expect(len(notes.lines()) == 1, f"closed {len(notes.lines())} times")


def wrapped(site, **query):
    """On a connection that stays: what is sent beyond the length would be taken for the next answer."""
    offered(site)
    with site.connect() as connection:
        connection.send(request("GET", site.target("/wrapped", file=site.file(), notes=site.file("notes"), **query)))
        answer = connection.answer()
        expect(not re.match(rb"\d{7}\n", connection.buffer), f"more than its length: {connection.buffer[:20]}")
        return answer


@check("thread")
def one_thread_calls_iterates_and_closes(site):
    notes = site.notes()
    site.ask("/threads", notes=notes.path)
    notes.wait("closed")
    threads = {line.split()[1] for line in notes.lines()}
    expect(len(threads) == 1, f"{len(threads)} threads: {notes.lines()}")
