//! Which heads have begun on a connection of HTTP/2, and have not come to their end.
//!
//! hyper tells of a request when it has its whole head, and waits for that without end. So the frames that it reads are followed
//! here, as far as to know whether one of a head is under way (RFC 9113 sections 4.1 and 4.3). Heads mostly come as a whole; the
//! [`Traffic`] is told only of one that hyper asks for more of, in vain.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::PREFACE;
use super::traffic::Traffic;
use crate::front::reading::Look;

/// Before the payload of a frame: three bytes of its length, its kind, its flags, and the number of its stream.
const FRAME_HEAD: usize = 9;

/// The kinds of frames that heads are in, and the flag of a head's last frame.
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Tells the traffic of heads that come slowly.
pub(super) struct Heads {
    frames: Frames,
    traffic: Arc<Traffic>,
    /// Whether the traffic waits for a head.
    is_told: bool,
}

impl Heads {
    pub(super) fn new(traffic: Arc<Traffic>) -> Self {
        Self { frames: Frames::default(), traffic, is_told: false }
    }

    fn tell(&mut self, waits: bool) {
        if self.is_told != waits {
            self.is_told = waits;
            self.traffic.wait_for_head(waits);
        }
    }
}

impl Look for Heads {
    fn read<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        let read = Pin::new(io).poll_read(cx, buf);
        if read.is_pending() {
            self.tell(self.frames.is_head_begun());
        } else if self.frames.follow(&buf.filled()[start..]) {
            // Another one that has begun since has its own time.
            self.tell(false);
        }
        read
    }
}

/// Where in which frame a connection is.
#[derive(Default)]
struct Frames {
    /// How much has come of the preface.
    preface: usize,
    /// The settings, with which every client begins.
    is_greeted: bool,
    /// What has come before the payload of a frame, and how much.
    head: [u8; FRAME_HEAD],
    known: usize,
    /// How much of the payload has come.
    payload: usize,
    /// Whether the frame before was of a head, and not the last of it.
    is_continued: bool,
}

impl Frames {
    /// Goes on with what has come, and tells whether a head has come to its end.
    fn follow(&mut self, mut come: &[u8]) -> bool {
        let mut has_ended = false;
        take(&mut come, PREFACE.len(), &mut self.preface);
        while !come.is_empty() {
            let before = self.known;
            let piece = take(&mut come, FRAME_HEAD, &mut self.known);
            self.head[before..self.known].copy_from_slice(piece);
            if self.known < FRAME_HEAD {
                break;
            }
            take(&mut come, self.length(), &mut self.payload);
            if self.payload == self.length() {
                has_ended |= self.end_frame();
            }
        }
        has_ended
    }

    /// Whether there is a part of a head, or of what may become one.
    fn is_head_begun(&self) -> bool {
        let is_frame_begun = self.known > 0 && (self.known < FRAME_HEAD || self.is_of_head());
        (self.preface > 0 && !self.is_greeted) || self.is_continued || is_frame_begun
    }

    /// Whether a head, or the beginning of the connection, has ended with this frame.
    fn end_frame(&mut self) -> bool {
        let has_greeted = !std::mem::replace(&mut self.is_greeted, true);
        let has_ended = self.is_of_head() && self.head[4] & END_HEADERS != 0;
        // hyper lets no other frame come between.
        self.is_continued = self.is_of_head() && !has_ended;
        (self.known, self.payload) = (0, 0);
        has_ended || has_greeted
    }

    fn is_of_head(&self) -> bool {
        matches!(self.head[3], HEADERS | CONTINUATION)
    }

    fn length(&self) -> usize {
        self.head[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
    }
}

/// Takes as much as is missing to `whole`, of which there is `part`.
fn take<'a>(come: &mut &'a [u8], whole: usize, part: &mut usize) -> &'a [u8] {
    let (piece, rest) = come.split_at(come.len().min(whole - *part));
    *come = rest;
    *part += piece.len();
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: u8 = 4;
    const DATA: u8 = 0;

    fn frame(kind: u8, flags: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut frame = vec![0, high, low, kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME_HEAD + usize::from(length), b'x');
        frame
    }

    /// After which of its bytes a head is under way on a connection.
    fn begun(bytes: &[u8], pieces: usize) -> Vec<bool> {
        let mut frames = Frames::default();
        let pieces = bytes.chunks(pieces).map(|piece| {
            frames.follow(piece);
            frames.is_head_begun()
        });
        pieces.collect()
    }

    fn talk() -> Vec<u8> {
        let frames = [
            frame(SETTINGS, 0, 6),
            frame(HEADERS, END_HEADERS, 3),
            frame(HEADERS, 0, 0),
            frame(CONTINUATION, 0, 300),
            frame(CONTINUATION, END_HEADERS, 1),
            frame(DATA, 1, 2),
        ];
        [PREFACE.to_vec(), frames.concat()].concat()
    }

    #[test]
    fn a_head_is_under_way_from_its_first_byte_to_its_last() {
        let talk = talk();
        let mut expected = vec![true; talk.len()];
        let settings = PREFACE.len() + FRAME_HEAD + 6;
        let headers = settings + FRAME_HEAD + 3;
        let data = talk.len() - FRAME_HEAD - 2;
        // The frame of data may become one of a head until its kind is there.
        for ended in [settings - 1, headers - 1, data - 1, talk.len() - 3, talk.len() - 2, talk.len() - 1] {
            expected[ended] = false;
        }
        assert_eq!(begun(&talk, 1), expected);
    }

    #[test]
    fn frames_are_followed_however_they_are_parted() {
        let talk = talk();
        let bytes = begun(&talk, 1);
        for size in 2..talk.len() {
            let ends: Vec<bool> = bytes.chunks(size).map(|piece| piece[piece.len() - 1]).collect();
            assert_eq!(begun(&talk, size), ends, "in pieces of {size}");
        }
    }
}
