//! A connection, whatever is spoken on it (HTTP/2 has its own): the same limits, the same log lines, the same drain.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use http_environ::{RequestId, Server, answer};
use tokio::sync::watch;
use vestibule_config::Limits;
use vestibule_layers::rescue::BrokenOff;
use vestibule_layers::{Answer, Body, Cause, told_length};

use super::patience::{Expired, Patience, SLOW_HEAD, UNREAD};
use super::under_way::{CutOff, Sending, Talk, UnderWay};
use super::variables::Asked;
use super::{Visitor, client_body};
use crate::gateway::Gateway;
use crate::identity::{Connection, Peer};
use crate::runtime::Stage;
use crate::runtime::seldom::seldom;

/// Why a connection is served no more.
pub(super) enum Over {
    /// It has taken too long
    Expired(Expired),
    /// It was idle when the worker closed
    Closing,
}

/// One connection.
pub(super) struct Visit {
    pub(super) server: Arc<Server>,
    pub(super) peer: Peer,
    pub(super) patience: Patience,
    pub(super) talk: Arc<Talk>,
    gateway: Arc<Gateway>,
    stage: watch::Receiver<Stage>,
    /// The stage at its beginning.
    began_in: Stage,
}

impl Visit {
    pub(super) fn new(visitor: Visitor) -> Self {
        let patience = Patience::new(visitor.gateway.limits());
        Self::with(visitor, patience)
    }

    /// One that tires of having nothing to do, after so long.
    pub(super) fn that_tires(visitor: Visitor, after: Duration) -> Self {
        let patience = Patience::that_tires(visitor.gateway.limits(), after);
        Self::with(visitor, patience)
    }

    fn with(visitor: Visitor, patience: Patience) -> Self {
        let Visitor { server, peer, gateway, mut stage } = visitor;
        let talk = Arc::new(Talk::default());
        let began_in = *stage.borrow_and_update();
        Self { server, peer, patience, talk, gateway, stage, began_in }
    }

    /// For whoever goes on with the connection.
    pub(super) fn into_visitor(self) -> Visitor {
        let Self { server, peer, gateway, stage, .. } = self;
        Visitor { server, peer, gateway, stage }
    }

    pub(super) fn limits(&self) -> &Limits {
        self.gateway.limits()
    }

    /// Whether the worker goes on to serve this connection.
    pub(super) fn is_serving(&self) -> bool {
        self.stage() == Stage::Serving
    }

    /// Whether the worker ends with what is under way.
    pub(super) fn is_closing(&self) -> bool {
        self.stage() == Stage::Closing
    }

    /// It is asked twice for each request, and hardly ever moves: that it has not takes no lock.
    fn stage(&self) -> Stage {
        if matches!(self.stage.has_changed(), Ok(false)) { self.began_in } else { *self.stage.borrow() }
    }

    /// Serves until that has ended, has taken too long, or is idle when the worker closes. It comes pinned: as a value it would take
    /// its room twice, here and where it comes from.
    pub(super) async fn attend<T>(&self, mut serving: Pin<&mut impl Future<Output = T>>) -> Result<T, Over> {
        // Before what is served is dropped, so that its requests know why.
        let _cut_off = CutOff(Arc::clone(&self.talk));
        let mut expired = pin!(self.patience.expired());
        let mut expired = seldom(|cx| expired.as_mut().poll(cx));
        let mut stage = self.stage.clone();
        // An error means that the worker is at its end.
        let mut closing = pin!(async { drop(stage.wait_for(|stage| *stage == Stage::Closing).await) });
        let mut closing = seldom(|cx| closing.as_mut().poll(cx));
        let mut is_open = true;
        loop {
            tokio::select! {
                biased;
                ended = &mut serving => return Ok(ended),
                why = &mut expired => {
                    self.expire(why);
                    return Err(Over::Expired(why));
                }
                () = &mut closing, if is_open => {
                    is_open = false;
                    if self.patience.is_idle() {
                        return Err(Over::Closing);
                    }
                }
            }
        }
    }

    fn expire(&self, why: Expired) {
        let peer = self.peer;
        match why {
            Expired::Tired | Expired::Idle => {}
            Expired::Head => tracing::warn!(%peer, "{SLOW_HEAD}"),
            Expired::Unread => self.talk.end(Cause::RequestTimeout, || UNREAD.into()),
        }
    }

    /// Has a request answered, which has this number.
    pub(super) fn handle(
        &self,
        connection: &Connection,
        request: vestibule_layers::Request,
    ) -> (Answer, RequestId) {
        let number = self.gateway.number();
        (self.gateway.handle(connection, number.clone(), request), number)
    }

    /// Answers a request. What concerns a connection is left out of the answer, as is the body that an answer to HEAD has not.
    pub(super) fn answer<B>(
        &self,
        asked: Asked,
        body: B,
    ) -> impl Future<Output = Response<Sending>> + Send + use<B>
    where
        B: http_body::Body<Data = Bytes, Error: Error + Send + Sync> + Send + Unpin + 'static,
    {
        let Asked { parts, connection, .. } = asked;
        let is_head = parts.method == Method::HEAD;
        let body = body.map_err(|error| BrokenOff::new(Cause::ClientGone, error));
        let request = Request::from_parts(parts, client_body::guard(body, self.limits()));
        let (answer, number) = self.handle(&connection, request);
        let under_way = UnderWay::new(Arc::clone(&self.talk), number);
        async move {
            let mut answer = answer.await;
            let connection: Vec<HeaderName> = answer
                .headers()
                .keys()
                .filter(|name| answer::is_hop_by_hop(name.as_str()))
                .cloned()
                .collect();
            for name in connection {
                answer.headers_mut().remove(name);
            }
            let is_bodiless = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            // Whoever is told the length sees that an answer is whole. Of an answer to HEAD without a body nobody knows it.
            let length = answer.body().size_hint().exact().filter(|length| *length > 0 || !is_head);
            if let Some(length) = length.filter(|_| !is_bodiless)
                && !answer.headers().contains_key(CONTENT_LENGTH)
            {
                answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            if is_head || is_bodiless {
                *answer.body_mut() = Body::Empty;
                return under_way.sending(answer, None);
            }
            let length = told_length(answer.headers());
            under_way.sending(answer, length)
        }
    }
}
