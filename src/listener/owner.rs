//! `user`, `user:group` or `:group`, by name or number, as `/etc/passwd` and `/etc/group` know them.
//!
//! The files are read here, and not by `getpwnam`: that is the one part of the C library which loads further libraries at
//! run time, and its safe wrappers hide `unsafe`. Users of LDAP and the like are named by their number.

use std::fs;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Whom a file is given to; `None` stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

/// Whom a process runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// What is known of the user; nothing of a number that stands in no table.
    pub(crate) account: Option<Account>,
}

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    group: u32,
    pub(crate) home: String,
}

#[derive(Debug, Error)]
pub(crate) enum OwnerError {
    #[error("failed to read {path}: {error}", path = .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("no user has the name `{0}` in /etc/passwd; a number is taken as it is")]
    User(String),
    #[error("no group has the name `{0}` in /etc/group; a number is taken as it is")]
    Group(String),
    #[error("a user, `user:group` or `:group` is expected")]
    Empty,
    #[error("a user is expected, or `user:group`")]
    NoUser,
    #[error("the group of the user `{0}` is not known: write `user:group`")]
    NoGroup(String),
}

/// What is wrong with an owner, for a person.
pub(crate) fn mistake(text: &str) -> Option<String> {
    resolve(text).err().map(|error| error.to_string())
}

/// Looks the names up.
pub(super) fn resolve(text: &str) -> Result<Owner, OwnerError> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    if user.is_empty() && group.is_empty() {
        return Err(OwnerError::Empty);
    }
    let user = number(user, "/etc/passwd", OwnerError::User)?;
    let group = number(group, "/etc/group", OwnerError::Group)?;
    Ok(Owner { user, group })
}

/// Looks up whom a process is to run as: without a group, with the user's own.
pub(crate) fn login(text: &str) -> Result<Login, OwnerError> {
    let Owner { user: Some(user), group } = resolve(text)? else { return Err(OwnerError::NoUser) };
    let account = account(user)?;
    let own_group = account.as_ref().map(|account| account.group);
    let group = group.or(own_group).ok_or_else(|| OwnerError::NoGroup(text.to_owned()))?;
    Ok(Login { user, group, account })
}

/// The line of a user: `name:password:number:group:comment:home:shell`.
fn account(user: u32) -> Result<Option<Account>, OwnerError> {
    let file = "/etc/passwd";
    let table = fs::read(file).map_err(|error| OwnerError::Unreadable { path: file.into(), error })?;
    let table = String::from_utf8_lossy(&table);
    Ok(table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        let (group, _, home) = (fields.next()?, fields.next()?, fields.next()?);
        let is_meant = number.parse() == Ok(user);
        is_meant
            .then(|| Some(Account { name: name.into(), group: group.parse().ok()?, home: home.into() }))?
    }))
}

/// The number of a name: the third field of the line that begins with it, in both files.
fn number(name: &str, file: &str, unknown: fn(String) -> OwnerError) -> Result<Option<u32>, OwnerError> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let table = fs::read(file).map_err(|error| OwnerError::Unreadable { path: file.into(), error })?;
    let table = String::from_utf8_lossy(&table);
    let found = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.map(Some).ok_or_else(|| unknown(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_resolved() {
        let owner = |user, group| Owner { user, group };
        assert_eq!(resolve("root").unwrap(), owner(Some(0), None));
        assert_eq!(resolve("root:root").unwrap(), owner(Some(0), Some(0)));
        assert_eq!(resolve(":root").unwrap(), owner(None, Some(0)));
        assert_eq!(resolve("1000:7").unwrap(), owner(Some(1000), Some(7)));
    }

    #[test]
    fn a_login_has_the_group_and_the_home_of_its_user() {
        let root = login("root").unwrap();
        assert_eq!((root.user, root.group), (0, 0));
        assert_eq!(
            root.account.map(|account| (account.name, account.home)),
            Some(("root".into(), "/root".into()))
        );
        let nobody_s = login("4000000000:7").unwrap();
        assert_eq!((nobody_s.group, nobody_s.account), (7, None));
        assert!(matches!(login("4000000000"), Err(OwnerError::NoGroup(_))));
    }

    #[test]
    fn an_unknown_name_is_told() {
        assert!(resolve("nobody-has-this").unwrap_err().to_string().contains("no user"));
        assert!(resolve("root:nobody-has-this").unwrap_err().to_string().contains("no group"));
        assert!(resolve(":").is_err());
    }
}
