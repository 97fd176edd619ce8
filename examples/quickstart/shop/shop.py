"""A small shop in Flask: products from a list, a cart in the session. Nothing here knows where it is mounted."""

import os

from flask import Flask, abort, redirect, render_template, session, url_for

app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]
app.config["SESSION_COOKIE_NAME"] = "shop"
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"

PRODUCTS = {
    "bell": {"name": "Brass bell", "price": 24, "about": "One clear tone. Rings once for each guest."},
    "hooks": {"name": "Coat hooks", "price": 18, "about": "Five of oak, on a rail. They hold more than they should."},
    "mat": {"name": "Door mat", "price": 31, "about": "Coconut fibre. Takes the road off your shoes."},
    "lantern": {"name": "Lantern", "price": 56, "about": "Warm light by the door, from dusk on."},
    "bowl": {"name": "Key bowl", "price": 22, "about": "Stoneware. Where the keys are when you look for them."},
    "stand": {"name": "Umbrella stand", "price": 47, "about": "Keeps the rain where it belongs."},
}


@app.get("/")
def products():
    return render_template("products.html", products=PRODUCTS)


@app.get("/cart")
def cart():
    lines = [{"id": id, "count": count, **PRODUCTS[id]} for id, count in session.get("cart", {}).items()]
    return render_template("cart.html", lines=lines, total=sum(line["count"] * line["price"] for line in lines))


@app.post("/cart/<id>")
def add(id):
    if id not in PRODUCTS:
        abort(404)
    cart = session.get("cart", {})
    session["cart"] = {**cart, id: cart.get(id, 0) + 1}
    return redirect(url_for("cart"), 303)


@app.post("/cart/<id>/remove")
def remove(id):
    session["cart"] = {kept: count for kept, count in session.get("cart", {}).items() if kept != id}
    return redirect(url_for("cart"), 303)


@app.context_processor
def in_cart():
    return {"in_cart": sum(session.get("cart", {}).values())}
