//! Serves the files of a folder.
//!
//! ```yaml
//! apps:
//!   files: { static: { root: /srv/www } }
//! ```
//!
//! `PATH_INFO` names the file below `root`. GET and HEAD are answered, with conditions, ranges and, where the client accepts
//! it, a precompressed sibling (`app.js.br`, `app.js.zst`, `app.js.gz`). A folder answers with its index; without its
//! trailing slash it redirects. Nothing outside of `root` is reached, be it by `..` or by a link; links that stay inside
//! are followed, absolute ones are not. Names that begin with a dot do not exist, but for `/.well-known`. `root` is opened
//! once: after a folder was put in its place, reload.
//!
//! A small file that is asked for again and again is answered from memory, up to `cache` late (1 s, as lighttpd by
//! itself; `0s` turns it off): see [`cache`].
//!
//! What is done for a request, in order ([`files`]):
//!
//! * [`cache`]: is the answer known already
//! * [`beneath`](crate::backend::beneath): the path becomes an open file
//! * [`negotiate`]: the file, or its precompressed sibling
//! * [`conditional`]: is it to be sent at all
//! * [`ranges`]: which bytes of it
//! * [`representation`]: the bytes, in one part or several ([`multipart`]), read while they are sent ([`body`])
//!
//! No step waits for a disk on an I/O core.

mod body;
mod cache;
mod conditional;
mod failure;
mod files;
mod media_type;
mod multipart;
mod negotiate;
mod ranges;
mod representation;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};
use vestibule_layers::BoxService;

use self::cache::Moment;
use self::files::Files;
use self::media_type::MediaTypes;
use self::negotiate::Coding;
use super::BackendKind;
use super::beneath::{Root, RootError};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "static",
        summary: "serves the files of a folder",
        example: "static: { root: /srv/www }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, _| build(settings.get()),
    processes: None,
};

struct Settings {
    /// The folder.
    root: Spanned<PathBuf>,
    /// What a folder answers with: the first of these names that is there; `index.html` by default, `[]` for nothing.
    index: Vec<String>,
    /// The content codings whose precompressed siblings are sent to clients that accept them, for types that are worth
    /// compressing: of `br`, `zstd` and `gzip`, the preferred first; all by default, `[]` for none.
    precompressed: Vec<Coding>,
    /// The Cache-Control of every file.
    cache_control: Option<HeaderValue>,
    /// Media types by ending, as in `{ log: text/plain }`, before those that are known.
    types: Vec<(String, HeaderValue)>,
    /// Whether names that begin with a dot are served; `/.well-known` always is.
    dotfiles: bool,
    /// How long the answer of a small file is given from memory before the file is looked at again; 1 s by default, `0s`
    /// for never.
    cache: Duration,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            root: reader.required("root"),
            index: read_index(reader),
            precompressed: read_codings(reader),
            cache_control: reader.parsed("cache_control"),
            types: read_types(reader),
            dotfiles: reader.or("dotfiles", false),
            cache: reader.or("cache", Duration::from_secs(1)),
        }
    }
}

fn read_index(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(names) = reader.optional::<Vec<Spanned<String>>>("index") else {
        return vec!["index.html".into()];
    };
    for name in names.iter().filter(|name| name.is_empty() || name.contains('/')) {
        reader.mistake(&name.place, format!("`{}` is not the name of a file in a folder", name.value));
    }
    names.into_iter().map(|name| name.value).collect()
}

fn read_codings(reader: &mut Reader<'_>) -> Vec<Coding> {
    let Some(words) = reader.optional::<Vec<Spanned<String>>>("precompressed") else {
        return Coding::ALL.map(|(_, coding)| coding).into();
    };
    let mut codings = Vec::new();
    for word in words {
        if let Some((_, coding)) = Coding::ALL.iter().find(|(name, _)| **name == *word.value) {
            if !codings.contains(coding) {
                codings.push(*coding);
            }
            continue;
        }
        let names = Coding::ALL.iter().map(|(name, _)| *name);
        reader.mistake(&word.place, format!("unknown content coding `{}`", word.value)).allowed(&word, names);
    }
    codings
}

fn read_types(reader: &mut Reader<'_>) -> Vec<(String, HeaderValue)> {
    let pairs = reader.pairs("types");
    let read = pairs.into_iter().filter_map(|(ending, media_type)| {
        Some((ending.trim_start_matches('.').to_owned(), reader.parse(&media_type)?))
    });
    read.collect()
}

fn build(settings: &Settings) -> Result<BoxService, Diagnostic> {
    let files = Arc::new(files(settings)?);
    Ok(BoxService::from_answering(move |request| {
        // At once, so that an answer from memory needs no room for what opens and reads files.
        if let Some(answer) = files.remembered(&View::of(&request), Instant::now()) {
            return Box::pin(std::future::ready(answer));
        }
        let files = Arc::clone(&files);
        Box::pin(async move {
            let (parts, _) = request.into_parts();
            let view = View::of_parts(&parts);
            let answer = files.answer(view, Moment::now()).await;
            answer.unwrap_or_else(|failure| failure.answer(&view.environ().request_id))
        })
    }))
}

fn files(settings: &Settings) -> Result<Files, Diagnostic> {
    let root = Root::open(&settings.root.value).map_err(|error| {
        let told = Diagnostic::error(format!("cannot serve `{}`: {error}", settings.root.display()))
            .at(&settings.root.place);
        match error {
            RootError::Folder(_) => told,
            RootError::Kernel(_) => {
                told.help("Linux 5.12 has it; the seccomp filter of a container may have to allow it")
            }
        }
    })?;
    Ok(Files {
        root,
        index: settings.index.clone(),
        precompressed: settings.precompressed.clone(),
        cache_control: settings.cache_control.clone(),
        types: MediaTypes::new(settings.types.iter().map(|(ending, value)| (ending.as_str(), value.clone()))),
        dotfiles: settings.dotfiles,
        trust: settings.cache,
    })
}
