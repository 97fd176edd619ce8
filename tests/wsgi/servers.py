"""How each server is started: with its defaults, one process, four threads where it has threads, and what a check is about.

A kind of site is what a check asks for:
    plain, ill, stuck, ending   the applications at the root, nobody trusted; several, so that a check that does harm
                                does it to no other
    many       the same with a second application at /other, where a server can have two
    mounted    at /app                  nested     at /outer/inner
    unix       on a unix socket         behind     behind a trusted front server at 127.0.0.1
    limited    bodies up to 1 MiB       layers     answers are compressed
    broken     an application that cannot be imported
    impatient  no request may take longer than 2 s
"""

import os
import shutil
import sys

PREFIXES = {"mounted": "/app", "nested": "/outer/inner"}
NOBODY = "192.0.2.1"  # an address that asks nothing


class Server:
    """A server: its `command` of a kind of site, `None` for what it cannot be, and its variables of the environment."""

    title = name = ""
    prefix_header = None  # by which a trusted front server tells SCRIPT_NAME
    never_logged = None  # a word that no application can bring it to say
    too_slow = (500, 504)  # what it may answer in place of an application

    def command(self, kind, place):
        raise NotImplementedError

    def environment(self, kind):
        return {}


def target(kind):
    return "broken:application" if kind == "broken" else "fixtures:application"


def peer(program):
    """The path of a program in the virtualenv of the peers."""
    return os.path.join(os.environ["PEERS"], program)


class Vestibule(Server):
    name, title = "vestibule", "Vestibule"
    prefix_header = "X-Forwarded-Prefix"
    never_logged = "panicked"
    too_slow = (504,)
    isolation = "shared"

    def command(self, kind, place):
        listen = f"unix:{place.socket}" if kind == "unix" else place.address
        settings = [f'app: "{target(kind)}"', f'path: "{place.apps}"', f"isolation: {self.isolation}"]
        if kind == "impatient":
            settings.append("timeout: 2s")
        app = f"wsgi: {{ {', '.join(settings)} }}"
        routes = {
            "mounted": f"{{ mount: /app, {app} }}",
            "nested": f"{{ mount: /outer, routes: [ {{ mount: /inner, {app} }} ] }}",
            "many": f"{{ mount: /other, {app} }}, {{ {app} }}",
        }.get(kind, f"{{ {app} }}")
        more = {
            "behind": "trust: { peers: [127.0.0.1], headers: [for, proto, prefix] }",
            "limited": "layers: [ { body_limit: { max: 1MiB } } ]",
            "layers": "layers: [ compress ]",
        }.get(kind, "")
        python = os.environ.get("VESTIBULE_TEST_VENV") or sys.executable
        yaml = f'listen: ["{listen}"]\npython: "{python}"\n{more}\nroutes: [ {routes} ]\n'
        return [os.environ["VESTIBULE"], "run", place.write("vestibule.yaml", yaml)]


class VestibuleInterpreter(Vestibule):
    """Each application in an interpreter of its own: needs Python 3.13."""

    name, title = "vestibule-interpreter", "Vestibule, interpreter"
    isolation = "interpreter"


class VestibuleProcess(Vestibule):
    """Each application in a process of its own, to which the gateway speaks FastCGI."""

    name, title = "vestibule-process", "Vestibule, process"
    isolation = "process"


class Gunicorn(Server):
    name, title = "gunicorn", "gunicorn sync"
    prefix_header = "SCRIPT_NAME"
    worker = ["--worker-class", "sync"]

    def command(self, kind, place):
        if kind == "layers":
            return None
        bind = f"unix:{place.socket}" if kind == "unix" else place.address
        trusted = "127.0.0.1" if kind == "behind" else NOBODY
        options = [*self.worker, "--forwarded-allow-ips", trusted, *(["--timeout", "2"] if kind == "impatient" else [])]
        return [peer("gunicorn"), "--bind", bind, *options, target(kind)]

    def environment(self, kind):
        return {"SCRIPT_NAME": PREFIXES[kind]} if kind in PREFIXES else {}


class GunicornThreads(Gunicorn):
    name, title = "gunicorn-gthread", "gunicorn gthread"
    worker = ["--worker-class", "gthread", "--threads", "4"]


class Uwsgi(Server):
    name, title = "uwsgi", "uWSGI http"
    listen = ["--http"]

    def command(self, kind, place):
        if kind == "layers":
            return None
        at = PREFIXES.get(kind)
        app = ["--manage-script-name", "--mount", f"{at}={target(kind)}"] if at else ["--module", target(kind)]
        limit = {"limited": ["--limit-post", "1048576"], "impatient": ["--harakiri", "2"]}.get(kind, [])
        address = place.socket if kind == "unix" else place.address
        fixed = ["--master", "--need-app", "--die-on-term", "--threads", "4", "--pythonpath", str(place.apps)]
        return [peer("uwsgi"), *fixed, *self.listen, address, *limit, *app]


class UwsgiSocket(Uwsgi):
    name, title = "uwsgi-http-socket", "uWSGI http-socket"
    listen = ["--http-socket"]


class Waitress(Server):
    name, title = "waitress", "waitress"

    def command(self, kind, place):
        if kind in ("layers", "impatient"):
            return None
        listen = f"--unix-socket={place.socket}" if kind == "unix" else f"--listen={place.address}"
        options = {
            "mounted": ["--url-prefix=/app"],
            "nested": ["--url-prefix=/outer/inner"],
            "limited": ["--max-request-body-size=1048576"],
            "behind": ["--trusted-proxy=127.0.0.1", "--trusted-proxy-headers=x-forwarded-for x-forwarded-proto"],
        }.get(kind, [])
        return [peer("waitress-serve"), listen, "--threads=4", *options, target(kind)]


class Granian(Server):
    name, title = "granian", "Granian"

    def command(self, kind, place):
        if kind in ("layers", "impatient"):
            return None
        listen = ["--uds", place.socket] if kind == "unix" else ["--host", "127.0.0.1", "--port", str(place.port)]
        prefix = ["--url-path-prefix", PREFIXES[kind]] if kind in PREFIXES else []
        fixed = ["--interface", "wsgi", "--blocking-threads", "4", "--respawn-failed-workers"]
        return [peer("granian"), *fixed, *listen, *prefix, target(kind)]


class ModWsgi(Server):
    name, title = "mod_wsgi", "mod_wsgi"
    prefix_header = "X-Script-Name"

    def command(self, kind, place):
        if kind == "unix":
            return None
        module, attribute = target(kind).split(":")
        script = place.write("site.wsgi", f"from {module} import {attribute}\n")
        at = PREFIXES.get(kind, "/")
        others = ["WSGIDaemonProcess other " + self.daemon(place), f"WSGIScriptAlias /other {script} {group('other')}"]
        lines = [
            f"ServerRoot {place.folder}",
            f"DefaultRuntimeDir {place.folder}",
            f"PidFile {place.folder}/pid",
            f"ErrorLog {place.log}",
            f"Listen {place.address}",
            "ServerName test.example",
            *[f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in self.modules(kind)],
            *(["User www-data", "Group www-data"] if os.geteuid() == 0 else []),
            "MergeSlashes Off",
            "AllowEncodedSlashes On",
            "WSGIChunkedRequest On",
            f"WSGISocketPrefix {place.folder}/wsgi",
            "WSGIDaemonProcess site " + self.daemon(place) + (" request-timeout=2" if kind == "impatient" else ""),
            *(others if kind == "many" else []),
            f"WSGIScriptAlias {at} {script} {group('site')}",
            f"<Directory {place.folder}>\nRequire all granted\n</Directory>",
            *{
                "behind": [
                    "WSGITrustedProxies 127.0.0.1",
                    "WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto X-Script-Name",
                ],
                "limited": ["LimitRequestBody 1048576"],
                "layers": ["AddOutputFilterByType DEFLATE text/html"],
            }.get(kind, []),
        ]
        program = shutil.which("apache2") or "/usr/sbin/apache2"
        return [program, "-D", "FOREGROUND", "-f", place.write("apache.conf", "\n".join(lines) + "\n")]

    @staticmethod
    def daemon(place):
        return f"threads=4 python-path={place.apps} lang=C.UTF-8 locale=C.UTF-8"

    @staticmethod
    def modules(kind):
        return ["mpm_event", "authz_core", "wsgi", *(["filter", "deflate"] if kind == "layers" else [])]


def group(name):
    return f"process-group={name} application-group=%{{GLOBAL}}"


# The columns of the tables; what comes after them runs where it is asked for by name.
SERVERS = [Vestibule(), VestibuleProcess(), Gunicorn(), GunicornThreads(), Uwsgi(), UwsgiSocket(), Waitress(), Granian(), ModWsgi()]
OTHERS = [VestibuleInterpreter()]
