"""Holds its thread for ever, in the way that its path says."""

import socket
import time


def application(environ, start_response):
    way = environ["PATH_INFO"]
    print("held by", way)
    start_response("200 OK", [("Content-Type", "text/plain")])
    match way:
        case "/sleep":
            while True:
                time.sleep(3600)
        case "/socket":
            ours, _theirs = socket.socketpair()
            ours.recv(1)
        case "/stream":
            return stream()
        case "/spin":
            while True:
                pass
    return [b"free"]


def stream():
    """More than any client takes."""
    while True:
        yield b"x" * 65536
