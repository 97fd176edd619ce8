//! `start_response` and `write` of one request, and `vestibule.disconnected`, which tells whether its client has left.

use std::cell::RefCell;
use std::ffi::CStr;

use bytes::Bytes;
use http::HeaderMap;

use crate::head::{Added, Head, HeadError};
use crate::log;
use crate::outgoing::{Fault, Outgoing, Sent};
use crate::python::{
    Arguments, Class, Exception, Instance, Kind, Object, PyResult, Python, is_forked, leave_if_forked,
};
use crate::worker::wait_for_client;

/// One object for all three: making another, and giving it back, would cost more than calling it, and hardly any application
/// calls `write`. The number of arguments tells which of them is meant.
///
/// Only who holds the GIL borrows what is inside, and never while Python runs.
pub(crate) struct Exchange(RefCell<Outgoing>);

impl Class for Exchange {
    const NAME: &'static CStr = c"tower_wsgi.Exchange";

    fn call<'py>(
        py: Python<'py>,
        this: This<'_, 'py>,
        arguments: Arguments<'_, 'py>,
    ) -> PyResult<'py, Object<'py>> {
        match arguments.count() {
            // In a child, whoever held a lock when it was forked would never open it again; and it has no client.
            0 => py.bool(!is_forked() && this.with(|outgoing| outgoing.is_unread())),
            // Nobody has `write` before.
            1 if this.with(|outgoing| outgoing.is_started()) => write(py, this, &arguments),
            _ => start_response(py, this, &arguments),
        }
    }
}

type This<'a, 'py> = Instance<'a, 'py, Exchange>;

impl Exchange {
    pub(crate) fn new(outgoing: Outgoing) -> Self {
        Self(RefCell::new(outgoing))
    }

    /// Does something with the answer.
    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut Outgoing) -> R) -> R {
        run(&mut self.0.borrow_mut())
    }

    /// Sends a chunk and waits until the next one may follow: false where none is wanted.
    pub(crate) fn send(&self, py: Python<'_>, chunk: Bytes) -> Result<bool, Fault> {
        // In a child nobody would ever make room, and whoever held a lock on the way to the client is not there.
        leave_if_forked();
        match self.with(|outgoing| outgoing.chunk(chunk))? {
            Sent::Yes => Ok(true),
            Sent::Wait(room) => {
                wait_for_client(py, || room.wait());
                Ok(!self.with(|outgoing| outgoing.is_unread()))
            }
            Sent::Enough => Ok(false),
        }
    }
}

fn start_response<'py>(
    py: Python<'py>,
    this: This<'_, 'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<'py, Object<'py>> {
    let (status, headers, exc_info) = start_arguments(py, arguments)?;
    let exchange = this.value();
    let (is_over, is_started, is_head_sent) =
        exchange.with(|outgoing| (outgoing.is_over(), outgoing.is_started(), outgoing.is_head_sent()));
    if is_over {
        return Err(Exception::new(py, Kind::Runtime, "start_response was called after its request ended"));
    }
    match exc_info {
        Some(exc_info) if is_head_sent => return Err(raised(py, exc_info)?),
        None if is_started => {
            let message = "start_response was called a second time without exc_info";
            return Err(Exception::new(py, Kind::Assertion, message));
        }
        _ => {}
    }
    let head = head(py, status, headers, exchange.with(Outgoing::place_of_headers))?;
    exchange.with(|outgoing| outgoing.start(head));
    Ok(this.object().clone())
}

/// Status, headers, and `exc_info` where there is one.
type StartArguments<'a, 'py> = (&'a Object<'py>, &'a Object<'py>, Option<&'a Object<'py>>);

fn start_arguments<'a, 'py>(
    py: Python<'py>,
    arguments: &Arguments<'a, 'py>,
) -> PyResult<'py, StartArguments<'a, 'py>> {
    let wrong = || Exception::new(py, Kind::Type, "start_response(status, response_headers, exc_info=None)");
    let (status, headers, mut exc_info) = match arguments.positional() {
        [status, headers] => (status, headers, None),
        [status, headers, exc_info] => (status, headers, Some(exc_info)),
        _ => return Err(wrong()),
    };
    for (name, value) in arguments.named()? {
        if name != "exc_info" || exc_info.is_some() {
            return Err(wrong());
        }
        exc_info = Some(value);
    }
    Ok((status, headers, exc_info.filter(|exc_info| !exc_info.is_none())))
}

/// The exception that `sys.exc_info()` told.
fn raised<'py>(py: Python<'py>, exc_info: &Object<'py>) -> PyResult<'py, Exception<'py>> {
    let wrong = || Exception::new(py, Kind::Type, "exc_info must be what sys.exc_info() gives");
    if exc_info.tuple_len().map_err(|_| wrong())? != 3 {
        return Err(wrong());
    }
    Exception::from_parts(exc_info.tuple_item(1)?, exc_info.tuple_item(2)?)?.ok_or_else(wrong)
}

fn head<'py>(
    py: Python<'py>,
    status: &Object<'py>,
    headers: &Object<'py>,
    place: HeaderMap,
) -> PyResult<'py, Head> {
    let refused = |error: HeadError| Exception::new(py, Kind::Value, &error.to_string());
    let wrong = || Exception::new(py, Kind::Type, "the headers must be a list of tuples (name, value)");
    let status = text(py, status, "the status")?;
    let count = headers.list_len().map_err(|_| wrong())?;
    let mut head = Head::new(status, count, place).map_err(refused)?;
    for at in 0..count {
        let pair = headers.list_item(at)?;
        if pair.tuple_len().map_err(|_| wrong())? != 2 {
            return Err(wrong());
        }
        let (name, value) = (pair.tuple_item(0)?, pair.tuple_item(1)?);
        let name = text(py, &name, "a header's name")?;
        if head.add(name, text(py, &value, "a header's value")?).map_err(refused)? == Added::HopByHop {
            let (application, request_id) = log::names();
            tracing::warn!(
                %application, %request_id,
                "the application's header {name} was left out: it concerns the connection, which is not its own"
            );
        }
    }
    Ok(head)
}

fn text<'a, 'py>(py: Python<'py>, object: &'a Object<'py>, what: &str) -> PyResult<'py, &'a str> {
    object.text().map_err(|error| {
        if error.is(Kind::Type) {
            Exception::new(py, Kind::Type, &format!("{what} must be a str"))
        } else {
            error
        }
    })
}

fn write<'py>(
    py: Python<'py>,
    this: This<'_, 'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<'py, Object<'py>> {
    let [chunk] = arguments.positional() else {
        return Err(Exception::new(py, Kind::Type, "write(body_data)"));
    };
    if this.with(|outgoing| outgoing.is_over()) {
        return Err(Exception::new(py, Kind::Runtime, "write was called after its request ended"));
    }
    let sent = this.value().send(py, chunk.shared_content()?);
    sent.map_err(|fault| Exception::new(py, Kind::Runtime, &fault.to_string()))?;
    if this.with(|outgoing| outgoing.is_unread()) {
        return Err(Exception::new(py, Kind::Os, "the client has left"));
    }
    Ok(py.none())
}
