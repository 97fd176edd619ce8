//! Two sites with a virtualenv each, in which the package of the site has the same name.

use std::fs;
use std::process::Command;

use tempfile::{TempDir, tempdir};

use super::venv;
use crate::harness::{TestGateway, check, get};

/// Its folder and its YAML; `blog` has these settings besides.
fn sites(of_blog: &str) -> (TempDir, String) {
    let folder = tempdir().unwrap();
    for name in ["shop", "blog"] {
        let mut python = Command::new(format!("{}/bin/python3", venv()));
        let made =
            python.args(["-m", "venv", "--without-pip"]).arg(folder.path().join(name)).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let library = fs::read_dir(folder.path().join(name).join("lib")).unwrap().next().unwrap().unwrap();
        let packages = library.path().join("site-packages");
        let information = packages.join(format!("{name}_site-1.0.dist-info"));
        fs::create_dir(&information).unwrap();
        let metadata = format!("Metadata-Version: 2.1\nName: {name}-site\nVersion: 1.0\n");
        fs::write(information.join("METADATA"), metadata).unwrap();
        fs::create_dir(packages.join("mysite")).unwrap();
        fs::write(packages.join("mysite/__init__.py"), "").unwrap();
        let text = format!(
            "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'I am {name}']\n"
        );
        fs::write(packages.join("mysite/wsgi.py"), text).unwrap();
    }
    let yaml = format!(
        "listen: \"127.0.0.1:0\"\napps:
  shop: {{ wsgi: {{ app: \"mysite.wsgi:application\", python: shop }} }}
  blog: {{ wsgi: {{ app: \"mysite.wsgi:application\", python: blog, {of_blog} }} }}
routes: [ {{ mount: /shop, app: shop }}, {{ mount: /blog, app: blog }} ]\n"
    );
    (folder, yaml)
}

#[test]
fn they_are_not_mixed_up_in_one_interpreter() {
    let (folder, yaml) = sites("isolation: shared");
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let output = check(folder.path(), &["check", "vestibule.yaml"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let words = ["shop and blog cannot share an interpreter: the module mysite is ", "vestibule.yaml:4:24"];
    for words in words.into_iter().chain(["`isolation: interpreter`", "`isolation: process`"]) {
        assert!(told.contains(words), "{words}: {told}");
    }
    let output = check(folder.path(), &["doctor"]);
    let table = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..3], ["shop", "shared", "yes"], "{table}");
    assert_eq!(rows[4], ["blog", "shared", "no", "shop"], "{table}");
    assert_eq!(rows[6][..2], ["process", "yes"], "{table}");
    assert!(table.contains("cannot share an interpreter: the module mysite is "), "{table}");
}

#[test]
fn each_is_served_from_its_own_with_processes_of_its_own() {
    let (folder, yaml) = sites("isolation: process");
    let gateway = TestGateway::in_folder(folder, &yaml, &[]);
    for name in ["shop", "blog"] {
        assert_eq!(get(&gateway.address(), &format!("/{name}/")).text(), format!("I am {name}"));
    }
}
