"""A Flask application: a session, a stream, links, an upload."""

from flask import Flask, redirect, request, session, stream_with_context, url_for

app = Flask(__name__)
app.secret_key = "for the test alone"


@app.get("/")
def home():
    session["visits"] = session.get("visits", 0) + 1
    return f"visit {session['visits']}; cart at {url_for('cart')}, in full {url_for('cart', _external=True)}"


@app.get("/cart")
def cart():
    return "the cart"


@app.get("/old")
def old():
    return redirect(url_for("cart", from_="old"))


@app.get("/stream")
def stream():
    return (f"row {number}\n" for number in range(1000)), {"Content-Type": "text/csv"}


@app.get("/receipt")
def receipt():
    @stream_with_context
    def lines():
        for number in range(3):
            yield f"{number}: {request.args['item']} on visit {session['visits']}\n"

    return lines(), {"Content-Type": "text/plain"}


@app.post("/upload")
def upload():
    file = request.files["picture"]
    return {"name": file.filename, "size": len(file.read()), "title": request.form["title"]}


@app.get("/broken")
def broken():
    raise LookupError("nothing in stock")
