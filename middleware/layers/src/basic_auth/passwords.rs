//! Names with bcrypt hashes, and the checking of a password off the I/O core.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bcrypt::HashParts;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use vestibule_config::{Diagnostic, Place, Spanned};

/// How many passwords are checked at once: each takes a core for tens of milliseconds.
const AT_ONCE: usize = 2;
/// How many more may wait for that.
const WAITING: usize = 32;
/// The highest cost of a hash: 2^14 rounds are about a second.
const HIGHEST_COST: u32 = 14;
/// How long, and how many, right passwords are remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
const REMEMBERED_MOST: usize = 1024;

/// Who may enter, with what.
pub(super) struct Passwords {
    hashes: HashMap<String, String>,
    /// The costliest hash: checked where a name is unknown, so that the time tells nothing.
    decoy: String,
    salt: [u8; 32],
    /// Salted digests of right names and passwords, and until when they are remembered.
    right: Mutex<HashMap<[u8; 32], Instant>>,
    checking: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Passwords {
    /// Reads and checks the settings and the file.
    pub(super) fn read(
        users: &[(Spanned<String>, Spanned<String>)],
        file: Option<&Spanned<PathBuf>>,
    ) -> Result<Self, Diagnostic> {
        let mut hashes = HashMap::new();
        for (name, hash) in users {
            hashes.insert(name.value.clone(), usable(hash).map_err(|what| mistake(&what, &hash.place))?);
        }
        if let Some(file) = file {
            for (name, hash) in from_file(file)? {
                // Of a name that stands there twice the first line counts, as for Apache.
                hashes.entry(name).or_insert(hash);
            }
            if hashes.is_empty() {
                return Err(mistake("nobody could enter: the file names no user", &file.place));
            }
        }
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| Diagnostic::error(format!("no random bytes: {error}")))?;
        Ok(Self {
            // The cost stands in the hash: `$2y$05$…`.
            decoy: hashes.values().max_by(|a, b| a.get(3..6).cmp(&b.get(3..6))).cloned().unwrap_or_default(),
            hashes,
            salt,
            right: Mutex::default(),
            checking: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Semaphore::new(WAITING),
        })
    }

    /// Whether this is the user's password.
    pub(super) async fn check(self: &Arc<Self>, user: &str, password: Vec<u8>) -> Result<bool, Checking> {
        let digest = self.digest(user, &password);
        if self.remembers(&digest) {
            return Ok(true);
        }
        let waiting = self.waiting.try_acquire().map_err(|_| Checking::Busy)?;
        let permit = Arc::clone(&self.checking).acquire_owned().await.map_err(|_| Checking::Busy)?;
        drop(waiting);
        let (hash, is_known) = self.hashes.get(user).map_or((&self.decoy, false), |hash| (hash, true));
        let hash = hash.clone();
        let checked = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a client that leaves does not make room for more of it.
            let _permit = permit;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        let is_right = checked.await.map_err(Checking::Broken)? && is_known;
        if is_right {
            self.remember(digest);
        }
        Ok(is_right)
    }

    fn digest(&self, user: &str, password: &[u8]) -> [u8; 32] {
        // A name has no colon: the two cannot run into each other.
        Sha256::new()
            .chain_update(self.salt)
            .chain_update(user)
            .chain_update(b":")
            .chain_update(password)
            .finalize()
            .into()
    }

    fn remembers(&self, digest: &[u8; 32]) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.get(digest).is_some_and(|until| *until > Instant::now())
    }

    fn remember(&self, digest: [u8; 32]) {
        let now = Instant::now();
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= REMEMBERED_MOST {
            right.retain(|_, until| *until > now);
        }
        if right.len() < REMEMBERED_MOST {
            right.insert(digest, now + REMEMBERED);
        }
    }
}

/// Why a password was not checked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Checking {
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the check broke off")]
    Broken(#[source] tokio::task::JoinError),
}

fn from_file(file: &Spanned<PathBuf>) -> Result<Vec<(String, String)>, Diagnostic> {
    let path = file.value.display();
    let text = std::fs::read_to_string(&file.value)
        .map_err(|error| Diagnostic::error(format!("cannot read `{path}`: {error}")).at(&file.place))?;
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let at_line = |what: &str| mistake(&format!("{path}:{}: {what}", number + 1), &file.place);
            let (name, hash) = line.split_once(':').ok_or_else(|| at_line("`NAME:HASH` is expected"))?;
            Ok((name.to_owned(), usable(hash.trim_end()).map_err(|what| at_line(&what))?))
        })
        .collect()
}

/// The hash, if it is one that can be checked in time.
fn usable(hash: &str) -> Result<String, String> {
    let parts: HashParts = hash.parse().map_err(|_| "this is not a bcrypt hash".to_owned())?;
    if parts.get_cost() > HIGHEST_COST {
        return Err(format!("a hash of cost {} takes too long to check", parts.get_cost()));
    }
    Ok(hash.to_owned())
}

fn mistake(what: &str, place: &Place) -> Diagnostic {
    Diagnostic::error(what).at(place).help("`htpasswd -B -n NAME` makes a line with a bcrypt hash")
}
