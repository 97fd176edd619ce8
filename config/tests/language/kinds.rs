//! Kinds that are enough to write every sort of mistake; they build nothing.

use std::path::PathBuf;
use std::time::Duration;

use vestibule_config::{
    Config, Diagnostics, FromNode, Kind, Kinds, Network, Patterns, Protocol, Reader, Settings, Size, Source,
    Spanned, Table, load_source, sets_nothing,
};

/// The table.
pub(crate) fn kinds() -> Kinds {
    Kinds {
        protocols: vec![&SPOKEN, &RELAYED],
        layers: vec![&COMPRESS, &TIMEOUT, &BODY_LIMIT, &RESPONSE_HEADERS, &SET_ENV, &ALLOW],
        backends: vec![&RESPOND, &REDIRECT, &STATIC, &HTTP, &WSGI],
        predicates: vec![&HOST, &METHOD, &HEADER, &ENV, &CLIENT],
        standard_variable: |name| {
            matches!(name, "PATH_INFO" | "QUERY_STRING" | "REMOTE_ADDR" | "REQUEST_METHOD")
                || name.starts_with("HTTP_")
        },
        owner_mistake: |owner| {
            (owner == "nobody-has-this").then(|| format!("no user has the name `{owner}`"))
        },
    }
}

/// The environment of every test.
pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "DEPLOY" => Some("production".to_owned()),
        "EMPTY" => Some(String::new()),
        "PORT" => Some("8123".to_owned()),
        _ => None,
    }
}

/// Loads a text as `site/vestibule.yaml`.
pub(crate) fn load_text(text: &str) -> Result<Config, Diagnostics> {
    load_source(&Source::from_text("site/vestibule.yaml", text), &kinds(), &environment)
}

const fn kind(name: &'static str, example: &'static str, read: fn(&mut Reader<'_>) -> Settings) -> Kind {
    Kind { name, summary: "a kind for tests", example, read, sets: sets_nothing }
}

/// The kinds read their settings only; what they read is kept for the tests that ask.
fn keep<T: Send + Sync + 'static>(settings: T) -> Settings {
    Settings::new(settings)
}

static SPOKEN: Protocol = Protocol { name: "spoken", speaks_for_clients: false };

static RELAYED: Protocol = Protocol { name: "relayed", speaks_for_clients: true };

static COMPRESS: Kind = kind("compress", "compress", |reader| keep(reader.or("min_size", Size(1024))));

static TIMEOUT: Kind =
    kind("timeout", "timeout: { after: 30s }", |reader| keep(reader.required::<Duration>("after")));

static BODY_LIMIT: Kind =
    kind("body_limit", "body_limit: { max: 2MiB }", |reader| keep(reader.required::<Size>("max")));

static RESPONSE_HEADERS: Kind = kind("response_headers", "response_headers: { set: { X-A: b } }", |reader| {
    let set = reader.pairs("set");
    let remove: Vec<String> = reader.or("remove", Vec::new());
    keep((set, remove))
});

static SET_ENV: Kind = Kind {
    sets: |settings| {
        let table: &Table<Spanned<String>> = settings.get();
        table.0.iter().map(|(name, _)| name.value.clone()).collect()
    },
    ..kind("set_env", "set_env: { A: b }", |reader| {
        let table: Table<Spanned<String>> = reader.whole();
        for (_, text) in &table.0 {
            read_template(reader, text);
        }
        keep(table)
    })
};

static ALLOW: Kind = kind("allow", "allow: [ 10.0.0.0/8 ]", |reader| keep(networks(reader)));

static RESPOND: Kind = kind("respond", "respond: { status: 404 }", |reader| {
    let status: u16 = reader.or("status", 200);
    let body: Spanned<String> = reader.or("body", Spanned::default());
    read_template(reader, &body);
    keep((status, body))
});

static REDIRECT: Kind = kind("redirect", "redirect: { to: /a }", |reader| {
    let to: Spanned<String> = reader.required("to");
    read_template(reader, &to);
    keep((to, reader.one_of("status", &[("301", 301_u16), ("302", 302), ("308", 308)], 302)))
});

static STATIC: Kind = kind("static", "static: { root: www }", |reader| {
    let root: PathBuf = reader.required("root");
    let listing = reader.or("listing", false);
    keep((root, listing))
});

static HTTP: Kind = kind("http", "http: { servers: [ \"127.0.0.1:8080\" ] }", |reader| {
    let servers: Vec<Spanned<String>> = reader.required("servers");
    let balance = reader.one_of("balance", &[("round_robin", 0), ("least_requests", 1)], 0);
    let health = reader.section("health", |health| health.required::<String>("path"));
    keep((servers, balance, health))
});

static WSGI: Kind = kind("wsgi", "wsgi: { app: \"module:app\" }", |reader| {
    let app: Spanned<String> = reader.required("app");
    let path: Option<PathBuf> = reader.optional("path");
    let threads: u16 = reader.or("threads", 4);
    keep((app, path, threads))
});

static HOST: Kind = Kind {
    sets: |settings| {
        let patterns: &Patterns = settings.get();
        patterns.0.iter().flat_map(|pattern| groups(pattern)).collect()
    },
    ..kind("host", "host: www.example.com", |reader| keep(reader.whole::<Patterns>()))
};

static METHOD: Kind = kind("method", "method: GET", |reader| keep(reader.whole::<Patterns>()));

static HEADER: Kind = kind("header", "header: { X-A: b }", |reader| keep(reader.whole::<Table<Patterns>>()));

static ENV: Kind = kind("env", "env: { A: b }", |reader| {
    let table: Table<Patterns> = reader.whole();
    for (name, _) in &table.0 {
        reader.reads(name.clone());
    }
    keep(table)
});

static CLIENT: Kind = kind("client", "client: 10.0.0.0/8", |reader| keep(networks(reader)));

fn networks(reader: &mut Reader<'_>) -> Vec<Network> {
    let texts: Vec<Spanned<String>> = reader.whole();
    texts.iter().filter_map(|text| reader.parse(text)).collect()
}

/// `{NAME}`; enough of a template for these tests.
fn read_template(reader: &mut Reader<'_>, text: &Spanned<String>) {
    for part in text.split('{').skip(1) {
        if let Some((name, _)) = part.split_once('}') {
            reader.reads(Spanned::new(name.to_owned(), text.place.clone()));
        }
    }
}

/// The names in `(?<name>…)`.
fn groups(pattern: &str) -> Vec<String> {
    pattern.split("(?<").skip(1).filter_map(|rest| Some(rest.split_once('>')?.0.to_owned())).collect()
}

/// Reads one value as a setting would be.
pub(crate) fn setting<T: FromNode + Clone + Send + Sync + 'static>(yaml: &str) -> Result<T, String> {
    use vestibule_config::document;
    let mut diagnostics = Diagnostics::new();
    let source = Source::from_text("site/vestibule.yaml", format!("v: {yaml}"));
    let root = document::read(&source.config, &environment, &mut diagnostics).ok_or("not YAML")?;
    let value = T::from_node(root.get("v").ok_or("no value")?, &mut diagnostics);
    value.ok_or_else(|| diagnostics.iter().map(|it| it.message().to_owned()).collect::<Vec<_>>().join("; "))
}
