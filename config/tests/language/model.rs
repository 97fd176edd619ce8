//! What a file without mistakes means.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use vestibule_config::{
    Address, Condition, Config, Listen, Patterns, Peer, Route, Size, Spanned, Table, Target, TrustedHeader,
};

use crate::kinds::{load_text, setting};

/// Everything that this crate's own language has.
pub(crate) const WHOLE: &str = r#"
listen:
  - unix:run/http.sock
  - 127.0.0.1:8000
  - "[::1]:8001"
  - :8002
  - { address: "unix:/run/other.sock", mode: 0660, owner: "www-data:web" }
trust: { peers: [ unix, 127.0.0.1, "fd00::/8" ], headers: [ for, proto, host ] }
env: { DEPLOY: "${DEPLOY:-development}", PORT: "$${PORT}" }
python: .venv
workers: 2
drain: 5m
limits: { header_bytes: 32KiB, header_count: 50, header_time: 10s, keep_alive: 1m, connections: 500 }
apps:
  shop: &wsgi { wsgi: { app: "shop:app", path: shop } }
  beta:
    wsgi:
      <<: { app: "other:app", threads: 2 }
      app: "beta:app"
  files: { static: { root: /srv/www } }
stacks:
  plain: [ compress ]
  public: [ { use: plain }, { response_headers: { set: { X-A: b } } } ]
layers: [ { set_env: { SITE: "{HTTP_HOST}" } }, { timeout: { after: 30s } } ]
routes:
  - match: { env: { DEPLOY: maintenance } }
    respond: { status: 503 }
  - mount: /shop
    layers: [ { use: public }, compress ]
    routes:
      - match: { host: [ a.example.com, "~(?<site>.+)" ], not: { method: GET, client: 10.0.0.0/8 } }
        app: beta
      - match: { any: [ { method: [ GET, HEAD ] }, { header: { X-A: "1" }, env: { SITE: a } } ] }
        app: shop
      - redirect: { to: "/{SITE}" }
  - path: /feeds/{feed}/{*rest}
    layers: { set_env: { NAME: "{feed}{rest}" } }
    app: files
  - mount: /
    app: shop
"#;

fn load(text: &str) -> Config {
    load_text(text).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn routes_of(route: &Route) -> &[Route] {
    match &route.target {
        Target::Routes(routes) => routes,
        other => panic!("{other:?}"),
    }
}

fn kinds_of(route: &Route) -> Vec<&str> {
    route.layers.iter().map(|layer| layer.kind.name).collect()
}

#[test]
fn the_least_file_has_every_default() {
    let config = load("routes: [ { respond: {} } ]");
    let [Listen { address, mode: None, owner: None, .. }] = config.listen.as_slice() else { panic!() };
    assert_eq!(*address, Address::Tcp("127.0.0.1:8000".parse().unwrap()));
    assert_eq!((config.workers, config.drain), (1, Duration::from_secs(30)));
    assert!(config.trust.peers.is_empty());
    assert_eq!(config.trust.headers, [TrustedHeader::For, TrustedHeader::Proto]);
    assert_eq!((config.limits.header_bytes, config.limits.header_count), (65536, 100));
    assert_eq!(config.limits.header_time, Duration::from_secs(30));
    assert_eq!((config.limits.keep_alive, config.limits.connections), (Duration::from_secs(75), 10_000));
    assert!(config.python.is_none() && config.env_file.is_none() && config.warnings.is_empty());
}

#[test]
fn addresses_have_five_forms() {
    let config = load(WHOLE);
    let addresses: Vec<&Address> = config.listen.iter().map(|listen| &listen.address).collect();
    let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
    let all = Address::Tcp((Ipv6Addr::UNSPECIFIED, 8002).into());
    let other = Address::Unix("/run/other.sock".into());
    let own = Address::Unix("site/run/http.sock".into());
    assert_eq!(addresses, [&own, &tcp("127.0.0.1:8000"), &tcp("[::1]:8001"), &all, &other]);
    assert_eq!(config.listen[4].mode, Some(0o660));
    assert_eq!(config.listen[4].owner.as_ref().map(|owner| owner.as_str()), Some("www-data:web"));
    assert_eq!(config.listen[4].place.line(), 7);
}

#[test]
fn single_settings_are_read() {
    let config = load(WHOLE);
    let network = |text: &str| Peer::Net(text.parse().unwrap());
    assert_eq!(config.trust.peers, [Peer::Unix, network("127.0.0.1"), network("fd00::/8")]);
    assert_eq!(config.trust.headers, [TrustedHeader::For, TrustedHeader::Proto, TrustedHeader::Host]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(config.env, [pair("DEPLOY", "production"), pair("PORT", "${PORT}")]);
    assert_eq!(config.python.unwrap().value, PathBuf::from("site/.venv"));
    assert_eq!((config.workers, config.drain), (2, Duration::from_secs(300)));
    assert_eq!((config.limits.header_bytes, config.limits.connections), (32 << 10, 500));
}

#[test]
fn stacks_are_replaced_by_their_layers() {
    let config = load(WHOLE);
    assert_eq!(kinds_of(&config.routes[1]), ["compress", "response_headers", "compress"]);
    let outer: Vec<&str> = config.layers.iter().map(|layer| layer.kind.name).collect();
    assert_eq!(outer, ["set_env", "timeout"]);
    assert_eq!(*config.layers[1].settings.get::<Duration>(), Duration::from_secs(30));
}

#[test]
fn the_tree_of_routes_keeps_its_order() {
    let config = load(WHOLE);
    let [down, shop, feeds, rest] = config.routes.as_slice() else { panic!() };
    assert!(matches!(&down.target, Target::Backend(backend) if backend.kind.name == "respond"));
    assert_eq!(shop.mount.as_ref().unwrap().value, "/shop");
    let targets: Vec<&Target> = routes_of(shop).iter().map(|route| &route.target).collect();
    assert!(
        matches!(targets.as_slice(), [Target::App(1), Target::App(0), Target::Backend(_)]),
        "{targets:?}"
    );
    assert_eq!(feeds.path.as_ref().unwrap().value, "/feeds/{feed}/{*rest}");
    assert!(matches!(feeds.target, Target::App(2)));
    assert_eq!(rest.mount.as_ref().unwrap().value, "/");
    assert!(config.warnings.is_empty(), "{}", config.warnings);
}

#[test]
fn conditions_combine() {
    let config = load(WHOLE);
    let [beta, shop, _] = routes_of(&config.routes[1]) else { panic!() };
    let [Condition::Is(host), Condition::Not(all)] = beta.conditions.as_slice() else { panic!() };
    let patterns: &Patterns = host.settings.get();
    assert_eq!(patterns.0.len(), 2);
    assert_eq!(all.len(), 2);
    let [Condition::Any(alternatives)] = shop.conditions.as_slice() else { panic!() };
    assert_eq!(alternatives.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn merge_keys_are_overridden_by_what_stands_beside_them() {
    let config = load(WHOLE);
    let (app, path, threads) =
        config.apps[1].backend.settings.get::<(Spanned<String>, Option<PathBuf>, u16)>().clone();
    assert_eq!((app.value.as_str(), path, threads), ("beta:app", None, 2));
}

#[test]
fn an_alias_stands_where_it_is_used() {
    let config = load("routes:\n  - mount: /a\n    respond: &it { status: 404 }\n  - respond: *it\n");
    let Target::Backend(backend) = &config.routes[1].target else { panic!() };
    assert_eq!(backend.settings.get::<(u16, Spanned<String>)>().0, 404);
    assert_eq!(backend.place.line(), 4);
}

#[test]
fn plain_scalars_keep_their_text() {
    for text in
        ["1.0", "0x10", "1_000", "yes", "007", "1e3", "-0o17", ".inf", "12:30:00", "2001-01-01", "true"]
    {
        assert_eq!(setting::<String>(text).as_deref(), Ok(text));
    }
    assert_eq!(setting::<String>("!!int \"5\"").as_deref(), Ok("5"));
    assert_eq!(setting::<String>("\"a\\u00e9\"").as_deref(), Ok("aé"));
    assert_eq!(setting::<String>("|\n  a\n  b\n").as_deref(), Ok("a\nb\n"));
    assert_eq!(setting::<String>("a\n  b\n").as_deref(), Ok("a b"));
}

#[test]
fn numbers_are_read_as_the_setting_wants_them() {
    assert_eq!(setting::<u16>("65535"), Ok(65535));
    assert_eq!(setting::<u16>("\"80\""), Ok(80));
    assert_eq!(setting::<bool>("true"), Ok(true));
    for wrong in ["65536", "-1", "0x10", "1.0", "1_000"] {
        assert!(setting::<u16>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn replaced_scalars_are_typed_again() {
    assert_eq!(setting::<u16>("${PORT}"), Ok(8123));
    assert_eq!(setting::<String>("a${PORT}b").as_deref(), Ok("a8123b"));
    assert_eq!(setting::<String>("${EMPTY}").unwrap_err(), "a text is expected here, this is nothing");
    assert_eq!(setting::<String>("\"${EMPTY}\"").as_deref(), Ok(""));
    assert_eq!(setting::<String>("'$${EMPTY}'").as_deref(), Ok("${EMPTY}"));
}

#[test]
fn an_optional_setting_may_be_replaced_by_nothing() {
    let config = load("routes:\n  - respond:\n      status: ${EMPTY}\n");
    let Target::Backend(backend) = &config.routes[0].target else { panic!() };
    assert_eq!(backend.settings.get::<(u16, Spanned<String>)>().0, 200);
}

#[test]
fn values_bring_in_no_structure() {
    let text = "routes: [ { respond: { body: \"${SLY:-x\\\", status: 1} ]}\" } } ]";
    let config = load(text);
    let Target::Backend(backend) = &config.routes[0].target else { panic!() };
    assert_eq!(backend.settings.get::<(u16, Spanned<String>)>().1.value, "x\", status: 1 ]}");
}

#[test]
fn lists_and_tables_are_read() {
    assert_eq!(setting::<Vec<u16>>("[ 1, 2 ]"), Ok(vec![1, 2]));
    assert_eq!(setting::<Vec<u16>>("3"), Ok(vec![3]));
    assert_eq!(setting::<Vec<u16>>("[ 1, x, y ]").unwrap_err().matches("is not a whole number").count(), 2);
    assert_eq!(setting::<Size>("2MiB"), Ok(Size(2 << 20)));
    assert_eq!(setting::<Duration>("500ms"), Ok(Duration::from_millis(500)));
    let table = setting::<Table<u16>>("{ b: 1, a: 2 }").unwrap();
    let names: Vec<(&str, u16)> = table.0.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(names, [("b", 1), ("a", 2)]);
}

#[test]
fn among_ten_thousand_routes_the_shadow_is_found() {
    let mut text = "routes:\n".to_owned();
    for n in 0..10_000 {
        writeln!(text, "  - {{ path: \"/api/{n}/{{id}}\", respond: {{ status: 200 }} }}").unwrap();
    }
    text.push_str("  - { path: \"/api/77/{name}\", respond: {} }\n");
    let config = load(&text);
    assert_eq!(config.routes.len(), 10_001);
    let warnings = config.warnings.render(false);
    assert!(
        warnings.contains("vestibule.yaml:10002:") && warnings.contains("vestibule.yaml:79:"),
        "{warnings}"
    );
}
