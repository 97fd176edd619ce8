//! Forwards requests to an application that speaks uwsgi: a Python, Ruby or Perl application beneath uWSGI.
//!
//! ```yaml
//! apps:
//!   shop: { uwsgi: { address: "unix:/run/uwsgi/shop.sock" } }
//! ```
//!
//! uWSGI is told `socket = /run/uwsgi/shop.sock`. Each request has a connection of its own. Bodies stream both ways, as fast
//! as the slower side takes them; one of unknown length is kept until its end, as the application is told its length first.
//! The variables of a request fit into 64 KiB, or the answer is 400; uWSGI itself takes 4 KiB unless its `buffer-size` says
//! more, and closes the connection where there is more: 502.
//!
//! An answer ends with the connection. One that has a Content-Length and ends before it is aborted; **where it has none, an
//! application that dies in mid-answer cannot be told from one that has finished**, unless the connection is reset.

use bytes::{BufMut as _, BytesMut};
use http_environ::View;
use vestibule_config::{Kind, Settings as Checked, sets_nothing};

use super::BackendKind;
use super::upstream::failure::Unsendable;
use super::upstream::single_use::{self, Settings};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "uwsgi",
        summary: "forwards requests to an application that speaks uwsgi, such as uWSGI",
        example: "uwsgi: { address: \"unix:/run/uwsgi/shop.sock\" }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, context| single_use::build(settings.get(), put_head, context),
    processes: Some(|settings| settings.get::<Settings>().wanted()),
};

/// modifier1 (0: a request for the default plugin), the size in two bytes, modifier2.
const HEAD: usize = 4;

/// Writes the packet of the variables: names and values, each after its size. All sizes have two bytes, the lower first.
fn put_head(view: &View<'_>, _: u64) -> Result<BytesMut, Unsendable> {
    let mut packet = BytesMut::with_capacity(2 << 10);
    packet.put_bytes(0, HEAD);
    let mut size = 0;
    view.for_each(|name, value| {
        size += 2 + name.len() + 2 + value.len();
        for text in [name.as_bytes(), value] {
            // Where it does not fit, the whole does not, either.
            let Ok(length) = u16::try_from(text.len()) else { return };
            packet.put_u16_le(length);
            packet.put_slice(text);
        }
    });
    let whole = u16::try_from(size).map_err(|_| Unsendable::TooLarge(size))?;
    packet[1..3].copy_from_slice(&whole.to_le_bytes());
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use http_environ::Environ;

    use super::*;

    fn packet(header: &str) -> Result<BytesMut, Unsendable> {
        let mut request = http::Request::get("/a%20b?c").header("X-Long", header).body(()).unwrap();
        let environ = Environ::for_target(request.uri()).unwrap();
        request.extensions_mut().insert(environ);
        put_head(&View::of(&request), 0)
    }

    #[test]
    fn a_packet_has_its_size_and_every_variable_with_its_own() {
        let packet = packet("text").unwrap();
        let size = usize::from(u16::from_le_bytes([packet[1], packet[2]]));
        assert_eq!((packet[0], packet[3], size + HEAD), (0, 0, packet.len()));
        for variable in [b"\x09\0PATH_INFO\x04\0/a b".as_slice(), b"\x0b\0HTTP_X_LONG\x04\0text"] {
            assert!(packet.windows(variable.len()).any(|found| found == variable), "{packet:?}");
        }
    }

    #[test]
    fn variables_of_more_than_64_kib_are_refused() {
        let room = usize::from(u16::MAX) - (packet("").unwrap().len() - HEAD);
        assert_eq!(packet(&"x".repeat(room)).unwrap().len(), HEAD + usize::from(u16::MAX));
        for more in [1, 100_000] {
            let size = usize::from(u16::MAX) + more;
            assert_eq!(packet(&"x".repeat(room + more)), Err(Unsendable::TooLarge(size)));
        }
    }
}
