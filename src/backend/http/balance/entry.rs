//! A server of the file, and the addresses that it stands for.

use std::fmt;

use vestibule_config::document::Node;
use vestibule_config::{Diagnostics, FromNode, Reader, Spanned};

use crate::backend::http::server::Server;
use crate::backend::upstream::address::Address;

/// A server of the file.
#[derive(Clone, Debug)]
pub(in crate::backend::http) struct Entry {
    pub(super) location: Location,
    /// How many requests it gets for each of a server of weight 1; 1 by default.
    pub(super) weight: u32,
    /// Whether it takes requests only where no other can; `false` by default.
    pub(super) backup: bool,
}

/// Where it is.
#[derive(Clone, Debug)]
pub(super) enum Location {
    /// An address, or a name that has some.
    Server(Server),
    /// A name whose SRV records (RFC 2782) tell servers, their ports, weights and, by priority, backups.
    Service(String),
}

/// An address, and what share of the requests it gets.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) server: Server,
    pub(super) weight: u32,
    /// Whether it takes requests only where no other can.
    pub(super) backup: bool,
}

impl Entry {
    /// Processes that this gateway starts.
    pub(in crate::backend::http) fn of_ours(address: Address) -> Self {
        Self { location: Location::Server(Server::of_ours(address)), weight: 1, backup: false }
    }

    /// Its target, where nothing needs to be looked up for it.
    pub(super) fn fixed(&self) -> Option<Target> {
        match &self.location {
            Location::Server(server) if server.name().is_none() => Some(self.target(server.clone())),
            Location::Server(_) | Location::Service(_) => None,
        }
    }

    /// One of its addresses.
    pub(super) fn target(&self, server: Server) -> Target {
        Target { server, weight: self.weight, backup: self.backup }
    }
}

impl FromNode for Entry {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut reader = Reader::new(node, &node.place, diagnostics);
        let entry = entry(&mut reader);
        reader.finish();
        entry
    }
}

fn entry(reader: &mut Reader<'_>) -> Option<Entry> {
    if !reader.is_mapping() {
        let text = reader.whole::<Spanned<String>>();
        // Of a missing text, the reader has told.
        let location = if text.place.is_unknown() { None } else { server(reader, &text) };
        return Some(Entry { location: location?, weight: 1, backup: false });
    }
    let address = reader.optional::<Spanned<String>>("address");
    let service = reader.optional::<Spanned<String>>("srv");
    let weight = reader.optional::<Spanned<u32>>("weight");
    let weight_given = weight.as_ref().map(|weight| weight.place.clone());
    let backup = reader.or("backup", false);
    let weight = weight.map_or(1, |given| {
        if !(1..=1000).contains(&given.value) {
            reader.mistake(&given.place, "`weight` must be between 1 and 1000");
            return 1;
        }
        given.value
    });
    let location = match (address, service) {
        (Some(address), None) => server(reader, &address)?,
        (None, Some(name)) => {
            if let Some(weight) = weight_given {
                reader.mistake(&weight, "the weights of SRV records are the name server's to say");
            }
            Location::Service(name.value)
        }
        (None, None) | (Some(_), Some(_)) => {
            let place = reader.place();
            reader.mistake(&place, "a server has either an `address` or a name in `srv`");
            return None;
        }
    };
    Some(Entry { location, weight, backup })
}

fn server(reader: &mut Reader<'_>, text: &Spanned<String>) -> Option<Location> {
    let server: Server = reader.parse(text)?;
    Some(Location::Server(server.in_folder(text.place.folder())))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => server.fmt(f),
            Self::Service(name) => f.write_str(name),
        }
    }
}
