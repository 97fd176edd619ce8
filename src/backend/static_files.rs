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
//! What is done for a request, in order:
//!
//! * [`lookup`]: the path becomes an open file
//! * [`negotiate`]: the file, or its precompressed sibling
//! * [`conditional`]: is it to be sent at all
//! * [`ranges`]: which bytes of it
//! * [`representation`]: the bytes, in one part or several ([`multipart`]), read while they are sent ([`body`])
//!
//! No step waits for a disk on an I/O core.

mod body;
mod conditional;
mod failure;
mod folder;
mod lookup;
mod media_type;
mod multipart;
mod negotiate;
mod ranges;
mod representation;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_environ::{RequestPath, View};
use rustix::io::Errno;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};
use vestibule_layers::{Body, BoxService, Response};

use self::conditional::{Validators, Verdict};
use self::failure::Failure;
use self::lookup::{Entry, OpenFile, Root, RootError};
use self::media_type::MediaTypes;
use self::negotiate::Coding;
use self::ranges::Asked;
use self::representation::Representation;
use super::BackendKind;

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "static",
        summary: "serves the files of a folder",
        example: "static: { root: /srv/www }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, _| build(settings.get()),
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
            codings.push(*coding);
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
    let files = Arc::new(Files {
        root,
        index: settings.index.clone(),
        precompressed: settings.precompressed.clone(),
        cache_control: settings.cache_control.clone(),
        types: MediaTypes::new(settings.types.iter().map(|(ending, value)| (ending.as_str(), value.clone()))),
        dotfiles: settings.dotfiles,
    });
    Ok(BoxService::from_fn(move |request| {
        let files = Arc::clone(&files);
        async move {
            let (parts, _) = request.into_parts();
            let view = View::of_parts(&parts);
            let answer = files.answer(view).await;
            answer.unwrap_or_else(|failure| failure.answer(&view.environ().request_id))
        }
    }))
}

/// The run-time value of [`Settings`].
struct Files {
    root: Root,
    index: Vec<String>,
    precompressed: Vec<Coding>,
    cache_control: Option<HeaderValue>,
    types: MediaTypes,
    dotfiles: bool,
}

/// A file's answer has no more headers than this: room is made for them once.
const MOST_HEADERS: usize = 12;

impl Files {
    async fn answer(&self, view: View<'_>) -> Result<Response, Failure> {
        let is_get = view.method() == Method::GET;
        if !is_get && view.method() != Method::HEAD {
            return Err(Failure::Method(view.method().clone()));
        }
        let path = view.environ().path();
        let name = self.name(path)?;
        let Some((name, file)) = self.find(path.path_info(), name).await? else {
            return Ok(folder::redirect(&view));
        };
        let chosen = self.choose(&name, file, view.headers()).await;
        let validators = Validators::of(&chosen.file, chosen.coding, SystemTime::now());
        match validators.judge(view.headers()) {
            Verdict::NotModified => return Ok(self.unchanged(&chosen, &validators)),
            Verdict::Failed => return Ok(bare(StatusCode::PRECONDITION_FAILED)),
            Verdict::Proceed => {}
        }
        // Range has a meaning for GET alone (RFC 9110 section 14.2).
        let asked = if is_get && validators.allow_range(view.headers()) {
            ranges::asked(view.headers(), chosen.file.size)
        } else {
            Asked::Whole
        };
        let mut answer = bare(StatusCode::OK);
        answer.headers_mut().reserve(MOST_HEADERS);
        self.describe(answer.headers_mut(), &chosen);
        validators.describe(answer.headers_mut());
        chosen.fill(&mut answer, asked, is_get).await?;
        Ok(answer)
    }

    /// The name of the file below the root that the path asks for.
    fn name<'a>(&self, path: &'a RequestPath) -> Result<&'a [u8], Failure> {
        // No name of a file holds a slash; and what is `%2F` in a name arrives as `%252F`.
        let has_encoded_slash = |raw: &[u8]| raw.windows(3).any(|three| three.eq_ignore_ascii_case(b"%2F"));
        let info = path.path_info();
        let name = &info[info.iter().take_while(|&&byte| byte == b'/').count()..];
        if !self.dotfiles && is_hidden(name) {
            return Err(Failure::Hidden);
        }
        if has_encoded_slash(path.raw_path_info()) { Err(Failure::EncodedSlash) } else { Ok(name) }
    }

    /// Opens the file, or the index of a folder; `None` for a folder whose slash is missing.
    async fn find<'a>(
        &self,
        info: &[u8],
        name: &'a [u8],
    ) -> Result<Option<(Cow<'a, [u8]>, OpenFile)>, Failure> {
        if info.is_empty() {
            return Ok(None);
        }
        if !info.ends_with(b"/") {
            return match self.root.find(name).await? {
                Entry::File(file) => Ok(Some((Cow::Borrowed(name), file))),
                Entry::Folder => Ok(None),
                Entry::Other => Err(Failure::NoFile),
            };
        }
        for index in &self.index {
            let name = [name, index.as_bytes()].concat();
            match self.root.find(&name).await {
                Ok(Entry::File(file)) => return Ok(Some((Cow::Owned(name), file))),
                Ok(Entry::Folder | Entry::Other) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::NoIndex)
    }

    /// The best precompressed sibling that the client accepts, else the file itself.
    async fn choose(&self, name: &[u8], file: OpenFile, headers: &HeaderMap) -> Representation {
        let media_type = self.types.of(name);
        if media_type.is_compressible {
            for coding in negotiate::accepted(headers, &self.precompressed) {
                let sibling = [name, coding.ending().as_bytes()].concat();
                // A sibling that cannot be opened is as good as none: the file itself is there.
                if let Ok(Entry::File(file)) = self.root.find(&sibling).await {
                    return Representation { file, coding: Some(coding), media_type };
                }
            }
        }
        Representation { file, coding: None, media_type }
    }

    /// Writes what does not depend on the file's state and on the bytes asked for.
    fn describe(&self, headers: &mut HeaderMap, chosen: &Representation) {
        headers.insert(CONTENT_TYPE, chosen.media_type.value.clone());
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(coding) = chosen.coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        self.describe_caching(headers, chosen);
    }

    /// Vary stands wherever a sibling might be sent, so that no cache has to know whether there is one yet.
    fn describe_caching(&self, headers: &mut HeaderMap, chosen: &Representation) {
        if chosen.media_type.is_compressible && !self.precompressed.is_empty() {
            headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
        }
        if let Some(cache_control) = &self.cache_control {
            headers.insert(CACHE_CONTROL, cache_control.clone());
        }
    }

    /// 304, with what RFC 9110 section 15.4.5 wants of it.
    fn unchanged(&self, chosen: &Representation, validators: &Validators) -> Response {
        let mut answer = bare(StatusCode::NOT_MODIFIED);
        validators.describe_tag(answer.headers_mut());
        self.describe_caching(answer.headers_mut(), chosen);
        answer
    }
}

/// Whether a segment begins with a dot; `/.well-known` (RFC 8615) is meant to be seen.
fn is_hidden(name: &[u8]) -> bool {
    let seen = name.strip_prefix(b".well-known").filter(|rest| matches!(rest.first(), None | Some(b'/')));
    seen.unwrap_or(name).split(|&byte| byte == b'/').any(|segment| segment.starts_with(b"."))
}

fn bare(status: StatusCode) -> Response {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = status;
    answer
}
