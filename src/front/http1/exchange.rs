//! One request, and its answer.

use std::pin::{Pin, pin};

use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use vestibule_layers::{Answer, Body, Cause, Response};

use super::head::{Asked, Head};
use super::incoming::Incoming;
use super::outgoing::{Broken, Framing, Outgoing};
use super::{End, Line, answer_head};
use crate::front::client_body;
use crate::front::socket::Socket;
use crate::front::under_way::UnderWay;
use crate::front::visit::Visit;
use crate::identity::Connection;
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
    let (read, write) = line.io.halves();
    let mut incoming = Incoming::new(read, &mut line.received, length, limits.header_bytes);
    let mut ask = None;
    let body = match incoming.whole() {
        Some(body) if body.is_empty() => Body::Empty,
        Some(body) if body.len() as u64 <= limits.body_bytes => Body::Bytes(body),
        Some(body) => client_body::guard(http_body_util::Full::new(body), limits),
        None => {
            let (asks, asked_for) = oneshot::channel();
            ask = asked.expects.then_some(asked_for);
            client_body::guard(incoming.body(asked.expects.then_some(asks)), limits)
        }
    };
    let (answer, under_way) = visit.handle(connection, request.map(|()| body));
    let mut outgoing = Outgoing::new(write, &mut line.out, visit);
    let (answer, is_asked) =
        beside(pin!(answer_of(&mut outgoing, answer, ask)), &mut incoming, visit).await?;
    let may_follow = visit.is_serving() && is_asked && incoming.may_end();
    let responding = respond(outgoing, answer, asked, may_follow, under_way, &mut line.headers);
    let done = beside(pin!(responding), &mut incoming, visit).await?;
    match done {
        Done::Switched(tunnel) if incoming.is_over() => Err(End::Switched(tunnel)),
        Done::MayFollow if incoming.is_over() => Ok(()),
        // Who has sent something behind its last request may be sending still.
        Done::Last if incoming.is_over() && line.received.is_empty() => Err(End::Over),
        _ => Err(End::Unread),
    }
}

/// Goes on with what one side is to do, while the other reads.
async fn beside<T, R: AsyncRead + Unpin>(
    mut doing: Pin<&mut impl Future<Output = Result<T, Broken>>>,
    incoming: &mut Incoming<'_, R>,
    visit: &Visit,
) -> Result<T, End> {
    tokio::select! {
        biased;
        done = &mut doing => done.map_err(|broken| match broken {
            Broken::Body => End::Broken,
            Broken::Connection => End::Gone,
        }),
        gone = incoming.pump() => {
            // Before what is under way is dropped, so that it knows why.
            visit.talk.end(Cause::ClientGone, || format!("the connection ended: {gone}"));
            Err(End::Gone)
        }
    }
}

/// Waits for the answer to a request, whose client may wait to be asked for its body (`ask`). Without that, nobody knows where another
/// request would begin (RFC 9110 section 10.1.1).
async fn answer_of(
    outgoing: &mut Outgoing<'_, impl AsyncWrite + Unpin>,
    mut answer: Answer,
    ask: Option<oneshot::Receiver<()>>,
) -> Result<(Response, bool), Broken> {
    let Some(ask) = ask else { return Ok((answer.await, true)) };
    tokio::select! {
        biased;
        answer = &mut answer => Ok((answer, false)),
        Ok(()) = ask => {
            outgoing.out().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            outgoing.flush().await?;
            Ok((answer.await, true))
        }
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

/// Writes an answer. `may_follow`: nothing but the answer itself ends the connection.
async fn respond(
    mut outgoing: Outgoing<'_, impl AsyncWrite + Unpin>,
    mut answer: Response,
    asked: Asked,
    may_follow: bool,
    under_way: UnderWay,
    room: &mut HeaderMap,
) -> Result<Done, Broken> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let tunnel = answer.extensions_mut().remove();
        answer_head::put(outgoing.out(), &answer, asked, false);
        outgoing.flush().await?;
        return Ok(tunnel.map_or(Done::Last, Done::Switched));
    }
    let plan = answer_head::put(outgoing.out(), &answer, asked, may_follow);
    let missing = if let Framing::Length(length) = plan.framing { Some(length) } else { None };
    let (mut parts, body) = under_way.sending(answer, missing).into_parts();
    parts.headers.clear();
    *room = parts.headers;
    outgoing.send(body, plan.framing).await?;
    Ok(if plan.is_last { Done::Last } else { Done::MayFollow })
}
