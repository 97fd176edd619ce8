//! The cookie that binds a client to a server.
//!
//! Its value is a hash of the server's address: it holds in every worker, after a restart and on other gateways with the same
//! servers, and nothing is kept here. Whoever changes it chooses another server, or none: it is a matter of load, not of
//! access.

use std::fmt::Write as _;

use http::HeaderValue;
use http_environ::{Scheme, View, encode};

/// The most cookies of the name that are looked at: browsers send one for each path.
const MOST: usize = 4;

/// How clients are bound.
#[derive(Clone, Debug)]
pub(super) struct Sticky {
    /// The name of the cookie.
    pub(super) cookie: String,
}

/// What a request says of its server, and how an answer would say it.
#[derive(Debug)]
pub(in crate::backend::http) struct Session {
    /// The servers that its cookies name.
    wanted: Vec<u64>,
    name: String,
    path: String,
    is_secure: bool,
}

impl Sticky {
    /// The session of a request.
    pub(super) fn session(&self, view: &View<'_>) -> Session {
        let cookies = view.cookies().filter(|(name, _)| *name == self.cookie.as_bytes());
        Session {
            wanted: cookies.take(MOST).filter_map(|(_, value)| parse(value)).collect(),
            name: self.cookie.clone(),
            path: path(view),
            is_secure: view.environ().scheme == Scheme::Https,
        }
    }
}

impl Session {
    /// Whether its cookies name an endpoint.
    pub(super) fn wants(&self, id: u64) -> bool {
        self.wanted.contains(&id)
    }

    /// The `Set-Cookie` that binds the client to an endpoint; `None` where it is bound already.
    pub(super) fn bind(&self, id: u64) -> Option<HeaderValue> {
        if self.wants(id) {
            return None;
        }
        let mut cookie = format!("{}={id:016x}; Path={}; HttpOnly; SameSite=Lax", self.name, self.path);
        if self.is_secure {
            let _ = cookie.write_str("; Secure");
        }
        HeaderValue::try_from(cookie).ok()
    }
}

fn parse(value: &[u8]) -> Option<u64> {
    // `from_str_radix` takes a sign, too.
    let is_ours = value.len() == 16 && value.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_ours)?;
    u64::from_str_radix(text, 16).ok()
}

/// Where the application is mounted: so two of them with cookies of one name do not meet.
fn path(view: &View<'_>) -> String {
    let environ = view.environ();
    let mut path = Vec::new();
    encode::push_decoded(&mut path, &environ.prefix);
    path.extend_from_slice(&environ.path().raw_script_name());
    match String::from_utf8(path) {
        // A semicolon would end the attribute.
        Ok(path) if path.starts_with('/') && !path.contains(';') => path,
        _ => "/".into(),
    }
}

#[cfg(test)]
mod tests {
    use http_environ::Environ;

    use super::*;

    fn session(cookies: &[&str]) -> Session {
        let mut request = http::Request::get("/a").body(()).unwrap();
        for cookie in cookies {
            request.headers_mut().append("cookie", cookie.parse().unwrap());
        }
        let environ = Environ::for_target(request.uri()).unwrap();
        request.extensions_mut().insert(environ);
        Sticky { cookie: "route".into() }.session(&View::of(&request))
    }

    #[test]
    fn a_client_without_the_cookie_gets_one() {
        let cookie = session(&["other=1"]).bind(0xabc).unwrap();
        assert_eq!(cookie, "route=0000000000000abc; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_client_that_has_it_gets_no_other() {
        let session = session(&["a=b; route=00000000000000ff", "route=0000000000000abc"]);
        assert!(session.bind(0xabc).is_none() && session.bind(0xff).is_none());
        assert!(session.bind(1).is_some());
    }

    #[test]
    fn what_is_no_cookie_of_ours_names_nothing() {
        for odd in ["route=", "route=1", "route=+00000000000000f", "route=zzzzzzzzzzzzzzzz", "route=\u{e9}"] {
            assert!(session(&[odd]).wanted.is_empty(), "{odd}");
        }
        let many = vec!["route=00000000000000ff"; 100];
        assert_eq!(session(&many).wanted.len(), MOST);
    }
}
