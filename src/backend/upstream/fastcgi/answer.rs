//! From what an application sends to an answer: its head, then its body as it comes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use fastcgi::answer::Event;
use fastcgi::record::{End, Status};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Response as HttpResponse};
use http_body::Frame;
use http_environ::answer::{self, Head};
use vestibule_layers::Body;

use super::exchange::Exchange;
use super::pool::Pool;
use crate::backend::upstream::failure::Failure;
use crate::backend::upstream::{Reply, UNWANTED, has_body, keep_reason};

/// Waits for the head. What follows of the body is the second part.
pub(super) async fn head(exchange: &mut Exchange, limit: usize) -> Result<(Head, Bytes), Failure> {
    let mut received = BytesMut::new();
    loop {
        let event = poll_fn(|cx| exchange.poll_event(cx)).await?;
        // It is a record of its own, which nothing came before.
        if received.is_empty()
            && let Event::Stdout(piece) = &event
            && exchange.is_asked_by(piece)
        {
            continue;
        }
        let searched = received.len();
        match event {
            // Nearly always the whole head comes at once, and need not be copied.
            Event::Stdout(mut piece) if received.is_empty() => match answer::end_of_head(&piece, 0) {
                Some(end) if end <= limit => {
                    let head = piece.split_to(end);
                    return Ok((answer::read(&head)?, piece));
                }
                _ => received.extend_from_slice(&piece),
            },
            Event::Stdout(piece) => received.extend_from_slice(&piece),
            Event::Stderr(_) => {}
            Event::End(end) => return Err(without_head(end)),
        }
        match answer::end_of_head(&received, searched) {
            Some(end) if end <= limit => {
                let head = received.split_to(end);
                return Ok((answer::read(&head)?, received.freeze()));
            }
            None if received.len() <= limit => {}
            _ => return Err(Failure::HeadTooLarge(limit)),
        }
    }
}

fn without_head(end: End) -> Failure {
    match end.status {
        Status::Complete => Failure::NoAnswer { application: end.application },
        refused => Failure::Refused(refused),
    }
}

/// The answer with its body, which keeps the connection until its end.
pub(super) async fn reply(
    (head, first): (Head, Bytes),
    mut exchange: Exchange,
    method: &Method,
    pool: Arc<Pool>,
) -> Result<Reply, Failure> {
    let (status, reason, headers) = match head {
        Head::Answer { status, reason, headers } => (status, reason, headers),
        Head::Local(target) => {
            discard(exchange, &pool).await?;
            return Ok(Reply::Local(target));
        }
    };
    let body = if has_body(method, status) {
        let mut ready = VecDeque::from([first]);
        let mut is_whole = false;
        while let Some(event) = exchange.at_hand()? {
            match event {
                Event::Stdout(piece) => ready.push_back(piece),
                Event::Stderr(_) => {}
                Event::End(end) => {
                    whole(end)?;
                    is_whole = true;
                    break;
                }
            }
        }
        if is_whole {
            let body = of_its_length(joined(ready), &headers)?;
            release(exchange, &pool);
            Body::from(body)
        } else {
            Body::boxed(AnswerBody { ready, rest: Some((exchange, pool)) })
        }
    } else {
        discard(exchange, &pool).await?;
        Body::Empty
    };
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    keep_reason(&mut response, reason);
    Ok(Reply::Answer(response))
}

/// Waits for the end of an answer whose body nobody gets. A long one is given up, with its connection.
async fn discard(mut exchange: Exchange, pool: &Arc<Pool>) -> Result<(), Failure> {
    let mut unwanted = 0;
    loop {
        match poll_fn(|cx| exchange.poll_event(cx)).await? {
            Event::Stdout(piece) => unwanted += piece.len(),
            Event::Stderr(_) => {}
            Event::End(end) => {
                whole(end)?;
                release(exchange, pool);
                return Ok(());
            }
        }
        if unwanted > UNWANTED {
            return Ok(());
        }
    }
}

fn whole(end: End) -> Result<(), Failure> {
    match end.status {
        Status::Complete => Ok(()),
        refused => Err(Failure::Refused(refused)),
    }
}

fn release(exchange: Exchange, pool: &Arc<Pool>) {
    if let Some(connection) = exchange.finish() {
        pool.put(connection);
    }
}

fn joined(mut pieces: VecDeque<Bytes>) -> Bytes {
    pieces.retain(|piece| !piece.is_empty());
    if pieces.len() <= 1 {
        return pieces.pop_front().unwrap_or_default();
    }
    pieces.make_contiguous().concat().into()
}

/// A whole body as long as its head says. hyper trusts a body whose length is known, and would send another one than was
/// promised: of one that is under way it counts the bytes, and cuts off what is too much, as is done here.
fn of_its_length(mut body: Bytes, headers: &HeaderMap) -> Result<Bytes, Failure> {
    let promised = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let Some(promised) = promised else { return Ok(body) };
    let here = body.len() as u64;
    if here < promised {
        return Err(Failure::Short { promised, here });
    }
    body.truncate(usize::try_from(promised).unwrap_or(usize::MAX));
    Ok(body)
}

/// A body under way.
struct AnswerBody {
    ready: VecDeque<Bytes>,
    /// Where more comes from, until the end.
    rest: Option<(Exchange, Arc<Pool>)>,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                if piece.is_empty() {
                    continue;
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some((exchange, _)) = &mut self.rest else { return Poll::Ready(None) };
            let event = ready!(exchange.poll_event(cx));
            match event {
                Ok(Event::Stdout(piece)) => self.ready.push_back(piece),
                Ok(Event::Stderr(_)) => {}
                Ok(Event::End(end)) => {
                    if let (Ok(()), Some((exchange, pool))) = (whole(end), self.rest.take()) {
                        release(exchange, &pool);
                    } else {
                        return Poll::Ready(Some(Err(Failure::Refused(end.status))));
                    }
                }
                Err(failure) => {
                    self.rest = None;
                    return Poll::Ready(Some(Err(failure)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.is_none()
    }
}
