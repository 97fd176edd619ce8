//! What an answer says of its own site, as the client is to see it: `Location` and the paths of cookies below the mount, and no
//! Host that only the gateway knows.

use bytes::Bytes;
use http::header::{Entry, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use http_environ::{View, encode};

use super::request_head::{Host, Manner};
use super::server::Server;

/// The way from what the server sees to what the client does.
pub(super) struct WayBack {
    /// What the client's paths begin with, as it is sent.
    prefix: Vec<u8>,
    /// The Host that the server was asked for.
    asked: Option<HeaderValue>,
    /// Whether the client knows that Host.
    is_known: bool,
}

impl WayBack {
    /// The way; `None` where both see the same.
    pub(super) fn of(view: &View<'_>, manner: &Manner, server: &Server) -> Option<Self> {
        let mounts = view.environ().path().raw_script_name();
        let is_known = matches!(manner.host, Host::Preserve);
        if !manner.rewrites_answers || (is_known && mounts.is_empty() && view.environ().prefix.is_empty()) {
            return None;
        }
        let mut prefix = Vec::new();
        encode::push_decoded(&mut prefix, &view.environ().prefix);
        prefix.extend_from_slice(&mounts);
        let asked = match &manner.host {
            Host::Preserve => view.headers().get(HOST).cloned(),
            Host::Upstream => Some(server.host().clone()),
            Host::Fixed(host) => Some(host.clone()),
        };
        Some(Self { prefix, asked, is_known })
    }

    /// Leads the headers of an answer back.
    pub(super) fn lead(&self, headers: &mut HeaderMap) {
        if let Some(location) = headers.get_mut(LOCATION)
            && let Some(changed) = self.location(location.as_bytes())
        {
            *location = changed;
        }
        if let Entry::Occupied(mut cookies) = headers.entry(SET_COOKIE) {
            for cookie in cookies.iter_mut() {
                if let Some(changed) = self.cookie(cookie.as_bytes()) {
                    *cookie = changed;
                }
            }
        }
    }

    /// A path, or a URL of the Host that was asked for; what leads elsewhere stays.
    fn location(&self, location: &[u8]) -> Option<HeaderValue> {
        if is_path(location) {
            return HeaderValue::from_maybe_shared(Bytes::from(self.path(location)?)).ok();
        }
        let (origin, path) = self.of_server(location)?;
        // A URL may have no path.
        let path = if path.starts_with(b"/") { path.to_vec() } else { [b"/", path].concat() };
        let origin = if self.is_known { origin } else { b"" };
        let path = self.path(&path).unwrap_or(path);
        HeaderValue::from_bytes(&[origin, &path].concat()).ok()
    }

    /// The origin of a URL that names the server as it was asked, and what follows.
    fn of_server<'a>(&self, url: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
        let rest = &url[scheme.len()..];
        let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let asked = self.asked.as_ref()?;
        rest[..end].eq_ignore_ascii_case(asked.as_bytes()).then(|| url.split_at(scheme.len() + end))
    }

    /// A path below the mount; `None` where it is there already.
    fn path(&self, path: &[u8]) -> Option<Vec<u8>> {
        let rest = path.strip_prefix(&*self.prefix);
        let is_below = rest.is_some_and(|rest| rest.first().is_none_or(|byte| b"/?#".contains(byte)));
        (!is_below).then(|| [&self.prefix, path].concat())
    }

    /// A cookie whose path is below the mount.
    fn cookie(&self, cookie: &[u8]) -> Option<HeaderValue> {
        let mut changed = Vec::with_capacity(cookie.len() + self.prefix.len());
        let mut is_changed = false;
        for (number, attribute) in cookie.split(|byte| *byte == b';').enumerate() {
            if number > 0 {
                changed.push(b';');
            }
            let path = attribute.trim_ascii().split_at_checked(b"path=".len());
            let path = path
                .filter(|(name, path)| number > 0 && name.eq_ignore_ascii_case(b"path=") && is_path(path));
            if let Some(path) = path.and_then(|(_, path)| self.path(path)) {
                is_changed = true;
                changed.extend_from_slice(b" Path=");
                // A cookie for `/shop/` would not be sent with `/shop`.
                changed.extend_from_slice(
                    path.strip_suffix(b"/").filter(|path| *path == self.prefix).unwrap_or(&path),
                );
            } else {
                changed.extend_from_slice(attribute);
            }
        }
        is_changed.then(|| HeaderValue::from_maybe_shared(Bytes::from(changed)).ok()).flatten()
    }
}

/// Whether it is a path of the same host: `//` begins the name of another.
fn is_path(text: &[u8]) -> bool {
    text.starts_with(b"/") && !text.starts_with(b"//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(prefix: &str, is_known: bool) -> WayBack {
        let asked = Some(HeaderValue::from_static("app:8080"));
        WayBack { prefix: prefix.into(), asked, is_known }
    }

    fn led(way: &WayBack, name: http::HeaderName, value: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(&name, HeaderValue::from_static(value));
        way.lead(&mut headers);
        headers[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_location_leads_below_the_mount_once() {
        let way = way("/shop", true);
        for (from, to) in [
            ("/", "/shop/"),
            ("/cart?next=/", "/shop/cart?next=/"),
            ("/shop", "/shop"),
            ("/shop/cart", "/shop/cart"),
            ("/shopping", "/shop/shopping"),
            ("http://app:8080/cart", "http://app:8080/shop/cart"),
            ("HTTPS://APP:8080", "HTTPS://APP:8080/shop/"),
            ("https://app:8080?a", "https://app:8080/shop/?a"),
            ("http://app/cart", "http://app/cart"),
            ("http://app:8080.evil/", "http://app:8080.evil/"),
            ("//app:8080/", "//app:8080/"),
            ("cart", "cart"),
            ("../cart", "../cart"),
            ("", ""),
        ] {
            assert_eq!(led(&way, LOCATION, from), to, "{from}");
        }
    }

    #[test]
    fn a_host_that_the_client_does_not_know_goes() {
        assert_eq!(led(&way("", false), LOCATION, "http://app:8080/cart"), "/cart");
        assert_eq!(led(&way("/shop", false), LOCATION, "http://app:8080"), "/shop/");
        assert_eq!(led(&way("", false), LOCATION, "/cart"), "/cart");
        assert_eq!(led(&way("", false), LOCATION, "http://app:8081/"), "http://app:8081/");
    }

    #[test]
    fn a_cookie_is_for_what_is_below_the_mount() {
        let way = way("/shop", true);
        for (from, to) in [
            ("a=b; Path=/", "a=b; Path=/shop"),
            ("a=b;path=/cart;Secure", "a=b; Path=/shop/cart;Secure"),
            ("a=b; Path=/shop/; HttpOnly", "a=b; Path=/shop/; HttpOnly"),
            ("a=path=/; Secure", "a=path=/; Secure"),
            ("path=/; Secure", "path=/; Secure"),
            ("a=b; Path=", "a=b; Path="),
            ("a=b", "a=b"),
            ("a=b; Path=/; Path=/x", "a=b; Path=/shop; Path=/shop/x"),
        ] {
            assert_eq!(led(&way, SET_COOKIE, from), to, "{from}");
        }
    }
}
