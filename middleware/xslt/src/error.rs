//! What can go wrong, told apart by cause: who answers a request needs to know whose fault it was.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use libxslt_sys::LoadError;

use crate::place::Snippet;
use crate::trace::{Rank, Trace};

/// Why a stylesheet was not compiled or a document not transformed. Messages read after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum XsltError {
    /// libxslt is not to be had on this machine.
    #[error(transparent)]
    Library(#[from] LoadError),
    /// A stylesheet's file cannot be read.
    #[error("read the stylesheet {}", path.display())]
    Unreadable {
        /// As it was given
        path: PathBuf,
        /// Why
        source: io::Error,
    },
    /// A stylesheet is no stylesheet, or holds mistakes.
    #[error("compile the stylesheet: {0}")]
    Compile(Faults),
    /// The input document is not well-formed: the sender's fault.
    #[error("parse the document: {0}")]
    NotWellFormed(Fault),
    /// A limit was exceeded.
    #[error("keep the transform within its limits: {0}")]
    Limit(Limit),
    /// The stylesheet ran into an error.
    #[error("run the stylesheet: {0}")]
    Failed(Faults),
    /// The stylesheet ended the run by `<xsl:message terminate="yes">`.
    #[error("run the stylesheet: it ended itself, saying \"{message}\"{trace}")]
    Terminated {
        /// The message's text
        message: String,
        /// Where the run stood
        trace: Box<Trace>,
    },
    /// A sheet or document asked for something that it may not have.
    #[error("give access to {uri}: none of the places that are allowed has it")]
    PolicyDenied {
        /// What was asked for
        uri: String,
    },
    /// A sheet that came from elsewhere imports what was not fetched with it.
    #[error("compile the stylesheet: {uri} was not fetched")]
    NotFetched {
        /// What it imports
        uri: String,
    },
    /// A sheet or a document that is no file cannot be had.
    #[error("fetch {uri}")]
    Fetch {
        /// What was asked for
        uri: String,
        /// Why
        source: Box<dyn Error + Send + Sync>,
    },
    /// A parameter cannot be handed over.
    #[error("pass the parameter {name}: it holds a NUL character")]
    Parameter {
        /// Its name
        name: String,
    },
    /// The body is compressed.
    #[error(
        "transform a body with Content-Encoding {0}: put a layer that decompresses it inside of this one"
    )]
    ContentEncoding(String),
    /// The body broke off while it was read.
    #[error("read the body")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    /// The pool's queue is full.
    #[error("queue the transform: all threads are busy and the queue is full")]
    Busy,
    /// Nobody waits for the result any more.
    #[error("finish the transform: it was given up")]
    Stopped,
    /// The engine itself is at fault.
    #[error("transform the document: the engine panicked; this is a bug")]
    Panicked,
}

/// The limits by name; see [`Limits`](crate::Limits) for the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::input_bytes`](crate::Limits::input_bytes)
    #[error("the document is larger than input_bytes")]
    InputBytes,
    /// libxml2's parsers take at most 256 nested elements, that of [`Html5`](crate::InputKind::Html5) 512.
    #[error("the document's elements are nested too deeply")]
    Depth,
    /// An element of [`Html5`](crate::InputKind::Html5) has at most 1,000 attributes.
    #[error("an element of the document has too many attributes")]
    Attributes,
    /// libxml2 bounds what entities may expand to.
    #[error("the document's entities expand to too much")]
    Entities,
    /// libxml2 takes at most 10 MB of text in one piece, and names of 50 kB.
    #[error("the document holds a text or a name that is too long")]
    Text,
    /// [`Limits::template_depth`](crate::Limits::template_depth)
    #[error("templates call each other deeper than template_depth")]
    TemplateDepth,
    /// [`Limits::template_variables`](crate::Limits::template_variables)
    #[error("more variables are in scope than template_variables")]
    TemplateVariables,
    /// [`Limits::operations`](crate::Limits::operations)
    #[error("the transform takes more operations than operations")]
    Operations,
    /// [`Limits::memory`](crate::Limits::memory)
    #[error("the transform takes more memory than memory")]
    Memory,
    /// [`Limits::output_bytes`](crate::Limits::output_bytes)
    #[error("the result is larger than output_bytes")]
    OutputBytes,
    /// [`Limits::time`](crate::Limits::time)
    #[error("the transform takes longer than time")]
    Time,
}

/// Where something stands: in a stylesheet, or in the document (whose file is then "document").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's path
    pub file: String,
    /// 1-based
    pub line: u32,
    /// 1-based, in bytes; `None` where neither libxslt nor the source tells
    pub column: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// One mistake, with its place as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where
    pub place: Option<Place>,
    /// The element of the stylesheet, by its local name
    pub element: Option<String>,
    /// What
    pub message: String,
    /// Which one the element is, where its line may hold several of its name
    pub(crate) rank: Option<Rank>,
    /// Where the run stood, if it is a mistake of a run
    pub trace: Option<Trace>,
    /// The lines around it, if it is a mistake of a run or of a document
    pub source: Option<Snippet>,
}

impl Fault {
    pub(crate) fn bare(message: impl Into<String>) -> Self {
        Self { place: None, element: None, message: message.into(), rank: None, trace: None, source: None }
    }

    /// Takes over what another one says of the same moment: libxslt often follows up.
    pub(crate) fn absorbs(&mut self, other: &Self) -> bool {
        let is_same = self.place.is_some() && self.place == other.place && self.trace == other.trace;
        if is_same {
            self.message = format!("{}; {}", self.message.trim_end_matches('.'), other.message);
        }
        is_same
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(element) = &self.element {
            write!(f, "<{element}>: ")?;
        }
        f.write_str(&self.message)?;
        if let (Some(place), Some(source)) = (&self.place, &self.source)
            && let Some(line) = source.line(place.line)
        {
            write!(f, " in `{}`", line.trim())?;
        }
        self.trace.as_ref().map_or(Ok(()), |trace| write!(f, "{trace}"))
    }
}

/// All that libxslt said about a failure, in its order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// `otherwise` stands in where libxslt gave no reason.
    pub(crate) fn new(faults: Vec<Fault>, otherwise: &str) -> Self {
        Self(if faults.is_empty() { vec![Fault::bare(otherwise)] } else { faults })
    }

    /// The mistakes, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
