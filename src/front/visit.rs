//! A connection of a front server that speaks for clients, by uwsgi, SCGI or FastCGI: the same limits, the same log lines and the
//! same drain as by HTTP.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use http_environ::{Server, answer};
use tokio::sync::watch;
use vestibule_config::Limits;
use vestibule_layers::rescue::BrokenOff;
use vestibule_layers::{Body, Cause};

use super::patience::{Expired, Patience, SLOW_HEAD, UNREAD};
use super::under_way::{CutOff, Sending, Talk, UnderWay, told_length};
use super::variables::Asked;
use super::{Visitor, client_body};
use crate::gateway::Gateway;
use crate::identity::Peer;
use crate::runtime::Stage;

/// One connection.
pub(super) struct Visit {
    pub(super) server: Arc<Server>,
    pub(super) peer: Peer,
    pub(super) patience: Patience,
    pub(super) talk: Arc<Talk>,
    gateway: Arc<Gateway>,
    stage: watch::Receiver<Stage>,
}

impl Visit {
    pub(super) fn new(visitor: Visitor) -> Self {
        let Visitor { server, peer, gateway, stage } = visitor;
        let patience = Patience::new(gateway.limits());
        let talk = Arc::new(Talk::new(stage.clone()));
        Self { server, peer, patience, talk, gateway, stage }
    }

    pub(super) fn limits(&self) -> &Limits {
        self.gateway.limits()
    }

    /// Whether the worker goes on to serve this connection.
    pub(super) fn is_serving(&self) -> bool {
        *self.stage.borrow() == Stage::Serving
    }

    /// Serves until that has ended, has taken too long (`None`), or is idle when the worker closes (`None`).
    pub(super) async fn attend<T>(&self, serving: impl Future<Output = T>) -> Option<T> {
        let mut serving = pin!(serving);
        // Before what is served is dropped, so that its requests know why.
        let _cut_off = CutOff(Arc::clone(&self.talk));
        let mut expired = pin!(self.patience.expired());
        let mut stage = self.stage.clone();
        // An error means that the worker is at its end.
        let mut closing = pin!(async { drop(stage.wait_for(|stage| *stage == Stage::Closing).await) });
        let mut is_open = true;
        loop {
            tokio::select! {
                biased;
                ended = &mut serving => return Some(ended),
                why = &mut expired => {
                    self.expire(why);
                    return None;
                }
                () = &mut closing, if is_open => {
                    is_open = false;
                    if self.patience.is_idle() {
                        return None;
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
        let number = self.gateway.number();
        let under_way = UnderWay::new(Arc::clone(&self.talk), number.clone());
        let is_head = parts.method == Method::HEAD;
        let body = body.map_err(|error| BrokenOff::new(Cause::ClientGone, error));
        let request = Request::from_parts(parts, client_body::guard(body, self.limits()));
        let answer = self.gateway.handle(&connection, number, request);
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
            let length = told_length(&answer);
            under_way.sending(answer, length)
        }
    }
}
