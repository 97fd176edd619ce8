//! Asks for a name and a password (RFC 7617); without the right ones the answer is 401.
//!
//! ```yaml
//! layers: [ { basic_auth: { realm: Staff, file: staff.htpasswd } } ]
//! ```
//!
//! The file has lines `NAME:HASH` as `htpasswd -B` writes them; it is read at the start and at a reload. Hashes are
//! bcrypt's: of what `htpasswd` makes, the one that is costly to guess. `REMOTE_USER` and `AUTH_TYPE` are set for what is
//! inside, which also gets the `Authorization` header unless `forward: false`.
//!
//! A bcrypt hash takes tens of milliseconds to check: that happens off the I/O core, for few requests at once (more get
//! 503), and what was right is remembered for a minute by a salted digest. An unknown name takes as long as a wrong password.
//!
//! Place it inside of `access_log`, `cors` and `response_headers`, and outside of everything that costs.
//! tower-http's `ValidateRequestHeaderLayer` knows one password, in the clear.

mod passwords;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http_environ::{Environ, View};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned};

use self::passwords::{Checking, Passwords};
use crate::{BoxLayer, Cause, LayerKind, Response, rescue, subrequest};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "basic_auth",
        summary: "asks for a name and a password",
        example: "basic_auth: { realm: Staff, users: { \
                  ann: \"$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe\" } }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: |_| vec!["REMOTE_USER".to_owned(), "AUTH_TYPE".to_owned()],
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// What the browser shows; `Restricted` by default.
    challenge: HeaderValue,
    /// Names and bcrypt hashes.
    users: Vec<(Spanned<String>, Spanned<String>)>,
    /// A file of lines `NAME:HASH`, as `htpasswd -B` writes it.
    file: Option<Spanned<PathBuf>>,
    /// Whether what is inside gets the `Authorization` header; `true` by default.
    forward: bool,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let settings = Self {
            challenge: challenge(reader),
            users: reader.pairs("users"),
            file: reader.optional("file"),
            forward: reader.or("forward", true),
        };
        for (name, _) in settings.users.iter().filter(|(name, _)| name.contains(':')) {
            reader.mistake(&name.place, "a name cannot have a `:`: it ends the name");
        }
        if settings.users.is_empty() && settings.file.is_none() {
            let place = reader.place();
            reader.mistake(&place, "nobody could enter").help("give `file` or `users`");
        }
        settings
    }
}

/// The `WWW-Authenticate` of a realm.
fn challenge(reader: &mut Reader<'_>) -> HeaderValue {
    let realm: Spanned<String> = reader.or("realm", Spanned::new("Restricted".to_owned(), reader.place()));
    let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"")).unwrap_or_else(|_| {
        reader.mistake(&realm.place, "a realm cannot have control characters");
        HeaderValue::from_static("Basic")
    })
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let passwords = Arc::new(Passwords::read(&settings.users, settings.file.as_ref())?);
    let (challenge, forward) = (settings.challenge.clone(), settings.forward);
    let (remote_user, auth_type) = (Arc::from("REMOTE_USER"), Arc::from("AUTH_TYPE"));
    let names: Arc<(Arc<str>, Arc<str>)> = Arc::new((remote_user, auth_type));
    Ok(BoxLayer::from_fn(move |mut request, inner| {
        let (passwords, names, challenge) = (Arc::clone(&passwords), Arc::clone(&names), challenge.clone());
        async move {
            let user = match check(&passwords, request.headers()).await {
                Ok(user) => user,
                Err(refusal) => return refuse(&request, &refusal, challenge),
            };
            if let Some(environ) = request.extensions_mut().get_mut::<Environ>() {
                environ.set(&names.0, user.into_bytes());
                environ.set(&names.1, *b"Basic");
            }
            if !forward {
                subrequest::withhold(&mut request, AUTHORIZATION);
            }
            inner.answer(request).await
        }
    }))
}

/// The name of the user that the request proves to come from.
async fn check(passwords: &Arc<Passwords>, headers: &HeaderMap) -> Result<String, Refusal> {
    let (user, password) = credentials(headers)?;
    match passwords.check(&user, password).await {
        Ok(true) => Ok(user),
        Ok(false) => Err(Refusal::Wrong(user)),
        Err(error) => Err(Refusal::Unchecked(error)),
    }
}

/// The longest `Authorization` that is looked at.
const LONGEST: usize = 1024;

fn credentials(headers: &HeaderMap) -> Result<(String, Vec<u8>), Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() || value.len() > LONGEST {
        return Err(Refusal::Malformed);
    }
    let value = value.to_str().map_err(|_| Refusal::Malformed)?;
    let (scheme, encoded) = value.split_once(' ').ok_or(Refusal::Malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal::Missing);
    }
    let pair =
        base64::engine::general_purpose::STANDARD.decode(encoded.trim()).map_err(|_| Refusal::Malformed)?;
    let colon = pair.iter().position(|byte| *byte == b':').ok_or(Refusal::Malformed)?;
    let user = std::str::from_utf8(&pair[..colon]).map_err(|_| Refusal::Malformed)?;
    Ok((user.to_owned(), pair[colon + 1..].to_vec()))
}

fn refuse<B>(request: &http::Request<B>, refusal: &Refusal, challenge: HeaderValue) -> Response {
    let id = &View::of(request).environ().request_id;
    if matches!(refusal, Refusal::Unchecked(_)) {
        return rescue(id, Cause::Busy, refusal);
    }
    let mut answer = rescue(id, Cause::Unauthorized, refusal);
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    answer
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the request has no name and password (layer basic_auth)")]
    Missing,
    #[error("the Authorization header is malformed (layer basic_auth)")]
    Malformed,
    #[error("unknown name or wrong password for {0:?} (layer basic_auth)")]
    Wrong(String),
    #[error("the password was not checked (layer basic_auth)")]
    Unchecked(#[source] Checking),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{around, build, mistakes, request, text};
    use crate::{Body, BoxService};

    fn service(settings: &str) -> BoxService {
        let hash = bcrypt::hash("open: sesame", 4).unwrap();
        let yaml =
            format!("basic_auth: {{ realm: 'The \"Staff\"', users: {{ ann: \"{hash}\" }}, {settings} }}");
        around(&yaml, async |request| {
            let view = View::of(&request);
            let value = |name| String::from_utf8_lossy(view.environ().variable(name).unwrap()).into_owned();
            let forwarded = request.headers().contains_key(AUTHORIZATION);
            Response::new(Body::from(format!("{} {} {forwarded}", value("REMOTE_USER"), value("AUTH_TYPE"))))
        })
    }

    async fn enter(service: &BoxService, pair: &str) -> Response {
        let value = format!("bAsIc {}", base64::engine::general_purpose::STANDARD.encode(pair));
        service.answer(request("GET /", &[("authorization", &value)], Body::Empty)).await
    }

    #[tokio::test]
    async fn the_right_password_opens_and_names_the_user() {
        let service = service("forward: true");
        for _ in 0..2 {
            let answer = enter(&service, "ann:open: sesame").await;
            assert_eq!(text(answer.into_body()).await, "ann Basic true");
        }
        let answer = enter(&self::service("forward: false"), "ann:open: sesame").await;
        assert_eq!(text(answer.into_body()).await, "ann Basic false");
    }

    #[tokio::test]
    async fn everything_else_is_asked_again() {
        let service = service("forward: true");
        enter(&service, "ann:open: sesame").await;
        for pair in
            ["ann:wrong", "ann:", "bob:open: sesame", "ann", ":", "ANN:open: sesame", &"x".repeat(LONGEST)]
        {
            let answer = enter(&service, pair).await;
            assert_eq!(answer.status(), 401, "{pair}");
            let challenge = &answer.headers()[WWW_AUTHENTICATE];
            assert_eq!(challenge, r#"Basic realm="The \"Staff\"", charset="UTF-8""#);
        }
        for value in ["Basic", "Basic ?", "Bearer abc"] {
            let answer = service.answer(request("GET /", &[("authorization", value)], Body::Empty)).await;
            assert_eq!(answer.status(), 401, "{value}");
        }
        assert_eq!(service.answer(request("GET /", &[], Body::Empty)).await.status(), 401);
    }

    #[test]
    fn weak_costly_or_broken_hashes_are_mistakes_with_the_line_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("staff.htpasswd");
        let yaml = format!("basic_auth: {{ file: \"{}\" }}", file.display());
        let hash = bcrypt::hash("x", 4).unwrap();
        for (line, part) in [
            ("ann:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=".to_owned(), "not a bcrypt hash"),
            (format!("ann:{}", hash.replace("$04$", "$31$")), "takes too long"),
            ("ann".to_owned(), "`NAME:HASH` is expected"),
        ] {
            std::fs::write(&file, format!("# staff\n\nbob:{hash}\n{line}\n")).unwrap();
            let text = mistakes(&yaml);
            assert!(text.contains(part) && text.contains("staff.htpasswd:4"), "{part} in {text}");
        }
        std::fs::write(&file, format!("# staff\n\nbob:{hash}\n")).unwrap();
        assert!(build(&yaml).is_ok());
        std::fs::write(&file, "# staff\n").unwrap();
        assert!(mistakes(&yaml).contains("names no user"));
        std::fs::remove_file(&file).unwrap();
        assert!(mistakes(&yaml).contains("cannot read"));
    }

    #[test]
    fn a_door_that_nobody_could_enter_is_a_mistake() {
        assert!(mistakes("basic_auth: {}").contains("nobody could enter"));
        assert!(mistakes("basic_auth: { users: { ann: secret } }").contains("htpasswd -B"));
    }
}
