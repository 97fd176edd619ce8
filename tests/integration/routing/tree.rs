//! The tree: order, mounts, and what a parent does for its children.

use super::asked;
use crate::harness::{TestGateway, get};

#[test]
fn the_first_route_that_matches_wins() {
    let gateway = TestGateway::from_yaml(
        "routes:
  - { path: /a/special, respond: { text: special } }
  - { path: \"/a/{*rest}\", respond: { text: any } }
  - { path: /a/late, match: { header: { X: present } }, respond: { text: late } }
  - respond: { text: other }",
    );
    let address = gateway.address();
    for (path, text) in [("/a/special", "special"), ("/a/late", "any"), ("/a/", "any"), ("/b", "other")] {
        assert_eq!(get(&address, path).text(), text, "{path}");
    }
}

const SHOWN: &str = "{ response_headers: { set: { X-Where: \"{SCRIPT_NAME}|{PATH_INFO}\" } } }";

#[test]
fn mounts_add_up_and_end_at_a_segment() {
    let gateway = TestGateway::from_yaml(&format!(
        "routes:
  - mount: /outer
    routes:
      - mount: /inner
        layers: [ {SHOWN} ]
        respond: {{ text: found }}"
    ));
    for (path, shown) in [
        ("/outer/inner", "/outer/inner|"),
        ("/outer/inner/", "/outer/inner|/"),
        ("/outer/inner/a//b;c", "/outer/inner|/a//b;c"),
    ] {
        assert_eq!(get(&gateway.address(), path).header("x-where"), Some(shown), "{path}");
    }
    for path in ["/outer", "/outer/innermost", "/inner", "/Outer/inner"] {
        assert_eq!(get(&gateway.address(), path).status, 404, "{path}");
    }
}

#[test]
fn a_prefix_that_the_front_server_has_taken_off_comes_before_the_mounts() {
    let gateway = TestGateway::from_yaml(&format!(
        "trust: {{ peers: 127.0.0.1, headers: [prefix] }}
routes: [ {{ mount: /shop, layers: [ {SHOWN} ], respond: {{ text: found }} }} ]"
    ));
    let answer = asked(&gateway, "GET /shop/a", &["X-Forwarded-Prefix: /site/"]);
    assert_eq!(answer.header("x-where"), Some("/site/shop|/a"));
}

#[test]
fn a_parent_that_matches_owns_the_request() {
    let gateway = TestGateway::from_yaml(
        "routes:
  - mount: /shop
    routes: [ { path: /open, respond: { text: open } } ]
  - respond: { text: everything else }",
    );
    assert_eq!(get(&gateway.address(), "/shop/open").text(), "open");
    let closed = get(&gateway.address(), "/shop/closed");
    assert_eq!((closed.status, closed.text().contains("V-NO-ROUTE")), (404, true));
    assert_eq!(get(&gateway.address(), "/shops").text(), "everything else");
}

#[test]
fn the_layers_of_a_parent_act_before_its_children_are_tried() {
    let gateway = TestGateway::from_yaml(
        "routes:
  - mount: /shop
    layers: [ { set_env: { SIDE: \"{HTTP_X_SIDE}\" } }, { response_headers: { set: { X-Parent: shop } } } ]
    routes:
      - { match: { env: { SIDE: left } }, respond: { text: the left side } }
      - { match: { env: { SIDE: right } }, respond: { text: the right side } }",
    );
    for (side, status, text) in
        [("left", 200, "the left side"), ("right", 200, "the right side"), ("none", 404, "V-NO-ROUTE")]
    {
        let answer = asked(&gateway, "GET /shop", &[&format!("X-Side: {side}")]);
        assert_eq!((answer.status, answer.text().contains(text)), (status, true), "{side}");
        assert_eq!(answer.header("x-parent"), Some("shop"));
    }
}

#[test]
fn the_conditions_of_a_parent_hold_for_its_children() {
    let gateway = TestGateway::from_yaml(
        "routes:
  - match: { host: inner.example }
    routes: [ { path: /a, respond: { text: inner } } ]
  - respond: { text: outer }",
    );
    let whole = |host: &str| asked(&gateway, &format!("GET http://{host}/a"), &[]).text();
    assert_eq!([whole("inner.example"), whole("other.example")], ["inner", "outer"]);
}

#[test]
fn the_environment_of_the_process_routes() {
    let yaml = "env_file: site.env
env: { DEPLOY: \"${DEPLOY:-production}\", COLOUR: \"${COLOUR:-green}\" }
routes:
  - { match: { env: { DEPLOY: maintenance } }, respond: { status: 503, text: down } }
  - layers: [ { response_headers: { set: { X-Colour: \"{COLOUR}\" } } } ]
    respond: { text: up }";
    let down = TestGateway::with_files(yaml, &[("site.env", "DEPLOY=maintenance\n")]);
    assert_eq!(get(&down.address(), "/").text(), "down");
    let up = TestGateway::with_files(yaml, &[("site.env", "# nothing\n")]);
    assert_eq!(get(&up.address(), "/").header("x-colour"), Some("green"));
}
