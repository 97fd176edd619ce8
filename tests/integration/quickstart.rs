//! `examples/quickstart/run`, started as the README says, and every room visited through nginx as a browser would.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{Answer, Client, eventually, eventually_ended, kill};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart/run");

#[test]
fn the_quickstart_starts_serves_every_room_and_stops_clean() {
    let quickstart = Quickstart::start();
    let mut browser = Browser::at(&quickstart.address);

    the_front_page_leads_to_every_room(&mut browser);
    the_shop_keeps_a_cart(&mut browser);
    the_site_keeps_notices_in_its_database(&mut browser);
    the_admin_lets_its_keeper_in(&mut browser);
    the_function_sees_where_it_is_mounted(&mut browser);
    the_feed_is_a_page_and_stays_a_feed(&mut browser);
    the_service_is_told_who_asks(&mut browser);
    what_a_client_makes_up_is_not_believed(&mut browser);
    the_layers_around_everything_act(&mut browser);

    quickstart.stops_clean();
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it has an address").port().to_string();
    let output = Command::new(SCRIPT).env("PORT", &port).output().expect("bash is there");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("port {port} is taken")) && said.contains("PORT=8090"), "{said}");
}

fn the_front_page_leads_to_every_room(browser: &mut Browser) {
    let page = browser.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = page.text();
    let links: Vec<_> = between(&page, "href=\"/", "\"").collect();
    assert!(links.len() >= 7, "{links:?}");
    for link in links {
        assert_eq!(browser.get(&format!("/{link}")).status, 200, "/{link}");
    }
    assert_eq!(browser.get("/no-such-room").status, 404);
}

fn the_shop_keeps_a_cart(browser: &mut Browser) {
    let shelves = browser.get("/shop/").text();
    assert!(shelves.contains(r#"action="/shop/cart/bell""#), "url_for() knows the mount:\n{shelves}");
    let added = browser.post("/shop/cart/bell", "");
    assert_eq!((added.status, added.header("location")), (303, Some("/shop/cart")));
    assert_eq!(browser.post("/shop/cart/bell", "").status, 303);
    let cart = browser.get("/shop/cart").text();
    assert!(cart.contains("Brass bell") && cart.contains("<strong>48 €</strong>"), "{cart}");
    assert!(browser.get("/shop/").text().contains("Cart (2)"));
}

fn the_site_keeps_notices_in_its_database(browser: &mut Browser) {
    let board = browser.get("/site/").text();
    assert!(board.contains(r#"action="/site/""#), "links know the mount:\n{board}");
    let title = format!("Found+{}", std::process::id());
    let form = format!("csrfmiddlewaretoken={}&title={title}&text=An+umbrella", token(&board));
    let pinned = browser.post("/site/", &form);
    assert_eq!((pinned.status, pinned.header("location")), (302, Some("/site/")), "{}", pinned.text());
    assert!(browser.get("/site/").text().contains(&title.replace('+', " ")));
}

fn the_admin_lets_its_keeper_in(browser: &mut Browser) {
    let closed = browser.get("/site/admin/");
    assert_eq!(
        (closed.status, closed.header("location")),
        (302, Some("/site/admin/login/?next=/site/admin/"))
    );
    let login = browser.get("/site/admin/login/?next=/site/admin/").text();
    let sheet =
        between(&login, "<link rel=\"stylesheet\" href=\"", "\"").next().expect("the page has a style sheet");
    assert_eq!(sheet, "/site/static/admin/css/base.css");
    assert_eq!(browser.get(sheet).header("content-type"), Some("text/css; charset=utf-8"));
    let form =
        format!("csrfmiddlewaretoken={}&username=keeper&password=vestibule&next=/site/admin/", token(&login));
    let opened = browser.post("/site/admin/login/?next=/site/admin/", &form);
    assert_eq!((opened.status, opened.header("location")), (302, Some("/site/admin/")), "{}", opened.text());
    let office = browser.get("/site/admin/").text();
    assert!(office.contains(r#"href="/site/admin/noticeboard/notice/""#), "{office}");
}

fn the_function_sees_where_it_is_mounted(browser: &mut Browser) {
    let page = browser.get("/hello/J%C3%BCrgen?colour=green").text();
    assert!(page.contains("Hello, Jürgen!"), "{page}");
    for (name, value) in
        [("SCRIPT_NAME", "/hello"), ("QUERY_STRING", "colour=green"), ("REMOTE_ADDR", "127.0.0.1")]
    {
        assert!(page.contains(&fact(name, value)), "{name} is {value}:\n{page}");
    }
}

fn the_feed_is_a_page_and_stays_a_feed(browser: &mut Browser) {
    let page = browser.get("/feed.xml");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = page.text();
    assert!(page.contains(r#"<h2><a href="/shop/">A shop opens beside the stairs</a></h2>"#), "{page}");
    assert!(
        page.contains(r#"<a href="/raw/feed.xml">/raw/feed.xml</a>"#),
        "the parameter has come through:\n{page}"
    );
    let feed = browser.get("/raw/feed.xml").text();
    assert!(feed.contains(r#"<feed xmlns="http://www.w3.org/2005/Atom""#), "{feed}");
}

fn the_service_is_told_who_asks(browser: &mut Browser) {
    let answer = browser.get("/api/now");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = answer.text();
    for told in [r#""path": "/now""#, r#""X-Forwarded-Prefix": "/api""#, r#""X-Forwarded-For": "127.0.0.1""#]
    {
        assert!(answer.contains(told), "{told}:\n{answer}");
    }
}

fn what_a_client_makes_up_is_not_believed(browser: &mut Browser) {
    let made_up = "X-Forwarded-For: 192.0.2.66\r\nForwarded: for=192.0.2.66\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Prefix: /elsewhere\r\nX-Forwarded-Host: elsewhere.example\r\n";
    let page = browser.request("GET", "/hello", made_up, "").text();
    for (name, value) in
        [("REMOTE_ADDR", "127.0.0.1"), ("wsgi.url_scheme", "http"), ("SCRIPT_NAME", "/hello")]
    {
        assert!(page.contains(&fact(name, value)), "{name} is {value}:\n{page}");
    }
    let told = browser.request("GET", "/api/now", made_up, "").text();
    assert!(!told.contains("192.0.2.66") && !told.contains("elsewhere"), "{told}");
}

fn the_layers_around_everything_act(browser: &mut Browser) {
    let sheet = browser.request("GET", "/style.css", "Accept-Encoding: gzip\r\n", "");
    assert_eq!(sheet.header("content-encoding"), Some("gzip"));
    assert_eq!(sheet.header("x-content-type-options"), Some("nosniff"));
    let nowhere = browser.get("/raw/no-such-file");
    assert_eq!((nowhere.status, nowhere.header("x-content-type-options")), (404, Some("nosniff")));
}

/// The row of the function's page that shows a variable.
fn fact(name: &str, value: &str) -> String {
    format!("<tr><th><code>{name}</code></th><td>{value}</td></tr>")
}

/// Django's token against forged forms.
fn token(page: &str) -> &str {
    between(page, "name=\"csrfmiddlewaretoken\" value=\"", "\"").next().expect("the form has a token")
}

fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

/// The script with all that it started; all of it is killed when this is dropped.
struct Quickstart {
    script: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
    folder: TempDir,
}

impl Quickstart {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stderr = fs::File::create(folder.path().join("stderr")).expect("its file is made");
        let mut script = Command::new(SCRIPT)
            .env("PORT", "0")
            .env("STATE", PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("quickstart"))
            .env("TMPDIR", folder.path())
            .env("VESTIBULE", env!("CARGO_BIN_EXE_vestibule"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("bash is there");
        let mut quickstart = Self {
            stdout: BufReader::new(script.stdout.take().expect("stdout is a pipe")),
            script,
            address: String::new(),
            folder,
        };
        quickstart.wait_ready();
        quickstart
    }

    /// Reads what the script prints until it names its address. It gives up by itself when something does not start.
    fn wait_ready(&mut self) {
        let mut printed = String::new();
        while self.stdout.read_line(&mut printed).expect("it prints text") > 0 {
            let line = printed.lines().next_back().unwrap_or_default();
            if let Some(address) = line.strip_prefix("Ready: http://") {
                address.trim_end_matches('/').clone_into(&mut self.address);
                return;
            }
        }
        panic!("the quickstart did not start:\n{printed}\n{}", self.stderr());
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    fn stops_clean(mut self) {
        let processes = descendants(self.script.id());
        assert!(
            processes.len() >= 5,
            "Vestibule, its worker, the clock, nginx and its worker: {processes:?}"
        );
        kill("TERM", self.script.id());
        let status = eventually("the script to end", || self.script.try_wait().expect("it can be asked"));
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).expect("it prints text");
        assert!(
            status.success() && printed.ends_with("Stopped.\n"),
            "{status}: {printed}\n{}",
            self.stderr()
        );
        processes.into_iter().for_each(eventually_ended);
        assert!(TcpListener::bind(&self.address).is_ok(), "the port is free again");
        let left: Vec<_> = fs::read_dir(&self.folder).expect("the folder is there").flatten().collect();
        assert_eq!(left.len(), 1, "only our own file is left: {left:?}");
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let mut processes = descendants(self.script.id());
        processes.push(self.script.id());
        for pid in processes {
            drop(Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status());
        }
        drop(self.script.wait());
    }
}

/// All processes that a process has started, and those that they have started.
fn descendants(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children = children.collect::<Vec<_>>().join(" ");
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    children.flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

/// What a person uses: it keeps cookies, and says where a form comes from.
struct Browser {
    address: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn at(address: &str) -> Self {
        Self { address: address.into(), cookies: BTreeMap::new() }
    }

    fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "", "")
    }

    fn post(&mut self, path: &str, form: &str) -> Answer {
        let headers =
            format!("Origin: http://{}\r\nContent-Type: application/x-www-form-urlencoded\r\n", self.address);
        self.request("POST", path, &headers, form)
    }

    fn request(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            cookies.join("; "),
            body.len(),
        );
        let mut client = Client::connect(&self.address).expect("nginx accepts");
        client.send(request).expect("nginx reads");
        let answer = client.answer().unwrap_or_else(|error| panic!("no answer to {method} {path}: {error}"));
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) =
                cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            self.cookies.insert(name.into(), value.into());
        }
        answer
    }
}
