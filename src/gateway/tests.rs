//! The annotated sample `config/vestibule.yaml`, and the lists of kinds.

use std::path::Path;

use vestibule_config::{Diagnostics, Reader, Source, SourceText, document, load_source};

use super::*;

const SAMPLE: &str = include_str!("../../config/vestibule.yaml");

fn sample() -> Source {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    Source::from_texts(
        (folder.join("vestibule.yaml"), SAMPLE.into()),
        Some((folder.join("vestibule.env"), String::new())),
    )
}

#[test]
fn the_sample_has_no_mistakes() {
    let config =
        load_source(&sample(), &kinds(), &|_| None).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    assert!(config.warnings.is_empty(), "{}", config.warnings);
}

/// The keys that a reader asks for, as it tells them itself when it meets one that it does not know.
fn keys(read: impl FnOnce(&mut Reader<'_>)) -> Vec<String> {
    let mut diagnostics = Diagnostics::new();
    let text = std::sync::Arc::new(SourceText::new("keys.yaml", "{ ' ': 1 }"));
    let node = document::read(&text, &|_| None, &mut diagnostics).expect("YAML");
    let mut reader = Reader::new(&node, &node.place, &mut diagnostics);
    read(&mut reader);
    reader.finish();
    let text = diagnostics.render(false);
    let allowed = text.split("unknown key").nth(1).and_then(|text| text.split("allowed here: ").nth(1));
    let list = allowed.and_then(|text| text.lines().next()).unwrap_or_default();
    list.split(", ").filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_sample_has_every_kind_and_every_key() {
    let kinds = kinds();
    for kind in kinds.layers.iter().chain(&kinds.backends).chain(&kinds.predicates) {
        let (_, after) =
            SAMPLE.split_once(kind.name).unwrap_or_else(|| panic!("the sample has no `{}`", kind.name));
        for key in keys(|reader| drop((kind.read)(reader))) {
            assert!(after.contains(&format!("{key}:")), "the sample has no `{key}` of `{}`", kind.name);
        }
    }
}

#[test]
fn every_kind_has_a_name_of_its_own_and_an_example_that_is_right() {
    let kinds = kinds();
    for (list, template) in [
        (&kinds.layers, "layers: [ { EXAMPLE } ]\nroutes: [ { respond: {} } ]"),
        (&kinds.backends, "routes: [ { EXAMPLE } ]"),
        (&kinds.predicates, "routes: [ { match: { EXAMPLE }, respond: {} } ]"),
    ] {
        let mut names: Vec<_> = list.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list.len());
        for kind in list {
            assert!(kind.example.starts_with(kind.name) && !kind.summary.is_empty(), "{}", kind.name);
            let example =
                if kind.example.contains(':') { kind.example.into() } else { format!("{}: {{}}", kind.name) };
            let yaml = template.replace("EXAMPLE", &example);
            let loaded = load_source(&Source::from_text("example.yaml", yaml), &kinds, &|_| None);
            loaded.unwrap_or_else(|diagnostics| panic!("{}: {diagnostics}", kind.name));
        }
    }
}
