//! `limits`: what a connection may use up.

use std::time::Duration;

use crate::config::Limits;
use crate::from_node::Size;
use crate::place::{Place, Spanned};
use crate::reader::Reader;

/// There is room for so many headers with each request, and the map that holds them has a limit of its own.
const MOST_HEADERS: usize = 10_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
            header_count: 100,
            header_time: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            body_bytes: 1 << 30,
            body_time: Duration::from_secs(60),
            body_rate: 4 << 10,
            send_time: Duration::from_secs(60),
            connections: 10_000,
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Limits {
    let default = Limits::default();
    Limits {
        header_bytes: header_bytes(reader).unwrap_or(default.header_bytes),
        header_count: number(reader, "header_count", default.header_count, MOST_HEADERS),
        header_time: time(reader, "header_time", default.header_time),
        keep_alive: time(reader, "keep_alive", default.keep_alive),
        body_bytes: reader.or("body_bytes", Size(default.body_bytes)).0,
        body_time: time(reader, "body_time", default.body_time),
        body_rate: reader.or("body_rate", Size(default.body_rate)).0,
        send_time: time(reader, "send_time", default.send_time),
        connections: number(reader, "connections", default.connections, usize::MAX),
    }
}

fn header_bytes(reader: &mut Reader<'_>) -> Option<usize> {
    let size: Spanned<Size> = reader.optional("header_bytes")?;
    let bytes = usize::try_from(size.value.0).ok();
    // Less is less than some browsers send.
    if bytes.is_none_or(|bytes| !(8 << 10..=16 << 20).contains(&bytes)) {
        reader
            .mistake(&size.place, "the size of a request's head is limited to 8KiB at least, 16MiB at most");
    }
    bytes
}

fn number(reader: &mut Reader<'_>, key: &'static str, default: usize, most: usize) -> usize {
    let number: Spanned<usize> = reader.or(key, Spanned::new(default, Place::default()));
    if *number == 0 {
        reader.mistake(&number.place, format!("`{key}` must be 1 at least"));
    } else if *number > most {
        reader.mistake(&number.place, format!("`{key}` must be {most} at most"));
    }
    number.value
}

/// A time that is not zero: within none nothing could come.
fn time(reader: &mut Reader<'_>, key: &'static str, default: Duration) -> Duration {
    let time: Spanned<Duration> = reader.or(key, Spanned::new(default, Place::default()));
    if time.is_zero() {
        reader.mistake(&time.place, format!("`{key}` must be longer than 0"));
    }
    time.value
}
