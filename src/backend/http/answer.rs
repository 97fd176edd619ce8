//! From what a server sends to an answer: heads that only precede it are skipped, then comes its own.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response as HttpResponse, StatusCode};
use vestibule_layers::{Body, Request, Response};

use super::answer_head::{self, Head, Length, MOST_FIELDS, Nonsense};
use super::balance::endpoint::InFlight;
use super::body::{Answering, body};
use super::failure::Failure;
use super::pool::Pool;
use super::request_head::Asked;
use crate::backend::upstream::exchange::Exchange;
use crate::field::lines::Finder;
use crate::tunnel::Tunnel;

/// Waits for the head of the answer, and gives it with what was received behind it. `limit` is how long heads may be.
///
/// The request's own headers are used up once an answer begins: there is room for those of the answer.
pub(super) async fn head(
    exchange: &mut Exchange,
    request: &mut Request,
    asked: Asked,
    limit: usize,
) -> Result<(Head, Bytes), Failure> {
    poll_fn(|cx| exchange.poll_read(cx)).await?;
    let mut fields = std::mem::take(request.headers_mut());
    fields.clear();
    let mut reader =
        HeadReader { limit, asked, interim: 0, finder: Finder::default(), goes_on: false, fields };
    loop {
        if let Some((mut head, rest)) = reader.read(exchange.received())? {
            if *request.method() == Method::HEAD {
                head.length = Length::Known(0);
            }
            exchange.drop_held();
            return Ok((head, rest));
        }
        if reader.goes_on {
            exchange.go_on();
        }
        poll_fn(|cx| exchange.poll_read(cx)).await?;
    }
}

/// The answer. Its connection goes `home` where it can be used again.
pub(super) fn answer(
    exchange: Exchange,
    head: Head,
    received: Bytes,
    limit: usize,
    home: Option<&Arc<Pool>>,
) -> Response {
    let home = home.filter(|_| head.is_kept);
    let answering = Answering { exchange, received, length: head.length, most_trailers: limit };
    let mut answer = HttpResponse::new(body(answering, home));
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    if head.status == StatusCode::UPGRADE_REQUIRED {
        // Without it, the client would not know to what.
        answer.headers_mut().extend(head.upgrade.map(|protocol| (UPGRADE, protocol)));
    }
    if let Some(reason) = head.reason {
        answer.extensions_mut().insert(reason);
    }
    answer
}

/// The answer that makes a tunnel of the client's connection; `timeout` is how long it may be silent. Until its end, it counts
/// as in flight.
pub(super) fn switch(
    exchange: Exchange,
    (head, received): (Head, Bytes),
    timeout: Duration,
    in_flight: Option<InFlight>,
) -> Response {
    let mut answer = HttpResponse::new(Body::Empty);
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.headers_mut().extend(head.upgrade.map(|protocol| (UPGRADE, protocol)));
    answer.extensions_mut().insert(Tunnel::new(exchange.into_line(), received, timeout, in_flight));
    answer
}

/// Looks for the head in what comes.
struct HeadReader {
    limit: usize,
    /// How long the heads were that only preceded the answer: 100, 103 and the like.
    interim: usize,
    finder: Finder,
    asked: Asked,
    /// Whether the body of the request is wanted.
    goes_on: bool,
    fields: HeaderMap,
}

impl HeadReader {
    fn read(&mut self, received: &mut BytesMut) -> Result<Option<(Head, Bytes)>, Failure> {
        while let Some(end) = self.finder.find(received, MOST_FIELDS).map_err(Nonsense::from)? {
            if end > self.left() {
                return Err(Nonsense::TooLarge(self.limit).into());
            }
            let head = received.split_to(end).freeze();
            let head = answer_head::read(&head, self.finder.lines(&head), &mut self.fields)?;
            self.finder.begin();
            match head.status {
                StatusCode::SWITCHING_PROTOCOLS if self.asked.upgrades && head.upgrade.is_some() => {}
                StatusCode::SWITCHING_PROTOCOLS => return Err(Nonsense::Switches.into()),
                status if status.is_informational() => {
                    self.goes_on |= status == StatusCode::CONTINUE;
                    self.interim += end;
                    continue;
                }
                _ => {}
            }
            return Ok(Some((head, received.split().freeze())));
        }
        answer_head::begins(received)?;
        if received.len() > self.left() { Err(Nonsense::TooLarge(self.limit).into()) } else { Ok(None) }
    }

    /// How long the head may be that comes next.
    fn left(&self) -> usize {
        self.limit.saturating_sub(self.interim)
    }
}
