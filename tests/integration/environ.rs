//! One environ: the same request has the same variables, whatever protocol an application speaks, and whatever protocol it has
//! come by. `docs/environ.md` lists the differences, and so do the tables here.

mod requests;

use std::collections::{BTreeMap, BTreeSet};

use self::requests::{Asked, requests};
use crate::fastcgi::Responder;
use crate::harness::{Client, Nginx, TestGateway, Uwsgi, UwsgiListens};

/// Name and value.
type Variables = BTreeMap<String, String>;

/// An application: the name of its backend, the backend, and what its protocol or its library adds to the variables.
type Application<'a> = (&'a str, String, &'a [&'a str]);

/// Reads what an application has told.
fn variables(text: &str) -> Variables {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// What an answer tells. Bytes that are no text count as themselves.
fn told(client: &mut Client, asked: &Asked, further: &[&str]) -> Variables {
    client.send(asked.encoded(further)).unwrap();
    let answer = client.answer().unwrap();
    let text: String = answer.body.iter().map(|byte| char::from(*byte)).collect();
    assert_eq!(answer.status, 200, "{asked:?}: {text}");
    variables(&text)
}

/// What differs, by name.
fn difference(what: &str, asked: &Asked, one: &Variables, other: &Variables) -> Option<String> {
    let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differs = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    let lines: Vec<_> =
        differs.map(|name| format!("  {name}: {:?} is not {:?}\n", one.get(name), other.get(name))).collect();
    (!lines.is_empty()).then(|| format!("{what}, {asked:?}:\n{}", lines.concat()))
}

/// Every application, each behind a header that names it and is then removed.
fn gateway(applications: &[Application<'_>]) -> TestGateway {
    let apps: Vec<_> = applications
        .iter()
        .map(|(name, backend, _)| format!("  {name}: {{ {name}: {backend} }}\n"))
        .collect();
    let route = |(name, ..): &Application<'_>| {
        format!(
            "  - match: {{ header: {{ X-Application: {name} }} }}
    layers: [ {{ request_headers: {{ remove: [X-Application] }} }} ]
    routes: [ {{ mount: /shop, routes: [ {{ mount: \"/ad min\", app: {name} }}, {{ app: {name} }} ] }}, {{ app: {name} }} ]\n"
        )
    };
    let routes: Vec<_> = applications.iter().map(route).collect();
    TestGateway::with_files(
        &format!(
            "listen: [ \"127.0.0.1:0\", \"[::1]:0\", \"unix:http.sock\" ]
env: {{ DEPLOY: production }}
apps:
{}routes:
{}",
            apps.concat(),
            routes.concat(),
        ),
        &[("environ.py", include_str!("../apps/environ.py"))],
    )
}

#[test]
fn sixty_requests_have_the_same_variables_in_every_application() {
    let (uwsgi, scgi, responder) = (start("uwsgi"), start("scgi"), Responder::start());
    let at = |address: &str| format!("{{ address: \"{address}\" }}");
    let applications: [Application<'_>; 4] = [
        ("wsgi", "{ app: \"environ:application\" }".to_owned(), &["RAW_URI"]),
        ("fastcgi", at(&responder.address()), &["FCGI_ROLE", "count"]),
        ("scgi", at(scgi.address()), &["SCGI"]),
        ("uwsgi", at(uwsgi.address()), &[]),
    ];
    let gateway = gateway(&applications);
    let all = requests();
    assert!(all.len() >= 60, "{}", all.len());
    let mut differences = Vec::new();
    for address in gateway.addresses() {
        // One connection, so that REMOTE_PORT is the same.
        let mut client = Client::connect(&address).unwrap();
        for asked in &all {
            let mut by = applications.iter().map(|(name, _, adds)| {
                let mut told = told(&mut client, asked, &[&format!("X-Application: {name}")]);
                told.retain(|name, _| !adds.contains(&name.as_str()));
                says_no_length(&mut told);
                (*name, told)
            });
            let (_, wsgi) = by.next().unwrap();
            assert_eq!(wsgi["length"], asked.body.len().to_string());
            for (name, told) in by {
                differences.extend(difference(&format!("wsgi and {name} at {address}"), asked, &wsgi, &told));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.concat());
}

#[test]
fn sixty_requests_have_the_same_variables_in_a_program() {
    let applications: [Application<'_>; 2] = [
        ("wsgi", "{ app: \"environ:application\" }".to_owned(), &["RAW_URI"]),
        ("cgi", format!("{{ root: \"{}\" }}", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/cgi")), &[]),
    ];
    let of_programs = ["DOCUMENT_ROOT", "PATH", "PATH_TRANSLATED", "REDIRECT_STATUS", "SCRIPT_FILENAME"];
    let gateway = gateway(&applications);
    let mut differences = Vec::new();
    for address in gateway.addresses() {
        let mut client = Client::connect(&address).unwrap();
        for asked in requests() {
            let mut wsgi = told(&mut client, &asked, &["X-Application: wsgi"]);
            wsgi.remove("RAW_URI");
            says_no_length(&mut wsgi);
            let mut cgi = told(&mut client, &asked.to_program("/environ"), &["X-Application: cgi"]);
            cgi.retain(|name, _| !of_programs.contains(&name.as_str()));
            // The name of the program belongs to SCRIPT_NAME.
            for name in ["SCRIPT_NAME", "REQUEST_URI"] {
                let shortened = cgi[name].replacen("/environ", "", 1);
                assert_ne!(shortened, cgi[name]);
                cgi.insert(name.into(), shortened);
            }
            says_no_length(&mut cgi);
            differences.extend(difference(&format!("wsgi and cgi at {address}"), &asked, &wsgi, &cgi));
        }
    }
    assert!(differences.is_empty(), "{}", differences.concat());
}

/// SCGI has to say that there is no body, uWSGI says it to each application, and libfcgi hears it as empty.
fn says_no_length(told: &mut Variables) {
    told.retain(|name, value| !(name == "CONTENT_LENGTH" && matches!(value.as_str(), "" | "0")));
}

fn start(protocol: &str) -> Uwsgi {
    Uwsgi::running(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/environ.py"),
        protocol,
        UwsgiListens::Unix,
    )
}

/// What differs by how a request has come: what nginx says by headers in one case and by variables in the other.
const OF_THE_FRONT: [&str; 3] = ["HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "REMOTE_PORT"];

#[test]
fn sixty_requests_have_the_same_variables_by_every_front_protocol() {
    let gateway = TestGateway::with_files(
        "listen:
  - \"unix:http.sock\"
  - { address: \"unix:uwsgi.sock\", protocol: uwsgi }
  - { address: \"unix:scgi.sock\", protocol: scgi }
  - { address: \"unix:fastcgi.sock\", protocol: fastcgi }
trust: { peers: [unix] }
apps: { wsgi: { wsgi: { app: \"environ:application\" } } }
routes: [ { mount: /shop, routes: [ { mount: \"/ad min\", app: wsgi }, { app: wsgi } ] }, { app: wsgi } ]",
        &[("environ.py", include_str!("../apps/environ.py"))],
    );
    let addresses = gateway.addresses();
    let nginx = Nginx::with_site(|front| site(front, &addresses));
    let fronts = ["front", "uwsgi", "scgi", "fastcgi"]
        .map(|name| nginx.address().replace("front.sock", &format!("{name}.sock")));
    let mut differences = Vec::new();
    for asked in requests() {
        let [http, others @ ..] = fronts.each_ref().map(|front| {
            let mut told = told(&mut Client::connect(front).unwrap(), &asked, &["X-Client: 2001:db8::9"]);
            told.retain(|name, _| !OF_THE_FRONT.contains(&name.as_str()));
            says_no_length(&mut told);
            told
        });
        assert_eq!(
            (http["REMOTE_ADDR"].as_str(), http["length"].as_str()),
            ("2001:db8::9", &*asked.body.len().to_string())
        );
        for (told, front) in others.into_iter().zip(&fronts[1..]) {
            differences.extend(difference(front, &asked, &http, &told));
        }
    }
    assert!(differences.is_empty(), "{}", differences.concat());
}

/// nginx, which listens once for each protocol.
fn site(front: &str, addresses: &[String]) -> String {
    let server = |name: &str, pass: &str| {
        let listen = front.replace("front.sock", name);
        format!(
            "server {{
        listen {listen};
        underscores_in_headers off;
        merge_slashes off;
        large_client_header_buffers 4 32k;
        set_real_ip_from unix:;
        real_ip_header X-Client;
        location / {{ {pass} }}
    }}\n"
        )
    };
    let http = format!(
        "proxy_pass http://{};
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;",
        addresses[0]
    );
    let others = ["uwsgi", "scgi", "fastcgi"].iter().zip(&addresses[1..]).map(|(protocol, address)| {
        let pass = format!("include /etc/nginx/{protocol}_params; {protocol}_pass {address};");
        server(&format!("{protocol}.sock"), &pass)
    });
    std::iter::once(server("front.sock", &http)).chain(others).collect()
}
