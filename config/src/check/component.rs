//! Uses of kinds: a kind's name and its settings, read by the kind itself.

use super::Check;
use crate::config::Component;
use crate::document::{Node, Value};
use crate::kind::{Kind, Kinds};
use crate::place::{Place, Spanned};
use crate::reader::Reader;

/// What a kind is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Layer,
    Backend,
    Predicate,
}

impl Sort {
    const ALL: [Self; 3] = [Self::Layer, Self::Backend, Self::Predicate];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Backend => "backend",
            Self::Predicate => "predicate",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Layer => "layers",
            Self::Backend => "apps",
            Self::Predicate => "match",
        }
    }

    pub(super) fn kinds(self, kinds: &Kinds) -> &[&'static Kind] {
        match self {
            Self::Layer => &kinds.layers,
            Self::Backend => &kinds.backends,
            Self::Predicate => &kinds.predicates,
        }
    }

    pub(super) fn find(self, kinds: &Kinds, name: &str) -> Option<&'static Kind> {
        self.kinds(kinds).iter().copied().find(|kind| kind.name == name)
    }
}

impl Check<'_> {
    /// Reads the settings of a kind that is known; none when it is only named.
    fn component(&mut self, kind: &'static Kind, settings: Option<&Node>, place: &Place) -> Component {
        let none = Node::default();
        let mut reader =
            Reader::new(settings.unwrap_or(&none), place, self.diagnostics).with_example(kind.example);
        let settings = (kind.read)(&mut reader);
        let reads = reader.finish();
        Component { kind, settings, reads, place: place.clone() }
    }

    /// Reads the settings of a kind that is looked up. `extra` are other names that could stand here.
    pub(super) fn named(
        &mut self,
        sort: Sort,
        name: &Spanned<String>,
        settings: Option<&Node>,
        extra: &[&str],
    ) -> Option<Component> {
        if let Some(kind) = sort.find(self.kinds, name) {
            return Some(self.component(kind, settings, &name.place));
        }
        self.blind = true;
        let names = sort.kinds(self.kinds).iter().map(|kind| kind.name).chain(extra.iter().copied());
        let elsewhere = self.elsewhere(name);
        let mut mistake =
            self.diagnostics.error(&name.place, format!("unknown {} `{}`", sort.name(), name.value));
        if let Some(elsewhere) = elsewhere {
            mistake.help(elsewhere);
        }
        mistake.allowed(name, names);
        None
    }

    /// Where a name that cannot stand here could.
    pub(super) fn elsewhere(&self, name: &str) -> Option<String> {
        let sort = Sort::ALL.into_iter().find(|sort| sort.find(self.kinds, name).is_some())?;
        Some(format!("`{name}` is a {}: it stands in `{}`", sort.name(), sort.key()))
    }

    /// Reads `{ kind: settings }`, or the bare name of a kind, as a backend.
    pub(super) fn backend(&mut self, node: &Node, place: &Place) -> Option<Component> {
        let (name, settings) = self.single(Sort::Backend, node, place)?;
        self.named(Sort::Backend, &name, settings, &[])
    }

    /// The one name in a node, with its settings if there are any.
    pub(super) fn single<'n>(
        &mut self,
        sort: Sort,
        node: &'n Node,
        place: &Place,
    ) -> Option<(Spanned<String>, Option<&'n Node>)> {
        match &node.value {
            Value::Scalar(name) => return Some((Spanned::new(name.clone(), node.place.clone()), None)),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => return Some((entry.key.clone(), Some(&entry.value))),
                [first, second, ..] => {
                    self.diagnostics
                        .error(
                            &second.key.place,
                            format!("a second {} beside `{}`", sort.name(), first.key.value),
                        )
                        .help(format!("one {0} is `NAME` or `{{ NAME: SETTINGS }}`", sort.name()));
                }
                [] => self.expected(sort, node, &node.place),
            },
            Value::Null => self.expected(sort, node, place),
            Value::List(_) => self.expected(sort, node, &node.place),
        }
        self.blind = true;
        None
    }

    fn expected(&mut self, sort: Sort, node: &Node, place: &Place) {
        let message = format!("a {} is expected here, this is {}", sort.name(), node.sort());
        self.diagnostics
            .error(place, message)
            .allowed("", sort.kinds(self.kinds).iter().map(|kind| kind.name));
    }
}
