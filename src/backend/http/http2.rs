//! The same to servers that speak HTTP/2 with prior knowledge, without TLS: what gRPC needs.
//!
//! ```yaml
//! apps:
//!   greeter: { http: { servers: ["10.0.0.5:50051", "10.0.0.6:50051"], http2: true } }
//! ```
//!
//! Each core has one connection to each server, [`shared`] by all of its requests; a [`call`] is one request and its answer,
//! both at once, with their trailers. Whoever drops an answer, or a request that waits for one, resets the stream. What is said of
//! retries, limits and aborts in [`super`] holds here, too; besides, a request that its server has certainly not begun with is
//! sent once more where nothing is lost of its body: one that was refused, or came after a GOAWAY.

mod call;
mod check;
mod head;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use http_environ::View;
use vestibule_layers::rescue::chain;
use vestibule_layers::{Request, Response, rescue};

use self::call::{Begun, Call};
pub(super) use self::check::status;
pub(super) use self::shared::{Shared, Terms};
use super::balance::endpoint::Failed;
use super::balance::{Balancer, Refused};
use super::failure::Failure;
use super::request_head::{self, Manner};
use super::way_back::WayBack;
use super::{Settings, in_flight};
use crate::backend::upstream::deadline::Limits;
use crate::backend::upstream::upload::Framing;

/// The servers and what leads to them.
pub(super) struct Upstream {
    /// Its name, for the log.
    application: Arc<str>,
    balancer: Balancer<Arc<Shared>>,
    /// Whether a request that was sent may be sent to another server.
    retries_sent: bool,
    connect_timeout: Duration,
    limits: Limits,
    manner: Manner,
}

impl Upstream {
    pub(super) fn new(balancer: Balancer<Arc<Shared>>, settings: &Settings, application: &str) -> Self {
        Self {
            application: application.into(),
            balancer,
            retries_sent: settings.balance.retry.sent,
            connect_timeout: settings.connect_timeout,
            limits: settings.limits(),
            manner: settings.manner.clone(),
        }
    }

    pub(super) async fn answer(self: Arc<Self>, mut request: Request) -> Response {
        let id = View::of(&request).environ().request_id.clone();
        let answer = self.forward(&mut request).await;
        answer.unwrap_or_else(|failure| rescue(&id, failure.cause(), &failure.of(&self.application)))
    }

    /// Sends a request to the first server that takes it.
    async fn forward(&self, request: &mut Request) -> Result<Response, Failure> {
        let wish = self.balancer.wish(request);
        let mut body = std::mem::take(request.body_mut());
        let framing = request_head::framing(request.headers(), &body);
        let is_repeatable = framing == Framing::Length(0) && request.method().is_idempotent();
        let (mut tried, mut failure, mut has_met_an_end) = (Vec::new(), None, false);
        loop {
            let chosen = match self.balancer.choose(&wish, &tried) {
                Ok(chosen) => chosen,
                Err(Refused::Unknown) => {
                    let known = tokio::time::timeout(self.connect_timeout, self.balancer.known()).await;
                    known.map_err(|_| Refused::Unknown)?;
                    continue;
                }
                Err(refused) => return Err(failure.unwrap_or(refused.into())),
            };
            let endpoint = &chosen.place.endpoint;
            let (line, is_kept) = match chosen.place.kept.line(endpoint.server()).await {
                Ok(line) => line,
                Err(error) => {
                    endpoint.failed(Failed::Unreachable, &chain(&error));
                    tried.push(chosen.place);
                    failure = Some(error);
                    continue;
                }
            };
            let head = head::forward(request, framing, &self.manner, endpoint.server())?;
            let (error, unsent) = match Call::begin(line, head, body, framing, self.limits) {
                Begun::Sent(mut call) => match call.head().await {
                    Ok(head) => {
                        self.balancer.answered(endpoint, head.status());
                        let mut answer = call.answer(head, request.method());
                        if let Some(way_back) =
                            WayBack::of(&View::of(request), &self.manner, endpoint.server())
                        {
                            way_back.lead(answer.headers_mut());
                        }
                        let cookie = wish.cookie(endpoint);
                        return Ok(in_flight::until_the_end(answer, chosen.in_flight, cookie));
                    }
                    Err(error) => {
                        let may_repeat = (is_kept || self.retries_sent) && is_repeatable;
                        let may_repeat =
                            error.is_unprocessed() || (error.is_end_of_connection() && may_repeat);
                        let unsent = call.into_untaken().filter(|_| may_repeat);
                        (error, unsent)
                    }
                },
                Begun::Unsent(error, body) => (error, Some(body)),
            };
            let has_ended = is_kept && error.is_end_of_connection();
            let error = error.at(endpoint.server());
            // That a kept connection has ended meanwhile says nothing about its server.
            if error.is_servers() && !has_ended {
                endpoint.failed(Failed::Unanswered, &chain(&error));
            }
            let Some(unsent) = unsent else { return Err(error) };
            body = unsent;
            failure = Some(error);
            // Another connection to the same server, but only once: this must come to an end.
            if !has_ended || std::mem::replace(&mut has_met_an_end, true) {
                tried.push(chosen.place);
            }
        }
    }
}
