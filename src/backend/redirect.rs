//! Sends the client elsewhere.
//!
//! ```yaml
//! routes:
//!   - path: /old/{*rest}
//!     redirect: { to: "/new/{rest}", status: 301 }
//!   - match: { scheme: http }
//!     redirect: { to: "https://{HTTP_HOST}{REQUEST_URI}", status: 308 }
//! ```
//!
//! `PATH_INFO`, `SCRIPT_NAME`, captures and other variables hold decoded text: they are percent-encoded again, as parts
//! of a path. `REQUEST_URI`, `QUERY_STRING` and `HTTP_*` are what the client sent: in them only what no URI may hold is
//! encoded. So no line break gets into the header, and nothing is encoded twice.
//!
//! A Location that begins with `//` names another host. Where it does so only by what the client sent, one slash is left.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use http_environ::encode::{push_decoded, push_encoded};
use http_environ::{Template, Variable, View};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};
use vestibule_layers::{Body, BoxService, Cause, Response, rescue};

use super::BackendKind;

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "redirect",
        summary: "sends the client elsewhere",
        example: "redirect: { to: \"https://{HTTP_HOST}{REQUEST_URI}\", status: 308 }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, _| build(settings.get()),
    processes: None,
};

const STATUSES: [(&str, StatusCode); 5] = [
    ("301", StatusCode::MOVED_PERMANENTLY),
    ("302", StatusCode::FOUND),
    ("303", StatusCode::SEE_OTHER),
    ("307", StatusCode::TEMPORARY_REDIRECT),
    ("308", StatusCode::PERMANENT_REDIRECT),
];

struct Settings {
    /// Where to: a URL or a path, with `{VARIABLE}` of the environ. `None` where it was no template: a mistake is recorded.
    to: Option<Template>,
    /// 301, 302, 303, 307 or 308; by default 302, which no browser remembers when it was a mistake.
    status: StatusCode,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let text = reader.required::<Spanned<String>>("to");
        if text.value.is_empty() && !text.place.is_unknown() {
            reader.mistake(&text.place, "an empty `to` leads nowhere");
        }
        let to = reader.parse::<Template>(&text);
        for name in to.iter().flat_map(Template::variables) {
            reader.reads(Spanned::new(name.to_owned(), text.place.clone()));
        }
        Self { to, status: reader.one_of("status", &STATUSES, StatusCode::FOUND) }
    }
}

fn build(settings: &Settings) -> Result<BoxService, Diagnostic> {
    let to = settings.to.clone().ok_or_else(|| Diagnostic::error("`to` is no template"))?;
    let status = settings.status;
    let names_host = to.render_with(|_, _, _| ()).starts_with(b"//");
    Ok(BoxService::from_fn(move |request| {
        let view = View::of(&request);
        let answer = match HeaderValue::try_from(location(&to, &view, names_host)) {
            Ok(location) => {
                let mut answer = Response::new(Body::Empty);
                *answer.status_mut() = status;
                answer.headers_mut().insert(LOCATION, location);
                answer
            }
            Err(error) => rescue(&view.environ().request_id, Cause::BadRequest, &error),
        };
        std::future::ready(answer)
    }))
}

fn location(to: &Template, view: &View<'_>, names_host: bool) -> Vec<u8> {
    let rendered = to.render_with(|uri, _, variable| push_variable(uri, variable, view));
    let leading = rendered.iter().take_while(|&&byte| byte == b'/').count();
    let superfluous = if names_host { 0 } else { leading.saturating_sub(1) };
    let mut location = Vec::with_capacity(rendered.len());
    push_encoded(&mut location, &rendered[superfluous..]);
    location
}

fn push_variable(uri: &mut Vec<u8>, variable: &Variable, view: &View<'_>) {
    let path = view.environ().path();
    match variable {
        Variable::PathInfo => push_encoded(uri, path.raw_path_info()),
        Variable::ScriptName => {
            push_decoded(uri, &view.environ().prefix);
            push_encoded(uri, &path.raw_script_name());
        }
        Variable::Other(name) => push_decoded(uri, view.environ().variable(name).unwrap_or_default()),
        other => push_encoded(uri, &view.get(other).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use http_environ::Environ;
    use vestibule_layers::Request;

    use super::*;
    use crate::backend::from_yaml;

    /// What one request is answered: the status and the Location.
    fn redirected(settings: &str, request: Request) -> (u16, String) {
        let settings = from_yaml::settings(&KIND, settings, Path::new("")).unwrap();
        let answer = block_on(build(settings.get()).unwrap().answer(request));
        (answer.status().as_u16(), answer.headers()[LOCATION].to_str().unwrap().to_owned())
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn get(target: &str) -> Request {
        let mut request = http::Request::get(target).header("host", "example.com").body(Body::Empty).unwrap();
        let environ = Environ::for_target(request.uri()).unwrap();
        request.extensions_mut().insert(environ);
        request
    }

    #[test]
    fn the_default_is_found() {
        assert_eq!(redirected("to: /new", get("/old")), (302, "/new".into()));
    }

    #[test]
    fn every_status_of_a_redirect_may_be_chosen() {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(
                redirected(&format!("{{ to: /a, status: {status} }}"), get("/")),
                (status, "/a".into())
            );
        }
        let mistakes = from_yaml::settings(&KIND, "{ to: /a, status: 200 }", Path::new("")).err().unwrap();
        assert!(
            mistakes.contains("`status` cannot be `200`") && mistakes.contains("301, 302, 303, 307, 308"),
            "{mistakes}"
        );
    }

    #[test]
    fn what_the_client_sent_stays_as_it_was_sent() {
        let to = "to: \"https://{HTTP_HOST}{REQUEST_URI}\"";
        assert_eq!(redirected(to, get("/a%20b?c=%C3%A9")).1, "https://example.com/a%20b?c=%C3%A9");
        assert_eq!(redirected("to: \"/x{PATH_INFO}?{QUERY_STRING}\"", get("/a%2Fb%3F?c")).1, "/x/a%2Fb%3F?c");
    }

    #[test]
    fn a_mount_and_the_front_server_s_prefix_are_kept() {
        let mut request = get("/shop%21/cart");
        let environ = request.extensions_mut().get_mut::<Environ>().unwrap();
        environ.prefix = Box::from(*b"/pre fix");
        assert!(environ.path_mut().mount("/shop!"));
        assert_eq!(
            redirected("to: \"{SCRIPT_NAME}/new{PATH_INFO}\"", request).1,
            "/pre%20fix/shop%21/new/cart"
        );
    }

    #[test]
    fn decoded_variables_are_encoded_and_bring_no_line_break() {
        let mut request = get("/");
        let rest: Arc<str> = "rest".into();
        request.extensions_mut().get_mut::<Environ>().unwrap().set(&rest, *b"a b?c\r\nSet-Cookie: d=100%");
        let (_, location) = redirected("to: \"/new/{rest}\"", request);
        assert_eq!(location, "/new/a%20b%3Fc%0D%0ASet-Cookie:%20d=100%25");
    }

    #[test]
    fn a_path_does_not_turn_into_another_host() {
        assert_eq!(redirected("to: \"{PATH_INFO}/\"", get("//evil.example")).1, "/evil.example/");
        assert_eq!(redirected("to: \"{REQUEST_URI}\"", get("///evil.example")).1, "/evil.example");
        assert_eq!(redirected("to: \"/{PATH_INFO}\"", get("/%5Cevil.example")).1, "/%5Cevil.example");
        assert_eq!(redirected("to: \"//cdn.example{PATH_INFO}\"", get("/a")).1, "//cdn.example/a");
    }

    #[test]
    fn text_beyond_ascii_is_encoded() {
        assert_eq!(redirected("to: /café", get("/")).1, "/caf%C3%A9");
    }

    #[test]
    fn mistakes_are_told() {
        for (yaml, told) in [
            ("status: 301", "`to` is missing"),
            ("to: \"\"", "an empty `to` leads nowhere"),
            ("to: \"/{\"", "opens a variable that no `}` closes"),
            ("{ to: /a, sttaus: 301 }", "did you mean `status`?"),
        ] {
            let mistakes = from_yaml::settings(&KIND, yaml, Path::new("")).err().unwrap();
            assert!(mistakes.contains(told), "{yaml}: {mistakes}");
        }
    }

    #[test]
    fn its_variables_are_declared() {
        assert_eq!(from_yaml::reads(&KIND, "to: \"{A}/{HTTP_HOST}\""), ["A", "HTTP_HOST"]);
    }
}
