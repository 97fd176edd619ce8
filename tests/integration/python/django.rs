//! Django, under a mount, behind nginx over a unix socket: what a real site does in a day.

use std::fs;

use super::{bytes, chunked, multipart, send, start, venv};
use crate::harness::{Answer, Client, Nginx, TestGateway};

/// The site, and nginx in front of it.
struct Site {
    nginx: Nginx,
    gateway: TestGateway,
}

impl Site {
    fn start() -> Self {
        let gateway = start(&format!(
            r#"
listen: unix:http.sock
trust: {{ peers: unix }}
routes:
  - mount: /desk/static/admin
    static: {{ root: "{}" }}
  - mount: /desk
    wsgi: {{ app: "desk.wsgi:application", path: "${{APPS}}" }}"#,
            admin_files()
        ));
        let nginx = Nginx::in_front_of(&format!("unix:{}", gateway.path("http.sock").display()));
        Self { nginx, gateway }
    }

    fn connect(&self) -> Client {
        Client::connect(&self.nginx.address()).expect("nginx accepts")
    }
}

/// Where Django keeps the style sheets of its admin.
fn admin_files() -> String {
    let versions = fs::read_dir(format!("{}/lib", venv())).expect("the virtualenv has a lib");
    let folders = versions.map(|entry| entry.expect("it can be read").path());
    let mut files = folders.map(|folder| folder.join("site-packages/django/contrib/admin/static/admin"));
    let found = files.find(|folder| folder.is_dir()).expect("Django is installed: start tests/run");
    found.display().to_string()
}

/// A client that keeps cookies.
struct Browser {
    client: Client,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Sends a form, with the token that Django asks for.
    fn post(&mut self, path: &str, form: &str) -> Answer {
        let token =
            self.cookies.iter().find(|(name, _)| name == "csrftoken").expect("Django has set a token");
        let form = format!("csrfmiddlewaretoken={}&{form}", token.1);
        self.ask("POST", path, &form)
    }

    fn ask(&mut self, method: &str, path: &str, form: &str) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = format!("Cookie: {}", cookies.join("; "));
        let headers = [&*cookie, "Content-Type: application/x-www-form-urlencoded"];
        let answer = self.client.request(method, path, &headers, form).expect("an answer");
        for (_, value) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = value.split_once('=').expect("a cookie has a value");
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.into(), rest.split(';').next().expect("there is a first").into()));
        }
        answer
    }
}

#[test]
fn the_keeper_logs_in_and_writes_a_letter() {
    let site = Site::start();
    let mut browser = Browser { client: site.connect(), cookies: Vec::new() };
    let closed = browser.get("/desk/admin/");
    assert_eq!(
        (closed.status, closed.header("location")),
        (302, Some("/desk/admin/login/?next=/desk/admin/"))
    );

    let login = browser.get("/desk/admin/login/?next=/desk/admin/");
    assert!(login.text().contains("href=\"/desk/static/admin/css/base.css\""), "{}", login.text());
    let sheet = browser.get("/desk/static/admin/css/base.css");
    assert_eq!((sheet.status, sheet.header("content-type")), (200, Some("text/css; charset=utf-8")));

    let keeper = "username=keeper&password=vestibule&next=/desk/admin/";
    let opened = browser.post("/desk/admin/login/", keeper);
    assert_eq!((opened.status, opened.header("location")), (302, Some("/desk/admin/")), "{}", opened.text());
    let added = browser.post("/desk/admin/desk/letter/add/", "subject=Gr%C3%BC%C3%9Fe");
    assert_eq!(
        (added.status, added.header("location")),
        (302, Some("/desk/admin/desk/letter/")),
        "{}",
        added.text()
    );
    assert!(browser.get("/desk/admin/desk/letter/").text().contains("Grüße"));
    assert_eq!(browser.get("/desk/letters").text(), "Grüße");
}

#[test]
fn a_forged_form_is_refused() {
    let site = Site::start();
    let form = "username=keeper&password=vestibule";
    let answer = site.connect().request("POST", "/desk/admin/login/", &[], form).unwrap();
    assert_eq!(answer.status, 403);
}

#[test]
fn five_megabytes_are_uploaded_as_a_form_and_in_chunks() {
    let site = Site::start();
    let content = bytes(5_000_000);
    let raw = send(&mut site.connect(), "POST", "/desk/raw", &[], &content[..2_000_000]).text();
    assert!(raw.starts_with("2000000 "), "{raw}");
    let pieces = chunked(&content[..2_000_000], 10_000);
    let chunked = send(&mut site.connect(), "POST", "/desk/raw", &["Transfer-Encoding: chunked"], &pieces);
    assert_eq!(chunked.text(), raw);

    let (kind, body) = multipart(("title", "-"), ("file", "letter.bin"), &content);
    let uploaded = send(&mut site.connect(), "POST", "/desk/upload", &[kind], &body);
    assert!(uploaded.text().contains(r#""name": "letter.bin", "size": 5000000"#), "{}", uploaded.text());
}

#[test]
fn chunks_that_nginx_has_not_gathered_are_a_whole_body_to_django() {
    let site = Site::start();
    let content = bytes(5_000_000);
    let chunks = "Transfer-Encoding: chunked";
    let sized = send(&mut site.gateway.connect(), "POST", "/desk/raw", &[], &content[..2_000_000]).text();
    assert!(sized.starts_with("2000000 "), "{sized}");
    let pieces = chunked(&content[..2_000_000], 10_000);
    let raw = send(&mut site.gateway.connect(), "POST", "/desk/raw", &[chunks], &pieces);
    assert_eq!(raw.text(), sized);

    let (kind, body) = multipart(("title", "-"), ("file", "letter.bin"), &content);
    let pieces = chunked(&body, 10_000);
    let form = send(&mut site.gateway.connect(), "POST", "/desk/upload", &[kind, chunks], &pieces);
    assert!(form.text().contains(r#""name": "letter.bin", "size": 5000000"#), "{}", form.text());
}

#[test]
fn a_streaming_response_comes_whole() {
    let site = Site::start();
    let rows = site.connect().request("GET", "/desk/stream", &[], "").unwrap();
    assert_eq!((rows.status, rows.text().lines().count()), (200, 1000));
}
