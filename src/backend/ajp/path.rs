//! The path that a container is told, and which parameters it may have.
//!
//! To a container, `;` begins parameters of a segment, and it cuts them out **before** it looks for `.` and `..`, and before it
//! looks for what answers. To a route, `/admin;x/users` is not beneath `/admin`, and a guard of `/admin/{*rest}` would be passed by
//! it. So parameters are refused, unless the configuration permits them; but for the session of a client without cookies behind
//! the last segment, which containers write into links, and which routes do not see.

use std::borrow::Cow;

use http_environ::View;

use crate::backend::upstream::failure::Unsendable;

/// Which parameters a path may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    /// None at all
    None,
    /// The session of a client without cookies, behind the last segment
    Session,
    /// Any
    All,
}

/// By their names in the configuration.
pub(super) const CHOICES: [(&str, Parameters); 3] =
    [("none", Parameters::None), ("session", Parameters::Session), ("all", Parameters::All)];

impl Parameters {
    fn permits(self, path: &[u8]) -> bool {
        let is_session = |parameter: &[u8]| parameter.starts_with(b"jsessionid=");
        let mut segments = path.rsplit(|byte| *byte == b'/');
        let last = segments.next().unwrap_or_default();
        match self {
            Self::All => true,
            Self::None => !path.contains(&b';'),
            Self::Session => {
                last.split(|byte| *byte == b';').skip(1).all(is_session)
                    && segments.all(|segment| !segment.contains(&b';'))
            }
        }
    }
}

/// The path as the gateway was asked for it.
pub(super) fn path<'a>(view: &View<'a>, parameters: Parameters) -> Result<Cow<'a, [u8]>, Unsendable> {
    let path = view.environ().path();
    let dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..") && name.len() < segment.len()
    };
    if path.decoded().split(|byte| *byte == b'/').any(dots) {
        return Err(Unsendable::Dots);
    }
    let whole = path.raw();
    if !parameters.permits(&whole) {
        return Err(Unsendable::Parameters);
    }
    Ok(if whole.is_empty() { Cow::Borrowed(b"/") } else { whole })
}
