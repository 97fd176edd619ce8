//! `user`: a process that runs as somebody else is told nothing that concerns others.

use std::path::Path;
use std::process::Command;

use super::{start_with, told};
use crate::harness::{TestGateway, get};

/// Secrets stand in the environment, in the `env_file` and in the file itself; one of them is its own.
fn gateway(user: &str) -> TestGateway {
    let yaml = format!(
        "env_file: secrets
apps:
  apart:
    wsgi:
      app: \"secrets_of_others:application\"
      path: \"${{APPS}}\"
      isolation: process
      env: {{ OWN: \"${{OWN_TOKEN}}\" }}
      {user}
  other: {{ wsgi: {{ app: \"who:application\", path: \"${{APPS}}\", env: {{ A: \"${{TOKEN}}\", B: \"${{PASSWORD}}\", C: top-secret-of-yaml }} }} }}
routes: [ {{ mount: /other, app: other }}, {{ app: apart }} ]"
    );
    let variables = [
        ("TOKEN", "top-secret-of-environment"),
        ("OWN_TOKEN", "its own"),
        ("LANG", "C.UTF-8"),
        ("LC_TIME", "C.UTF-8"),
    ];
    let variables = variables.map(|(name, value)| (name, Path::new(value)));
    start_with(&yaml, &[("secrets", "PASSWORD=top-secret-of-file\n")], &variables)
}

#[test]
fn a_process_of_another_user_knows_no_secret_of_the_others() {
    let own = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    // Only root may switch; for anybody else, its own name is what can be asked for.
    let is_root = own.trim() == "0";
    let user = if is_root { "nobody" } else { own.trim() };
    let gateway = gateway(&format!("user: {user}"));
    let text = get(&gateway.address(), "/").text();
    assert_eq!(told(&text, "memory"), "", "{text}");
    let allowed = ["HOME", "LANG", "LC_TIME", "LOGNAME", "OWN", "PATH", "USER", "VESTIBULE_LOG"];
    let kept_if_there = ["LANGUAGE", "LD_LIBRARY_PATH", "NO_COLOR", "TZ", "VIRTUAL_ENV"];
    for name in told(&text, "names").split(' ') {
        let is_allowed = allowed.contains(&name) || kept_if_there.contains(&name) || name.starts_with("LC_");
        assert!(is_allowed, "{name} in {text}");
    }
    assert_eq!([told(&text, "OWN"), told(&text, "LANG")], ["its own", "C.UTF-8"]);
    if is_root {
        assert_eq!([told(&text, "uid"), told(&text, "groups")], ["65534", "[]"]);
        assert_eq!(
            ["USER", "LOGNAME", "HOME"].map(|name| told(&text, name)),
            ["nobody", "nobody", "/nonexistent"]
        );
    }
}

#[test]
fn a_process_of_the_same_user_has_its_environment_and_no_configuration_but_its_own() {
    let text = get(&gateway("").address(), "/").text();
    let memory = told(&text, "memory");
    assert!(memory.contains("secret-of-environment"), "it does not find what is there: {text}");
    assert!(!memory.contains("secret-of-file") && !memory.contains("secret-of-yaml"), "{text}");
    assert!(told(&text, "names").split(' ').any(|name| name == "TOKEN"), "{text}");
}
