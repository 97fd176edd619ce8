//! The bytes: files, the `env_file`, and the same text in supervisor and worker.

use std::path::{Path, PathBuf};

use vestibule_config::{Source, load, load_source};

use crate::kinds::{environment, kinds};

const FOLDER: &str = "tests/sources";

#[test]
fn a_file_is_read_with_its_env_file() {
    let config = load(&Path::new(FOLDER).join("vestibule.yaml"), &kinds(), &environment).unwrap();
    let value =
        |name: &str| config.env.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    assert_eq!(value("GREETING"), Some("hello world"));
    assert_eq!(config.env_file, Some(Path::new(FOLDER).join("site.env")));
}

#[test]
fn the_process_environment_prevails_over_the_env_file() {
    let config = load(&Path::new(FOLDER).join("vestibule.yaml"), &kinds(), &environment).unwrap();
    assert!(config.env.contains(&("DEPLOYED".to_owned(), "production".to_owned())), "{:?}", config.env);
}

#[test]
fn a_worker_sees_the_texts_that_the_supervisor_read() {
    let source = Source::read(&Path::new(FOLDER).join("vestibule.yaml"), &environment).unwrap();
    let handed = |text: &vestibule_config::SourceText| (text.path().to_owned(), text.text().to_owned());
    let copy = Source::from_texts(handed(&source.config), source.env_file.as_deref().map(handed));
    let [ours, theirs] = [&source, &copy].map(|source| load_source(source, &kinds(), &environment).unwrap());
    assert_eq!(format!("{:?}", ours.env), format!("{:?}", theirs.env));
    assert_eq!(ours.env_file, theirs.env_file);
}

#[test]
fn changed_variables_change_the_configuration() {
    let text = ("vestibule.yaml".into(), "env: { A: \"${A}\" }\nroutes: [ { respond: {} } ]".to_owned());
    let env = |values: &str| {
        let source = Source::from_texts(text.clone(), Some((PathBuf::from("site.env"), values.to_owned())));
        load_source(&source, &kinds(), &environment).unwrap().env
    };
    assert_eq!(env("A=1"), [("A".to_owned(), "1".to_owned())]);
    assert_eq!(env("export A='2'"), [("A".to_owned(), "2".to_owned())]);
}

#[test]
fn an_absent_file_is_one_clear_diagnostic() {
    let error = load(Path::new("tests/sources/absent.yaml"), &kinds(), &environment).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: cannot read `tests/sources/absent.yaml`: there is no such file\n  = write one (`vestibule --help` shows a small \
         one), or name the file behind the command\n\n1 error\n"
    );
}

#[test]
fn a_folder_is_no_file() {
    let error = load(Path::new(FOLDER), &kinds(), &environment).unwrap_err();
    assert!(error.to_string().starts_with("error: cannot read `tests/sources`: "), "{error}");
}

#[test]
fn colour_is_there_when_asked_for() {
    let source = Source::from_text("a.yaml", "rotes: []");
    let error = load_source(&source, &kinds(), &environment).unwrap_err();
    assert!(!error.render(false).contains('\x1b'));
    assert!(error.render(true).starts_with("\x1b[1;31merror\x1b[0m\x1b[1m: "));
}
