//! A worker process: builds the gateway, says that it is ready, serves, drains, leaves.
//!
//! Its configuration never changes while it runs. Its stdin is the control socket of the supervisor (see
//! [`control`](crate::supervisor::control)); when that ends, so does the worker: it never outlives its supervisor for
//! longer than a drain, and not at all while it builds.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, set_parent_process_death_signal, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{self, Instant};
use vestibule_config::{Config, Diagnostics, Source};

use crate::gateway::{self, Gateway};
use crate::listener::{Door, Listener};
use crate::runtime::acceptor::Acceptor;
use crate::runtime::{self, Cores, Stage, idle};
use crate::supervisor::StartError;
use crate::supervisor::control::{Control, Drain, Order, Report};
use crate::{backend, cli};

/// How long applications may take to end after the `drain` is over; the supervisor kills a worker somewhat later.
pub(crate) const APPLICATIONS_END: Duration = Duration::from_secs(3);

/// How long a worn-out worker waits for its successor before it asks again.
const REMIND: Duration = Duration::from_secs(60);

/// How much of the `drain` at most is left for closing connections that nobody has used.
const LAST: Duration = Duration::from_secs(5);

/// Runs a worker until it is told to leave.
pub(crate) fn run(give_back: fn()) -> u8 {
    match runtime::of_one_core().and_then(|runtime| runtime.block_on(idle::beside(serve(), give_back))) {
        Ok(()) => cli::SUCCESS,
        Err(error) => {
            tracing::error!("the worker ends: {error}");
            cli::COULD_NOT_START
        }
    }
}

async fn serve() -> io::Result<()> {
    allow_many_files();
    let signals = Signals::register()?;
    let mut control = Control::new(take_stdin()?)?;
    let Some(Orders { sockets, doors, source }) = orders_to_build(&mut control).await? else { return Ok(()) };
    // An import may never end, and until it does nobody here sees the end of the control socket: the kernel does.
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if control.is_closed() {
        // The supervisor ended before the kernel was asked.
        return Ok(());
    }
    let built = build(&source, doors, &control);
    set_parent_process_death_signal(None)?;
    let (gateway, cores) = match built {
        Ok(built) => built,
        Err(error) => return control.report(&Report::Failed(error)).await,
    };
    gateway.start();
    control.report(&Report::Ready(gateway.watched())).await?;
    let limit = gateway.config().drain;
    let mut acceptor = Acceptor::new(Arc::clone(&gateway), cores);
    let mut sockets = Some(sockets);
    let drain = serve_until_drain(&mut acceptor, &mut control, signals, &mut sockets).await?;
    // Whoever has never served has nothing to wait for.
    let limit = if sockets.is_some() { Duration::ZERO } else { limit };
    leave(acceptor, &mut control, drain, limit).await;
    gateway.tell_totals();
    Ok(())
}

/// Raises the limit of open files as far as this process may: the default of 1,024 stems from `select`, and each connection
/// is a file.
pub(crate) fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!("failed to raise the limit of open files: {error}");
    }
}

/// What a process is told to build.
pub(crate) struct Orders {
    /// Where it will accept.
    pub(crate) sockets: Vec<OwnedFd>,
    /// The ways to the processes of applications.
    pub(crate) doors: Vec<Door>,
    pub(crate) source: Source,
}

/// The sockets and then the configuration; `None` when the supervisor has gone.
pub(crate) async fn orders_to_build(control: &mut Control) -> io::Result<Option<Orders>> {
    let (mut sockets, mut doors) = (Vec::new(), Vec::new());
    loop {
        match control.order().await? {
            Some(Order::Socket(socket)) => sockets.push(socket),
            Some(Order::Door(door)) => doors.push(door),
            Some(Order::Build(source)) => return Ok(Some(Orders { sockets, doors, source })),
            Some(Order::Accept | Order::Drain(_)) => {
                return Err(io::Error::other("an order came before the configuration"));
            }
            None => return Ok(None),
        }
    }
}

/// Reads the configuration and builds everything that it asks for. This takes its time on core 0, which serves nothing yet.
fn build(source: &Source, doors: Vec<Door>, control: &Control) -> Result<(Arc<Gateway>, Cores), StartError> {
    let config = load(source)?;
    let count = runtime::share(config.workers);
    // Without a supervisor, the kernel ends this process.
    let begin = |name: &str| drop(control.report_building(name));
    let gateway = Gateway::build_before(config, count, doors, &begin)?;
    let cores = Cores::start(count)
        .map_err(|error| StartError::System(format!("failed to start a thread for each core: {error}")))?;
    Ok((Arc::new(gateway), cores))
}

/// Reads the configuration, as every process of a generation does.
pub(crate) fn load(source: &Source) -> Result<Config, Diagnostics> {
    let environment = |name: &str| std::env::var(name).ok();
    vestibule_config::load_source(source, &gateway::kinds(), &environment)
}

/// Serves as ordered, until the order to end it.
async fn serve_until_drain(
    acceptor: &mut Acceptor,
    control: &mut Control,
    mut signals: Signals,
    sockets: &mut Option<Vec<OwnedFd>>,
) -> io::Result<Drain> {
    let mut worn_out = pin!(backend::worn_out());
    // A supervisor that has not been able to replace this worker is told again.
    let mut remind = time::interval(REMIND);
    let mut worn: Option<String> = None;
    loop {
        let order = tokio::select! {
            order = control.order() => order?,
            () = signals.end() => return Ok(Drain::Retire),
            why = &mut worn_out, if worn.is_none() => {
                worn = Some(why);
                remind.reset_immediately();
                continue;
            }
            _ = remind.tick(), if worn.is_some() => {
                control.report(&Report::Worn { reason: worn.clone().unwrap_or_default() }).await?;
                continue;
            }
        };
        match order {
            Some(Order::Accept) => {
                // A second order finds no sockets left.
                if let Some(sockets) = sockets.take() {
                    acceptor.accept_from(sockets.into_iter().map(Listener::new).collect::<io::Result<_>>()?);
                }
            }
            Some(Order::Drain(drain)) => return Ok(drain),
            None => return Ok(Drain::Stop),
            Some(Order::Socket(_) | Order::Door(_) | Order::Build(_)) => {
                return Err(io::Error::other("an order came that only a new worker can follow"));
            }
        }
    }
}

/// Ends all connections, by force those that last longer than `limit`.
async fn leave(mut acceptor: Acceptor, control: &mut Control, drain: Drain, limit: Duration) {
    let deadline = Instant::now() + limit;
    acceptor.enter(Stage::Retiring);
    if drain == Drain::Retire {
        tokio::select! {
            () = acceptor.drained() => {}
            () = time::sleep(idle_patience(limit)) => {}
            () = until_stopped(control) => {}
        }
    }
    acceptor.enter(Stage::Closing);
    if time::timeout_at(deadline, acceptor.drained()).await.is_err() {
        let connections = acceptor.open();
        tracing::warn!(connections, "connections did not end within `drain` and are cut off");
    }
    acceptor.stop();
    let left = deadline.saturating_duration_since(Instant::now());
    if !backend::shutdown(left + APPLICATIONS_END) {
        tracing::warn!("applications did not end in time and are cut off");
    }
}

/// How long a retiring worker keeps idle connections for a last request: nearly the whole `drain`. A front server that gives
/// them up earlier (nginx: `keepalive_timeout` of the upstream) never meets one that is just being closed.
fn idle_patience(drain: Duration) -> Duration {
    drain.saturating_sub((drain / 4).min(LAST))
}

/// Waits for the order to stop, or for the end of the supervisor.
async fn until_stopped(control: &mut Control) {
    while let Ok(Some(order)) = control.order().await {
        if matches!(order, Order::Drain(Drain::Stop)) {
            return;
        }
    }
}

/// The signals of a worker. They are meant for its supervisor, but systemd, for one, sends them to all processes of a service.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Registered to be ignored: the supervisor acts on it.
    _hangup: Signal,
}

impl Signals {
    pub(crate) fn register() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Takes the control socket away from stdin, so that no application reads from it and no program inherits it.
pub(crate) fn take_stdin() -> io::Result<OwnedFd> {
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(control)
}
