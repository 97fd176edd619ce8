//! A process of an application that runs in processes of its own: a FastCGI responder in front of what the backend builds.
//!
//! Gateway and process speak over a unix socket that the supervisor has bound, one connection for each request: so a process
//! takes what it has room for and the others the rest, what waits is not lost with a process that ends, and one that is
//! replaced just takes no more. Its stdin is the control socket, as a worker's; signals are the supervisor's business.

mod places;

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fastcgi::responder::{self, Limits, Refused, ServeError};
use http_environ::answer::Reason;
use http_environ::{Environ, Server};
use hyper::ext::ReasonPhrase;
use rustix::process::set_parent_process_death_signal;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};
use vestibule_config::{Diagnostics, Source};
use vestibule_layers::{Body, BoxService, Response};

use self::places::{Place, Places};
use crate::backend::processes::{Hosting, Runs, times};
use crate::backend::{self, Background, Context, LocalRedirects};
use crate::gateway::SOFTWARE;
use crate::runtime::{self, idle};
use crate::supervisor::StartError;
use crate::supervisor::control::{Control, Order, Report};
use crate::supervisor::watched::Watched;
use crate::worker::{self, APPLICATIONS_END};
use crate::{cli, hosted};

/// How long to wait when the system is out of file descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How often its memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a worn-out process waits for its successor before it asks again.
const REMIND: Duration = Duration::from_secs(60);

/// Runs the one application of the configuration that comes, until it is told to leave.
pub(crate) fn run(name: &str, give_back: fn()) -> u8 {
    match runtime::of_one_core().and_then(|runtime| runtime.block_on(idle::beside(serve(name), give_back))) {
        Ok(()) => cli::SUCCESS,
        Err(error) => {
            tracing::error!(application = name, "the process of an application ends: {error}");
            cli::COULD_NOT_START
        }
    }
}

/// What it runs.
struct Application {
    service: BoxService,
    hosting: Hosting,
    drain: Duration,
    /// What its backend does beside the requests.
    _background: Background,
}

async fn serve(name: &str) -> io::Result<()> {
    worker::allow_many_files();
    let _ignored = worker::Signals::register()?;
    let mut control = Control::new(worker::take_stdin()?)?;
    let Some(orders) = worker::orders_to_build(&mut control).await? else { return Ok(()) };
    // As in a worker: an import may never end.
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if control.is_closed() {
        return Ok(());
    }
    let built = build(&orders.source);
    set_parent_process_death_signal(None)?;
    let application = match built {
        Ok(application) => application,
        Err(error) => return control.report(&Report::Failed(error)).await,
    };
    control.report(&Report::Ready(Watched::default())).await?;
    let mut connections = JoinSet::new();
    serve_until_drain(&application, &mut control, orders.sockets, &mut connections).await?;
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if time::timeout(application.drain, all_ended).await.is_err() {
        tracing::warn!(application = name, "requests did not end within `drain` and are cut off");
    }
    if !backend::shutdown(APPLICATIONS_END) {
        tracing::warn!(application = name, "the application did not end in time and is cut off");
    }
    Ok(())
}

fn build(source: &Source) -> Result<Application, StartError> {
    let config = worker::load(source)?;
    let all = hosted::all(&config);
    let Some((hosted, Runs::Backend(hosting))) = all.first().map(|hosted| (hosted, &hosted.wanted.runs))
    else {
        let reason = "the configuration has no application with processes of its own".into();
        return Err(StartError::System(reason));
    };
    let redirects = LocalRedirects::default();
    let background = Background::default();
    let context = Context {
        name: &hosted.backend.name,
        config: &config,
        cores: 1,
        redirects: &redirects,
        background: &background,
        door: None,
    };
    let service = (hosting.build)(&hosted.backend.component.settings, &context).map_err(Diagnostics::from)?;
    background.start();
    Ok(Application { service, hosting: hosting.clone(), drain: config.drain, _background: background })
}

/// Takes connections as ordered, and asks to be replaced when it is worn out, until the order to end.
async fn serve_until_drain(
    application: &Application,
    control: &mut Control,
    mut sockets: Vec<OwnedFd>,
    connections: &mut JoinSet<()>,
) -> io::Result<()> {
    let mut listener = None;
    let places = Places::new(application.hosting.at_once);
    let mut worn_out = pin!(backend::worn_out());
    let mut look = time::interval(LOOK);
    // Why it should be replaced, and when the supervisor was told.
    let mut worn: Option<(String, Option<Instant>)> = None;
    loop {
        tokio::select! {
            order = control.order() => match order? {
                Some(Order::Accept) => listener = sockets.pop().map(listen).transpose()?.or(listener),
                Some(Order::Drain(_)) | None => return Ok(()),
                Some(Order::Socket(_) | Order::Door(_) | Order::Build(_)) => {
                    return Err(io::Error::other("an order came that only a new process can follow"));
                }
            },
            accepted = places.accept(listener.as_ref()) => match accepted {
                Ok((stream, place)) => {
                    connections.spawn(serve_connection(stream, place, application.service.clone()));
                }
                Err(error) => {
                    tracing::warn!("failed to accept a connection, trying on: {error}");
                    time::sleep(BACK_OFF).await;
                }
            },
            Some(_) = connections.join_next() => {}
            reason = &mut worn_out, if worn.is_none() => worn = Some((reason, None)),
            _ = look.tick() => {
                worn = worn.or_else(|| Some((too_much_memory(application.hosting.max_memory)?, None)));
            }
        }
        if let Some((reason, told)) = &mut worn
            && told.is_none_or(|told| told.elapsed() > REMIND)
        {
            *told = Some(Instant::now());
            control.report(&Report::Worn { reason: reason.clone() }).await?;
        }
    }
}

fn listen(socket: OwnedFd) -> io::Result<UnixListener> {
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Answers the request of a connection.
async fn serve_connection(stream: UnixStream, place: Place, service: BoxService) {
    idle::stir();
    let server = Arc::new(Server { software: SOFTWARE, ..Server::default() });
    let (reader, writer) = stream.into_split();
    // The application is done with a request when its extensions are dropped. Where it never is, the request is given up, and
    // this connection ends.
    let mut of_request = Some(Arc::new(place.hold()));
    let _of_connection = place.hold();
    let answer = |mut request: http::Request<responder::Body>| {
        if let Some(hold) = of_request.take() {
            request.extensions_mut().insert(hold);
        }
        let settled = request.extensions_mut().get_or_insert_default::<Environ>().settled();
        let answer = service.answer(request.map(Body::boxed));
        async move {
            let mut answer = answer.await;
            times::tell(&mut answer, &settled);
            Ok::<_, Refused>(with_reason(answer))
        }
    };
    let limits = Limits { is_asked: true, ..Limits::default() };
    match responder::serve(reader, writer, &server, limits, answer).await {
        Ok(()) => {}
        // The client has left.
        Err(ServeError::Aborted) => tracing::debug!("a request was given up"),
        Err(error) => tracing::warn!(
            "a request was not answered to its end: {}",
            vestibule_layers::rescue::chain(&error)
        ),
    }
}

/// What the application calls its status, as FastCGI tells it.
fn with_reason(mut answer: Response) -> Response {
    if let Some(phrase) = answer.extensions_mut().remove::<ReasonPhrase>() {
        answer.extensions_mut().insert(Reason(phrase.as_bytes().to_vec()));
    }
    answer
}

/// Why the process is to be replaced, if it is for its memory.
fn too_much_memory(limit: Option<u64>) -> Option<String> {
    let limit = limit?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let used = resident.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024;
    (used > limit).then(|| format!("it uses {used} bytes of memory, and may use {limit}"))
}
