//! Speaks as a front server does, byte for byte.

use std::io;

use bytes::BytesMut;
use fastcgi::answer::{self, Event};
use fastcgi::record::{self, REQUEST, Stream};
use fastcgi::request::{self, KeepConnection};

use crate::harness::Client;

/// A request in one of the protocols.
pub(crate) fn encoded(protocol: &str, variables: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    match protocol {
        "uwsgi" => [uwsgi(variables).as_slice(), body].concat(),
        "scgi" => [scgi(variables).as_slice(), body].concat(),
        "fastcgi" => fastcgi(variables, body, KeepConnection::No),
        _ => unreachable!("{protocol} speaks for no client"),
    }
}

/// The variables of a request for a path, with further ones.
pub(crate) fn variables<'a>(
    method: &'a str,
    target: &'a str,
    length: &'a str,
    further: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut variables = vec![
        ("CONTENT_LENGTH", length),
        ("SCGI", "1"),
        ("REQUEST_METHOD", method),
        ("REQUEST_URI", target),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("HTTP_HOST", "test"),
        ("REMOTE_ADDR", "192.0.2.7"),
    ];
    variables.extend(further);
    variables
}

/// A GET of a path.
pub(crate) fn get(protocol: &str, target: &str) -> Vec<u8> {
    encoded(protocol, &variables("GET", target, "0", &[]), b"")
}

/// Sends a request, and reads what is answered until the connection ends; the head is as CGI or HTTP has it.
pub(crate) fn ask(protocol: &str, address: &str, request: &[u8]) -> io::Result<String> {
    let mut client = Client::connect(address)?;
    client.send(request)?;
    answered(protocol, &mut client)
}

/// Reads an answer to its end.
pub(crate) fn answered(protocol: &str, client: &mut Client) -> io::Result<String> {
    let bytes = client.rest()?;
    let bytes = if protocol == "fastcgi" { unwrapped(&bytes)? } else { bytes };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a FastCGI answer says; an error where it has no end.
fn unwrapped(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (mut received, mut answer, mut said) = (BytesMut::from(bytes), answer::Answer::default(), Vec::new());
    loop {
        match answer.next(&mut received).map_err(io::Error::other)? {
            Some(Event::Stdout(piece)) => said.extend_from_slice(&piece),
            Some(Event::Stderr(_)) => {}
            Some(Event::End(_)) => return Ok(said),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn uwsgi(variables: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = Vec::new();
    for text in variables.iter().flat_map(|(name, value)| [name, value]) {
        packet.extend(u16::try_from(text.len()).expect("it is short").to_le_bytes());
        packet.extend(text.as_bytes());
    }
    let [low, high] = u16::try_from(packet.len()).expect("it is small").to_le_bytes();
    [[0, low, high, 0].as_slice(), &packet].concat()
}

fn scgi(variables: &[(&str, &str)]) -> Vec<u8> {
    let texts = variables.iter().flat_map(|(name, value)| [*name, "\0", *value, "\0"]);
    let variables: String = texts.collect();
    format!("{}:{variables},", variables.len()).into_bytes()
}

/// A FastCGI request.
pub(crate) fn fastcgi(variables: &[(&str, &str)], body: &[u8], keep: KeepConnection) -> Vec<u8> {
    let mut out = BytesMut::new();
    request::put_head(&mut out, keep, |add| {
        for (name, value) in variables {
            add(name.as_bytes(), value.as_bytes());
        }
    });
    if !body.is_empty() {
        record::put_stream(&mut out, Stream::Stdin, REQUEST, body);
    }
    request::put_end_of_body(&mut out);
    out.to_vec()
}
