//! Requests of which each has something of its own.

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    method: &'static str,
    target: String,
    headers: Vec<String>,
    pub(super) body: String,
    is_chunked: bool,
}

impl Asked {
    fn get(target: impl Into<String>) -> Self {
        Self {
            method: "GET",
            target: target.into(),
            headers: vec!["Host: shop.example".into()],
            body: String::new(),
            is_chunked: false,
        }
    }

    fn with(header: impl Into<String>) -> Self {
        let mut asked = Self::get("/shop/");
        asked.headers.push(header.into());
        asked
    }

    fn to(host: &str) -> Self {
        Self { headers: vec![format!("Host: {host}")], ..Self::get("/") }
    }

    fn sending(method: &'static str, size: usize, is_chunked: bool) -> Self {
        Self { method, body: "x".repeat(size), is_chunked, ..Self::get("/shop/ad%20min/form") }
    }

    /// The same request, to a program of a name below the mount.
    pub(super) fn to_program(&self, name: &str) -> Self {
        let is_below = |mount: &&str| {
            let rest = self.target.strip_prefix(*mount);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        let mount = ["/shop/ad%20min", "/shop"].into_iter().find(is_below).unwrap_or_default();
        let target = format!("{mount}{name}{}", &self.target[mount.len()..]);
        Self { target, ..self.clone() }
    }

    /// As it is sent, with further headers.
    pub(super) fn encoded(&self, further: &[&str]) -> Vec<u8> {
        let mut request = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for header in self.headers.iter().map(String::as_str).chain(further.iter().copied()) {
            request.extend([header, "\r\n"]);
        }
        if self.is_chunked {
            request.push_str("Transfer-Encoding: chunked\r\n\r\n");
            for piece in self.body.as_bytes().chunks(1000) {
                let size = format!("{:x}", piece.len());
                request.extend([&size, "\r\n", &*String::from_utf8_lossy(piece), "\r\n"]);
            }
            request.push_str("0\r\n\r\n");
        } else {
            if !self.body.is_empty() {
                request.extend(["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
            }
            request.extend(["\r\n", &self.body]);
        }
        // As latin-1, so that a test can name any byte.
        request.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect()
    }
}

/// Sixty and more.
pub(super) fn requests() -> Vec<Asked> {
    let paths = [
        "/",
        "/shop",
        "/shop/",
        "/shop/a",
        "/shopping",
        "/shop/ad%20min",
        "/shop/ad%20min/",
        "/shop/ad%20min/x/y",
        "/a%20b",
        "/caf%C3%A9",
        "/%FF%FE",
        "/a%2Fb",
        "/shop/a%2Fb/c",
        "/a%25b",
        "/a%3Fb%23c",
        "/a//b",
        "//a",
        "/a//",
        "/shop//",
        "/shop//a",
        "/a/./b/../c",
        "/a/%2e%2e/b",
        "/a;v=1",
        "/a+b",
        "/a&b=c",
        "/~user/",
        "/a.php/b",
        "/index.html",
        "/a%0Ab",
        "/:@!$'()*,",
        "/a?",
        "/?b",
        "/a?b=c&d=e",
        "/a?b=%20%26&c",
        "/a?b?c",
        "/shop?x=/y",
        "/a?b=caf%C3%A9",
        "/a?%FF",
        "/a?+",
    ];
    let headers = [
        "X-Empty:",
        "X-Odd:  spaces around  ",
        "X-Comma: a, b",
        "X-Quote: \"q\" \\ 'x'",
        "X-Equals: a=b=c",
        "X-Latin: caf\u{e9}",
        "X-Tab: a\tb",
        "Accept: */*",
        "Accept-Language: de;q=0.9, en",
        "Cookie: a=1; b=2",
        "Cookie: a=1\r\nCookie: b=2",
        "X-Twice: 1\r\nX-Twice: 2",
        "Authorization: Basic dXNlcjpwYXNz",
        "Proxy: evil",
        "Content-Type: text/plain",
        "X_Under: 1",
        "User-Agent: test",
        "If-None-Match: \"a\"",
        "Range: bytes=0-1",
        "Via: 1.1 other",
        "X-1-2--3: digits",
        "Referer: http://other.example/?a=b",
        "Content-Length: 0",
        "Date: now",
        "X-Forwarded-Host: evil",
    ];
    let hosts = [
        "shop.example:8080",
        "127.0.0.1",
        "127.0.0.1:81",
        "[2001:db8::1]",
        "[2001:db8::1]:8443",
        "SHOP.example",
    ];
    let long = format!("X-Long: {}", "0123456789".repeat(900));
    let mut all: Vec<_> = paths.iter().map(|path| Asked::get(*path)).collect();
    all.extend(headers.iter().map(|header| Asked::with(*header)));
    all.push(Asked::with(long));
    all.extend(hosts.iter().map(|host| Asked::to(host)));
    for (method, size, is_chunked) in [
        ("POST", 0, false),
        ("POST", 1, false),
        ("POST", 100_000, false),
        ("PUT", 10, false),
        ("PATCH", 10, false),
        ("DELETE", 0, false),
        ("OPTIONS", 0, false),
        ("POST", 0, true),
        ("POST", 3, true),
        ("POST", 100_000, true),
        ("PROPFIND", 5, false),
    ] {
        all.push(Asked::sending(method, size, is_chunked));
    }
    all
}
