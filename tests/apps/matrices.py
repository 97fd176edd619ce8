"""Computes with numpy, whose extensions are loaded once in a process."""

import numpy


def application(environ, start_response):
    size = int(environ["QUERY_STRING"] or 3)
    numbers = numpy.arange(size * size, dtype="int64").reshape(size, size)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{numpy.__name__} {numpy.linalg.matrix_rank(numbers)} {(numbers @ numbers).trace()}".encode()]
