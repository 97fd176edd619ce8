//! `isolation: process`: an application in processes of its own, to which the workers speak FastCGI.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_environ::View;
use vestibule_config::{Diagnostic, Reader, Size, Spanned};
use vestibule_layers::{BoxService, Cause, Request, Response, rescue};

use super::super::Context;
use super::super::processes::{self, Hosting, Runs, Surroundings, Wanted, times};
use super::super::upstream::Reply;
use super::super::upstream::address::Address;
use super::super::upstream::fastcgi::{Client, Limits};
use crate::listener::owner::Login;

/// What is longer than any request: how long an answer may be silent is the application's own limit.
const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How much longer than the application's `timeout` a request is waited for: a process that has taken it tells more.
const GRACE: Duration = Duration::from_secs(1);

/// What such processes are.
#[derive(Clone)]
pub(super) struct Process {
    /// How many there are; 1 by default.
    processes: usize,
    /// The user they run as, `user` or `user:group`; by default that of the gateway, which must be root to switch.
    user: Option<Login>,
    /// Their working directory; by default that of the gateway.
    cwd: Option<PathBuf>,
    /// What their environment has beside the gateway's, or what is left of that for another user.
    env: Vec<(String, String)>,
    /// With more memory than this, one is replaced; never by default.
    max_memory: Option<u64>,
}

impl Process {
    /// Reads the keys of processes, which stand there only where some are wanted.
    pub(super) fn read(reader: &mut Reader<'_>, is_wanted: bool, env: &[(String, String)]) -> Option<Self> {
        let place = reader.place();
        let (count, user, cwd) =
            (processes::read_count(reader), processes::read_login(reader), reader.optional("cwd"));
        let max_memory = reader.optional::<Spanned<Size>>("max_memory");
        if !is_wanted {
            let is_given = count.is_some() || user.is_some() || cwd.is_some() || max_memory.is_some();
            if is_given {
                let message = "`processes`, `user`, `cwd` and `max_memory` need `isolation: process`";
                reader.mistake(&place, message);
            }
            return None;
        }
        let cwd = cwd.map(|folder: Spanned<PathBuf>| folder.value);
        let max_memory = max_memory.map(|most| most.0);
        Some(Self { processes: count.unwrap_or(1), user, cwd, env: env.to_vec(), max_memory })
    }

    /// Whether there is more than one.
    pub(super) fn are_several(&self) -> bool {
        self.processes > 1
    }

    /// What the supervisor is asked for.
    pub(super) fn wanted(&self, threads: usize, queue: usize) -> Wanted {
        Wanted {
            count: self.processes,
            waiting: queue,
            surroundings: Surroundings {
                user: self.user.clone(),
                folder: self.cwd.clone(),
                env: self.env.clone(),
            },
            runs: Runs::Backend(Hosting {
                build: |settings, context| super::in_this_process(settings.get(), context),
                at_once: threads,
                max_memory: self.max_memory,
            }),
        }
    }
}

/// What the workers do: they hand requests to the processes. Where none are started, nobody will ask. A process takes as many
/// requests as it has threads, so a slow client must not be one of them, unless bodies are to be streamed. `timeout` limits the
/// wait for a process, too: all may have crashed, and not come up again.
pub(super) fn client(
    context: &Context<'_>,
    is_streamed: bool,
    timeout: Option<Duration>,
) -> Result<BoxService, Diagnostic> {
    let address = Address::of_ours(context.door.as_ref(), String::new());
    let limits = Limits {
        connect_timeout: Duration::from_secs(60),
        timeout: LONG,
        // A body that is streamed may take its own time.
        head_timeout: timeout.filter(|_| !is_streamed).map(|timeout| timeout + GRACE),
        // A connection for each request: a process takes what it has room for, and what waits is nobody's yet.
        idle_timeout: Duration::ZERO,
        idle_connections: 0,
        header_bytes: 1 << 20,
        is_body_first: !is_streamed,
        asks_for_body: true,
    };
    let client = Arc::new(Client::new(context.name, address, limits, context.cores));
    Ok(BoxService::from_fn(move |request| answer(Arc::clone(&client), request)))
}

async fn answer(client: Arc<Client>, mut request: Request) -> Response {
    let view = View::of(&request);
    let (id, asking) = (view.environ().request_id.clone(), view.environ().asking().cloned());
    let mut began = None;
    let sent = client.send(&mut request, |view, add| {
        began = Some(Instant::now());
        view.for_each(|name, value| add(name.as_bytes(), value));
        add(b"REQUEST_ID", view.environ().request_id.to_string().as_bytes());
    });
    match sent.await {
        Ok(Reply::Answer(mut answer)) => {
            let waited = began.map(|began| began.elapsed()).unwrap_or_default();
            times::take(&mut answer, waited, client.name(), asking.as_deref());
            answer
        }
        // An application of WSGI has a status in every answer.
        Ok(Reply::Local(target)) => rescue(&id, Cause::BadGateway, &Redirects(target)),
        Err(failure) => failure.rescue(&id, client.name()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the process of the application answered without a status, and with the location {0}")]
struct Redirects(String);
