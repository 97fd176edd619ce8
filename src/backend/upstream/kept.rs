//! Answers on connections that are kept for other requests: the body as it comes, and at its end the connection back into its
//! pool. FastCGI and AJP.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use http_environ::answer::Reason;
use vestibule_layers::{Body, Response, told_length};

use super::connection::Connection;
use super::failure::Failure;
use super::pool::Pool;
use super::{UNWANTED, has_body, keep_reason};

/// A request under way on such a connection, whose head has been answered.
pub(in crate::backend) trait Exchange: Send + Unpin + 'static {
    /// What has come already.
    fn piece_at_hand(&mut self) -> Result<Option<Piece>, Failure>;

    /// What comes next, while the request is being sent.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Failure>>;

    /// The connection, where the answer has ended and another request may follow.
    fn finish(self) -> Option<Box<Connection>>;
}

/// A piece of an answer.
pub(in crate::backend) enum Piece {
    Body(Bytes),
    /// The answer has ended well.
    End,
}

/// The answer with its body, which keeps the connection until its end. `first` is what has come of the body with the head.
pub(in crate::backend) async fn reply<E: Exchange>(
    (status, reason, headers): (StatusCode, Option<Reason>, HeaderMap),
    first: Bytes,
    mut exchange: E,
    method: &Method,
    pool: &Arc<Pool>,
) -> Result<Response, Failure> {
    let body = if has_body(method, status) {
        let mut ready = VecDeque::from([first]);
        let mut is_whole = false;
        while let Some(piece) = exchange.piece_at_hand()? {
            match piece {
                Piece::Body(piece) => ready.push_back(piece),
                Piece::End => {
                    is_whole = true;
                    break;
                }
            }
        }
        if is_whole {
            let body = of_its_length(joined(ready), &headers)?;
            release(exchange, pool);
            Body::from(body)
        } else {
            let left = told_length(&headers);
            let body = AnswerBody { ready, rest: Some((exchange, Arc::clone(pool))), left };
            Body::boxed(body.map_err(Failure::break_off))
        }
    } else {
        discard(exchange, pool).await?;
        Body::Empty
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    keep_reason(&mut response, reason);
    Ok(response)
}

/// Waits for the end of an answer whose body nobody gets. A long one is given up, with its connection.
pub(in crate::backend) async fn discard<E: Exchange>(
    mut exchange: E,
    pool: &Arc<Pool>,
) -> Result<(), Failure> {
    let mut unwanted = 0;
    while unwanted <= UNWANTED {
        match poll_fn(|cx| exchange.poll_piece(cx)).await? {
            Piece::Body(piece) => unwanted += piece.len(),
            Piece::End => {
                release(exchange, pool);
                break;
            }
        }
    }
    Ok(())
}

fn release<E: Exchange>(exchange: E, pool: &Arc<Pool>) {
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

/// A whole body as long as its head says: what is too much is cut off, as of one that is under way.
fn of_its_length(mut body: Bytes, headers: &HeaderMap) -> Result<Bytes, Failure> {
    let Some(promised) = told_length(headers) else { return Ok(body) };
    let missing = promised.saturating_sub(body.len() as u64);
    if missing > 0 {
        return Err(Failure::Truncated { missing });
    }
    body.truncate(usize::try_from(promised).unwrap_or(usize::MAX));
    Ok(body)
}

/// A body under way.
struct AnswerBody<E> {
    ready: VecDeque<Bytes>,
    /// Where more comes from, until the end.
    rest: Option<(E, Arc<Pool>)>,
    /// How much is missing, where the answer has told it.
    left: Option<u64>,
}

impl<E: Exchange> AnswerBody<E> {
    /// The next piece that is here, no more of it than the answer may have.
    fn take(&mut self) -> Option<Bytes> {
        let mut piece = self.ready.pop_front()?;
        if let Some(left) = &mut self.left {
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= piece.len() as u64;
        }
        self.part_if_whole();
        Some(piece)
    }

    /// Nobody asks for more than the length, and yet the end is to come: until then, nothing else can use the connection.
    fn part_if_whole(&mut self) {
        if self.left != Some(0) {
            return;
        }
        self.ready.clear();
        let Some((mut exchange, pool)) = self.rest.take() else { return };
        match exchange.piece_at_hand() {
            Ok(Some(Piece::End)) => release(exchange, &pool),
            Ok(_) => drop(tokio::spawn(async move { discard(exchange, &pool).await })),
            Err(_) => {}
        }
    }
}

impl<E: Exchange> http_body::Body for AnswerBody<E> {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            if let Some(piece) = self.take() {
                if piece.is_empty() {
                    continue;
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let left = self.left.unwrap_or(0);
            let Some((exchange, _)) = &mut self.rest else { return Poll::Ready(None) };
            match ready!(exchange.poll_piece(cx)) {
                Ok(Piece::Body(piece)) => self.ready.push_back(piece),
                Ok(Piece::End) if left > 0 => {
                    self.rest = None;
                    return Poll::Ready(Some(Err(Failure::Truncated { missing: left })));
                }
                Ok(Piece::End) => {
                    if let Some((exchange, pool)) = self.rest.take() {
                        release(exchange, &pool);
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
