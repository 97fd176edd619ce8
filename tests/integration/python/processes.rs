//! `isolation: process`: applications in processes of their own.

mod ending;

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use super::{APPS, bytes, chunked, send, start, start_with, told, venv};
use crate::harness::{Code, TestGateway, check, eventually, get, kill, request};

/// One application in processes of its own beside one in the workers.
fn hosted(settings: &str) -> TestGateway {
    start(&format!(
        "drain: 5s
apps:
  apart: {{ wsgi: {{ app: \"hosted:application\", path: \"${{APPS}}\", isolation: process, {settings} }} }}
  here: {{ wsgi: {{ app: \"who:application\", path: \"${{APPS}}\" }} }}
layers: [ access_log, request_id ]
routes: [ {{ mount: /apart, app: apart }}, {{ app: here }} ]"
    ))
}

fn pid(gateway: &TestGateway) -> u32 {
    told(&get(&gateway.address(), "/apart/").text(), "pid").parse().unwrap()
}

#[test]
fn an_application_apart_has_a_process_that_is_no_worker() {
    let gateway = hosted("");
    let here: u32 = told(&get(&gateway.address(), "/").text(), "pid").parse().unwrap();
    assert_ne!(pid(&gateway), here);
    assert!(gateway.workers().contains(&pid(&gateway)), "the supervisor has started it");
    let answer = get(&gateway.address(), "/apart/");
    assert_eq!(told(&answer.text(), "multiprocess"), "False");
}

#[test]
fn one_that_has_nothing_to_do_gives_its_code_back_and_that_of_python() {
    let gateway = hosted("");
    let pid = pid(&gateway);
    eventually("its code to be given back", || {
        let all = [Code::of_program(pid), Code::of(pid, "/libpython")];
        all.iter().all(Code::is_given_back).then_some(())
    });
    assert_eq!(self::pid(&gateway), pid);
}

#[test]
fn it_sees_the_same_environ_as_in_a_worker() {
    let yaml = |isolation: &str| {
        format!(
            "env: {{ DEPLOY: test }}\nroutes:\n  - mount: /mount
    layers: [ {{ set_env: {{ COLOUR: caf\u{e9} }} }} ]
    wsgi: {{ app: \"hosted:application\", path: \"${{APPS}}\", isolation: {isolation} }}"
        )
    };
    let (apart, here) = (start(&yaml("process")), start(&yaml("shared")));
    for (target, headers) in [
        ("/mount/environ", vec![]),
        ("/mount/environ?a=%20b&c", vec!["Cookie: a=1", "Cookie: b=2", "X-Odd: caf\u{e9}"]),
        ("http://other.example:81/mount/environ", vec!["X-A: 1", "X-A: 2"]),
        ("//mount/./environ", vec!["Content-Type: text/plain"]),
    ] {
        let [apart, here] = [&apart, &here].map(|gateway| {
            let text = gateway.connect().request("POST", target, &headers, "data").unwrap().text();
            let differs = ["REMOTE_PORT", "SERVER_PORT"];
            let lines = text.lines().filter(|line| !differs.iter().any(|name| line.starts_with(name)));
            lines.map(str::to_owned).collect::<Vec<_>>()
        });
        assert!(apart.len() > 10, "{apart:?}");
        assert_eq!(apart, here, "{target}");
    }
}

#[test]
fn bodies_arrive_whole_both_ways() {
    let gateway = hosted("");
    let mut client = gateway.connect();
    for size in [0, 1, 70_000, 3_000_000] {
        let body = bytes(size);
        let sized = send(&mut client, "POST", "/apart/upload", &[], &body).text();
        let coding = ["Transfer-Encoding: chunked"];
        let in_chunks = send(&mut client, "POST", "/apart/upload", &coding, &chunked(&body, 50_000)).text();
        assert!(sized.starts_with(&format!("{size} ")) && sized == in_chunks, "{sized} {in_chunks}");
    }
    let large = client.request("GET", "/apart/large", &[], "").unwrap();
    let expected: Vec<u8> = (0..50u8).flat_map(|number| vec![97 + number % 26; 100_000]).collect();
    assert!(large.body == expected, "{} bytes", large.body.len());
    client.send(request("HEAD", "/apart/large", &[], "")).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
}

#[test]
fn a_client_that_sends_slowly_holds_none_of_its_threads() {
    let gateway = hosted("threads: 1");
    let slow = [(); 3].map(|()| {
        let mut slow = gateway.connect();
        slow.send(request("POST", "/apart/upload", &["Content-Length: 200000"], "")).unwrap();
        slow.send("its beginning").unwrap();
        slow
    });
    assert_eq!(get(&gateway.address(), "/apart/").status, 200);
    for mut slow in slow {
        slow.send(bytes(200_000 - "its beginning".len())).unwrap();
        assert_eq!(slow.answer().unwrap().status, 200);
    }
}

#[test]
fn a_client_that_reads_slowly_holds_none_of_its_threads() {
    let gateway = hosted("threads: 1");
    let slow = [(); 3].map(|()| {
        let mut slow = gateway.connect();
        slow.send(request("GET", "/apart/whole", &[], "")).unwrap();
        slow.until(b"\r\n\r\n").unwrap();
        slow
    });
    assert_eq!(get(&gateway.address(), "/apart/").status, 200);
    for mut slow in slow {
        assert_eq!(slow.exactly(20_000_000).unwrap().len(), 20_000_000);
    }
}

#[test]
fn a_process_without_file_descriptors_waits_a_moment_before_it_accepts_again() {
    let folder = tempdir().unwrap();
    let free = folder.path().join("free");
    let yaml = format!(
        "routes: [ {{ wsgi: {{ app: \"hosted:application\", path: {APPS}, python: \"{}\", isolation: process, \
         env: {{ FREE: \"{}\" }} }} }} ]",
        venv(),
        free.display()
    );
    let gateway = TestGateway::with_at_most_files(&yaml, 100);
    let mut hog = gateway.connect();
    hog.send(request("GET", "/hog", &[], "")).unwrap();
    hog.until(b"all taken").unwrap();
    let begun = Instant::now();
    let mut waiting = gateway.connect();
    waiting.send(request("GET", "/", &[], "")).unwrap();
    let failed = "failed to accept a connection";
    eventually("several failures", || (gateway.log().count(failed) >= 4).then_some(()));
    assert!(begun.elapsed() >= Duration::from_millis(300), "it tries again at once:\n{}", gateway.log());
    std::fs::write(free, "").unwrap();
    assert_eq!(waiting.answer().unwrap().status, 200);
}

#[test]
fn an_exception_is_500_with_its_traceback_in_the_log_under_the_same_number() {
    let gateway = hosted("");
    let answer = get(&gateway.address(), "/apart/raise");
    let number = answer.header("x-request-id").expect("its number").to_owned();
    assert!(answer.status == 500 && answer.text().contains("V-APPLICATION"), "{answer:?}");
    gateway.log().wait_for_texts(&["LookupError: no such thing", &number]);
}

#[test]
fn several_processes_share_the_work() {
    let gateway = hosted("processes: 2, threads: 1, queue: 64");
    let mut clients = Vec::new();
    let first = pid(&gateway);
    let mut client = gateway.connect();
    client.send(request("GET", "/apart/block", &[], "")).unwrap();
    gateway.log().wait_for_text("\"blocks\"");
    clients.push(client);
    // Whichever of them is held, the other one answers.
    let answering = pid(&gateway);
    for _ in 0..10 {
        assert_eq!(pid(&gateway), answering);
    }
    assert_eq!(told(&get(&gateway.address(), "/apart/").text(), "multiprocess"), "True");
    // The one that is held dies, and is replaced.
    let held = gateway.workers().into_iter().find(|worker| {
        *worker != answering
            && std::fs::read_to_string(format!("/proc/{worker}/cmdline"))
                .is_ok_and(|line| line.contains("application"))
    });
    kill("KILL", held.expect("there are two"));
    let lost = clients.pop().unwrap().answer().unwrap();
    assert_eq!(lost.status, 502);
    eventually("another process to answer", || (pid(&gateway) != first).then_some(()));
}

#[test]
fn a_full_queue_is_503() {
    let gateway = hosted("threads: 1, queue: 1");
    let mut held = gateway.connect();
    held.send(request("GET", "/apart/block", &[], "")).unwrap();
    gateway.log().wait_for_text("\"blocks\"");
    // Far fewer of them may wait.
    let _waiting = [(); 20].map(|()| {
        let mut client = gateway.connect();
        client.send(request("GET", "/apart/", &[], "")).unwrap();
        client
    });
    gateway.log().wait_for_texts(&["V-BUSY", "503", "to apart: the queue of its processes is full"]);
    let refused = get(&gateway.address(), "/apart/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

/// How many sockets the worker of a gateway has open, which serves those that have no processes of their own.
fn sockets_of_the_worker(gateway: &TestGateway) -> usize {
    let is_worker = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        !String::from_utf8_lossy(&command).contains("application")
    };
    let worker = gateway.workers().into_iter().find(is_worker).expect("there is a worker");
    let files = std::fs::read_dir(format!("/proc/{worker}/fd")).expect("it runs").flatten();
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

#[test]
fn a_client_that_leaves_the_queue_has_its_request_left_out() {
    // On a busy machine, the thread may be free before the process has seen that the client left.
    eventually("a request that nobody waits for to be left out", || {
        let free = tempdir().unwrap();
        let gateway = hosted(&format!("threads: 1, env: {{ FREE: \"{}\" }}", free.path().display()));
        // Each connection of a client has another one to the process.
        let send = |path: &str| {
            let before = sockets_of_the_worker(&gateway);
            let mut client = gateway.connect();
            client.send(request("GET", path, &[], "")).unwrap();
            let is_there = || (sockets_of_the_worker(&gateway) == before + 2).then_some(());
            eventually("a request to be on its way to the process", is_there);
            client
        };
        let held = send("/apart/wait?free");
        gateway.log().wait_for_text("\"waits for free\"");
        let left = send("/apart/called?by-one-that-leaves");
        let stays = send("/apart/called?by-one-that-stays");
        drop(left);
        gateway.log().wait_for_texts(&["\"status\":499", "by-one-that-leaves"]);
        std::fs::write(free.path().join("free"), "").unwrap();
        assert_eq!([held, stays].map(|mut client| client.answer().unwrap().status), [200, 200]);
        gateway.log().wait_for_text("\"called by-one-that-stays\"");
        (gateway.log().count("\"called by-one-that-leaves\"") == 0).then_some(())
    });
}

#[test]
fn an_application_apart_can_ask_whether_its_client_has_left() {
    let gateway = hosted("");
    let mut client = gateway.connect();
    client.send(request("GET", "/apart/notice", &[], "")).unwrap();
    client.head().unwrap();
    assert_eq!(client.chunk().unwrap(), b"False");
    drop(client);
    gateway.log().wait_for_text("\"nobody is there\"");
}

#[test]
fn one_that_holds_its_gil_holds_up_no_other() {
    let free = tempdir().unwrap();
    let gateway = start(&format!(
        "drain: 1s
apps:
  keeps: {{ wsgi: {{ app: \"hosted:application\", path: \"${{APPS}}\", isolation: process, env: {{ FREE: \"{}\" }} }} }}
  other: {{ wsgi: {{ app: \"hosted:application\", path: \"${{APPS}}\", isolation: process }} }}
routes: [ {{ mount: /keeps, app: keeps }}, {{ app: other }} ]",
        free.path().display()
    ));
    let mut keeps = gateway.connect();
    keeps.send(request("GET", "/keeps/keep", &[], "")).unwrap();
    eventually("the GIL to be held", || free.path().join("begun").exists().then_some(()));
    let mut client = gateway.connect();
    for _ in 0..20 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 200);
    }
    std::fs::write(free.path().join("end"), "now").unwrap();
    assert_eq!(keeps.answer().unwrap().status, 200);
}

#[test]
fn processes_have_their_user_folder_and_environment() {
    let own = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    // Only root may switch.
    let user = if own.trim() == "0" { "65534:65534" } else { own.trim() };
    let folder = tempdir().unwrap();
    Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    let gateway = hosted(&format!(
        "user: \"{user}\", cwd: \"{}\", env: {{ GREETING: hello }}",
        folder.path().display()
    ));
    let who = get(&gateway.address(), "/apart/").text();
    let expected = user.split(':').next().unwrap();
    assert_eq!((told(&who, "uid"), told(&who, "greeting")), (expected, "hello"));
    assert_eq!(told(&who, "cwd"), folder.path().display().to_string());
}

#[test]
fn interpreters_of_different_versions_run_in_one_gateway() {
    let pythons =
        env::var("VESTIBULE_TEST_PYTHONS").expect("VESTIBULE_TEST_PYTHONS is not set: start tests/run");
    let routes = pythons.split(':').enumerate().map(|(number, python)| {
        let app = format!("app: \"who:application\", path: {APPS}, python: \"{python}\"");
        format!("  - {{ mount: /{number}, wsgi: {{ {app}, isolation: process }} }}\n")
    });
    let gateway = TestGateway::from_yaml(&format!("routes:\n{}", routes.collect::<String>()));
    for (number, python) in pythons.split(':').enumerate() {
        let asked = Command::new(python).args(["-c", "import sys; print(sys.version.split()[0])"]).output();
        let wanted = String::from_utf8(asked.unwrap().stdout).unwrap();
        let who = get(&gateway.address(), &format!("/{number}")).text();
        assert_eq!(told(&who, "version"), wanted.trim(), "{python}");
    }
}

/// Two sites whose modules have the same names.
#[test]
fn two_django_projects_run_side_by_side() {
    let site = |name: &str| {
        [
            (
                format!("{name}/project/settings.py"),
                "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'project.urls'\n".to_owned(),
            ),
            (
                format!("{name}/project/urls.py"),
                format!(
                    "from django.http import HttpResponse\nfrom django.urls import path\n\
                     urlpatterns = [path('', lambda request: HttpResponse('the {name}'))]\n"
                ),
            ),
            (
                format!("{name}/project/wsgi.py"),
                "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'project.settings')\n\
                 from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
                    .to_owned(),
            ),
        ]
    };
    let files = [site("shop"), site("blog")].concat();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let gateway = start_with(
        r#"
apps:
  shop: { wsgi: { app: "project.wsgi:application", path: shop, isolation: process } }
  blog: { wsgi: { app: "project.wsgi:application", path: blog, isolation: process } }
routes: [ { mount: /shop, app: shop }, { mount: /blog, app: blog } ]"#,
        &files,
        &[],
    );
    for _ in 0..3 {
        let answers = ["/shop/", "/blog/"].map(|path| get(&gateway.address(), path).text());
        assert_eq!(answers, ["the shop", "the blog"]);
    }
}

#[test]
fn an_application_that_does_not_import_stops_the_start_and_check_tells() {
    let folder = tempdir().unwrap();
    let yaml = format!(
        "listen: 127.0.0.1:0\npython: {}\nroutes: [ {{ wsgi: {{ app: \"nowhere:application\", isolation: process }} }} ]",
        venv()
    );
    std::fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    for command in ["check", "run"] {
        let output = check(folder.path(), &[command, "vestibule.yaml"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {told}");
        assert!(told.contains("No module named 'nowhere'") && told.contains("vestibule.yaml:3:"), "{told}");
    }
}
