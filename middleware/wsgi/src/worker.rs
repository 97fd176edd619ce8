//! A thread of an application: it takes requests from the queue and runs each from the call to `close()`.

use std::cell::RefCell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use handoff::{Queue, Taken};
use http_environ::View;

use crate::clock::{Clock, has_gil};
use crate::crew::{Crew, Slot};
use crate::environ::{Given, Template};
use crate::exchange::Exchange;
use crate::input::{BoxError, Input};
use crate::log;
use crate::names::Names;
use crate::outgoing::{Fault, Outgoing};
use crate::python::{
    Exception, Instance, Kept, Object, Owned, PyResult, Python, PythonThread, Type, duplicate,
    leave_if_forked,
};
use crate::request::{GatherError, Job};
use crate::service::WsgiError;
use crate::wsgi_input::WsgiInput;

/// How long an answer may be held back while others follow: as long as some ten requests of a small application take.
const HOLD: Duration = Duration::from_micros(200);
thread_local! {
    /// Where this thread takes requests from; a thread of the application's own takes none.
    static QUEUE: RefCell<Option<Arc<Queue<Job>>>> = const { RefCell::new(None) };
}

/// Waits for a client without the GIL; meanwhile another thread of the application takes the next request at once.
pub(crate) fn wait_for_client<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    QUEUE.with_borrow(|queue| {
        py.released(|| {
            let _blocked = queue.as_ref().map(|queue| queue.block());
            wait()
        })
    })
}

/// What the threads of one application share.
pub(crate) struct Host {
    pub(crate) name: Arc<str>,
    pub(crate) callable: Kept,
    pub(crate) template: Template,
    pub(crate) classes: Arc<Classes>,
    /// The class that is `wsgi.file_wrapper`.
    pub(crate) file_wrapper: Kept,
    /// The module of what the host does in Python.
    pub(crate) bootstrap: Kept,
}

/// What all applications of the interpreter share.
pub(crate) struct Classes {
    exchange: Type<Exchange>,
    input: Type<WsgiInput>,
    close: Kept,
}

impl Classes {
    /// A `wsgi.input` of which there is nothing to read, and so nothing to end.
    pub(crate) fn no_input<'py>(&self, py: Python<'py>) -> PyResult<'py, Object<'py>> {
        Ok(self.input.instance(py, WsgiInput::new(Input::empty()))?.into_object())
    }

    pub(crate) fn new(py: Python<'_>) -> PyResult<'_, Self> {
        Ok(Self { exchange: Type::new(py)?, input: Type::new(py)?, close: py.interned("close")?.keep() })
    }
}

/// The life of a thread: it sleeps without the GIL, and serves whatever waits in one hold of it.
pub(crate) fn run(crew: &Crew, slot: &Slot, mut thread: PythonThread) {
    let (host, queue) = (&crew.host, &crew.queue);
    QUEUE.set(Some(Arc::clone(queue)));
    let _context = log::enter(&host.name);
    let mut names = Names::default();
    let key = thread.key();
    thread.attach(|py| match host.enter_thread(py) {
        Ok(number) => slot.enter(number, key),
        Err(error) => {
            tracing::warn!(application = %host.name, "a thread keeps its odd name\n{}", error.traceback());
        }
    });
    while queue.wait() {
        let asked = Instant::now();
        let is_surplus = thread.attach(|py| {
            has_gil(&host.name, asked);
            while let Some(Taken { mut job, at, waiting }) = queue.begin_next(|number| slot.begin(number)) {
                job.reply.is_followed(waiting, at, HOLD);
                py.give_back();
                // A panic ends its request, not the thread: nobody would take its place.
                let served = catch_unwind(AssertUnwindSafe(|| host.serve(py, &mut names, job)));
                if served.is_err() {
                    tracing::error!(application = %host.name, "a panic while a request was served");
                }
                if slot.end() && crew.comes_back(py, slot) {
                    std::mem::take(&mut names).give_back(py);
                    return true;
                }
            }
            false
        });
        queue.rest();
        if is_surplus {
            return;
        }
    }
}

/// Why a request has no complete answer.
enum Failure<'py> {
    Raised(Exception<'py>),
    Fault(Fault),
    /// And `close()` raised, too.
    Twice(Box<Self>, Exception<'py>),
}

impl<'py> From<Exception<'py>> for Failure<'py> {
    fn from(exception: Exception<'py>) -> Self {
        Self::Raised(exception)
    }
}

impl From<Fault> for Failure<'_> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Host {
    /// What a thread does first; gives its number.
    fn enter_thread<'py>(&self, py: Python<'py>) -> PyResult<'py, usize> {
        let number = self.bootstrap.get(py).method("enter_thread")?.call([&py.str(&self.name)?])?;
        number.to_isize().map(isize::cast_unsigned)
    }

    fn serve(&self, py: Python<'_>, names: &mut Names, job: Job) {
        let Job { mut call, reply } = job;
        let input = call.input.take();
        let view = View::of_parts(&call.parts);
        let _context = log::enter_request(view.environ());
        let clock = call.queued.zip(view.environ().asking());
        let clock = clock.map(|(queued, asking)| Clock::begin(asking, &self.name, queued).into());
        let outgoing = Outgoing::new(reply, view.method(), clock);
        let Ok(exchange) = self.classes.exchange.instance(py, Exchange::new(outgoing)) else { return };
        // That of requests without a body is in the template.
        let input = input.map(|input| self.classes.input.instance(py, WsgiInput::new(input)));
        // Only for want of memory; the request is then answered as lost.
        let Ok(input) = input.transpose() else { return };
        let given = Given {
            input: input.as_ref().map(Owned::as_object),
            length: call.length,
            disconnected: exchange.as_object(),
        };
        let environ = self.template.environ(py, names, &view, given);
        let exchange = exchange.as_instance();
        exchange.with(|outgoing| outgoing.keep(call));
        let result = environ.map_err(Failure::from).and_then(|environ| self.answer(exchange, &environ));
        leave_if_forked();
        let broken = input.and_then(|input| input.as_instance().finish());
        if let Err(failure) = result {
            report(&failure);
            exchange.with(|outgoing| self.fail(outgoing, &failure, broken));
        }
        drop(exchange.with(Outgoing::close));
        if log::take_unfinished()
            && let Err(error) =
                self.bootstrap.get(py).method("finish_lines").and_then(|finish| finish.call([]))
        {
            tracing::warn!(application = %self.name, "the end of a line is lost\n{}", error.traceback());
        }
    }

    /// Calls the application, sends what it yields and closes it.
    fn answer<'py>(
        &self,
        exchange: Instance<'_, 'py, Exchange>,
        environ: &Object<'py>,
    ) -> Result<(), Failure<'py>> {
        let result = self.callable.get(environ.py()).call([environ, exchange.object()])?;
        leave_if_forked();
        if result.is_plain_sequence() {
            return send_sequence(exchange, &result);
        }
        let sent = match self.wrapped_file(exchange, &result)? {
            Some((file, at, size)) => {
                exchange.with(|outgoing| outgoing.file(file, at, size)).map_err(Failure::from)
            }
            None => send_each(exchange, &result),
        };
        match (sent, self.close(&result)) {
            (Err(first), Err(second)) => Err(Failure::Twice(first.into(), second)),
            (sent, closed) => sent.and(closed.map_err(Failure::from)),
        }
    }

    /// The file that a `wsgi.file_wrapper` wraps, where it can be sent without Python; from where on, and how much there is.
    fn wrapped_file<'py>(
        &self,
        exchange: Instance<'_, 'py, Exchange>,
        result: &Object<'py>,
    ) -> PyResult<'py, Option<(File, u64, u64)>> {
        let py = result.py();
        if !result.is_exactly(self.file_wrapper.get(py)) || !exchange.with(|outgoing| outgoing.takes_file()) {
            return Ok(None);
        }
        let plain = self.bootstrap.get(py).method("plain_file")?.call([result])?;
        if plain.is_none() {
            return Ok(None);
        }
        let number = |at: usize| plain.tuple_item(at)?.to_isize();
        let (descriptor, at) = (number(0)?, number(1)?);
        let file = i32::try_from(descriptor).ok().and_then(|descriptor| duplicate(descriptor).ok());
        // Without a descriptor of our own, Python reads it.
        Ok(file.and_then(|file| {
            let at = u64::try_from(at).ok()?;
            // Files that the kernel makes up have content, and no size.
            let size = file.metadata().ok()?.len().checked_sub(at).filter(|size| *size > 0)?;
            Some((file, at, size))
        }))
    }

    /// PEP 3333: `close()` is called upon completion of the request, however it ends.
    fn close<'py>(&self, iterable: &Object<'py>) -> PyResult<'py, ()> {
        if let Some(close) = iterable.attribute_if_any(self.classes.close.get(iterable.py()))? {
            close.call([])?;
        }
        Ok(())
    }

    /// The failure is given back by the caller: what it holds may run code of Python as it goes, which finds the borrow
    /// of `outgoing` ended.
    fn fail(&self, outgoing: &mut Outgoing, failure: &Failure<'_>, broken: Option<BoxError>) {
        match (failure, broken) {
            // What went wrong first is what the client is told.
            (Failure::Twice(first, _), broken) => self.fail(outgoing, first, broken),
            // Already dealt with: the answer has its right length, or its connection was aborted.
            (Failure::Fault(Fault::TooLong(_) | Fault::TooShort(_)), _) => {}
            // The application could not but fail: the client's body is to blame.
            (Failure::Raised(_), Some(cause)) => outgoing.fail(GatherError::Body(cause).into()),
            _ => outgoing.fail(WsgiError::ApplicationFailed(Arc::clone(&self.name))),
        }
    }
}

/// The one place where an application's failure is logged.
fn report(failure: &Failure<'_>) {
    let (application, request_id) = log::names();
    match failure {
        Failure::Raised(exception) => {
            tracing::error!(%application, %request_id, "the application raised\n{}", exception.traceback());
        }
        Failure::Fault(fault) => tracing::error!(%application, %request_id, "{fault}"),
        Failure::Twice(first, second) => {
            report(first);
            tracing::error!(%application, %request_id, "then its close() raised, too\n{}", second.traceback());
        }
    }
}

/// Sends a list or tuple: in one message where it is one chunk, as it nearly always is.
fn send_sequence<'py>(
    exchange: Instance<'_, 'py, Exchange>,
    chunks: &Object<'py>,
) -> Result<(), Failure<'py>> {
    if let Some(only) = chunks.only_item()?
        && !exchange.with(|outgoing| outgoing.is_head_sent())
    {
        let chunk = only.shared_content()?;
        return Ok(exchange.with(|outgoing| outgoing.whole(chunk))?);
    }
    send_each(exchange, chunks)
}

/// Sends chunk by chunk, as long as somebody wants them.
fn send_each<'py>(exchange: Instance<'_, 'py, Exchange>, chunks: &Object<'py>) -> Result<(), Failure<'py>> {
    let chunks = chunks.iterator()?;
    while let Some(chunk) = chunks.next()? {
        if !exchange.send(chunks.py(), chunk.shared_content()?)? {
            break;
        }
    }
    // In a child that an iterable has forked: the end of an answer is told under a lock that somebody else may hold.
    leave_if_forked();
    Ok(exchange.with(Outgoing::finish)?)
}
