//! A tower service that runs a WSGI application in an embedded CPython.
