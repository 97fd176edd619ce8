//! One request, and its answer.

use std::pin::pin;

use http::{HeaderMap, StatusCode};
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;
use vestibule_layers::{Answer, Body, Cause};

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
    let outgoing = Outgoing::new(write, &mut line.out, visit);
    let mut responding = pin!(respond(outgoing, visit, asked, answer, under_way, ask, &mut line.headers));
    let responded = tokio::select! {
        biased;
        responded = &mut responding => responded,
        gone = incoming.pump() => {
            // Before what is under way is dropped, so that it knows why.
            visit.talk.end(Cause::ClientGone, || format!("the connection ended: {gone}"));
            return Err(End::Gone);
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
    under_way: UnderWay,
    ask: Option<oneshot::Receiver<()>>,
    room: &mut HeaderMap,
) -> Result<Done, Broken> {
    let mut answer = match ask {
        None => answer.await,
        Some(ask) => {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    // The body may come or not: nobody knows where another request would begin (RFC 9110 section 10.1.1).
                    asked.is_kept = false;
                    answer
                }
                Ok(()) = ask => {
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
    let plan = answer_head::put(outgoing.out(), &answer, asked, visit.is_serving());
    let missing = if let Framing::Length(length) = plan.framing { Some(length) } else { None };
    let (mut parts, body) = under_way.sending(answer, missing).into_parts();
    parts.headers.clear();
    *room = parts.headers;
    outgoing.send(body, plan.framing).await?;
    Ok(if plan.is_last { Done::Last } else { Done::MayFollow })
}
