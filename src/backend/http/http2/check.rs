//! One request of the gateway's own, by a connection of its own: whether a server is up.

use std::pin::pin;

use http::StatusCode;
use vestibule_layers::Request;

use super::{head, shared};
use crate::backend::http::failure::Failure;
use crate::backend::http::server::Server;

/// The status that a server answers a request with, which has no body. `header_bytes` is the largest head of an answer.
pub(in crate::backend::http) async fn status(
    server: &Server,
    request: Request,
    header_bytes: usize,
) -> Result<StatusCode, Failure> {
    let head = head::ask(&request, server)?;
    let (mut sender, connection) = shared::shake_hands(server.socket().await?, header_bytes).await?;
    let (response, _) = sender.send_request(head, true).map_err(Failure::Stream)?;
    let mut response = pin!(response);
    let answered = tokio::select! {
        answered = &mut response => answered,
        // What has come before the end counts.
        _ = connection => response.await,
    };
    Ok(answered.map_err(Failure::Stream)?.status())
}
