//! Gives every request a number that the application, the logs and the client all see.
//!
//! ```yaml
//! layers: [ { request_id: { header: X-Request-Id, trust: false } } ]
//! ```
//!
//! The number becomes `REQUEST_ID`, stands in the header of the request for what is inside, and in the header of the
//! answer. A new one has 128 random bits in hexadecimal digits: unlike the gateway's own serial number, it is unique
//! across workers, hosts and restarts, and tells a client nothing. With `trust`, a number that came with the request is
//! kept, if it is 1 to 128 visible ASCII characters: turn it on only behind a front server that sets the header itself.
//!
//! Place it outside of whatever logs, answers errors or asks for `REQUEST_ID`; `access_log` may stand outside of it.
//! tower-http's layers of this name need the `uuid` crate and know no environ.

use std::cell::RefCell;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use http_environ::{Environ, RequestId};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, sets_nothing};

use crate::{BoxLayer, LayerKind};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "request_id",
        summary: "gives every request a number that application, log and client see",
        example: "request_id: { header: X-Request-Id, trust: false }",
        read: |reader| Checked::new(Settings::read(reader)),
        // REQUEST_ID is a standard variable: it can be matched anyway.
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

/// Longer numbers of others are replaced: they would go into every line of log.
const LONGEST: usize = 128;

struct Settings {
    /// The header that carries the number; `X-Request-Id` by default.
    header: HeaderName,
    /// Whether a number that came with the request is kept; `false` by default.
    trust: bool,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let header = reader.parsed("header").unwrap_or(HeaderName::from_static("x-request-id"));
        Self { header, trust: reader.or("trust", false) }
    }
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    // Fails here rather than at a request where the system gives no random bytes.
    random().map_err(|error| Diagnostic::error(format!("no random bytes for `request_id`: {error}")))?;
    let (header, trust) = (settings.header.clone(), settings.trust);
    Ok(BoxLayer::from_fn(move |mut request, inner| {
        let given = trust.then(|| acceptable(request.headers(), &header)).flatten();
        let named = given.or_else(|| random().ok().map(|bits| name(&digits(bits))));
        let header = header.clone();
        async move {
            // The gateway's own serial number stands where the system has stopped to give random bytes.
            let Some((id, value)) = named else { return inner.answer(request).await };
            if let Some(environ) = request.extensions_mut().get_mut::<Environ>() {
                environ.name_request(id.clone());
            }
            request.headers_mut().insert(&header, value.clone());
            let mut answer = inner.answer(request).await;
            answer.headers_mut().insert(header, value);
            answer.extensions_mut().insert(id);
            answer
        }
    }))
}

/// A number for the environ, and as a header.
type Named = (RequestId, HeaderValue);

/// The one number that came with the request, if it may go into logs and headers as it is.
fn acceptable(headers: &HeaderMap, name: &HeaderName) -> Option<Named> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let is_fit = (1..=LONGEST).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    let text = value.to_str().ok().filter(|_| is_fit)?;
    Some((RequestId::Given(Arc::from(text)), value.clone()))
}

fn name(digits: &[u8; 32]) -> Named {
    let text = std::str::from_utf8(digits).expect("hexadecimal digits are ASCII");
    let value = HeaderValue::from_bytes(digits).expect("hexadecimal digits are legal in a header");
    (RequestId::Given(Arc::from(text)), value)
}

fn digits(bits: [u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bits) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

/// How many numbers' bits are asked of the system at once: it takes as long for one as for some of them.
const BATCH: usize = 64;

thread_local! {
    /// Random bits that this thread has not used yet.
    static BITS: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// 128 random bits.
fn random() -> Result<[u8; 16], getrandom::Error> {
    BITS.with_borrow_mut(|bits| {
        if let Some(bits) = bits.pop() {
            return Ok(bits);
        }
        let mut fresh = [[0; 16]; BATCH];
        getrandom::fill(fresh.as_flattened_mut())?;
        bits.extend_from_slice(&fresh[1..]);
        Ok(fresh[0])
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::testing::{around, get, request};
    use crate::{Body, Response};
    use http_environ::View;

    /// What the application sees as REQUEST_ID and in the header, and the header of the answer.
    async fn seen(yaml: &str, sent: &[(&str, &str)]) -> (String, String, String) {
        let service = around(yaml, async |request| {
            let id = View::of(&request).get(&"REQUEST_ID".parse().unwrap()).unwrap().into_owned();
            let header = request.headers()["x-request-id"].to_str().unwrap().to_owned();
            Response::new(Body::from(format!("{} {header}", String::from_utf8(id).unwrap())))
        });
        let answer = service.answer(request("GET /", sent, Body::Empty)).await;
        let outside = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let text = crate::testing::text(answer.into_body()).await;
        let (id, header) = text.split_once(' ').unwrap();
        (id.to_owned(), header.to_owned(), outside)
    }

    #[tokio::test]
    async fn one_number_is_seen_by_all() {
        let (id, header, outside) = seen("request_id: {}", &[]).await;
        assert_eq!((id.len(), &id, &id), (32, &header, &outside));
        assert_ne!(seen("request_id: {}", &[]).await.0, id);
    }

    #[test]
    fn numbers_are_never_given_twice() {
        let several = || (0..10 * BATCH).map(|_| random().unwrap()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(several)).collect();
        let all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let different: HashSet<_> = all.iter().collect();
        assert_eq!((all.len(), different.len()), (40 * BATCH, 40 * BATCH));
    }

    #[test]
    fn a_number_is_written_in_hexadecimal_digits() {
        let bits = 0x0123_4567_89ab_cdef_0011_2233_4455_66ff_u128;
        assert_eq!(digits(bits.to_be_bytes()), *b"0123456789abcdef00112233445566ff");
    }

    #[tokio::test]
    async fn a_number_from_outside_is_kept_only_when_trusted() {
        let sent = [("x-request-id", "from-outside")];
        assert_ne!(seen("request_id: {}", &sent).await.0, "from-outside");
        assert_eq!(seen("request_id: { trust: true }", &sent).await.0, "from-outside");
    }

    #[tokio::test]
    async fn an_unfit_number_is_replaced_even_when_trusted() {
        let long = "x".repeat(LONGEST + 1);
        for sent in
            [&[("x-request-id", long.as_str())][..], &[("x-request-id", "a b")], &[("x-request-id", "")]]
        {
            assert_eq!(seen("request_id: { trust: true }", sent).await.0.len(), 32);
        }
        let two = [("x-request-id", "a"), ("x-request-id", "b")];
        assert_eq!(seen("request_id: { trust: true }", &two).await.0.len(), 32);
    }

    #[tokio::test]
    async fn the_header_may_have_another_name() {
        let service = around("request_id: { header: X-Trace }", async |_| Response::default());
        assert!(service.answer(get("/")).await.headers().contains_key("x-trace"));
    }
}
