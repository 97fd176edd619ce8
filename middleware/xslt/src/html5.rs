//! HTML as browsers have it: read into a tree of libxml2's, and written from one.
//!
//! Reading goes by way of [`html5ever`], which makes its tree while it corrects earlier decisions (a `<b>` that is closed too
//! late, text that does not belong into a table): so the nodes stand in an arena first, which is cheap to rearrange, and
//! are grafted into libxml2's tree when all is settled.
//!
//! Stylesheets name HTML's elements without a namespace, as they do with libxml2's own parser of HTML and as XPath does in a
//! browser. Those of SVG and MathML are in theirs. What a `<template>` holds are its children. The doctype is no node.
//!
//! Names are kept even where XML would not have them (`@click`, `:class`): written as HTML they come out again.

mod escape;
mod graft;
mod nodes;
mod raw_text;
mod sink;
mod vocabulary;
mod write;

use html5ever::TokenizerResult;
use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{Tokenizer, TokenizerOpts};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts};
use libxslt_sys::Table;

use crate::encoding::HtmlEncoding;
use crate::error::XsltError;
use crate::input::Input;
use crate::memory::Held;
use crate::stop::Stop;
use crate::tree::Tree;

use nodes::Nodes;
use sink::Sink;

pub(crate) use write::{CONTENT_TYPE, write};

/// How much is read between two looks at the limits: html5ever cannot be ended from within.
const PIECE: usize = 8 << 10;

/// Reads a document as browsers do. It always succeeds, within the limits.
pub(crate) fn parse(table: &'static Table, input: &Input<'_>, stop: &Stop) -> Result<Tree, XsltError> {
    let encoding = HtmlEncoding::of(input.bytes, input.charset);
    let mut outcome = read(input.bytes, encoding, stop)?;
    if let Read::Otherwise(encoding) = outcome {
        outcome = read(input.bytes, encoding, stop)?;
    }
    match outcome {
        Read::Whole(nodes, _held) => graft::graft(table, &nodes, stop),
        Read::Otherwise(_) => unreachable!("an encoding that was corrected is certain"),
    }
}

enum Read {
    /// All nodes, and the memory that they take
    Whole(Nodes, Held),
    /// A `<meta>` says that it was read in the wrong encoding.
    Otherwise(HtmlEncoding),
}

fn read(bytes: &[u8], encoding: HtmlEncoding, stop: &Stop) -> Result<Read, XsltError> {
    let text = encoding.decode(bytes);
    let mut held = Held::default();
    if matches!(text, std::borrow::Cow::Owned(_)) {
        held.add(text.len());
    }
    // Nobody runs scripts here: what stands in a `<noscript>` is elements, as for html5lib and `DOMParser`.
    let options = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let tokenizer_options = TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(TreeBuilder::new(Sink::default(), options), tokenizer_options);
    let queue = BufferQueue::default();
    for piece in pieces(&text) {
        queue.push_back(StrTendril::from_slice(piece));
        loop {
            match tokenizer.feed(&queue) {
                TokenizerResult::Done => break,
                TokenizerResult::Script(_) => {}
                TokenizerResult::EncodingIndicator(label) => {
                    if let Some(encoding) = encoding.corrected(&label) {
                        return Ok(Read::Otherwise(encoding));
                    }
                }
            }
        }
        tokenizer.sink.sink.check()?;
        if stop.is_stopped() {
            return Err(XsltError::Stopped);
        }
    }
    tokenizer.end();
    tokenizer.sink.sink.check()?;
    let (nodes, held) = tokenizer.sink.sink.into_nodes();
    Ok(Read::Whole(nodes, held))
}

/// The text in pieces that end between characters.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = (0..=PIECE.min(text.len())).rev().find(|end| text.is_char_boundary(*end))?;
        let (piece, rest) = text.split_at(end);
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_between_characters() {
        let text = "é".repeat(PIECE);
        let all: Vec<_> = pieces(&text[..text.len() - 2]).collect();
        assert_eq!((all.len(), all.concat().len()), (2, 2 * PIECE - 2));
        let odd = format!("a{text}");
        assert!(pieces(&odd).eq([&odd[..PIECE - 1], &odd[PIECE - 1..2 * PIECE - 1], &odd[2 * PIECE - 1..]]));
        assert_eq!(pieces("").count(), 0);
    }
}
