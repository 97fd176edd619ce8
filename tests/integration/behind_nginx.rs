//! `examples/behind-nginx/`, as an administrator would install it, judged by the real nginx and the real systemd.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::harness::{Client, Nginx, TestGateway, eventually, get};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/behind-nginx");

#[test]
fn the_unit_is_accepted_by_systemd() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let unit = example("vestibule.service");
    assert!(unit.contains("ExecStart=/usr/local/bin/vestibule run "), "{unit}");
    let path = folder.path().join("vestibule.service");
    fs::write(&path, unit.replace("/usr/local/bin/vestibule", env!("CARGO_BIN_EXE_vestibule")))
        .expect("it is written");
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .expect("systemd-analyze is missing: apt-get install systemd (tests/run does it)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn its_socket_is_for_nginx_only() {
    let installed = Installed::start();
    let mode =
        fs::metadata(installed.gateway.path("http.sock")).expect("the socket is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn nginx_tells_vestibule_who_asks_and_nothing_that_a_client_made_up() {
    let installed = Installed::start();
    let mut client = Client::connect(&installed.nginx.address()).expect("nginx accepts");
    let made_up = [
        "X-Forwarded-For: 192.0.2.66",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: elsewhere.example",
        "X-Forwarded-Prefix: /elsewhere",
        "Forwarded: for=192.0.2.66;proto=https",
        "X-Request-Id: mine",
    ];
    let told = client.request("GET", "/shop/who", &made_up, "").expect("an answer").text();
    for line in ["HTTP_HOST=test", "SCRIPT_NAME=/shop", "PATH_INFO=/who", "wsgi.url_scheme=http"] {
        assert!(told.lines().any(|told| told == line), "{line}:\n{told}");
    }
    assert!(!told.contains("192.0.2.66") && !told.contains("elsewhere") && !told.contains("mine"), "{told}");
}

#[test]
fn a_changed_environment_closes_the_house_and_opens_it_again() {
    let installed = Installed::start();
    let home = || get(&installed.nginx.address(), "/");
    assert_eq!((home().status, home().text().as_str()), (200, "Home"));

    installed.deploy("maintenance");
    let closed =
        eventually("the page for maintenance", || Some(home()).filter(|answer| answer.status == 503));
    assert!(closed.text().contains("Back soon"), "{}", closed.text());

    installed.deploy("production");
    eventually("the house to open", || Some(home()).filter(|answer| answer.status == 200));
}

/// The example with sites, a runtime folder and a front door of the test's own.
struct Installed {
    nginx: Nginx,
    gateway: TestGateway,
}

impl Installed {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sites = folder.path().to_str().expect("its path is text").to_owned();
        let venv = env::var("VESTIBULE_TEST_VENV").expect("VESTIBULE_TEST_VENV is not set: start tests/run");
        symlink(venv, folder.path().join("venv")).expect("the virtualenv is linked");
        let files = [
            (
                "environment",
                &*format!("{}SITES={sites}\nRUNTIME_DIRECTORY={sites}\n", example("environment")),
            ),
            ("down.html", &*example("down.html")),
            ("shop/shop.py", SHOP),
            ("www/index.html", "Home"),
        ];
        let gateway = TestGateway::in_folder(folder, &example("vestibule.yaml"), &files);
        let nginx = Nginx::with_site(|front| {
            let site = example("nginx.conf");
            assert!(site.contains("listen 80;") && site.contains("unix:/run/vestibule/http.sock;"), "{site}");
            site.replace("listen 80;", &format!("listen {front};")).replace("/run/vestibule", &sites)
        });
        Self { nginx, gateway }
    }

    /// Writes `environment` anew.
    fn deploy(&self, what: &str) {
        let text = fs::read_to_string(self.gateway.path("environment")).expect("the file is there");
        let rest: Vec<_> = text.lines().filter(|line| !line.starts_with("DEPLOY=")).collect();
        self.gateway.write("environment", &format!("DEPLOY={what}\n{}\n", rest.join("\n")));
    }
}

/// Shows what it was called with.
const SHOP: &str = r#"
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["".join(f"{name}={value}\n" for name, value in sorted(environ.items())).encode()]
"#;

fn example(name: &str) -> String {
    let path = Path::new(EXAMPLE).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()))
}
