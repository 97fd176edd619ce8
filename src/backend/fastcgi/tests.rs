//! The settings as a user writes them.

use std::path::Path;

use super::*;
use crate::backend::{Background, from_yaml};

fn read(yaml: &str) -> Result<Checked, String> {
    from_yaml::settings(&KIND, yaml, Path::new("/srv"))
}

#[test]
fn defaults_are_applied_and_paths_start_from_the_folder_of_the_file() {
    let read = read("{ address: \"unix:php.sock\", root: wiki, fallback: app/index.php }").unwrap();
    let settings: &Settings = read.get();
    let Some(Target::Address(address)) = &settings.target else { panic!("an address was given") };
    assert_eq!(address.to_string(), "unix:/srv/php.sock");
    assert_eq!(**settings.root.as_ref().unwrap(), *Path::new("/srv/wiki"));
    assert_eq!((&**settings.index, settings.split.len(), settings.idle_connections), ("index.php", 1, 8));
    assert_eq!((settings.timeout, settings.idle_timeout), (Duration::from_secs(60), Duration::from_secs(1)));
}

#[test]
fn every_mistake_is_told() {
    let yaml =
        "{ adress: x, address: \"http://a:1\", index: a/b, split: [php], fallback: ../x, timeout: 0s }";
    let mistakes = read(yaml).map(drop).unwrap_err();
    for told in [
        "unknown key `adress`",
        "`http://a:1` is not understood",
        "`a/b` is not the name of a file",
        "`php` is not the ending of a name",
        "`../x` is not the path of a script",
        "`timeout` must be longer than 0",
    ] {
        assert!(mistakes.contains(told), "{told}: {mistakes}");
    }
    assert!(read("{}").map(drop).unwrap_err().contains("`address` is missing"));
    assert!(read("{ address: \"a:1\", fallback: a.php }").map(drop).unwrap_err().contains("needs a `root`"));
}

#[test]
fn a_root_that_is_not_there_is_told_when_it_is_built() {
    let read = read("{ address: \"a:1\", root: /nonexistent }").unwrap();
    let source = vestibule_config::Source::from_text("v.yaml", "routes: [ { respond: {} } ]");
    let config = vestibule_config::load_source(&source, &crate::gateway::kinds(), &|_| None).unwrap();
    let redirects = LocalRedirects::default();
    let background = Background::default();
    let context = Context {
        name: "wiki",
        config: &config,
        cores: 1,
        redirects: &redirects,
        background: &background,
        door: None,
    };
    let mistake = (KIND.build)(&read, &context).err().expect("there is no such folder");
    assert_eq!(mistake.message(), "no folder `/nonexistent`");
}
