//! Data into gzip or Brotli, step by step.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::negotiate::Coding;
use crate::BodyError;
use crate::transcode::{Goal, Step, Transcoder};

/// The most that one step takes.
const PIECE: usize = 64 * 1024;
/// gzip's level, of 9: above it, each percent saved costs tens of percent of time.
const GZIP_LEVEL: u32 = 5;
/// Brotli's quality, of 11: about as fast as gzip at 5, and 10 to 15 percent smaller.
const BROTLI_QUALITY: u32 = 4;
/// Brotli's window, 2 to this power bytes: most of what a page repeats, without megabytes for each answer under way.
const BROTLI_WINDOW: u32 = 18;

/// A compressor that writes into memory.
pub(super) struct Encoder(Inner);

enum Inner {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Ended,
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        Self(match coding {
            Coding::Gzip => Inner::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL)))),
            Coding::Brotli => Inner::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                4096,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
        })
    }

    fn write(&mut self, data: &[u8], flush: bool) -> io::Result<Vec<u8>> {
        let writer: &mut dyn Write = match &mut self.0 {
            Inner::Gzip(gzip) => &mut **gzip,
            Inner::Brotli(brotli) => &mut **brotli,
            Inner::Ended => return Ok(Vec::new()),
        };
        writer.write_all(data)?;
        if flush {
            writer.flush()?;
        }
        Ok(match &mut self.0 {
            Inner::Gzip(gzip) => std::mem::take(gzip.get_mut()),
            Inner::Brotli(brotli) => std::mem::take(brotli.get_mut()),
            Inner::Ended => Vec::new(),
        })
    }

    /// What is left, and the end mark.
    fn end(&mut self) -> io::Result<Vec<u8>> {
        match std::mem::replace(&mut self.0, Inner::Ended) {
            Inner::Gzip(gzip) => gzip.finish(),
            Inner::Brotli(brotli) => Ok(brotli.into_inner()),
            Inner::Ended => Ok(Vec::new()),
        }
    }
}

impl Transcoder for Encoder {
    fn step(&mut self, input: &mut Bytes, goal: Goal) -> Result<Step, BodyError> {
        let piece = input.split_to(input.len().min(PIECE));
        let more = !input.is_empty();
        let mut output = self.write(&piece, goal == Goal::Flush && !more)?;
        if goal == Goal::End && !more {
            output.extend(self.end()?);
        }
        Ok(Step { output: output.into(), more })
    }
}
