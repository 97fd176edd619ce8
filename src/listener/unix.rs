//! Unix sockets: who may connect, and the file that outlives whoever bound it.
//!
//! ```yaml
//! listen: [ { address: unix:/run/vestibule/http.sock, mode: "660", owner: "www-data:www-data" } ]
//! ```
//!
//! Connecting needs the right to write to the file. Without `mode`, the umask decides about owner and group, and others may
//! not. Mode and owner are set between `bind` and `listen`: before `listen`
//! every connect is refused, so there is no moment at which the socket is open too widely. The folder is not created: who
//! may write in it is the administrator's decision (`RuntimeDirectory=` of systemd).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use vestibule_config::{Diagnostic, Listen};

use super::{BACKLOG, folder, owner, plain};

/// The file of a bound socket: it is removed with its owner, unless it is another's by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_path_buf(), device: file.dev(), inode: file.ino() })
    }

    /// Whether the file is still there, and still ours.
    pub(super) fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), "failed to remove the socket's file: {error}");
        }
    }
}

/// Binds a unix socket with its mode and owner. A file that a crash left behind is replaced; a socket that somebody
/// serves, or what is no socket, is left alone and refused.
pub(super) fn bind(path: &Path, listen: &Listen) -> Result<(OwnedFd, SocketFile), Diagnostic> {
    make_room(path, listen)?;
    let refused = |error: io::Error| refused(path, listen, &error);
    let address = SocketAddrUnix::new(path).map_err(|_| too_long(path, listen))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|error| refused(error.into()))?;
    rustix::net::bind(&fd, &address).map_err(|error| refused(error.into()))?;
    let file = SocketFile::of(path).map_err(refused)?;
    permit(path, listen)?;
    rustix::net::listen(&fd, BACKLOG).map_err(|error| refused(error.into()))?;
    Ok((fd, file))
}

/// Gives the file its mode and owner, as far as they are configured.
pub(super) fn permit(path: &Path, listen: &Listen) -> Result<(), Diagnostic> {
    if let Some(text) = &listen.owner {
        let mistake = |what: String| Diagnostic::error(what).at(&text.place);
        // The configuration knew them; since then they may have gone.
        let owner = owner::resolve(text).map_err(|error| mistake(error.to_string()))?;
        std::os::unix::fs::chown(path, owner.user, owner.group).map_err(|error| {
            mistake(format!("failed to give {} to `{}`: {}", path.display(), **text, plain(&error)))
                .help("only root may give a file away; a group must be one of the user's own")
        })?;
    }
    set_mode(path, listen.mode).map_err(|error| {
        let what = format!("failed to set the mode of {}: {}", path.display(), plain(&error));
        Diagnostic::error(what).at(&listen.place)
    })
}

/// Sets the mode, or takes from what the umask has left what it leaves to everybody: who may connect may often say who the
/// client is (`trust: { peers: [unix] }`).
fn set_mode(path: &Path, mode: Option<u32>) -> io::Result<()> {
    let left = fs::symlink_metadata(path)?.permissions().mode() & 0o7777;
    let wanted = mode.unwrap_or(if left & 0o002 == 0 { left } else { left & !0o007 });
    fs::set_permissions(path, fs::Permissions::from_mode(wanted))
}

fn make_room(path: &Path, listen: &Listen) -> Result<(), Diagnostic> {
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(()) };
    let taken = |what: &str| {
        Diagnostic::error(format!("failed to listen on unix:{}: {what}", path.display())).at(&listen.place)
    };
    if !there.file_type().is_socket() {
        return Err(
            taken("something that is no socket stands there").help("name another path, or move it away")
        );
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing a socket file that nobody listens on");
            fs::remove_file(path).map_err(|error| refused(path, listen, &error))
        }
        Err(error) => Err(taken(&format!("a socket is there that cannot be tried: {}", plain(&error)))
            .help("if nobody serves it, remove the file")),
        Ok(_) => Err(taken("another program serves it")
            .help(format!("`ss -lxp src {}` shows which; stop it, or name another path", path.display()))),
    }
}

fn refused(path: &Path, listen: &Listen, error: &io::Error) -> Diagnostic {
    let mistake = Diagnostic::error(format!("failed to listen on unix:{}: {}", path.display(), plain(error)))
        .at(&listen.place);
    let folder = folder(path).display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            mistake.help(format!("create {folder} first; a systemd unit can do it by RuntimeDirectory="))
        }
        io::ErrorKind::PermissionDenied => {
            mistake.help(format!("the user that runs vestibule must be allowed to write to {folder}"))
        }
        _ => mistake,
    }
}

fn too_long(path: &Path, listen: &Listen) -> Diagnostic {
    Diagnostic::error(format!("the path of a unix socket is too long: {}", path.display()))
        .at(&listen.place)
        .help("the system takes at most 107 bytes")
}
