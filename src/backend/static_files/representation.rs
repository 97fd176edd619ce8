//! What is sent for a path: a file, or the precompressed sibling of one.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use vestibule_layers::{Body, Response};

use super::body;
use super::failure::Failure;
use super::media_type::MediaType;
use super::multipart;
use super::negotiate::Coding;
use super::ranges::Asked;
use crate::backend::beneath::OpenFile;

/// An open file, and what it holds.
pub(super) struct Representation {
    pub(super) file: OpenFile,
    pub(super) coding: Option<Coding>,
    /// The type of what was compressed, if it was.
    pub(super) media_type: MediaType,
}

impl Representation {
    /// Puts the bytes asked for into an answer that describes the whole; none of them where only its head is wanted.
    pub(super) async fn fill(
        &self,
        answer: &mut Response,
        asked: Asked,
        with_body: bool,
    ) -> Result<(), Failure> {
        let size = self.file.state.size;
        let (body, length) = match asked {
            Asked::Unsatisfiable => return Err(Failure::Range(size)),
            Asked::Whole if with_body => (body::of_range(&self.file.fd, 0..size).await?, size),
            Asked::Whole => (Body::Empty, size),
            Asked::Parts(ranges) => {
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                match <[_; 1]>::try_from(ranges) {
                    Ok([range]) => {
                        let value = HeaderValue::try_from(multipart::content_range(&range, size));
                        let value = value.expect("words and digits are legal in a header");
                        answer.headers_mut().insert(CONTENT_RANGE, value);
                        let length = range.end - range.start;
                        (body::of_range(&self.file.fd, range).await?, length)
                    }
                    Err(several) => {
                        let (parts, media_type) = multipart::parts(several, size, &self.media_type.value);
                        answer.headers_mut().insert(CONTENT_TYPE, media_type);
                        let length = parts.iter().map(body::Part::len).sum();
                        (body::of_parts(&self.file.fd, parts), length)
                    }
                }
            }
        };
        // HEAD has no body to count.
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        *answer.body_mut() = body;
        Ok(())
    }
}
