//! Flask, under a mount.

use super::{bytes, multipart, send, start};
use crate::harness::{TestGateway, get};

fn shop() -> TestGateway {
    start(r#"routes: [ { mount: /shop, wsgi: { app: "flask_shop:app", path: "${APPS}" } } ]"#)
}

#[test]
fn a_session_lasts_from_visit_to_visit() {
    let shop = shop();
    let mut client = shop.connect();
    let first = client.request("GET", "/shop/", &[], "").unwrap();
    assert!(first.text().starts_with("visit 1;"), "{}", first.text());
    let set = first.header("set-cookie").expect("a session is a cookie");
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    assert!(client.request("GET", "/shop/", &[&cookie], "").unwrap().text().starts_with("visit 2;"));
}

#[test]
fn a_stream_keeps_its_request_and_its_session() {
    let shop = shop();
    let mut client = shop.connect();
    let first = client.request("GET", "/shop/", &[], "").unwrap();
    let set = first.header("set-cookie").expect("a session is a cookie");
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    let receipt = client.request("GET", "/shop/receipt?item=bell", &[&cookie], "").unwrap();
    let lines: Vec<_> = (0..3).map(|number| format!("{number}: bell on visit 1\n")).collect();
    assert_eq!((receipt.header("transfer-encoding"), receipt.text()), (Some("chunked"), lines.concat()));
}

#[test]
fn links_know_the_mount_and_the_host() {
    let shop = shop();
    let home = get(&shop.address(), "/shop/").text();
    assert!(home.ends_with("cart at /shop/cart, in full http://test/shop/cart"), "{home}");
    let moved = get(&shop.address(), "/shop/old");
    assert_eq!((moved.status, moved.header("location")), (302, Some("/shop/cart?from_=old")));
    assert_eq!(get(&shop.address(), "/shop/cart").text(), "the cart");
}

#[test]
fn a_stream_comes_whole() {
    let shop = shop();
    let rows = get(&shop.address(), "/shop/stream");
    assert_eq!(rows.header("transfer-encoding"), Some("chunked"));
    assert_eq!(rows.text().lines().count(), 1000);
}

#[test]
fn a_file_is_uploaded() {
    let shop = shop();
    let (kind, body) = multipart(("title", "A bell"), ("picture", "bell.png"), &bytes(200_000));
    let answer = send(&mut shop.connect(), "POST", "/shop/upload", &[kind], &body);
    assert_eq!(answer.text().trim(), r#"{"name":"bell.png","size":200000,"title":"A bell"}"#);
}

#[test]
fn a_view_that_raises_is_answered_by_flask_and_logged() {
    let shop = shop();
    assert_eq!(get(&shop.address(), "/shop/broken").status, 500);
    shop.log().wait_for_text("LookupError: nothing in stock");
}
