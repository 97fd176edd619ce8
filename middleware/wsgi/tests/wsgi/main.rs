//! The host with a real interpreter, one behaviour a test. Rows of the list of what a WSGI server must get right are
//! told by the names.

mod answers;
mod environ;
mod files;
mod harness;
mod input;
mod names;
mod neighbours;
mod process;
mod queue;
mod stuck;
