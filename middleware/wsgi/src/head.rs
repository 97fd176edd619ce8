//! The head of an answer, as an application gives it to `start_response`: checked, then in HTTP's own types.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_environ::answer::is_hop_by_hop;
use hyper::ext::ReasonPhrase;

use crate::body::Body;
use crate::repeated::{self, Field, at_place};

/// Status and headers that an application has given.
#[derive(Debug)]
pub(crate) struct Head {
    status: StatusCode,
    reason: Option<ReasonPhrase>,
    headers: HeaderMap,
    content_length: Option<u64>,
    /// How many headers the application has given.
    given: usize,
}

/// For so many headers there is room from the beginning.
const FEW: usize = 32;

/// What an application may not give to `start_response`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the status must be three digits, a space and a reason: {0:?}")]
    Status(String),
    #[error("a 1xx status is no answer: {0:?}")]
    Informational(String),
    #[error("not a name of a header: {0:?}")]
    Name(String),
    #[error("the value of {0} has a control character or one beyond latin-1")]
    Value(String),
    #[error("no answer has so many headers")]
    TooMany,
    #[error("the Content-Length is not one number: {0:?}")]
    ContentLength(String),
}

/// What became of a header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Yes,
    /// It concerns the connection, which is the gateway's (PEP 3333, "Other HTTP Features").
    HopByHop,
}

impl Head {
    /// Reads a status such as `404 Not Found`; about so many headers follow, for which there is an empty place.
    pub(crate) fn new(text: &str, count: usize, mut headers: HeaderMap) -> Result<Self, HeadError> {
        let bad = || HeadError::Status(text.to_owned());
        let (code, reason) = text.split_at_checked(3).ok_or_else(bad)?;
        let reason = reason.strip_prefix(' ').ok_or_else(bad)?;
        let status = StatusCode::from_bytes(code.as_bytes()).map_err(|_| bad())?;
        if status.is_informational() {
            return Err(HeadError::Informational(text.to_owned()));
        }
        let reason = if status.canonical_reason() == Some(reason) {
            None
        } else {
            let reason = latin1(reason).ok_or_else(bad)?;
            Some(ReasonPhrase::try_from(reason).map_err(|_| bad())?)
        };
        // And a Content-Length.
        headers.reserve(count.min(FEW) + 1);
        Ok(Self { status, reason, headers, content_length: None, given: 0 })
    }

    /// Adds a header after those that are there.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<Added, HeadError> {
        let place = self.given;
        self.given += 1;
        at_place(place, |last| self.add_at(last, name, value))
    }

    fn add_at(&mut self, last: &mut Field, name: &str, value: &str) -> Result<Added, HeadError> {
        let key = last.name.read(name, || HeaderName::from_bytes(name.as_bytes()));
        let key = key.map_err(|_| HeadError::Name(name.to_owned()))?;
        if is_hop_by_hop(key.as_str()) {
            return Ok(Added::HopByHop);
        }
        if key == CONTENT_LENGTH {
            self.set_content_length(value)?;
            return Ok(Added::Yes);
        }
        let value = last
            .value
            .read(value, || header_value(value).ok_or_else(|| HeadError::Value(name.to_owned())))?;
        self.headers.try_append(key, value).map_err(|_| HeadError::TooMany)?;
        Ok(Added::Yes)
    }

    pub(crate) fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Whether the status allows no body: 204 and 304 (RFC 9110 sections 15.3.5 and 15.4.5).
    pub(crate) fn is_bodiless(&self) -> bool {
        matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Sets the length of a body that is known, where the application has not. That of a 304 would be said of the answer that
    /// it stands for (RFC 9110 section 8.6).
    pub(crate) fn default_content_length(&mut self, length: u64) {
        if !self.is_bodiless() {
            self.content_length.get_or_insert(length);
        }
    }

    pub(crate) fn into_response(mut self, body: Body) -> Response<Body> {
        // RFC 9110 section 8.6: no Content-Length with 204.
        if let Some(length) = self.content_length.filter(|_| self.status != StatusCode::NO_CONTENT) {
            self.headers.insert(CONTENT_LENGTH, repeated::length(length));
        }
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(reason);
        }
        response
    }

    fn set_content_length(&mut self, value: &str) -> Result<(), HeadError> {
        let bad = || HeadError::ContentLength(value.to_owned());
        // A number with a sign is none (RFC 9110 section 8.6).
        let digits = value.trim_matches([' ', '\t']);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let length = is_number.then(|| digits.parse().ok()).flatten().ok_or_else(bad)?;
        if self.content_length.is_some_and(|known| known != length) {
            return Err(bad());
        }
        self.content_length = Some(length);
        Ok(())
    }
}

fn header_value(text: &str) -> Option<HeaderValue> {
    if text.is_ascii() {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::from_bytes(&latin1(text)?).ok()
}

/// A native string's bytes (PEP 3333, "Unicode Issues").
fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut head = Head::new(status, 0, HeaderMap::new()).unwrap();
        for (name, value) in headers {
            head.add(name, value).unwrap();
        }
        head.into_response(Body::default())
    }

    #[test]
    fn a_reason_of_its_own_is_kept() {
        let response = response("200 Fine, thanks", &[]);
        assert_eq!(response.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine, thanks");
        assert!(self::response("200 OK", &[]).extensions().get::<ReasonPhrase>().is_none());
    }

    #[test]
    fn a_malformed_status_is_refused() {
        for status in [
            "",
            "200",
            "200OK",
            "20\u{e9} OK",
            "20 OK",
            "2000 OK",
            "abc OK",
            "200 O\nK",
            "200 \u{20ac}",
            "100 Continue",
        ] {
            assert!(Head::new(status, 0, HeaderMap::new()).is_err(), "{status:?}");
        }
    }

    #[test]
    fn values_are_latin_1() {
        let response = response("200 OK", &[("X-A", "caf\u{e9}")]);
        assert_eq!(response.headers()["x-a"].as_bytes(), b"caf\xe9");
    }

    #[test]
    fn values_that_would_split_a_header_are_refused() {
        for value in ["a\r\nb", "a\nb", "a\0b", "\u{20ac}"] {
            let error = Head::new("200 OK", 0, HeaderMap::new()).unwrap().add("X-A", value).unwrap_err();
            assert_eq!(error, HeadError::Value("X-A".into()), "{value:?}");
        }
    }

    #[test]
    fn repeated_headers_keep_their_order() {
        let response = response("200 OK", &[("Set-Cookie", "b=1"), ("Set-Cookie", "a=2")]);
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["b=1", "a=2"]);
    }

    #[test]
    fn connection_headers_are_left_out() {
        let mut head = Head::new("200 OK", 0, HeaderMap::new()).unwrap();
        for name in ["Connection", "transfer-encoding", "Upgrade", "Keep-Alive", "Trailers"] {
            assert_eq!(head.add(name, "x"), Ok(Added::HopByHop));
        }
    }

    #[test]
    fn more_headers_than_an_answer_can_have_are_refused() {
        let mut head = Head::new("200 OK", 0, HeaderMap::new()).unwrap();
        let refused = (0..100_000).find_map(|number| head.add(&format!("X-{number}"), "1").err());
        assert_eq!(refused, Some(HeadError::TooMany));
    }

    #[test]
    fn a_content_length_is_one_number() {
        for value in ["", "+1", "-1", "1,2", "x", "99999999999999999999"] {
            let error =
                Head::new("200 OK", 0, HeaderMap::new()).unwrap().add("Content-Length", value).unwrap_err();
            assert_eq!(error, HeadError::ContentLength(value.into()));
        }
        let mut head = Head::new("200 OK", 0, HeaderMap::new()).unwrap();
        head.add("Content-Length", "5").unwrap();
        head.add("Content-Length", "5").unwrap();
        assert!(head.add("Content-Length", "6").is_err());
    }

    #[test]
    fn no_content_has_no_length() {
        assert!(response("204 No Content", &[("Content-Length", "0")]).headers().is_empty());
    }
}
