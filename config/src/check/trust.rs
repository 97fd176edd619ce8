//! `trust`: whose word about the client is believed, and which.

use crate::config::{Peer, Trust, TrustedHeader};
use crate::place::Spanned;
use crate::reader::Reader;

const HEADERS: [(&str, TrustedHeader); 6] = [
    ("for", TrustedHeader::For),
    ("proto", TrustedHeader::Proto),
    ("host", TrustedHeader::Host),
    ("port", TrustedHeader::Port),
    ("prefix", TrustedHeader::Prefix),
    ("forwarded", TrustedHeader::Forwarded),
];

/// Nobody is believed unless named.
impl Default for Trust {
    fn default() -> Self {
        Self { peers: Vec::new(), headers: vec![TrustedHeader::For, TrustedHeader::Proto], user: false }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Trust {
    let peers: Vec<Spanned<String>> = reader.required("peers");
    let peers = peers.iter().filter_map(|text| peer(text, reader)).collect();
    let headers = headers(reader).unwrap_or_else(|| Trust::default().headers);
    let user = reader.or("user", false);
    Trust { peers, headers, user }
}

fn peer(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Peer> {
    if text.value == "unix" {
        return Some(Peer::Unix);
    }
    match text.parse() {
        Ok(network) => Some(Peer::Net(network)),
        Err(error) => {
            reader
                .mistake(&text.place, format!("`{}` is not a peer: {error}", text.value))
                .help("a peer is `unix` (whoever may open a unix socket) or a network such as `10.0.0.0/8`");
            None
        }
    }
}

fn headers(reader: &mut Reader<'_>) -> Option<Vec<TrustedHeader>> {
    let names: Vec<Spanned<String>> = reader.optional("headers")?;
    let mut headers = Vec::with_capacity(names.len());
    for name in &names {
        match HEADERS.iter().find(|(known, _)| *known == name.value) {
            Some((_, header)) => headers.push(*header),
            None => {
                reader
                    .mistake(&name.place, format!("unknown header `{}`", name.value))
                    .allowed(name, HEADERS.map(|(known, _)| known));
            }
        }
    }
    let forwarded = names.iter().find(|name| name.value == "forwarded");
    if let Some(forwarded) = forwarded.filter(|_| names.len() > 1) {
        // A front server writes one kind and passes the client's own of the other kind through.
        reader.mistake(&forwarded.place, "`forwarded` cannot be believed together with other headers").help(
            "the front server sets either `Forwarded` or the `X-Forwarded-…` headers; name what it sets",
        );
    }
    Some(headers)
}
