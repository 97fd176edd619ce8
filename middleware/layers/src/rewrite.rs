//! Changes the path that what is inside sees, and its query if wanted.
//!
//! ```yaml
//! layers:
//!   - rewrite: { match: "^/old/(?<rest>.*)$", to: "/new/{rest}" }
//!   - rewrite: { match: "^/item/(?<id>[0-9]+)$", to: /item.php, query: "id={id}&{QUERY_STRING}" }
//! ```
//!
//! `match` is a regular expression on the decoded `PATH_INFO`; a request that it does not match is left alone. `to` is the
//! whole new `PATH_INFO`, a template in which named groups come before the environ's variables; it is percent-encoded
//! as a path needs. In `query`, values are percent-encoded so that they cannot become more than a value; `QUERY_STRING`
//! goes in as it is. `SCRIPT_NAME` stays: dot segments of the new path are resolved below the mount, and a path that no
//! client could send either is answered with 400. `REQUEST_URI` stays what the client sent.
//!
//! Routes do not see `;jsessionid=…` at the end of a path, nor do their captures, but it is a part of `PATH_INFO`: `match` sees it,
//! and a group that takes the end of the path takes it along. For a path that is made of captures, a group of its own does:
//! `rewrite: { match: "(?<session>;jsessionid=[^/]*)?$", to: "/item/{id}{session}" }`.
//!
//! Place it outside of the routes that should see the new path. tower-http has no such layer.

use std::borrow::Cow;
use std::sync::Arc;

use http_environ::{Environ, PathError, RequestId, Template, Variable, View, encode};
use regex::bytes::{Captures, Regex};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};

use crate::{BoxLayer, Cause, LayerKind, Request, rescue};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "rewrite",
        summary: "changes the path that what is inside sees, and its query if wanted",
        example: "rewrite: { match: \"^/old/(?<rest>.*)$\", to: \"/new/{rest}\" }",
        read: |reader| Checked::new(Arc::new(Settings::read(reader))),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// Which paths are changed, and what of them is kept; all of them where it is not given.
    pattern: Option<Regex>,
    /// The new PATH_INFO.
    to: Option<Template>,
    /// The new QUERY_STRING; where it is not given, the query stays.
    query: Option<Template>,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let pattern: Option<Spanned<String>> = reader.optional("match");
        let pattern = pattern.and_then(|text| reader.regular_expression(&text.place, &text));
        let to: Spanned<String> = reader.required("to");
        let query: Option<Spanned<String>> = reader.optional("query");
        check_path(reader, &to);
        Self {
            to: template(reader, &to, pattern.as_ref()),
            query: query.and_then(|query| template(reader, &query, pattern.as_ref())),
            pattern,
        }
    }

    /// The new path and query, percent-encoded; `None` for a request that is left alone.
    fn rewritten(&self, view: &View<'_>) -> Option<(String, Option<String>)> {
        let old = view.environ().path().path_info();
        let captures = match &self.pattern {
            Some(pattern) => Some(pattern.captures(old)?),
            None => None,
        };
        let path = self.to.as_ref()?.render_with(|path, name, variable| {
            path.extend_from_slice(&self.value(captures.as_ref(), view, name, variable));
        });
        let query = self.query.as_ref().map(|template| {
            let whole = template.render_with(|query, name, variable| {
                let value = self.value(captures.as_ref(), view, name, variable);
                if *variable == Variable::QueryString {
                    query.extend_from_slice(&value);
                } else {
                    encode::push_value(query, &value);
                }
            });
            encoded(encode::push_query, &whole)
        });
        Some((encoded(encode::push_decoded, &path), query))
    }

    /// What a name in braces stands for: a named group, empty if it took no part, else a variable.
    fn value<'v>(
        &self,
        captures: Option<&Captures<'v>>,
        view: &View<'v>,
        name: &str,
        variable: &Variable,
    ) -> Cow<'v, [u8]> {
        if is_group(self.pattern.as_ref(), name) {
            let group = captures.and_then(|captures| captures.name(name));
            return Cow::Borrowed(group.map_or(b"", |group| group.as_bytes()));
        }
        view.get(variable).unwrap_or_default()
    }
}

/// Like [`crate::setting::template`], but named groups are no variables.
fn template(reader: &mut Reader<'_>, text: &Spanned<String>, pattern: Option<&Regex>) -> Option<Template> {
    let template: Template = reader.parse(text)?;
    for variable in template.variables().filter(|name| !is_group(pattern, name)) {
        reader.reads(Spanned::new(variable.to_owned(), text.place.clone()));
    }
    Some(template)
}

fn is_group(pattern: Option<&Regex>, name: &str) -> bool {
    pattern.is_some_and(|pattern| pattern.capture_names().flatten().any(|group| group == name))
}

fn check_path(reader: &mut Reader<'_>, to: &Spanned<String>) {
    if to.place.is_unknown() || to.is_empty() {
        return;
    }
    if !to.starts_with(['/', '{']) {
        reader.mistake(&to.place, format!("`{}` is no path: it does not begin with `/`", to.value));
    }
    if to.contains('?') {
        reader
            .mistake(&to.place, "`to` is a path; a `?` in it would be part of the path")
            .help("the query is `query: …`");
    }
}

fn build(settings: &Arc<Settings>) -> Result<BoxLayer, Diagnostic> {
    let settings = Arc::clone(settings);
    Ok(BoxLayer::from_fn(move |mut request, inner| match rewrite(&settings, &mut request) {
        Ok(()) => inner.answer(request),
        Err((id, error)) => Box::pin(std::future::ready(rescue(&id, Cause::BadRequest, &BadPath(error)))),
    }))
}

fn rewrite(settings: &Settings, request: &mut Request) -> Result<(), (RequestId, PathError)> {
    let Some((path, query)) = settings.rewritten(&View::of(request)) else { return Ok(()) };
    let Some(environ) = request.extensions_mut().get_mut::<Environ>() else { return Ok(()) };
    environ.path_mut().set_path_info(&path).map_err(|error| (environ.request_id.clone(), error))?;
    if let Some(query) = query {
        environ.set_query(&query);
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("the new path cannot be served (layer rewrite)")]
struct BadPath(#[source] PathError);

/// What one of the functions of [`encode`] makes of a text.
fn encoded(push: fn(&mut Vec<u8>, &[u8]), text: &[u8]) -> String {
    let mut encoded = Vec::with_capacity(text.len());
    push(&mut encoded, text);
    String::from_utf8(encoded).expect("what is percent-encoded is ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{around, get, mistakes, text};
    use crate::{Body, Response};

    /// Raw PATH_INFO and QUERY_STRING behind the layer, or the status.
    async fn seen(settings: &str, target: &str) -> String {
        let service = around(&format!("rewrite: {settings}"), async |request| {
            let view = View::of(&request);
            let path = view.environ().path();
            let raw = [&*path.raw_script_name(), b"|", path.raw_path_info(), b"?", view.query().as_bytes()]
                .concat();
            Response::new(Body::from(String::from_utf8(raw).unwrap()))
        });
        let mut request = get(target);
        request.extensions_mut().get_mut::<Environ>().unwrap().path_mut().mount("/m");
        let answer = service.answer(request).await;
        if answer.status() == 200 {
            text(answer.into_body()).await
        } else {
            answer.status().as_u16().to_string()
        }
    }

    #[tokio::test]
    async fn named_groups_go_into_the_new_path() {
        let settings = "{ match: \"^/old/(?<rest>.*)$\", to: \"/new/{rest}/{REQUEST_METHOD}\" }";
        assert_eq!(seen(settings, "/m/old/a/b?q=1").await, "/m|/new/a/b/GET?q=1");
        assert_eq!(seen(settings, "/m/other?q=1").await, "/m|/other?q=1");
    }

    #[tokio::test]
    async fn the_path_is_encoded_as_it_was_sent() {
        let settings = "{ match: \"^/(?<rest>.*)$\", to: \"/é {rest}\" }";
        assert_eq!(seen(settings, "/m/a%20b%2Fc%3F%23%25").await, "/m|/%C3%A9%20a%20b%2Fc%3F%23%25?");
    }

    #[tokio::test]
    async fn a_session_in_a_path_is_taken_along_by_the_group_that_it_is_in() {
        let rest = "{ match: \"^/old/(?<rest>.*)$\", to: \"/new/{rest}\" }";
        assert_eq!(seen(rest, "/m/old/a;jsessionid=1.b").await, "/m|/new/a;jsessionid=1.b?");
        let session = "{ match: \"(?<session>;jsessionid=[^/]*)?$\", to: \"/item{session}\" }";
        assert_eq!(seen(session, "/m/old/a;jsessionid=1.b").await, "/m|/item;jsessionid=1.b?");
        assert_eq!(seen(session, "/m/old/a").await, "/m|/item?");
    }

    #[tokio::test]
    async fn a_value_stays_one_value_of_the_query() {
        let settings = "{ match: \"^/(?<id>.*)$\", to: /x, query: \"id={id}&{QUERY_STRING}\" }";
        assert_eq!(seen(settings, "/m/1&admin=1%23?a=b%20c").await, "/m|/x?id=1%26admin%3D1%23&a=b%20c");
    }

    #[tokio::test]
    async fn without_a_pattern_every_path_is_changed() {
        assert_eq!(seen("{ to: \"/index.php{PATH_INFO}\" }", "/m/a").await, "/m|/index.php/a?");
    }

    #[tokio::test]
    async fn no_path_leaves_the_mount() {
        let settings = "{ match: \"^/(?<a>[^/]*)/(?<b>.*)$\", to: \"/{a}{b}/../../../x\" }";
        assert_eq!(seen(settings, "/m/a/b").await, "/m|/x?");
        assert_eq!(seen("{ match: \"^/a(?<b>.*)$\", to: \"/x%2F.{b}\" }", "/m/a.").await, "400");
    }

    #[test]
    fn an_encoded_path_decodes_to_itself() {
        for byte in 1..=u8::MAX {
            for path in [vec![b'/', byte, b'x'], vec![b'/', b'%', byte, b'F'], vec![b'/', byte, b'2', b'F']] {
                let parsed = http_environ::RequestPath::parse(&encoded(encode::push_decoded, &path)).unwrap();
                assert_eq!(parsed.decoded(), path, "{}", path.escape_ascii());
            }
        }
    }

    #[test]
    fn mistakes_are_told_all_at_once() {
        let text = mistakes("rewrite: { match: \"(\", to: \"new?x=1\", query: \"{\" }");
        for part in [
            "not a regular expression: unclosed group",
            "does not begin with `/`",
            "the query is `query:",
            "opens a variable",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(mistakes("rewrite: {}").contains("`to` is missing"));
    }
}
