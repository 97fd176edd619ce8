//! The gateway as its users meet it: the real binary, real sockets, real peers.

mod answers;
mod bad_input;
mod behind_nginx;
mod broken_off;
mod cores;
mod environ;
mod fastcgi;
mod front;
mod fronts;
mod fuzz;
mod harness;
mod identity;
mod layers;
mod managed;
mod patience;
mod process;
mod python;
mod quickstart;
mod rescue;
mod routing;
mod static_files;
mod upstream;
mod uwsgi_scgi;
mod wsgi_rows;
mod xslt;
