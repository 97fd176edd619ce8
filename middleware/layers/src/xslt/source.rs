//! Where the stylesheet of a layer comes from: files that the configuration names, or the document.
//!
//! ```yaml
//! layers:
//!   - xslt: { stylesheet: from_document, sheets: [/srv/www/xsl, "route:/style", "http://styles.internal"] }
//! ```
//!
//! With `from_document` the layer does what browsers used to do: it applies the sheet that an XML document names by its
//! `<?xml-stylesheet?>`, the first that is of an XSLT type, for screens and no alternative. Only clients that would rather have
//! HTML get the page (see `Vary: Accept`); a feed reader or a harvester gets the document.
//!
//! A document must not choose code: the sheet has to be in one of `sheets`, tried in their order. A folder is for addresses of
//! this gateway, and gives the file that the longest end of their path names in it; `route:/style` is what the gateway itself
//! answers there, asked in the name of the client; `http://…` is another host, asked without. Sheets are compiled when they are
//! first named, kept (64 of each sort), and compiled again when their files have other times, or their routes and hosts answer
//! something else than 304 to ETag and Last-Modified; `max-age` is believed.

use std::path::PathBuf;
use std::sync::Arc;

use tower_xslt::{InputKind, On, Policy, SourceFile, Stylesheet, XsltError, XsltLayer};
use vestibule_config::document::{Node, Value};
use vestibule_config::{Diagnostic, Diagnostics, FromNode, Reader, Spanned};

use super::library::Library;
use super::sheets::Place;
use super::store::Store;

/// The stylesheets of a layer.
pub(super) enum Source {
    /// Files, applied in this order
    Given(Vec<Spanned<PathBuf>>),
    /// Those that documents name, as far as they are in one of these places
    FromDocument { places: Vec<Spanned<Place>>, at: vestibule_config::Place },
}

/// An item of `stylesheet`.
enum Item {
    File(PathBuf),
    FromDocument,
}

impl FromNode for Item {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            Value::Scalar(text) if text == "from_document" => Some(Self::FromDocument),
            _ => PathBuf::from_node(node, diagnostics).map(Self::File),
        }
    }
}

impl Source {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let items: Spanned<Vec<Spanned<Item>>> = reader.required("stylesheet");
        let places = reader.optional::<Spanned<Vec<Spanned<String>>>>("sheets");
        if items.is_empty() && !items.place.is_unknown() {
            reader.mistake(&items.place, "at least one stylesheet is needed");
        }
        if let Some(item) = items.iter().find(|item| matches!(item.value, Item::FromDocument)) {
            if items.len() > 1 {
                reader.mistake(&item.place, "`from_document` stands alone: the document names one sheet");
            }
            return Self::from_document(reader, places, item.place.clone());
        }
        if let Some(places) = places {
            reader.mistake(&places.place, "`sheets` is for `stylesheet: from_document`");
        }
        let file = |item: Spanned<Item>| match item.value {
            Item::File(path) => Some(Spanned::new(path, item.place)),
            Item::FromDocument => None,
        };
        Self::Given(items.value.into_iter().filter_map(file).collect())
    }

    fn from_document(
        reader: &mut Reader<'_>,
        places: Option<Spanned<Vec<Spanned<String>>>>,
        at: vestibule_config::Place,
    ) -> Self {
        if places.as_ref().is_none_or(|places| places.is_empty()) {
            reader
                .mistake(&at, "`from_document` needs `sheets`: where the stylesheets may come from")
                .help("folders, `route:/PATH` or `http://HOST`; a document must not choose code");
        }
        let texts = places.map(|places| places.value).unwrap_or_default();
        let places = texts.into_iter().filter_map(|text| {
            let place: Place = reader.parse(&text)?;
            Some(Spanned::new(place.in_folder(text.place.folder()), text.place))
        });
        Self::FromDocument { places: places.collect(), at }
    }

    /// Where the sheets may come from that documents name.
    pub(super) fn places(&self) -> Vec<Place> {
        match self {
            Self::Given(_) => Vec::new(),
            Self::FromDocument { places, .. } => places.iter().map(|place| place.value.clone()).collect(),
        }
    }

    /// Reports settings that do not go with it.
    pub(super) fn demands(&self, reader: &mut Reader<'_>, on: On, input: InputKind) {
        let Self::FromDocument { at, .. } = self else { return };
        if on == On::Request {
            reader.mistake(at, "`from_document` is for answers: leave `on: request` out");
        }
        if input != InputKind::Xml {
            reader.mistake(at, "`from_document` is for XML: leave `input` out");
        }
    }

    /// The layer, its sheets compiled as far as they are known, and the library that it finds others in. `tried` gets the files
    /// of the sheets.
    pub(super) fn layer(
        &self,
        policy: Policy,
        store: Arc<Store>,
        tried: &mut Vec<SourceFile>,
    ) -> Result<(XsltLayer, Option<Arc<Library>>), Diagnostic> {
        match self {
            Self::Given(paths) => Ok((XsltLayer::new(compile(paths, &policy, tried)?), None)),
            Self::FromDocument { places, at } => {
                tower_xslt::init().map_err(|error| {
                    Diagnostic::error_in_lines(&format!("failed to {}", crate::rescue::chain(&error))).at(at)
                })?;
                for place in places {
                    if let Place::Folder(folder) = &place.value
                        && !folder.is_dir()
                    {
                        return Err(
                            Diagnostic::error(format!("no folder `{}`", folder.display())).at(&place.place)
                        );
                    }
                }
                let library = Arc::new(Library::new(self.places(), policy, store));
                Ok((XsltLayer::from_document(Arc::clone(&library)), Some(library)))
            }
        }
    }
}

/// The sheets of these files, of which each gets what the one before it made.
pub(super) fn compile(
    paths: &[Spanned<PathBuf>],
    policy: &Policy,
    tried: &mut Vec<SourceFile>,
) -> Result<Stylesheet, Diagnostic> {
    let files = paths.iter().map(|path| &path.value);
    Stylesheet::compile_telling(files, policy, tried).map_err(|error| diagnostic(&error, paths))
}

/// The mistakes of a sheet, at the setting that names it; each with file, line and column of its own.
fn diagnostic(error: &XsltError, sheets: &[Spanned<PathBuf>]) -> Diagnostic {
    let text = crate::rescue::chain(error);
    let named = sheets.iter().find(|sheet| text.contains(&*sheet.value.to_string_lossy())).or(sheets.first());
    let diagnostic = Diagnostic::error_in_lines(&format!("failed to {text}"));
    let diagnostic = match named {
        Some(sheet) => diagnostic.at(&sheet.place),
        None => diagnostic,
    };
    match error {
        XsltError::PolicyDenied { .. } => {
            diagnostic.help("a sheet reads files in its own folder and in those that `folders` lists")
        }
        _ => diagnostic,
    }
}
