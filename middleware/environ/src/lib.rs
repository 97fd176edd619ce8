//! The CGI/WSGI view of an HTTP request: one environ for every application protocol.
