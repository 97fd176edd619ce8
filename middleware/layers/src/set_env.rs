//! Sets variables of the environ, which applications get and which routes below can match.
//!
//! ```yaml
//! layers: [ { set_env: { SITE: shop, FROM: "{REMOTE_ADDR} by {REQUEST_SCHEME}" } } ]
//! ```
//!
//! Values are templates; all of them see the environ as it was before. `HTTP_*` and `CONTENT_*` are read from the
//! request's headers and cannot be set: that is what `request_headers` is for. Nor can the other standard variables.
//!
//! Place it outside of the layers and routes that use the variables.

use std::sync::Arc;

use http_environ::{Environ, Template, View, is_standard};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, Table};

use crate::{BoxLayer, LayerKind, setting};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "set_env",
        summary: "sets variables of the environ",
        example: "set_env: { SITE: shop }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: |settings| {
            let settings: &Settings = settings.get();
            settings.variables.iter().map(|(name, _)| name.to_string()).collect()
        },
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// Name and template of each variable.
    variables: Arc<[(Arc<str>, Template)]>,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let table = reader.whole::<Table<Spanned<String>>>();
        let read = table.0.into_iter().filter_map(|(name, text)| {
            let template = setting::template(reader, &text);
            check_name(reader, &name);
            Some((Arc::from(name.value), template?))
        });
        Self { variables: read.collect() }
    }
}

fn check_name(reader: &mut Reader<'_>, name: &Spanned<String>) {
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        let message = format!("`{}` cannot be the name of a variable", name.value);
        reader.mistake(&name.place, message).help("letters, digits and `_`, beginning with no digit");
    } else if name.starts_with("HTTP_") || name.starts_with("CONTENT_") {
        let message = format!("`{}` is read from the request's headers and cannot be set", name.value);
        reader.mistake(&name.place, message).help("set the header itself: `request_headers: { set: { … } }`");
    } else if is_standard(name) {
        reader.mistake(&name.place, format!("`{}` says what the request is and cannot be set", name.value));
    }
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let variables = Arc::clone(&settings.variables);
    Ok(BoxLayer::from_fn(move |mut request, inner| {
        let view = View::of(&request);
        let values: Vec<Box<[u8]>> =
            variables.iter().map(|(_, template)| template.render(&view).into_owned().into()).collect();
        if let Some(environ) = request.extensions_mut().get_mut::<Environ>() {
            for ((name, _), value) in variables.iter().zip(values) {
                environ.set(name, value);
            }
        }
        inner.answer(request)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{around, get, mistakes, read, text};
    use crate::{Body, Response};

    #[tokio::test]
    async fn values_are_templates_of_the_environ_before() {
        let yaml = "set_env: { A: \"{REQUEST_METHOD} {B}\", B: new }";
        let service = around(yaml, async |request| {
            let environ = View::of(&request).environ().clone();
            let value = |name| String::from_utf8(environ.variable(name).unwrap().to_vec()).unwrap();
            Response::new(Body::from(format!("{}|{}", value("A"), value("B"))))
        });
        assert_eq!(text(service.answer(get("/")).await.into_body()).await, "GET |new");
    }

    #[test]
    fn it_declares_what_it_sets() {
        let (row, settings) = read("set_env: { A: x, B: y }").ok().unwrap();
        assert_eq!((row.kind.sets)(&settings), ["A", "B"]);
    }

    #[test]
    fn names_that_are_not_free_are_refused_all_at_once() {
        let mistakes =
            mistakes("set_env: { HTTP_HOST: a, CONTENT_TYPE: b, PATH_INFO: c, 1A: d, A B: e, C: \"{\" }");
        for part in
            ["`HTTP_HOST` is read from", "`CONTENT_TYPE` is read from", "request_headers", "`PATH_INFO` says"]
        {
            assert!(mistakes.contains(part), "{part} in {mistakes}");
        }
        assert_eq!(mistakes.matches("cannot be the name of a variable").count(), 2, "{mistakes}");
        assert!(mistakes.contains("opens a variable"), "{mistakes}");
    }
}
