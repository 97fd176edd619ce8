"""The request's body: wsgi.input, lengths, chunks, limits."""

import hashlib
import json

from checks import check
from client import chunked, eventually, expect, request

BODY = b"one\ntwo\n\nlast line"
READ = {
    "read": ["one\ntwo\n\nlast line", "", ""],
    "read(-1)": ["one\ntwo\n\nlast line", ""],
    "read(n)": ["", "one\n", "two\n\nlast line", ""],
    "readline": ["one\n", "two\n", "\n", "last line"],
    "readline(n)": ["on", "e\n", "two\n", "\n"],
    "readlines": ["one\n", "two\n", "\n", "last line", ""],
    "readlines(hint)": ["one\n", "two\n", "\n", "last line", ""],
    "iteration": ["one\n", "two\n", "\n", "last line", ""],
}


def reads(site, headers, sent):
    for how, wanted in READ.items():
        # The connection stays open: who reads past the end of the body would wait.
        with site.connect() as connection:
            connection.send(request("POST", site.target("/read", how=how), headers, sent))
            answer = connection.answer()
            expect(answer.status == 200, f"{how}: {answer}")
            expect(json.loads(answer.body) == wanted, f"{how}: {answer.body.decode()}")


@check("input")
def every_way_to_read_ends_with_the_body(site):
    reads(site, [], BODY)


@check("input")
def no_body_ends_at_once(site):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/read", how="read")))
        expect(connection.answer().body == b'["", "", ""]', "a body where there is none")


@check("input")
def the_end_is_promised(site):
    expect(site.environ().get("wsgi.input_terminated") is True, "no wsgi.input_terminated")


@check("input")
def bodies_of_every_size(site):
    for size in (1, 8192, 65536, 65537, 1_000_000):
        arrives(site, bytes_of(size), [], bytes_of(size))


def bytes_of(count):
    return bytes(number * 31 % 251 for number in range(count))


def arrives(site, body, headers, sent):
    answer = site.ask("/digest", method="POST", headers=headers, body=sent)
    expect(answer.status == 200, f"{len(body)} bytes: {answer}")
    told = json.loads(answer.body)
    expect(told["size"] == len(body), f"{told['size']} of {len(body)} bytes")
    expect(told["hash"] == hashlib.sha256(body).hexdigest(), f"{len(body)} bytes arrived as others")
    return told


CHUNKED = ["Transfer-Encoding: chunked"]


@check("chunked")
def chunks_are_put_together(site):
    for size in (10, 5000, 200_000):
        arrives(site, bytes_of(size), CHUNKED, chunked(bytes_of(size)))


@check("chunked")
def its_end_is_known(site):
    told = arrives(site, b"hello", CHUNKED, chunked(b"hello", 2))
    expect(told["length"] == "5" or told["terminated"], "neither CONTENT_LENGTH nor wsgi.input_terminated")
    expect(told["transfer-encoding"] is None, "HTTP_TRANSFER_ENCODING says what is no longer so")


@check("chunked")
def every_way_to_read_chunks(site):
    reads(site, CHUNKED, chunked(BODY, 5))


@check("truncated-upload")
def a_short_body_is_not_a_whole_one(site):
    truncated(site, ["Content-Length: 20"], b"hello")


@check("truncated-upload")
def a_long_body_is_not_a_whole_one(site):
    truncated(site, ["Content-Length: 300000"], b"x" * 200_000)


@check("truncated-upload")
def chunks_that_break_off(site):
    truncated(site, CHUNKED, b"5\r\nhello\r\n64\r\nand")


def truncated(site, headers, sent):
    """Reading raises, or the application is not called at all; nothing looks like the end."""
    notes = site.notes()
    with site.connect() as connection:
        connection.send(request("POST", site.target("/truncated", notes=notes.path), headers, sent))
        eventually(notes.lines, 0.5)
    site.survives()
    if eventually(notes.lines, 0.5):
        lines = eventually(lambda: notes.lines()[1:])
        expect(lines, "the application reads for ever")
        expect(lines[0].startswith("raised"), f"read() {lines[0]} of {len(sent)} bytes, without an error")


@check("unread-body")
def an_unread_body_is_not_the_next_request(site):
    for size in (0, 70_000, 3_000_000):
        notes = site.notes()
        body = request("GET", site.target("/smuggled", notes=notes.path)) + b"x" * size
        with site.connect() as connection:
            both = request("POST", site.target("/unread"), [], body) + request("GET", site.target("/hello"))
            if not connection.send(both):
                continue
            connection.answer()
            head = connection.head()
            if head:
                expect(connection.body(head).body == b"hello", f"the next answer is of another request: {head}")
        expect(not notes.lines(), "the body was taken for a request")


EXPECT = ["Expect: 100-continue", "Content-Length: 5"]


@check("continue")
def told_to_go_on_when_it_is_read(site):
    leave, notes = site.leave(), site.notes()
    with site.connect() as connection:
        connection.send(request("POST", site.target("/read-later", until=leave.path, notes=notes.path), EXPECT))
        called = eventually(notes.lines)
        early = not connection.is_silent(0.3)
        leave.give()
        head = connection.head()
        expect(head and head.status == 100, f"no 100 but {head.status if head else connection.end}")
        connection.send(b"hello")
        answer = connection.answer()
        expect(answer.body == b"5", str(answer))
        expect(called and not early, "100 came before the application read")


@check("continue")
def not_told_to_go_on_where_nobody_reads(site):
    with site.connect() as connection:
        connection.send(request("POST", site.target("/unread"), EXPECT))
        head = connection.head()
        expect(head and head.status == 200, f"{head.status if head else connection.end} came first")


@check("upload-size", site="limited")
def a_length_over_the_limit(site):
    too_large(site, ["Content-Length: 2000000"], b"")


@check("upload-size", site="limited")
def chunks_over_the_limit(site):
    too_large(site, CHUNKED, chunked(b"x" * 2_000_000, 50_000))


def too_large(site, headers, sent):
    """The server is set to a limit of 1 MiB."""
    notes = site.notes()
    with site.connect() as connection:
        connection.send(request("POST", site.target("/digest", notes=notes.path), headers, sent))
        answer = connection.head()
        status = answer.status if answer else f"no answer, {connection.end}"
    expect(not any(line.startswith("read") for line in notes.lines()), "the application read it all")
    expect(status == 413, f"{status}")
