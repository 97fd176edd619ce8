"""Falcon: routes, generated URLs, a form with a file, a stream, a view that raises."""

import falcon


class Hello:
    def on_get(self, request, response, name):
        response.text = f"hello {name}, {request.get_param('from')}; {request.root_path}/upload"


class Old:
    def on_get(self, request, response):
        raise falcon.HTTPFound(f"{request.prefix}/hello/moved")


class Upload:
    def on_post(self, request, response):
        parts = {}
        for part in request.get_media():
            parts[part.name] = (part.filename, part.get_data()) if part.filename else part.text
        name, content = parts["file"]
        response.media = {"name": name, "size": len(content), "title": parts["title"]}


class Stream:
    def on_get(self, request, response):
        response.content_type = "text/csv"
        response.stream = (b"row %d\n" % number for number in range(1000))


class Broken:
    def on_get(self, request, response):
        raise LookupError("no such page")


application = falcon.App()
application.add_route("/hello/{name}", Hello())
for name, view in (("old", Old), ("upload", Upload), ("stream", Stream), ("broken", Broken)):
    application.add_route(f"/{name}", view())
