//! `listen`: where connections are accepted.

use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::config::{Address, Listen, Peer, Trust};
use crate::document::Value;
use crate::kind::{Kinds, Protocol};
use crate::place::{Place, Spanned};
use crate::reader::Reader;

const FORMS: &str = "an address is `127.0.0.1:8000`, `[::1]:8000`, `:8000` (all addresses), `unix:PATH`, or `fd:NAME` for a socket \
                     that systemd passes";

/// Reads the list. Without it, the gateway can be reached from its own machine only. `trust` is absent where it is not
/// written.
pub(super) fn read(reader: &mut Reader<'_>, kinds: &Kinds, trust: Option<&Trust>) -> Vec<Listen> {
    let local = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 8000)));
    let Some(node) = reader.given("listen") else {
        return vec![plain(local, &kinds.protocols, Place::default())];
    };
    let read_one = |reader: &mut Reader<'_>| one(reader, kinds, trust);
    let listen: Vec<Listen> = reader.list("listen", read_one).into_iter().flatten().collect();
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        reader.mistake(&node.place, "an empty list: nothing could be reached");
    }
    report_repeated(&listen, reader);
    listen
}

/// A listener without settings of its own.
fn plain(address: Address, protocols: &[&'static Protocol], place: Place) -> Listen {
    Listen { address, mode: None, owner: None, protocol: protocols[0], proxy_protocol: false, place }
}

fn one(reader: &mut Reader<'_>, kinds: &Kinds, trust: Option<&Trust>) -> Option<Listen> {
    let protocols = &kinds.protocols;
    let place = reader.place();
    if !reader.is_mapping() {
        let text: Spanned<String> = reader.whole();
        let address = address(&text, reader)?;
        return Some(plain(address, protocols, place));
    }
    let text: Spanned<String> = reader.required("address");
    let mode = mode(reader);
    let owner = owner(reader, kinds.owner_mistake);
    let choices: Vec<_> = protocols.iter().map(|protocol| (protocol.name, *protocol)).collect();
    let protocol = reader.one_of("protocol", &choices, protocols[0]);
    let proxy_protocol = reader.or("proxy_protocol", false);
    let address = address(&text, reader)?;
    let file_only = mode.as_ref().map(|mode| &mode.place).or(owner.as_ref().map(|owner| &owner.place));
    if let (Address::Tcp(_) | Address::Passed(_), Some(place)) = (&address, file_only) {
        reader.mistake(place, "only the file of a unix socket has a mode and an owner");
    }
    let mode = mode.map(|it| it.value);
    let listen = Listen { address, mode, owner, protocol, proxy_protocol, place };
    report_untrusted(&listen, trust, reader);
    Some(listen)
}

/// Who says for whom a request is must be trusted, or every connection would be refused.
fn report_untrusted(listen: &Listen, trust: Option<&Trust>, reader: &mut Reader<'_>) {
    let what = match listen {
        Listen { proxy_protocol: true, .. } => "proxy_protocol: true".to_owned(),
        Listen { protocol, .. } if protocol.speaks_for_clients => format!("protocol: {}", protocol.name),
        _ => return,
    };
    // Of a list without anybody there is a mistake already, or it is as it is meant.
    let may_connect = |peer: &Peer| match listen.address {
        Address::Unix(_) => *peer == Peer::Unix,
        Address::Tcp(_) => matches!(peer, Peer::Net(_)),
        Address::Passed(_) => true,
    };
    let is_named = trust.is_some_and(|trust| trust.peers.is_empty() || trust.peers.iter().any(may_connect));
    if !is_named {
        let example = if let Address::Unix(_) = listen.address { "unix" } else { "127.0.0.1" };
        reader
            .mistake(
                &listen.place,
                format!("`{what}` is for front servers only, and `trust` names none that could connect here"),
            )
            .help(format!("for instance `trust: {{ peers: [{example}] }}`"));
    }
}

/// `None` when the text is no address, or was no text in the first place.
fn address(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Address> {
    if text.place.is_unknown() {
        return None;
    }
    let parsed = parse(text, text.place.folder());
    if parsed.is_none() {
        let mut mistake =
            reader.mistake(&text.place, format!("`{}` is not an address to listen on", text.value));
        if let Some(port) = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()) {
            mistake.help(format!("did you mean `127.0.0.1:{port}`, or `:{port}` for all addresses?"));
        }
        mistake.help(FORMS);
    }
    parsed
}

fn parse(text: &str, folder: &Path) -> Option<Address> {
    if let Some(path) = text.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| Address::Unix(folder.join(path)));
    }
    if let Some(name) = text.strip_prefix("fd:") {
        return (!name.is_empty()).then(|| Address::Passed(name.to_owned()));
    }
    if let Some(port) = text.strip_prefix(':') {
        // The IPv6 wildcard takes IPv4 connections too.
        return Some(Address::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port.parse().ok()?))));
    }
    text.parse().ok().map(Address::Tcp)
}

/// Octal, as everywhere else: `0660`, quoted or not.
fn mode(reader: &mut Reader<'_>) -> Option<Spanned<u32>> {
    let text: Spanned<String> = reader.optional("mode")?;
    let digits = text.strip_prefix("0o").unwrap_or(&text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && digits.len() >= 3 => Some(Spanned::new(mode, text.place)),
        _ => {
            let message = format!("`{}` is not a file's mode in octal, such as `0660`", text.value);
            reader.mistake(&text.place, message);
            None
        }
    }
}

fn owner(reader: &mut Reader<'_>, owner_mistake: fn(&str) -> Option<String>) -> Option<Spanned<String>> {
    let text: Spanned<String> = reader.optional("owner")?;
    let (user, group) = text.split_once(':').unwrap_or((&text, "-"));
    if group.is_empty() || group.contains(':') || (user.is_empty() && group == "-") {
        reader.mistake(&text.place, format!("`{}` is not `user`, `user:group` or `:group`", text.value));
        return None;
    }
    if let Some(mistake) = owner_mistake(&text) {
        reader.mistake(&text.place, mistake);
        return None;
    }
    Some(text)
}

fn report_repeated(listen: &[Listen], reader: &mut Reader<'_>) {
    let mut first: HashMap<String, &Place> = HashMap::new();
    for Listen { address, place, .. } in listen {
        // Port 0 is another one each time.
        if matches!(address, Address::Tcp(address) if address.port() == 0) {
            continue;
        }
        if let Some(first) = first.get(&format!("{address:?}")) {
            reader.mistake(place, "this address is listened on twice").note("first here", first);
        }
        first.entry(format!("{address:?}")).or_insert(place);
    }
}
