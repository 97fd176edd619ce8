//! From what an application sends to the head of its answer, and to the pieces of its body.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use fastcgi::answer::Event;
use fastcgi::record::{End, Status};
use http_environ::answer::{self, Head};

use super::exchange::Exchange;
use crate::backend::upstream::connection::Connection;
use crate::backend::upstream::failure::Failure;
use crate::backend::upstream::kept::{self, Piece};

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

impl kept::Exchange for Exchange {
    fn piece_at_hand(&mut self) -> Result<Option<Piece>, Failure> {
        while let Some(event) = self.at_hand()? {
            if let Some(piece) = piece(event)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        loop {
            if let Some(piece) = piece(ready!(self.poll_event(cx))?)? {
                return Poll::Ready(Ok(piece));
            }
        }
    }

    fn finish(self) -> Option<Box<Connection>> {
        self.into_free()
    }
}

/// What of the answer an event is.
fn piece(event: Event) -> Result<Option<Piece>, Failure> {
    match event {
        Event::Stdout(piece) => Ok(Some(Piece::Body(piece))),
        Event::Stderr(_) => Ok(None),
        Event::End(End { status: Status::Complete, .. }) => Ok(Some(Piece::End)),
        Event::End(refused) => Err(Failure::Refused(refused.status)),
    }
}
