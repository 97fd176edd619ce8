"""Bottle: routes, generated URLs, a form with a file, a stream, a view that raises."""

from bottle import Bottle, redirect, request, response

application = Bottle()
# Whatever a view raises is the server's to answer and to log.
application.catchall = False


@application.get("/hello/<name>")
def hello(name):
    return f"hello {name}, {request.query.getunicode('from')}; {application.get_url('upload')}"


@application.get("/old")
def old():
    redirect(request.script_name + "hello/moved")


@application.post("/upload", name="upload")
def upload():
    file = request.files.file
    return {"name": file.filename, "size": len(file.file.read()), "title": request.forms.getunicode("title")}


@application.get("/stream")
def stream():
    response.content_type = "text/csv"
    for number in range(1000):
        yield f"row {number}\n"


@application.get("/broken")
def broken():
    raise LookupError("no such page")
