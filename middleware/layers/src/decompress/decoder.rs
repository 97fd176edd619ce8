//! Brotli, gzip or deflate back into data, step by step and up to a limit.

use brotli::BrotliDecompressStream;
use brotli::BrotliResult;
use brotli::BrotliState;
use brotli::enc::StandardAlloc;
use bytes::{Buf as _, Bytes};
use flate2::{Decompress, FlushDecompress, Status};

use crate::transcode::{Goal, Step, Transcoder};
use crate::verdict::Verdict;
use crate::{BodyError, Cause};

/// The most that one step gives.
const PIECE: usize = 64 * 1024;
/// zlib's largest window, 2 to this power bytes.
const WINDOW: u8 = 15;

/// A content coding that can be decoded.
#[derive(Clone, Copy)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

/// A decoder that gives no more than it may.
pub(super) struct Decoder {
    inner: Inner,
    max: u64,
    left: u64,
    /// Whether the end mark has been seen.
    has_ended: bool,
    /// Who must know what went wrong.
    verdict: Option<Verdict>,
}

enum Inner {
    Zlib(Coding, Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

impl Decoder {
    pub(super) fn new(coding: Coding, max: u64, verdict: Option<Verdict>) -> Self {
        let alloc = StandardAlloc::default;
        let inner = match coding {
            Coding::Brotli => Inner::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))),
            zlib => Inner::Zlib(zlib, decompress(zlib)),
        };
        Self { inner, max, left: max, has_ended: false, verdict }
    }

    /// Fills `output` as far as the input reaches.
    fn decode(&mut self, input: &mut Bytes, output: &mut [u8]) -> Result<usize, Broken> {
        if self.has_ended && !input.is_empty() {
            match &mut self.inner {
                // A gzip file is one or more members (RFC 1952 section 2.2).
                Inner::Zlib(Coding::Gzip, member) => *member = decompress(Coding::Gzip),
                _ => return Err(Broken::Trailing),
            }
            self.has_ended = false;
        }
        match &mut self.inner {
            Inner::Zlib(_, zlib) => {
                let (taken, given) = (zlib.total_in(), zlib.total_out());
                let status =
                    zlib.decompress(input, output, FlushDecompress::None).map_err(|_| Broken::Malformed)?;
                self.has_ended |= status == Status::StreamEnd;
                input.advance(usize::try_from(zlib.total_in() - taken).unwrap_or(usize::MAX));
                Ok(usize::try_from(zlib.total_out() - given).unwrap_or(usize::MAX))
            }
            Inner::Brotli(state) => {
                let (mut available_in, mut taken, mut available_out, mut given) =
                    (input.len(), 0, output.len(), 0);
                let result = BrotliDecompressStream(
                    &mut available_in,
                    &mut taken,
                    input,
                    &mut available_out,
                    &mut given,
                    output,
                    &mut 0,
                    state,
                );
                input.advance(taken);
                match result {
                    BrotliResult::ResultFailure => Err(Broken::Malformed),
                    BrotliResult::ResultSuccess => {
                        self.has_ended = true;
                        Ok(given)
                    }
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(given),
                }
            }
        }
    }

    fn checked_step(&mut self, input: &mut Bytes, goal: Goal) -> Result<Step, Broken> {
        let mut output = vec![0; PIECE];
        let before = input.len();
        let given = if self.has_ended && input.is_empty() { 0 } else { self.decode(input, &mut output)? };
        output.truncate(given);
        self.left = self.left.checked_sub(given as u64).ok_or(Broken::TooLarge(self.max))?;
        // A full buffer may not be all; an empty one with input left is the start of the next member.
        let more =
            given == PIECE || (!input.is_empty() && (given > 0 || input.len() < before || self.has_ended));
        if goal == Goal::End && !more && !self.has_ended {
            return Err(Broken::Truncated);
        }
        Ok(Step { output: output.into(), more })
    }
}

fn decompress(coding: Coding) -> Decompress {
    match coding {
        Coding::Gzip => Decompress::new_gzip(WINDOW),
        Coding::Deflate | Coding::Brotli => Decompress::new_with_window_bits(true, WINDOW),
    }
}

impl Transcoder for Decoder {
    fn step(&mut self, input: &mut Bytes, goal: Goal) -> Result<Step, BodyError> {
        self.checked_step(input, goal).map_err(|broken| match &self.verdict {
            Some(verdict) => verdict.note(broken.cause(), broken),
            None => broken.into(),
        })
    }
}

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Broken {
    #[error("the compressed body is malformed (layer decompress)")]
    Malformed,
    #[error("the compressed body ends too early (layer decompress)")]
    Truncated,
    #[error("something follows the end of the compressed body (layer decompress)")]
    Trailing,
    #[error("the body decodes to more than {0} bytes (layer decompress)")]
    TooLarge(u64),
}

impl Broken {
    fn cause(self) -> Cause {
        match self {
            Self::TooLarge(_) => Cause::BodyTooLarge,
            Self::Malformed | Self::Truncated | Self::Trailing => Cause::BadRequest,
        }
    }
}
