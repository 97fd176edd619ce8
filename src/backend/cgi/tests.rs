//! The settings as a user writes them, and what a program is told and answers.

use std::fs;
use std::path::Path;

use super::*;
use crate::backend::{Background, from_yaml};

fn read(yaml: &str) -> Result<Checked, String> {
    from_yaml::settings(&KIND, yaml, Path::new("/srv"))
}

#[test]
fn defaults_are_applied_and_paths_start_from_the_folder_of_the_file() {
    let read = read("{ root: cgi-bin, interpreters: { .pl: /usr/bin/perl } }").unwrap();
    let settings: &Settings = read.get();
    assert_eq!(**settings.root, *Path::new("/srv/cgi-bin"));
    assert_eq!((settings.processes, settings.queue), (64, 128));
    assert_eq!((settings.timeout, settings.kill_after), (Duration::from_secs(60), Duration::from_secs(5)));
    assert_eq!(
        (settings.pass_env.as_slice(), settings.interpreters.len()),
        (["PATH".to_owned()].as_slice(), 1)
    );
}

#[test]
fn every_mistake_is_told() {
    let yaml =
        "{ rooot: x, index: a/b, interpreters: { pl: perl }, processes: 0, timeout: 0s, kill_after: 0s }";
    let mistakes = read(yaml).map(drop).unwrap_err();
    for told in [
        "unknown key `rooot`",
        "`root` is missing",
        "`a/b` is not the name of a file",
        "`pl` is not the ending of a name",
        "named by its whole path",
        "`processes` must be between 1 and 10000",
        "`timeout` must be longer than 0",
        "`kill_after` must be longer than 0",
    ] {
        assert!(mistakes.contains(told), "{told}: {mistakes}");
    }
}

#[test]
fn what_is_not_there_is_told_when_it_is_built() {
    let source = vestibule_config::Source::from_text("v.yaml", "routes: [ { respond: {} } ]");
    let config = vestibule_config::load_source(&source, &crate::gateway::kinds(), &|_| None).unwrap();
    let redirects = LocalRedirects::default();
    let background = Background::default();
    let context = Context {
        name: "forms",
        config: &config,
        cores: 1,
        redirects: &redirects,
        background: &background,
        door: None,
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let root = folder.path().display();
    for (yaml, message) in [
        ("{ root: /nonexistent }".to_owned(), "no folder `/nonexistent`".to_owned()),
        (format!("{{ root: {root}/file }}"), format!("no folder `{root}/file`")),
        (
            format!("{{ root: {root}, interpreters: {{ .x: /nonexistent/x }} }}"),
            "no interpreter `/nonexistent/x`".to_owned(),
        ),
    ] {
        let mistake = (KIND.build)(&read(&yaml).unwrap(), &context).err().expect("it is not there");
        assert_eq!(mistake.message(), message);
    }
}
