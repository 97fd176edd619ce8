//! Mistakes and warnings, collected so that one run tells all of them.

mod render;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use crate::place::Place;
use crate::stamp::Seen;
use crate::suggest;

/// How many names a line of advice lists; a file may have thousands of apps.
const LISTED: usize = 40;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used but hardly says what was meant.
    Warning,
}

/// One mistake or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    level: Level,
    message: String,
    /// Lines that belong to the message, such as a traceback.
    details: Vec<String>,
    place: Option<Place>,
    /// Other places that explain this one.
    notes: Vec<(String, Place)>,
    helps: Vec<String>,
    /// Files of which a change may mend it.
    mended_in: Vec<Seen>,
}

impl Diagnostic {
    /// A mistake.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Level::Error, message.into())
    }

    /// A mistake in the words of a program, Python or libxslt for one: the first line is the message, the others stay
    /// below it. Only for texts whose line breaks are the program's: those of a user's text could feign a diagnostic.
    #[must_use]
    pub fn error_in_lines(text: &str) -> Self {
        let mut lines = text.trim_end().lines().map(str::to_owned);
        let message = lines.next().unwrap_or_default();
        Self { details: lines.collect(), ..Self::error(message) }
    }

    /// A warning.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Level::Warning, message.into())
    }

    fn new(level: Level, message: String) -> Self {
        Self {
            level,
            message,
            details: Vec::new(),
            place: None,
            notes: Vec::new(),
            helps: Vec::new(),
            mended_in: Vec::new(),
        }
    }

    /// Marks the place.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.place = (!place.is_unknown()).then(|| place.clone());
        self
    }

    /// Adds a second place with its explanation.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>, place: &Place) -> Self {
        self.notes.push((message.into(), place.clone()));
        self
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Names files of which a change may mend it, and asks that they are watched.
    #[must_use]
    pub fn mended_in(mut self, files: Vec<Seen>) -> Self {
        self.mended_in = files;
        self
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The first line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The marked place.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What is the same in two that say the same of the same text, as when an anchor with a mistake is used twice.
    fn identity(&self) -> impl Hash + Eq {
        let written = self.place.as_ref().map(|place| place.written().unwrap_or(place).order());
        (self.level, &self.message, &self.details, &self.helps, written)
    }
}

/// A mistake just recorded, to be explained further.
#[derive(Debug)]
pub struct Mistake<'a>(&'a mut Diagnostic);

impl Mistake<'_> {
    /// Adds a line of advice.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.0.helps.push(text.into());
        self
    }

    /// Adds a second place with its explanation.
    pub fn note(&mut self, message: impl Into<String>, place: &Place) -> &mut Self {
        self.0.notes.push((message.into(), place.clone()));
        self
    }

    /// Tells what could have stood here, and which of it is nearest to what was `given`.
    pub fn allowed<'n>(&mut self, given: &str, names: impl IntoIterator<Item = &'n str>) -> &mut Self {
        let names: Vec<&str> = names.into_iter().collect();
        self.did_you_mean(given, names.iter().copied());
        if !names.is_empty() {
            let listed = names[..names.len().min(LISTED)].join(", ");
            let more = if names.len() > LISTED {
                format!(" and {} more", names.len() - LISTED)
            } else {
                String::new()
            };
            self.help(format!("allowed here: {listed}{more}"));
        }
        self
    }

    /// Tells which of the names is nearest to what was `given`, if one is near.
    pub fn did_you_mean<'n>(&mut self, given: &str, names: impl IntoIterator<Item = &'n str>) -> &mut Self {
        let names: Vec<&str> = names.into_iter().collect();
        // `app:shop` is one word to YAML.
        let (key, value) = given.split_once(':').unwrap_or((given, ""));
        if !value.is_empty() && names.contains(&key) {
            self.help(format!("a space follows the `:` of a key: `{key}: {value}`"));
        } else if let Some(name) = suggest::meant(given, &names) {
            self.help(format!("did you mean `{name}`?"));
        }
        self
    }
}

/// Everything that was found wrong or doubtful.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Starts with nothing wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Records a mistake.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) -> Mistake<'_> {
        self.record(Diagnostic::error(message).at(place))
    }

    /// Records a warning.
    pub fn warning(&mut self, place: &Place, message: impl Into<String>) -> Mistake<'_> {
        self.record(Diagnostic::warning(message).at(place))
    }

    fn record(&mut self, diagnostic: Diagnostic) -> Mistake<'_> {
        let last = self.0.len();
        self.0.push(diagnostic);
        Mistake(&mut self.0[last])
    }

    /// Takes over all of another's.
    pub fn append(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.level == Level::Error)
    }

    /// Each of them, in the order found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The files to watch, as a change of one may mend a mistake.
    pub fn files(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter().flat_map(|diagnostic| &diagnostic.mended_in)
    }

    /// The text for a person: each with its place marked, sorted by place, and a last line that counts.
    pub fn render(&self, color: bool) -> String {
        render::all(self, color)
    }

    /// Sorted by place, each told once.
    fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.0.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.place.as_ref().map(Place::order));
        let mut told = HashSet::new();
        sorted.retain(|diagnostic| told.insert(diagnostic.identity()));
        sorted
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
