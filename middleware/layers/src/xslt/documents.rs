//! What sheets read by `document()` beside files: routes of the gateway's own, and hosts that are listed.
//!
//! ```yaml
//! layers:
//!   - xslt: { stylesheet: page.xsl, documents: ["route:/menus/{lang}.xml", "http://stock.internal/levels.xml"] }
//! ```
//!
//! `document('route:/countries.xml')` in a sheet is found there and fetched before the transform, in the name of the client
//! (see `subrequest`). What a sheet puts together (`document(concat('route:/menus/', $lang, '.xml'))`) is not known before:
//! it has to be listed, as a template, or the transform fails and names it.

use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use http::request::Parts;
use http_environ::{Template, View};
use tower_xslt::{FetchDocument, Fetching, XsltError};
use vestibule_config::{Reader, Spanned};

use super::library::admits;
use super::sheets::Place;
use super::store::Store;
use crate::setting;

/// `documents:`, each with what it is fetched by.
#[derive(Debug, Clone)]
pub(super) enum Listed {
    /// A path of the gateway's own
    Route(Template),
    /// The very URI of a document of another host: no request may have a say in where a gateway connects to.
    Host(String),
}

/// Reads the setting.
pub(super) fn read(reader: &mut Reader<'_>) -> Vec<Listed> {
    let texts: Vec<Spanned<String>> = reader.or("documents", Vec::new());
    texts.into_iter().filter_map(|text| listed(reader, &text)).collect()
}

fn listed(reader: &mut Reader<'_>, text: &Spanned<String>) -> Option<Listed> {
    if text.starts_with("route:/") {
        return setting::template(reader, text).map(Listed::Route);
    }
    let is_uri = text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some());
    if text.starts_with("http://") && !text.contains('{') && is_uri {
        return Some(Listed::Host(text.value.clone()));
    }
    reader.mistake(&text.place, format!("`{}` is no document that can be fetched", text.value)).help(
        "`route:/PATH`, which may have variables, or `http://HOST/PATH`; files are read from `folders`",
    );
    None
}

/// Fetches the documents of one layer.
pub(super) struct Documents {
    pub(super) listed: Vec<Listed>,
    /// Where sheets come from may give them documents, too.
    pub(super) places: Vec<Place>,
    pub(super) store: Arc<Store>,
}

impl FetchDocument for Documents {
    fn fetch<'a>(&'a self, uri: &'a str, request: &'a Parts) -> Fetching<'a, Bytes> {
        let is_listed = |listed: &Listed| matches!(listed, Listed::Host(host) if host == uri);
        let is_permitted = uri.starts_with("route:/")
            || self.listed.iter().any(is_listed)
            || self.places.iter().any(|place| admits(place, uri));
        Box::pin(async move {
            if is_permitted {
                self.store.document(uri, request).await
            } else {
                Err(XsltError::PolicyDenied { uri: uri.to_owned() })
            }
        })
    }

    fn listed(&self, request: &Parts) -> Vec<String> {
        let view = View::of_parts(request);
        let uri = |listed: &Listed| match listed {
            Listed::Route(template) => String::from_utf8_lossy(&template.render(&view)).into_owned(),
            Listed::Host(uri) => uri.clone(),
        };
        self.listed.iter().map(uri).collect()
    }

    fn lists_some(&self) -> bool {
        !self.listed.is_empty()
    }
}
