//! The environment of a process that runs as another user.
//!
//! The supervisor's may hold the secrets of all applications, and is not for those who run as somebody else: they have what
//! any program needs, their user's own, and what `env` says.

use std::ffi::OsString;
use std::io;

use rustix::io::Errno;
use tokio::process::Command;

use crate::backend::processes::Surroundings;
use crate::listener::owner::Login;

/// What any program may need: where programs and libraries are, language and time, how to log.
const KEPT: [&str; 9] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "LANG",
    "LANGUAGE",
    "TZ",
    "VESTIBULE_LOG",
    "RUST_LOG",
    "NO_COLOR",
];

/// Gives a command the environment, the working directory and the user that an application asks for.
pub(crate) fn apply(surroundings: &Surroundings, command: &mut Command) {
    if let Some(login) = &surroundings.user {
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_kept(name))).envs(of_user(login));
        command.uid(login.user).gid(login.group);
    }
    command.envs(surroundings.env.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &surroundings.folder {
        command.current_dir(folder);
    }
}

/// Why a process of an application could not be started.
pub(crate) fn why(error: &io::Error, surroundings: &Surroundings) -> String {
    match &surroundings.user {
        Some(login) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
            let user =
                login.account.as_ref().map_or_else(|| login.user.to_string(), |known| known.name.clone());
            format!("{error}: only root may start an application as another user (`user: {user}`)")
        }
        _ => error.to_string(),
    }
}

fn is_kept(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| KEPT.contains(&name) || name.starts_with("LC_"))
}

/// What a login sets; nothing for a number that is nobody's.
fn of_user(login: &Login) -> Vec<(&'static str, String)> {
    let Some(account) = &login.account else { return Vec::new() };
    vec![("HOME", account.home.clone()), ("USER", account.name.clone()), ("LOGNAME", account.name.clone())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::owner;

    #[test]
    fn who_may_not_switch_users_is_told_so() {
        let user = Some(owner::login("4711:4711").expect("numbers are taken as they are"));
        let of_another = Surroundings { user, folder: None, env: Vec::new() };
        let told = why(&Errno::PERM.into(), &of_another);
        assert!(
            told.ends_with("only root may start an application as another user (`user: 4711`)"),
            "{told}"
        );
        // The program may be one that this user must not run.
        assert!(!why(&Errno::ACCESS.into(), &of_another).contains("root"));
    }
}
