"""Pyramid: routes, generated URLs, a form with a file, a stream, a view that raises."""

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response


def hello(request):
    return Response(f"hello {request.matchdict['name']}, {request.params.get('from')}; {request.route_path('upload')}")


def old(request):
    return HTTPFound(request.route_url("hello", name="moved"))


def upload(request):
    file = request.POST["file"]
    return {"name": file.filename, "size": len(file.file.read()), "title": request.POST["title"]}


def stream(request):
    return Response(app_iter=(b"row %d\n" % number for number in range(1000)), content_type="text/csv")


def broken(request):
    raise LookupError("no such page")


with Configurator() as config:
    for name, view in (("old", old), ("stream", stream), ("broken", broken)):
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)
    config.add_route("hello", "/hello/{name}")
    config.add_view(hello, route_name="hello")
    config.add_route("upload", "/upload")
    config.add_view(upload, route_name="upload", renderer="json")
    application = config.make_wsgi_app()
