//! Where an application listens: at an address, or where the supervisor starts it.

use vestibule_config::{Diagnostic, Reader, Spanned};

use super::address::Address;
use crate::backend::Context;
use crate::backend::command::{Command, Takes};
use crate::backend::processes::Wanted;

/// Where an application listens.
#[derive(Clone)]
pub(in crate::backend) enum Target {
    /// Somebody else has started it.
    Address(Address),
    /// The supervisor starts it.
    Command(Command),
}

impl Target {
    /// Reads `address`, or `command` and what goes with it; `None` after a mistake.
    pub(in crate::backend) fn read(reader: &mut Reader<'_>, takes: Takes) -> Option<Self> {
        let place = reader.place();
        let command = Command::read(reader, takes);
        let Some(command) = command else {
            // Of a command with a mistake, its reader has told.
            if reader.has("command") {
                return None;
            }
            let given = reader.required::<Spanned<String>>("address");
            let address = if given.place.is_unknown() { None } else { reader.parse::<Address>(&given) };
            return address.map(|address| Self::Address(address.in_folder(given.place.folder())));
        };
        if let Some(address) = reader.optional::<Spanned<String>>("address") {
            let message = "there is an `address` and a `command`: a program that is started here gets its socket from here";
            reader.mistake(&address.place, message);
        }
        let wanted = command.wanted();
        if wanted.count > 1 && wanted.open_their_sockets() {
            let message = "`processes` that open a socket each need `http`, which spreads requests";
            reader.mistake(&place, message).help("let the program start further processes itself");
        }
        Some(Self::Command(command))
    }

    /// The processes that are to be started.
    pub(in crate::backend) fn wanted(&self) -> Option<Wanted> {
        match self {
            Self::Address(_) => None,
            Self::Command(command) => Some(command.wanted()),
        }
    }

    /// The address.
    pub(in crate::backend) fn address(&self, context: &Context<'_>) -> Result<Address, Diagnostic> {
        match self {
            Self::Address(address) => Ok(address.clone()),
            Self::Command(command) => {
                let address = command.addresses(context)?.into_iter().next();
                address.ok_or_else(|| Diagnostic::error("no process is wanted"))
            }
        }
    }
}
