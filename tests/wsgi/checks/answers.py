"""Heads and whole answers: start_response, statuses, headers, lengths."""

from checks import check
from client import expect, request


def is_clean_500(answer):
    expect(answer.status == 500 and answer.looks_whole(), str(answer))


@check("late-start")
def start_response_in_the_first_iteration(site):
    answer = site.ask("/late-start")
    expect((answer.status, answer.header("X-Late"), answer.body) == (201, b"yes", b"one two"), str(answer))


@check("late-start")
def failure_in_the_first_iteration(site):
    is_clean_500(site.ask("/late-failure"))


@check("empty-chunks")
def failure_after_empty_chunks(site):
    is_clean_500(site.ask("/empty-then-failure"))


@check("empty-chunks")
def other_head_after_an_empty_chunk(site):
    answer = site.ask("/empty-then-other-head")
    expect((answer.status, answer.header("X-First"), answer.body) == (503, None, b"other"), str(answer))


@check("empty-chunks")
def empty_chunks_do_not_end_the_answer(site):
    answer = site.ask("/empty-between")
    expect(answer.looks_whole() and answer.body == b"one two", str(answer))


@check("start-twice")
def second_start_without_exc_info(site):
    answer = site.ask("/start-twice")
    expect(answer.body.startswith(b"refused"), f"the second start_response was {answer.body.decode()}")


@check("start-twice")
def second_start_with_exc_info(site):
    answer = site.ask("/start-again")
    seen = (answer.status, answer.reason, answer.header("X-First"), answer.header("X-Second"))
    expect(seen == (500, b"Replaced", None, b"yes"), f"{seen}")


@check("start-twice")
def second_start_after_the_head(site):
    notes = site.notes()
    answer = site.ask("/start-too-late", notes=notes.path)
    told = notes.wait("")
    expect(told == "the same", f"exc_info after the head was {told}")
    expect(not answer.looks_whole(), f"an answer that failed: {answer}")


@check("start-twice")
def exc_info_is_let_go(site):
    site.ask("/start-holding")
    expect(site.ask("/still-held").body == b"gone", "the traceback is kept after the request")


@check("write")
def written_before_yielded(site):
    answer = site.ask("/write")
    expect(answer.looks_whole() and answer.body == b"written twice then yielded", f"{answer}: {answer.body[:40]}")


@check("content-length")
def never_more_than_promised(site):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/length", length=5, more="HTTP/1.1 200 Evil\r\n\r\n")))
        answer = connection.answer()
        expect(answer.body == b"hello", f"{answer.body}")
        connection.send(request("GET", site.target("/hello")))
        connection.more()
        is_next = not connection.buffer or connection.buffer.startswith(b"HTTP/1.1 200 OK")
        expect(is_next, f"then came {connection.buffer[:30]}")


@check("content-length")
def less_than_promised(site):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/length", length=10)))
        answer = connection.answer()
        expect(not answer.whole and connection.end, str(answer))


@check("content-length")
def a_length_that_is_none(site):
    for value in ("five", "-5", "5, 6", "0x5", "", "9" * 30):
        with site.connect() as connection:
            connection.send(request("GET", site.target("/length", length=value)))
            answer = connection.head()
            expect(answer and answer.status == 500, f"{value!r}: {answer.status if answer else connection.end}")


@check("framing")
def one_chunk_has_its_length(site):
    answer = site.ask("/hello")
    how = "chunked" if answer.is_chunked() else "ended by the connection"
    expect(answer.length() == 5, f"no Content-Length, but {how}")


@check("framing")
def no_length_on_http_1_1(site):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/stream")))
        answer = connection.answer()
        expect(answer.body == b"one two", str(answer))
        # A gateway may have had all of it before it began to answer.
        is_framed = answer.is_chunked() or answer.header("Content-Length") == b"7"
        expect(is_framed, "not chunked: a whole answer cannot be told from one that is cut off")


@check("framing")
def no_length_on_http_1_0(site):
    answer = site.ask("/stream", version="1.0")
    expect(not answer.is_chunked() and answer.body == b"one two", f"{answer}" + (", chunked" if answer.is_chunked() else ""))
    expect(answer.end == "closed" or answer.whole, str(answer))


@check("framing")
def nothing_is_an_answer(site):
    answer = site.ask("/nothing")
    expect(answer.status == 200 and answer.looks_whole() and not answer.body, str(answer))


def after(site, connection):
    """The next request on a connection is answered properly, or the connection was closed."""
    if connection.send(request("GET", site.target("/hello"))):
        head = connection.head()
        expect(head is None or connection.body(head).body == b"hello", "the next answer begins in the wrong place")
    expect(not connection.buffer, f"left over: {connection.buffer[:30]}")


@check("head")
def head_runs_the_application(site):
    with site.connect() as connection:
        connection.send(request("HEAD", site.target("/whole")))
        answer = connection.answer("HEAD")
        expect(answer.header("X-Method") == b"HEAD", f"the application saw {answer.header('X-Method')}")
        expect(answer.length() == 5, f"Content-Length {answer.length()}")
        after(site, connection)


@check("head")
def head_of_a_stream(site):
    with site.connect() as connection:
        connection.send(request("HEAD", site.target("/stream")))
        answer = connection.answer("HEAD")
        expect(answer.status == 200 and answer.length() in (None, 7), str(answer.headers))
        after(site, connection)


def without_a_body(site, **query):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/status", **query)))
        answer = connection.answer()
        after(site, connection)
        return answer


@check("bodiless")
def no_content(site):
    answer = without_a_body(site, status="204 No Content", name="Content-Length", value="5")
    expect(answer.status == 204 and answer.length() is None, f"204 with Content-Length {answer.length()}")
    answer = without_a_body(site, status="204 No Content")
    expect(answer.status == 204 and not answer.is_chunked(), "204 that is chunked")


@check("bodiless")
def not_modified(site):
    answer = without_a_body(site, status="304 Not Modified", name="ETag", value='"a"')
    expect((answer.status, answer.header("ETag")) == (304, b'"a"') and not answer.is_chunked(), str(answer.headers))
    without_a_body(site, status="304 Not Modified", name="Content-Length", value="5")


@check("bodiless")
def no_informational_status(site):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/status", status="103 Early Hints")))
        answer = connection.head()
        expect(answer and answer.status >= 200, f"it was sent: {answer.status if answer else connection.end}")


@check("hop-by-hop")
def headers_of_the_connection(site):
    for header in ("Transfer-Encoding: gzip", "Upgrade: nonsense", "Connection: x-nonsense", "Keep-Alive: max=7"):
        name, value = header.split(": ")
        with site.connect() as connection:
            connection.send(request("GET", site.target("/status", status="200 OK", name=name, value=value)))
            answer = connection.head()
            sent = answer is None or value.encode() in b",".join(answer.all(name))
            expect(not sent, f"{name}: {value} was {'sent' if answer else 'followed by nothing'}")


@check("status-line")
def the_reason_is_kept(site):
    answer = site.ask("/status", status="218 Fine, thanks")
    expect((answer.status, answer.reason) == (218, b"Fine, thanks"), f"{answer.status} {answer.reason}")


@check("status-line")
def a_status_that_is_none(site):
    for status in ("OK", "number", "20 OK", "2000 OK", "abc OK", ""):
        with site.connect() as connection:
            connection.send(request("GET", site.target("/status", status=status)))
            answer = connection.head()
            expect(answer and answer.status == 500, f"{status!r}: {answer.status if answer else connection.end}")


@check("status-line")
def a_status_that_splits(site):
    splits(site, status="200 OK\r\nX-Evil: 1")
    splits(site, status="200 OK\nX-Evil: 1")


def splits(site, **query):
    with site.connect() as connection:
        connection.send(request("GET", site.target("/status", **query)))
        answer = connection.head()
        text = b"" if answer is None else b"\n".join(name + b":" + value for name, value in answer.headers)
        expect(answer is None or b"evil" not in text.lower(), f"{query} was sent")
        expect(answer and answer.status == 500, f"{query}: {answer.status if answer else connection.end}")


@check("header-values")
def values_are_latin_1_in_answers(site):
    answer = site.ask("/status", status="200 OK", name="X-Place", value="caf\xe9 \xff")
    expect(answer.header("X-Place") == b"caf\xe9 \xff", f"{answer.status}, {answer.header('X-Place')}")


@check("header-values")
def values_are_latin_1_in_requests(site):
    environ = site.environ(headers=["X-Place: caf\xe9 \xff"])
    expect(environ.get("HTTP_X_PLACE") == "caf\xe9 \xff", repr(environ.get("HTTP_X_PLACE")))


@check("header-values")
def values_that_split_are_refused(site):
    for value in ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1"):
        splits(site, status="200 OK", name="X-A", value=value)
    splits(site, status="200 OK", name="X-A\r\nX-Evil", value="1")


@check("header-values")
def values_that_are_no_text_are_refused(site):
    for value in ("a\0b", "\u20ac"):
        with site.connect() as connection:
            connection.send(request("GET", site.target("/status", status="200 OK", name="X-A", value=value)))
            answer = connection.head()
            expect(answer and answer.status == 500, f"{value!r}: {answer.status if answer else connection.end}")


@check("repeated-headers")
def each_cookie_is_set_apart(site):
    values = site.ask("/cookies").all("Set-Cookie")
    expect(values == [b"b=1", b"a=2", b"c=3"], str(values))


@check("repeated-headers")
def headers_that_come_twice(site):
    environ = site.environ(headers=["X-A: 1", "Cookie: a=1", "X-A: 2", "Cookie: b=2"])
    expect(environ["HTTP_X_A"].replace(" ", "") == "1,2", f"X-A: {environ['HTTP_X_A']}")
    expect(environ["HTTP_COOKIE"] == "a=1; b=2", f"Cookie: {environ['HTTP_COOKIE']}")
