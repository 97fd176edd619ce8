//! What stands in the log, and when.

use crate::harness::{TestGateway, get};

const LOGGED: &str = "layers: [access_log, request_id]\nroutes: [ { respond: { text: hello } } ]";

#[test]
fn a_request_is_one_json_object_in_the_order_of_its_fields() {
    let gateway = TestGateway::from_yaml(LOGGED);
    let answer = get(&gateway.address(), "/a%20b?c=%22d%22");
    let line = gateway.log().wait_for_text(r#""path":"/a%20b""#);
    let names = "pid process generation timestamp level method path query status bytes outcome duration_ms request_id \
                 client host script_name";
    let places: Vec<_> = names.split_whitespace().map(|name| line.find(&format!(r#""{name}":"#))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{line}");
    for field in [
        r#""level":"INFO","method":"GET""#,
        r#""query":"c=%22d%22","status":200,"bytes":5,"outcome":"complete""#,
    ] {
        assert!(line.contains(field), "{line}");
    }
    let id = answer.header("x-request-id").expect("the layer answers with its number");
    assert!(line.contains(&format!(r#""request_id":"{id}","client":"127.0.0.1""#)), "{line}");
    let (_, duration) = line.split_once(r#""duration_ms":"#).unwrap();
    let duration = duration.split(',').next().unwrap();
    assert!(
        duration.parse::<f64>().is_ok() && duration.split('.').nth(1).is_none_or(|d| d.len() <= 3),
        "{line}"
    );
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    let mut gateway = TestGateway::from_yaml(LOGGED);
    for number in 0..100 {
        get(&gateway.address(), &format!("/{number}"));
    }
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    gateway.log().wait_for_text(r#""message":"stopped""#);
    let paths: Vec<String> = gateway.log().lines().iter().filter_map(|line| path(line)).collect();
    assert_eq!(paths, (0..100).map(|number| format!("/{number}")).collect::<Vec<_>>());
}

fn path(line: &str) -> Option<String> {
    Some(line.split_once(r#""path":""#)?.1.split('"').next()?.to_owned())
}
