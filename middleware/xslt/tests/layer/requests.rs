//! Bodies of requests, transformed before the service sees them.

use http::StatusCode;
use tower_xslt::Limits;

use crate::exchange::{HTML, TestBody, XML, layer, post};

#[tokio::test]
async fn a_request_is_transformed_before_the_service_sees_it() {
    let (received, seen) = post(layer(), "application/soap+xml", TestBody::of(XML)).await;
    assert_eq!(received.text(), HTML);
    assert_eq!(seen["content-type"], "text/html; charset=utf-8");
    assert_eq!(seen["content-length"], HTML.len().to_string());
    assert_eq!(seen.get("transfer-encoding"), None);
}

#[tokio::test]
async fn requests_without_xml_pass_untouched() {
    for (content_type, body) in [("application/json", TestBody::of("{}")), ("text/xml", TestBody::default())]
    {
        let (received, seen) = post(layer(), content_type, body).await;
        assert_eq!(received.header("x-untouched"), Some("true"));
        assert_eq!(seen["content-type"], content_type);
    }
}

#[tokio::test]
async fn a_bad_request_never_reaches_the_service() {
    let mut small = Limits::default();
    small.input_bytes = 10;
    for (layer, body, status) in [
        (layer(), TestBody::of("<a>"), StatusCode::BAD_REQUEST),
        (layer(), TestBody { breaks: true, ..TestBody::default() }, StatusCode::BAD_REQUEST),
        (layer().limits(small.clone()), TestBody::of(XML), StatusCode::PAYLOAD_TOO_LARGE),
        (
            layer().limits(small),
            TestBody { declared: false, ..TestBody::of(XML) },
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let (received, seen) = post(layer, "text/xml", body).await;
        assert_eq!((received.status, seen.len()), (status, 0));
    }
}
