"""WebOb without a framework: generated URLs, a form with a file, a stream, a view that raises."""

from webob import Response
from webob.dec import wsgify
from webob.exc import HTTPFound


@wsgify
def application(request):
    match request.path_info_pop():
        case "hello":
            name, origin = request.path_info_pop(), request.params.get("from")
            return Response(f"hello {name}, {origin}; {request.environ['SCRIPT_NAME'].split('/hello')[0]}/upload")
        case "old":
            return HTTPFound(location=request.path_url.removesuffix("/old") + "/hello/moved")
        case "upload":
            file = request.POST["file"]
            told = {"name": file.filename, "size": len(file.file.read()), "title": request.POST["title"]}
            return Response(json_body=told)
        case "stream":
            return Response(app_iter=(b"row %d\n" % number for number in range(1000)), content_type="text/csv")
    raise LookupError("no such page")
