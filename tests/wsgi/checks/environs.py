"""What the environ says of a request's headers, its connection and its server."""

from checks import check
from client import expect, request


@check("underscores")
def a_name_with_an_underscore_is_no_header(site):
    environ = site.environ(headers=["X_Token: made up"])
    expect("HTTP_X_TOKEN" not in environ, f"X_Token became HTTP_X_TOKEN: {environ.get('HTTP_X_TOKEN')}")


@check("underscores")
def an_underscore_does_not_replace_a_dash(site):
    for headers in (["X-Token: real", "X_Token: made up"], ["X_Token: made up", "X-Token: real"]):
        token = site.environ(headers=headers).get("HTTP_X_TOKEN")
        expect(token == "real", f"{', '.join(headers)}: {token}")


@check("httpoxy")
def a_proxy_header_is_no_setting(site):
    environ = site.environ(headers=["Proxy: http://evil.example"])
    expect("HTTP_PROXY" not in environ, f"HTTP_PROXY={environ.get('HTTP_PROXY')}")


@check("content-headers")
def no_twins_of_content_headers(site):
    environ = site.environ(method="POST", headers=["Content-Type: text/x-test"], body=b"hello")
    seen = (environ.get("CONTENT_TYPE"), environ.get("CONTENT_LENGTH"))
    expect(seen == ("text/x-test", "5"), str(seen))
    twins = [name for name in environ if name.startswith("HTTP_CONTENT_")]
    expect(not twins, f"{', '.join(twins)}")


@check("content-headers")
def no_content_has_no_headers(site):
    environ = site.environ()
    seen = (environ.get("CONTENT_TYPE") or "", environ.get("CONTENT_LENGTH") or "")
    expect(seen == ("", ""), f"without a body: {seen}")


@check("query")
def the_query_is_raw_and_always_there(site):
    for query in ("a=%20b&c=+d&%C3%A9=%zz", "?a?=/b;c", ""):
        seen = site.environ(f"/environ?{query}").get("QUERY_STRING")
        expect(seen == query, f"?{query}: {seen!r}")
    seen = site.environ("/environ").get("QUERY_STRING")
    expect(seen == "", f"without a query: {seen!r}")


@check("server-name", site="unix")
def a_unix_socket_has_a_name_and_a_port(site):
    for version, host in (("1.1", "shop.example:8080"), ("1.0", None)):
        with site.connect() as connection:
            connection.send(request("GET", "/environ", ["Connection: close"], version=version, host=host))
            environ = site.parsed(connection.answer())
        name, port = environ.get("SERVER_NAME"), environ.get("SERVER_PORT")
        expect(name and port and str(port).isdigit(), f"with Host {host}: SERVER_NAME={name!r}, SERVER_PORT={port!r}")


@check("remote-addr")
def the_bare_address_of_who_connects(site):
    environ = site.environ(headers=["X-Forwarded-For: 203.0.113.7"])
    expect(environ.get("REMOTE_ADDR") == "127.0.0.1", f"REMOTE_ADDR={environ.get('REMOTE_ADDR')!r}")


@check("remote-addr", site="behind")
def the_client_behind_a_trusted_front(site):
    environ = site.environ(headers=["X-Forwarded-For: 198.51.100.1, 203.0.113.7"])
    expect(environ.get("REMOTE_ADDR") == "203.0.113.7", f"REMOTE_ADDR={environ.get('REMOTE_ADDR')!r}")


@check("remote-addr", site="unix")
def a_unix_peer_has_no_address(site):
    environ = site.environ()
    expect(not environ.get("REMOTE_ADDR"), f"REMOTE_ADDR={environ.get('REMOTE_ADDR')!r}")


@check("scheme")
def a_scheme_that_anybody_tells_is_not_believed(site):
    lies = ["X-Forwarded-Proto: https", "X-Forwarded-Protocol: ssl", "X-Forwarded-Ssl: on", "Forwarded: proto=https"]
    for lie in lies:
        environ = site.environ(headers=[lie])
        expect(environ["wsgi.url_scheme"] == "http", f"{lie}: {environ['wsgi.url_scheme']}")


@check("scheme", site="behind")
def a_trusted_front_tells_the_scheme(site):
    environ = site.environ(headers=["X-Forwarded-Proto: https"])
    expect(environ["wsgi.url_scheme"] == "https", environ["wsgi.url_scheme"])


@check("environ")
def a_real_dict_of_native_strings(site):
    environ = site.environ()
    expect(environ["type of the environ"] == "dict", environ["type of the environ"])
    expect(environ["types of the keys and texts"] == ["str"], str(environ["types of the keys and texts"]))
    odd = [name for name, value in environ.items() if name.isupper() and not isinstance(value, str)]
    expect(not odd, f"no strings: {odd}")
    missing = [name for name in NEEDED if name not in environ]
    expect(not missing, f"missing: {missing}")
    expect(environ["wsgi.version"] == [1, 0], str(environ["wsgi.version"]))


NEEDED = (
    "REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING SERVER_NAME SERVER_PORT SERVER_PROTOCOL wsgi.version wsgi.url_scheme"
    " wsgi.input wsgi.errors wsgi.multithread wsgi.multiprocess wsgi.run_once"
).split()


@check("environ")
def each_request_has_its_own(site):
    for _ in range(3):
        seen = site.ask("/marked").body
        expect(seen == b"none", f"a change of the environ was {seen.decode()}")


@check("environ")
def an_environ_may_outlive_its_request(site):
    site.ask("/keep", headers=["X-Token: first"])
    for _ in range(3):
        site.environ(headers=["X-Token: second"])
    answer = site.ask("/kept")
    expect(answer.body == b"/keep first False", f"it has become: {answer}, {answer.body[:60].decode()}")


@check("environ")
def no_secrets_of_the_process(site):
    environ = site.environ()
    expect("DATABASE_PASSWORD" not in environ, "the environment of the process is in the environ")
