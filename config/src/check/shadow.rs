//! Routes that no request can reach, because a route without conditions before them takes all of theirs.
//!
//! Only what is certain is reported: conditions are not compared with each other.

use std::collections::HashMap;

use crate::config::{Route, Target};
use crate::diagnostic::Diagnostics;
use crate::pattern::{Pattern, Segment};
use crate::place::Place;

/// How many of the routes that one route shadows are listed, beside the first.
const LISTED: usize = 10;

/// Warns of the routes that can never match.
pub(super) fn warn(routes: &[Route], diagnostics: &mut Diagnostics) {
    warn_below("", routes, diagnostics);
}

/// `outer` is the prefix that the mounts around these routes have taken.
fn warn_below(outer: &str, routes: &[Route], diagnostics: &mut Diagnostics) {
    let mut earlier = Earlier::default();
    let mut shadows = Shadows::default();
    for route in routes {
        let Some(paths) = Paths::of(route) else { continue };
        if let Some(shadow) = earlier.covering(&paths) {
            shadows.add(shadow, &route.place, format!("{outer}{}", paths.example()));
        }
        if let Target::Routes(children) = &route.target {
            let taken = route.mount.as_ref().map_or("", |mount| mount.trim_end_matches('/'));
            warn_below(&format!("{outer}{taken}"), children, diagnostics);
        }
        if route.conditions.is_empty() {
            earlier.add(paths, &route.place);
        }
    }
    shadows.warn(diagnostics);
}

/// The routes that take all requests of later ones, each with the first of those, an example, and the places of the others.
#[derive(Default)]
struct Shadows<'a> {
    all: Vec<Shadow<'a>>,
    by_line: HashMap<(usize, usize), usize>,
}

struct Shadow<'a> {
    place: &'a Place,
    first: &'a Place,
    example: String,
    others: Vec<&'a Place>,
}

impl<'a> Shadows<'a> {
    fn add(&mut self, place: &'a Place, route: &'a Place, example: String) {
        let next = self.all.len();
        let at = *self.by_line.entry((place.line(), place.column())).or_insert(next);
        match self.all.get_mut(at) {
            Some(shadow) => shadow.others.push(route),
            None => self.all.push(Shadow { place, first: route, example, others: Vec::new() }),
        }
    }

    /// One warning for each: a catch-all that stands too high is one slip, whatever stands below it.
    fn warn(self, diagnostics: &mut Diagnostics) {
        for Shadow { place, first, example, others } in self.all {
            let mut warning = diagnostics.warning(first, "no request reaches this route");
            warning.note(format!("this one takes them all, for instance `{example}`"), place);
            if !others.is_empty() {
                let lines: Vec<_> =
                    others.iter().take(LISTED).map(|route| route.line().to_string()).collect();
                let more = if others.len() > LISTED { ", …" } else { "" };
                warning.help(format!("nor those at line {}{more}", lines.join(", ")));
            }
        }
    }
}

/// The paths that a route takes, if its conditions hold.
enum Paths {
    /// A prefix without its last slash, and all below it; empty for every path there is.
    Below(String),
    /// What a pattern matches.
    Like(Pattern),
}

impl Paths {
    /// `None` of a route whose pattern could not be read.
    fn of(route: &Route) -> Option<Self> {
        if let Some(path) = &route.path {
            return Pattern::parse(path).ok().map(Self::Like);
        }
        let mount = route.mount.as_ref().map_or("", |mount| mount.as_str());
        Some(Self::Below(mount.trim_end_matches('/').to_owned()))
    }

    /// The whole segments that all these paths begin with.
    fn prefix(&self) -> String {
        match self {
            Self::Below(prefix) => prefix.clone(),
            Self::Like(Pattern(segments)) => {
                let literals = segments.iter().map_while(|segment| match segment {
                    Segment::Literal(text) => Some(text),
                    Segment::Capture { .. } | Segment::Rest { .. } => None,
                });
                literals.flat_map(|text| ["/", text]).collect()
            }
        }
    }

    /// One of these paths.
    fn example(&self) -> String {
        match self {
            Self::Below(prefix) if prefix.is_empty() => "/".to_owned(),
            Self::Below(prefix) => prefix.clone(),
            Self::Like(Pattern(segments)) => {
                let texts = segments.iter().map(|segment| match segment {
                    Segment::Literal(text) => text.clone(),
                    Segment::Capture { before, name, after } => format!("{before}{name}{after}"),
                    Segment::Rest { name } => name.clone(),
                });
                texts.flat_map(|text| ["/".to_owned(), text]).collect()
            }
        }
    }

    /// Whether these are all of `others` too. What `prefix` says of both is known to hold.
    fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Below(_), _) => true,
            (Self::Like(Pattern(own)), Self::Like(Pattern(others))) => covers(own, others),
            // A prefix alone is among the paths below it, but not behind `{*rest}`.
            (Self::Like(Pattern(own)), Self::Below(prefix)) => {
                matches!(own.last(), Some(Segment::Rest { .. })) && {
                    let deeper: Vec<Segment> =
                        prefix.split('/').skip(1).map(|text| Segment::Literal(text.to_owned())).collect();
                    deeper.len() >= own.len() && covers(own, &deeper)
                }
            }
        }
    }
}

/// Whether a pattern matches whatever another one does.
fn covers(own: &[Segment], others: &[Segment]) -> bool {
    match (own, others) {
        ([], []) | ([Segment::Rest { .. }], [_, ..]) => true,
        ([own, own_rest @ ..], [other, other_rest @ ..]) => {
            covers_segment(own, other) && covers(own_rest, other_rest)
        }
        _ => false,
    }
}

fn covers_segment(own: &Segment, other: &Segment) -> bool {
    match (own, other) {
        (Segment::Literal(own), Segment::Literal(other)) => own == other,
        (Segment::Capture { before, after, .. }, Segment::Literal(other)) => {
            other.len() > before.len() + after.len() && other.starts_with(before) && other.ends_with(after)
        }
        (
            Segment::Capture { before, after, .. },
            Segment::Capture { before: other_before, after: other_after, .. },
        ) => other_before.starts_with(before.as_str()) && other_after.ends_with(after.as_str()),
        _ => false,
    }
}

/// The earlier siblings without conditions, by the whole segments that their paths begin with: who covers a route has
/// a prefix of its prefix, so that ten thousand routes need not be compared with each other.
#[derive(Default)]
struct Earlier<'a>(HashMap<String, Vec<(Paths, &'a Place)>>);

impl<'a> Earlier<'a> {
    fn add(&mut self, paths: Paths, place: &'a Place) {
        self.0.entry(paths.prefix()).or_default().push((paths, place));
    }

    fn covering(&self, paths: &Paths) -> Option<&'a Place> {
        let prefix = paths.prefix();
        let ends = prefix.match_indices('/').map(|(at, _)| at).chain([prefix.len()]);
        let candidates = ends.filter_map(|end| self.0.get(&prefix[..end])).flatten();
        candidates.filter(|(earlier, _)| earlier.cover(paths)).map(|(_, place)| *place).next()
    }
}
