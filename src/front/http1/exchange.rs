//! One request, and its answer.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use http::{HeaderMap, StatusCode};
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;
use vestibule_layers::{Answer, Body, Cause};

use super::head::{Asked, Head};
use super::incoming::Incoming;
use super::outgoing::{Broken, Framing, Outgoing};
use super::{End, Line, answer_head};
use crate::front::client_body;
use crate::front::under_way::{Talk, UnderWay};
use crate::front::visit::Visit;
use crate::identity::Connection;
use crate::runtime::socket::Socket;
use crate::tunnel::Tunnel;

/// Answers one request; `Ok` if another may follow.
pub(super) async fn exchange<I: Socket>(
    line: &mut Line<I>,
    head: Head,
    visit: &Visit,
    connection: &Connection,
) -> Result<(), End> {
    let Head { request, length, asked } = head;
    line.has_asked = true;
    let limits = visit.limits();
    let (read, write) = line.io.halves(&mut line.awaited);
    let mut incoming = Incoming::new(read, &mut line.received, length, limits.header_bytes);
    let question = Question::default();
    let mut to_come = None;
    let body = match incoming.whole() {
        Some(body) if body.is_empty() => Body::Empty,
        Some(body) if body.len() as u64 <= limits.body_bytes => Body::Bytes(body),
        Some(body) => client_body::guard(http_body_util::Full::new(body), limits),
        None => {
            let (ask, asked_for) = asked.expects.then(oneshot::channel).unzip();
            to_come = Some(ToCome { asked_for, may_end: &question });
            client_body::guard(incoming.body(ask), limits)
        }
    };
    let (answer, number) = visit.handle(connection, request.map(|()| body));
    let under_way = UnderWay::new(&*visit.talk, number);
    let outgoing = Outgoing::new(write, &mut line.out, visit);
    let mut responding = pin!(respond(outgoing, visit, asked, answer, under_way, to_come, &mut line.headers));
    let responded = loop {
        tokio::select! {
            biased;
            responded = question.asked_or(responding.as_mut()) => match responded {
                Some(responded) => break responded,
                None => question.answer(incoming.may_end()),
            },
            gone = incoming.pump() => {
                // Before what is under way is dropped, so that it knows why.
                visit.talk.end(Cause::ClientGone, || format!("the connection ended: {gone}"));
                return Err(End::Gone);
            }
        }
    };
    match responded {
        Ok(Done::Switched(tunnel)) if incoming.is_over() => Err(End::Switched(tunnel)),
        Ok(Done::MayFollow) if incoming.is_over() => Ok(()),
        // Who has sent something behind its last request may be sending still.
        Ok(Done::Last) if incoming.is_over() && line.received.is_empty() => Err(End::Over),
        Ok(_) => Err(End::Unread),
        Err(Broken::Body) => Err(End::Broken),
        Err(Broken::Connection) => Err(End::Gone),
    }
}

/// A body of which not all has come with the head.
struct ToCome<'a> {
    /// Tells that somebody wants it, where the client waits for that.
    asked_for: Option<oneshot::Receiver<()>>,
    may_end: &'a Question,
}

/// What the side that writes asks the one that reads: whether the end of the body may be found. Only whoever polls both can tell.
#[derive(Default)]
struct Question(AtomicU8);

impl Question {
    const ASKED: u8 = 1;
    const NO: u8 = 2;
    const YES: u8 = 3;

    /// Asks, and waits for the answer.
    async fn ask(&self) -> bool {
        self.0.store(Self::ASKED, Ordering::Relaxed);
        // Nobody has to be woken: who is to answer polls again at once.
        poll_fn(|_| match self.0.load(Ordering::Relaxed) {
            Self::ASKED => Poll::Pending,
            answer => Poll::Ready(answer == Self::YES),
        })
        .await
    }

    fn answer(&self, answer: bool) {
        self.0.store(if answer { Self::YES } else { Self::NO }, Ordering::Relaxed);
    }

    /// Goes on with what may ask, until it does (`None`) or is done.
    async fn asked_or<T>(&self, mut doing: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        poll_fn(|cx| match doing.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.0.load(Ordering::Relaxed) == Self::ASKED => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// What an answer leaves behind.
enum Done {
    /// A connection for another request
    MayFollow,
    /// One that ends
    Last,
    /// A tunnel
    Switched(Tunnel),
}

/// Writes the answer to a request.
async fn respond(
    mut outgoing: Outgoing<'_, impl AsyncWrite + Unpin>,
    visit: &Visit,
    mut asked: Asked,
    mut answer: Answer,
    under_way: UnderWay<&Talk>,
    to_come: Option<ToCome<'_>>,
    room: &mut HeaderMap,
) -> Result<Done, Broken> {
    let (asked_for, may_end) = to_come.map(|to_come| (to_come.asked_for, to_come.may_end)).unzip();
    let mut answer = match asked_for.flatten() {
        None => answer.await,
        Some(asked_for) => {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    // The body may come or not: nobody knows where another request would begin (RFC 9110 section 10.1.1).
                    asked.is_kept = false;
                    answer
                }
                Ok(()) = asked_for => {
                    outgoing.out().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    outgoing.flush().await?;
                    answer.await
                }
            }
        }
    };
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let tunnel = answer.extensions_mut().remove();
        answer_head::put(outgoing.out(), &answer, asked, false);
        outgoing.flush().await?;
        return Ok(tunnel.map_or(Done::Last, Done::Switched));
    }
    let may_follow = visit.is_serving()
        && match may_end {
            Some(may_end) => may_end.ask().await,
            None => true,
        };
    let plan = answer_head::put(outgoing.out(), &answer, asked, may_follow);
    let missing = if let Framing::Length(length) = plan.framing { Some(length) } else { None };
    let (mut parts, body) = under_way.sending(answer, missing).into_parts();
    parts.headers.clear();
    *room = parts.headers;
    outgoing.send(body, plan.framing).await?;
    Ok(if plan.is_last { Done::Last } else { Done::MayFollow })
}
