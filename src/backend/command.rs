//! `command` and what goes with it: an application that the supervisor starts, for any backend that forwards requests.
//!
//! ```yaml
//! apps:
//!   wiki: { fastcgi: { command: [php-cgi], processes: 4, root: wiki } }
//!   node: { http: { command: [node, server.js, "{socket}"], env: { NODE_ENV: production }, user: node } }
//! ```
//!
//! The gateway chooses the socket. A command that names it, `{socket}`, opens a unix socket there, each process its own; a
//! FastCGI program that does not is given the listening socket as its stdin, as the specification wants (section 2.2).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use vestibule_config::{Diagnostic, Reader, Spanned};

use super::Context;
use super::processes::{self, Program, Restart, Runs, SOCKET, Surroundings, Wanted};
use super::upstream::address::Address;
use crate::listener::owner::Login;

/// How many connections may wait for a program that is busy.
const WAITING: usize = 4096;

/// How a program gets its socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// By its path.
    Path,
    /// By its path, or as its stdin.
    PathOrStdin,
}

/// A program that the supervisor starts.
#[derive(Clone)]
pub(super) struct Command {
    /// Its name or path, and its arguments.
    words: Vec<Spanned<String>>,
    /// How many processes run it; 1 by default.
    processes: usize,
    /// When it is started again; always by default, after a while that grows.
    restart: Restart,
    /// The user it runs as, `user` or `user:group`; by default that of the gateway, which must be root to switch.
    user: Option<Login>,
    /// Its working directory; by default the folder of the configuration.
    cwd: PathBuf,
    /// What its environment has beside the gateway's.
    env: Vec<(String, String)>,
}

impl Command {
    /// Reads the keys; `None` where there is no `command`.
    pub(super) fn read(reader: &mut Reader<'_>, takes: Takes) -> Option<Self> {
        let place = reader.place();
        let words = reader.optional::<Spanned<Vec<Spanned<String>>>>("command");
        let (processes, user) = (processes::read_count(reader), processes::read_login(reader));
        let (restart, cwd) = (restart(reader), reader.optional::<Spanned<PathBuf>>("cwd"));
        let env = reader.pairs("env");
        let Some(words) = words else {
            if processes.is_some() || user.is_some() || restart.is_some() || cwd.is_some() || !env.is_empty()
            {
                reader.mistake(&place, "`processes`, `restart`, `user`, `cwd` and `env` need a `command`");
            }
            return None;
        };
        if words.first().is_none_or(|program| program.is_empty()) {
            reader.mistake(&words.place, "a command is a list of words, of which the first is the program");
            return None;
        }
        let command = Self {
            processes: processes.unwrap_or(1),
            restart: restart.unwrap_or(Restart::Always),
            user,
            cwd: cwd.map_or_else(|| words.place.folder().to_path_buf(), |cwd| cwd.value),
            env: env.into_iter().map(|(name, value)| (name.value, value.value)).collect(),
            words: words.value,
        };
        if takes == Takes::Path && !command.wanted().open_their_sockets() {
            let message = format!("the command does not tell the program its socket: no word has `{SOCKET}`");
            let help = format!(
                "for instance [node, server.js, \"{SOCKET}\"]: the path of a unix socket to listen on"
            );
            reader.mistake(&words.place, message).help(help);
        }
        Some(command)
    }

    /// What the supervisor is asked for.
    pub(super) fn wanted(&self) -> Wanted {
        let command =
            std::iter::once(self.program()).chain(self.words.iter().skip(1).map(|word| word.value.clone()));
        Wanted {
            count: self.processes,
            waiting: WAITING,
            surroundings: Surroundings {
                user: self.user.clone(),
                folder: Some(self.cwd.clone()).filter(|folder| !folder.as_os_str().is_empty()),
                env: self.env.clone(),
            },
            runs: Runs::Program(Program {
                command: command.collect(),
                place: self.words[0].place.clone(),
                restart: self.restart,
            }),
        }
    }

    /// The program: a path starts from the folder of the configuration, a mere name is looked for on `PATH`.
    fn program(&self) -> String {
        let program = &self.words[0];
        if program.contains('/') {
            program.place.folder().join(program.as_str()).to_string_lossy().into_owned()
        } else {
            program.value.clone()
        }
    }

    /// Where the processes listen, once the program is known to be there.
    pub(super) fn addresses(&self, context: &Context<'_>) -> Result<Vec<Address>, Diagnostic> {
        self.check()?;
        let wanted = self.wanted();
        let names: Vec<_> = if wanted.open_their_sockets() {
            (0..wanted.count).map(processes::socket_name).collect()
        } else {
            vec![String::new()]
        };
        Ok(names.into_iter().map(|name| Address::of_ours(context.door.as_ref(), name)).collect())
    }

    fn check(&self) -> Result<(), Diagnostic> {
        if !self.cwd.as_os_str().is_empty() && !self.cwd.is_dir() {
            return Err(
                Diagnostic::error(format!("no folder `{}`", self.cwd.display())).at(&self.words[0].place)
            );
        }
        let program = self.program();
        let path = self.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.into());
        let path: OsString = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let is_there = if program.contains('/') {
            is_executable(Path::new(&program))
        } else {
            std::env::split_paths(&path).any(|folder| is_executable(&folder.join(&program)))
        };
        if is_there {
            return Ok(());
        }
        let mistake = Diagnostic::error(format!("no program `{program}`")).at(&self.words[0].place);
        Err(if program.contains(' ') {
            mistake
                .help("a command is a list of words, not a line of a shell: [php-cgi, -d, memory_limit=64M]")
        } else {
            mistake.help(
                "the first word is a program on `PATH`, or a path that starts from the folder of this file",
            )
        })
    }
}

fn restart(reader: &mut Reader<'_>) -> Option<Restart> {
    let choices = [
        ("always", Some(Restart::Always)),
        ("on_failure", Some(Restart::OnFailure)),
        ("never", Some(Restart::Never)),
    ];
    reader.one_of("restart", &choices, None)
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
