//! `sheets:`: where the stylesheets may come from that documents name.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use http::Uri;

/// One place of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder. The path of an address is looked up in it by its longest end that is there: `/style/feed.xsl` is
    /// `style/feed.xsl`, or else `feed.xsl`.
    Folder(PathBuf),
    /// What the gateway itself answers at this path and below it: `route:/style`.
    Route(String),
    /// What another host answers: `http://styles.example.com/xsl`. Scheme and authority, and the path that begins it.
    Host(String, String),
}

/// What is wrong with the text of a [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("a path of the gateway's own begins with a slash: `route:/style`")]
    Route,
    #[error("a host is written `http://HOST`, `http://HOST:PORT` or `http://HOST/PATH`")]
    Host,
    #[error("there is no TLS to other hosts: name a route that leads there, or keep the sheets in a folder")]
    Https,
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if let Some(path) = text.strip_prefix("route:") {
            let is_path = path.starts_with('/') && !path.starts_with("//") && !path.contains(['?', '#']);
            return is_path.then(|| Self::Route(path.to_owned())).ok_or(PlaceError::Route);
        }
        if text.starts_with("https:") {
            return Err(PlaceError::Https);
        }
        if text.starts_with("http:") {
            let uri: Uri = text.parse().map_err(|_| PlaceError::Host)?;
            let authority = uri.authority().ok_or(PlaceError::Host)?.as_str();
            if authority.contains('@') || uri.query().is_some() {
                return Err(PlaceError::Host);
            }
            return Ok(Self::Host(
                format!("http://{}", authority.to_ascii_lowercase()),
                uri.path().to_owned(),
            ));
        }
        Ok(Self::Folder(text.into()))
    }
}

impl Place {
    /// The same place, the path of a folder starting from another one.
    pub(super) fn in_folder(self, folder: &Path) -> Self {
        match self {
            Self::Folder(path) => Self::Folder(folder.join(path)),
            other => other,
        }
    }
}

/// Where an address leads from a page of the gateway's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// To the gateway itself: a path and a query
    Own(&'a str),
    /// Elsewhere
    Foreign(&'a str),
}

impl<'a> Address<'a> {
    /// `host` is the authority that the client knows the gateway by, `prefix` what the front server takes away from paths.
    pub(super) fn of(uri: &'a str, host: &str, prefix: &str) -> Self {
        let own = ["http://", "https://"].into_iter().find_map(|scheme| {
            let rest = uri.strip_prefix(scheme)?;
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let path = path.strip_prefix(prefix).filter(|path| path.starts_with('/'))?;
            authority.eq_ignore_ascii_case(host).then_some(path)
        });
        own.map_or(Self::Foreign(uri), Self::Own)
    }
}

/// Whether a path (a query may follow) is `prefix` or below it.
pub(super) fn is_under(path: &str, prefix: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_a_route_or_a_host() {
        let place = |text: &str| text.parse::<Place>();
        assert_eq!(place("/srv/xsl"), Ok(Place::Folder("/srv/xsl".into())));
        assert_eq!(place("xsl").unwrap().in_folder(Path::new("/srv")), Place::Folder("/srv/xsl".into()));
        assert_eq!(place("route:/style"), Ok(Place::Route("/style".into())));
        assert_eq!(
            place("http://A.example:81/x"),
            Ok(Place::Host("http://a.example:81".into(), "/x".into()))
        );
        assert_eq!(place("http://a.example"), Ok(Place::Host("http://a.example".into(), "/".into())));
        for (text, error) in [
            ("route:style", PlaceError::Route),
            ("route://host/a", PlaceError::Route),
            ("http:/a", PlaceError::Host),
            ("http://u@a/", PlaceError::Host),
            ("http://a/?b", PlaceError::Host),
            ("https://a/", PlaceError::Https),
        ] {
            assert_eq!(place(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_is_our_own_by_its_host_and_its_prefix() {
        for (uri, prefix, own) in [
            ("http://site/a?b", "", Some("/a?b")),
            ("https://SITE/a", "", Some("/a")),
            ("http://site/p/a", "/p", Some("/a")),
            ("http://site/a", "/p", None),
            ("http://site/pa", "/p", None),
            ("http://site.evil/a", "", None),
            ("http://other/a", "", None),
            ("file:///etc/passwd", "", None),
        ] {
            assert_eq!(
                Address::of(uri, "site", prefix),
                own.map_or(Address::Foreign(uri), Address::Own),
                "{uri}"
            );
        }
    }

    #[test]
    fn below_a_path_ends_at_a_slash() {
        for (path, prefix, under) in [
            ("/style/a.xsl", "/style", true),
            ("/style/a.xsl", "/style/", true),
            ("/style?a=/x", "/style", true),
            ("/anything", "/", true),
            ("/styles/a.xsl", "/style", false),
            ("/?x=/style/", "/style", false),
        ] {
            assert_eq!(is_under(path, prefix), under, "{path} {prefix}");
        }
    }
}
