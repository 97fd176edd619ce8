//! Tells browsers which other origins may use what is inside (the Fetch standard's CORS protocol).
//!
//! ```yaml
//! layers:
//!   - cors: { origins: ["https://shop.example", "https://*.example.com"], methods: [GET, PUT], credentials: true, max_age: 1h }
//! ```
//!
//! Preflight requests (OPTIONS with `Access-Control-Request-Method`) are answered here, all others go on inside and get
//! their headers on the way out. A plain OPTIONS request is left alone: it may be the application's.
//!
//! Place it outside of what refuses requests without credentials (`basic_auth`): browsers send none with a preflight, and
//! read an error only with these headers. The answers are made by tower-http's `CorsLayer`.

use std::str::FromStr;
use std::time::Duration;

use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Uri};
use tower::Layer as _;
use tower::ServiceExt as _;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};
use vestibule_config::{Diagnostic, Kind, Patterns, Reader, Settings as Checked, Spanned, sets_nothing};

use crate::{BoxLayer, LayerKind};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "cors",
        summary: "tells browsers which other origins may use what is inside",
        example: "cors: { origins: [\"https://shop.example\"], methods: [GET, PUT], headers: [Content-Type] }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// Who may ask: origins such as `https://shop.example`, globs such as `https://*.example.com`, or `*` for all.
    origins: Choice<Origin>,
    /// With which methods, beside GET, HEAD and POST, which need no leave; by default none.
    methods: Vec<Method>,
    /// With which headers, beside those that need no leave; `*` for all.
    headers: Choice<HeaderName>,
    /// Which headers of the answer scripts may read, beside those that need no leave.
    expose: Vec<HeaderName>,
    /// Whether cookies and credentials may be sent along; `false` by default.
    credentials: bool,
    /// How long a browser may remember the answer to a preflight.
    max_age: Option<Duration>,
}

enum Choice<T> {
    All,
    Of(Vec<T>),
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let credentials = reader.or("credentials", false);
        let origins: Patterns = reader.required("origins");
        let headers: Patterns = reader.optional("headers").unwrap_or_default();
        Self {
            origins: choice(reader, "origins", &origins, credentials),
            methods: parsed(reader, "methods"),
            headers: choice(reader, "headers", &headers, credentials),
            expose: parsed(reader, "expose"),
            credentials,
            max_age: reader.optional("max_age"),
        }
    }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(reader: &mut Reader<'_>, key: &'static str) -> Vec<T> {
    let texts: Vec<Spanned<String>> = reader.or(key, Vec::new());
    texts.iter().filter_map(|text| reader.parse(text)).collect()
}

/// A list, or `*`, which with credentials browsers refuse (and tower-http panics over).
fn choice<T>(reader: &mut Reader<'_>, key: &str, texts: &Patterns, credentials: bool) -> Choice<T>
where
    T: FromStr<Err: std::fmt::Display>,
{
    let Some(all) = texts.0.iter().find(|text| text.value == "*") else {
        return Choice::Of(texts.0.iter().filter_map(|text| reader.parse(text)).collect());
    };
    if credentials {
        reader
            .mistake(&all.place, format!("`{key}: \"*\"` and `credentials: true` exclude each other"))
            .help("browsers refuse the two together: list what is allowed");
    }
    if texts.0.len() > 1 {
        reader.mistake(&all.place, format!("`*` allows all {key}; nothing can stand beside it"));
    }
    Choice::All
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let mut cors = CorsLayer::new()
        .allow_methods(settings.methods.clone())
        .expose_headers(settings.expose.clone())
        .allow_credentials(settings.credentials);
    cors = match &settings.origins {
        Choice::All => cors.allow_origin(Any),
        Choice::Of(origins) => cors.allow_origin(allow(origins.clone())),
    };
    cors = match &settings.headers {
        Choice::All => cors.allow_headers(Any),
        Choice::Of(names) => cors.allow_headers(AllowHeaders::list(names.iter().cloned())),
    };
    if let Some(max_age) = settings.max_age {
        cors = cors.max_age(max_age);
    }
    Ok(BoxLayer::from_fn(move |request, inner| {
        // tower-http takes every OPTIONS request for a preflight.
        let is_plain = request.method() == Method::OPTIONS
            && !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let cors = (!is_plain).then(|| cors.clone());
        async move {
            match cors {
                None => inner.answer(request).await,
                Some(cors) => cors.layer(inner).oneshot(request).await.unwrap_or_else(|never| match never {}),
            }
        }
    }))
}

fn allow(origins: Vec<Origin>) -> AllowOrigin {
    AllowOrigin::predicate(move |origin: &HeaderValue, _: &Parts| {
        origin.to_str().is_ok_and(|origin| origins.iter().any(|allowed| allowed.is(origin)))
    })
}

/// An origin, or a glob of them.
#[derive(Clone)]
enum Origin {
    Exact(String),
    /// What stands before and behind `*`, which is one or more labels of a host.
    Glob(String, String),
}

impl Origin {
    fn is(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Glob(before, behind) => {
                let middle =
                    origin.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(behind.as_str()));
                middle.is_some_and(|labels| {
                    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                    !labels.is_empty() && labels.bytes().all(is_host)
                })
            }
        }
    }
}

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        // With a label in place of the star it must be an origin: scheme, host, perhaps a port, in lower case, no path.
        let uri: Uri = text.replacen('*', "star", 1).parse().map_err(|_| NoOrigin)?;
        let is_origin = uri.scheme().is_some()
            && uri.host().is_some_and(|host| !host.is_empty())
            && !text.ends_with('/')
            && uri.path() == "/"
            && uri.query().is_none()
            && !text.contains(['@', '?', '#'])
            && !text.contains(|c: char| c.is_ascii_uppercase());
        if !is_origin {
            return Err(NoOrigin);
        }
        match text.split_once('*') {
            None => Ok(Self::Exact(text.to_owned())),
            // A star takes whole labels, and never the end of the host: that may belong to anybody.
            Some((before, behind))
                if before.ends_with("://") && behind.starts_with('.') && !behind.contains('*') =>
            {
                Ok(Self::Glob(before.to_owned(), behind.to_owned()))
            }
            Some(_) => Err(NoOrigin),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "an origin is a scheme, a host in lower case and perhaps a port: `https://shop.example`, `https://*.example.com`"
)]
struct NoOrigin;

#[cfg(test)]
mod tests {
    use crate::testing::{answer, around, mistakes, request};
    use crate::{Body, Response};

    const YAML: &str = "cors: { origins: [\"https://a.example\", \"https://*.b.example:8443\"], methods: [PUT], \
                        headers: [X-A], expose: [X-B], credentials: true, max_age: 10m }";

    async fn asked(yaml: &str, line: &str, headers: &[(&str, &str)]) -> Response {
        let service = around(yaml, async |_| answer(&[("x-inside", "1")], Body::Empty));
        service.answer(request(line, headers, Body::Empty)).await
    }

    async fn allowed(origin: &str) -> bool {
        let answer = asked(YAML, "GET /", &[("origin", origin)]).await;
        assert!(answer.headers().contains_key("x-inside"));
        answer.headers().get("access-control-allow-origin").is_some_and(|value| value == origin)
    }

    #[tokio::test]
    async fn listed_origins_are_allowed_and_no_others() {
        assert!(allowed("https://a.example").await);
        assert!(allowed("https://x.y.b.example:8443").await);
        for origin in [
            "http://a.example",
            "https://a.example.evil.example",
            "https://b.example:8443",
            "https://.b.example:8443/",
            "https://evil/x.b.example:8443",
            "null",
        ] {
            assert!(!allowed(origin).await, "{origin}");
        }
    }

    #[tokio::test]
    async fn a_preflight_is_answered_here() {
        let headers = [("origin", "https://a.example"), ("access-control-request-method", "PUT")];
        let answer = asked(YAML, "OPTIONS /", &headers).await;
        let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(!answer.headers().contains_key("x-inside"));
        assert_eq!(header("access-control-allow-methods"), "PUT");
        assert_eq!(header("access-control-allow-headers"), "x-a");
        assert_eq!(header("access-control-allow-credentials"), "true");
        assert_eq!(header("access-control-max-age"), "600");
        assert!(header("vary").contains("origin"));
    }

    #[tokio::test]
    async fn a_plain_options_request_goes_inside() {
        let answer = asked(YAML, "OPTIONS /", &[("origin", "https://a.example")]).await;
        assert!(answer.headers().contains_key("x-inside"));
    }

    #[test]
    fn all_with_credentials_is_a_mistake_and_no_panic() {
        let text = mistakes("cors: { origins: \"*\", headers: \"*\", credentials: true }");
        assert_eq!(text.matches("exclude each other").count(), 2, "{text}");
    }

    #[test]
    fn what_is_no_origin_is_told() {
        for origin in [
            "a.example",
            "https://a.example/",
            "https://A.example",
            "https://*",
            "https://a*.example",
            "https://*.*.a",
        ] {
            assert!(
                mistakes(&format!("cors: {{ origins: [\"{origin}\"] }}")).contains("an origin is"),
                "{origin}"
            );
        }
        assert!(
            mistakes("cors: { origins: [\"*\", \"https://a.example\"] }")
                .contains("nothing can stand beside")
        );
    }
}
