//! Frameworks other than Flask and Django, all of them side by side in one process.

use super::{bytes, multipart, send, start};
use crate::harness::{TestGateway, get};

const FRAMEWORKS: [&str; 4] = ["pyramid", "bottle", "falcon", "webob"];

fn gateway() -> TestGateway {
    let apps = FRAMEWORKS.map(|name| {
        format!(
            "  {name}: {{ wsgi: {{ app: \"{name}_site:application\", path: \"${{APPS}}\", threads: 2 }} }}\n"
        )
    });
    let routes = FRAMEWORKS.map(|name| format!("  - {{ mount: /sites/{name}, app: {name} }}\n"));
    start(&format!("apps:\n{}routes:\n{}", apps.concat(), routes.concat()))
}

#[test]
fn paths_queries_and_links_know_the_mount() {
    let gateway = gateway();
    assert_eq!(gateway.workers().len(), 1);
    for name in FRAMEWORKS {
        let said = get(&gateway.address(), &format!("/sites/{name}/hello/Gr%C3%BC%C3%9Fe?from=%E2%98%83"));
        assert_eq!(
            (said.status, &*said.text()),
            (200, &*format!("hello Grüße, ☃; /sites/{name}/upload")),
            "{name}"
        );
        let moved = get(&gateway.address(), &format!("/sites/{name}/old"));
        let location = moved.header("location").expect("it says where").to_owned();
        assert_eq!(moved.status / 100, 3, "{name}: {}", moved.text());
        assert_eq!(location, format!("http://test/sites/{name}/hello/moved"), "{name}");
    }
}

#[test]
fn a_form_with_a_file_is_read() {
    let gateway = gateway();
    let (kind, body) = multipart(("title", "A bell"), ("file", "bell.png"), &bytes(200_000));
    for name in FRAMEWORKS {
        let path = format!("/sites/{name}/upload");
        let answer = send(&mut gateway.connect(), "POST", &path, &[kind], &body);
        let told: String = answer.text().split_whitespace().collect();
        assert_eq!(told, r#"{"name":"bell.png","size":200000,"title":"Abell"}"#, "{name}");
    }
}

#[test]
fn a_stream_comes_whole_and_in_chunks() {
    let gateway = gateway();
    for name in FRAMEWORKS {
        let rows = get(&gateway.address(), &format!("/sites/{name}/stream"));
        assert_eq!(rows.header("transfer-encoding"), Some("chunked"), "{name}");
        assert_eq!(rows.text().lines().count(), 1000, "{name}");
    }
}

#[test]
fn a_view_that_raises_is_answered_500_and_the_log_has_its_line() {
    let gateway = gateway();
    for name in FRAMEWORKS {
        assert_eq!(get(&gateway.address(), &format!("/sites/{name}/broken")).status, 500, "{name}");
        gateway.log().wait_for_texts(&[&format!("\"application\":\"{name}\""), "LookupError: no such page"]);
    }
}
