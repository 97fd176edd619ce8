//! `isolation`: what shares an interpreter, what is refused to, and what has one of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{TempDir, tempdir};

use super::{APPS, promised, told, venv};
use crate::harness::{TestGateway, check, get};

/// The settings, URLs and view of a project of Django that is called `mysite`, as they all are.
const SETTINGS: &str = r#"
SECRET_KEY = "for the test alone"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
TIME_ZONE = None
SITE = "NAME"
"#;
const URLS: &str = r#"
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.urls import path, reverse

def home(request):
    call_command("migrate", verbosity=0)
    User.objects.get_or_create(username=settings.SITE)
    users = list(User.objects.values_list("username", flat=True))
    return HttpResponse(f"{settings.SITE} {users} {reverse('home')}")

urlpatterns = [path("", home, name="home")]
"#;
const WSGI: &str = r#"
import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
"#;

/// Two projects of Django, each with this isolation; `python` is what runs them.
fn projects(python: &Path, isolation: &str) -> (TempDir, String) {
    let folder = tempdir().unwrap();
    for name in ["shop", "blog"] {
        let site = folder.path().join(name).join("mysite");
        fs::create_dir_all(&site).unwrap();
        for (file, text) in
            [("settings.py", SETTINGS), ("urls.py", URLS), ("wsgi.py", WSGI), ("__init__.py", "")]
        {
            fs::write(site.join(file), text.replace("NAME\"\n", &format!("{name}\"\n"))).unwrap();
        }
        fs::write(folder.path().join(name).join("manage.py"), "").unwrap();
    }
    let app = |name: &str| {
        format!(
            "  {name}: {{ wsgi: {{ app: \"mysite.wsgi:application\", path: {name}, isolation: {isolation} }} }}\n"
        )
    };
    let yaml = format!(
        "listen: \"127.0.0.1:0\"\npython: {}\napps:\n{}{}routes: [ {{ mount: /shop, app: shop }}, {{ mount: /blog, app: blog }} ]",
        python.display(),
        app("shop"),
        app("blog")
    );
    (folder, yaml)
}

/// What `check` says of a file that is wrong.
fn refused(folder: &TempDir, yaml: &str) -> String {
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let output = check(folder.path(), &["check", "vestibule.yaml"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    told
}

/// The virtualenv of Python 3.13 with `tests/requirements.txt`, which `tests/run` makes beside that of the others, where
/// this machine has one.
pub(crate) fn with_sub_interpreters() -> Option<PathBuf> {
    let venvs = fs::read_dir(Path::new(&venv()).parent()?).ok()?;
    let mut paths = venvs.map(|entry| entry.expect("it can be read").path());
    let found =
        paths.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("3.13.")));
    let is_promised = promised().iter().any(|minor| minor == "3.13");
    assert!(found.is_some() || !is_promised, "there is no virtualenv of Python 3.13 beside {}", venv());
    found
}

#[test]
fn two_django_projects_run_side_by_side_in_one_process() {
    let Some(python) = with_sub_interpreters() else {
        let (folder, yaml) = projects(Path::new(&venv()), "interpreter");
        let told = refused(&folder, &yaml);
        assert!(told.contains("an interpreter of its own, which Python has from 3.13 on"), "{told}");
        return;
    };
    let (folder, yaml) = projects(&python, "interpreter");
    let mut gateway = TestGateway::in_folder(folder, &yaml, &[]);
    assert_eq!(gateway.workers().len(), 1);
    for _ in 0..3 {
        for name in ["shop", "blog"] {
            let answer = get(&gateway.address(), &format!("/{name}/"));
            assert_eq!(answer.text(), format!("{name} ['{name}'] /{name}/"));
        }
    }
    gateway.signal("TERM");
    assert!(gateway.wait().success(), "{}", gateway.log());
}

#[test]
fn what_a_shared_django_project_has_chosen_does_not_reach_one_with_an_interpreter_of_its_own() {
    let Some(python) = with_sub_interpreters() else { return };
    let (folder, yaml) = projects(&python, "interpreter");
    let shop = folder.path().join("shop/mysite");
    fs::rename(shop.join("settings.py"), shop.join("chosen.py")).unwrap();
    fs::write(shop.join("wsgi.py"), WSGI.replace("mysite.settings", "mysite.chosen")).unwrap();
    let yaml = yaml.replacen("isolation: interpreter", "isolation: shared", 1);
    let gateway = TestGateway::in_folder(folder, &yaml, &[]);
    for name in ["shop", "blog"] {
        assert_eq!(
            get(&gateway.address(), &format!("/{name}/")).text(),
            format!("{name} ['{name}'] /{name}/")
        );
    }
}

#[test]
fn a_time_zone_that_is_in_force_already_is_no_cause_for_a_warning() {
    let Some(python) = with_sub_interpreters() else { return };
    let folder = tempdir().unwrap();
    let apps = [
        ("first", "America/Chicago", "shared"),
        ("same", "America/Chicago", "interpreter"),
        ("other", "Asia/Tokyo", "interpreter"),
    ];
    let apps = apps.map(|(name, zone, isolation)| {
        let text = format!(
            "import os, time\nos.environ['TZ'] = '{zone}'\ntime.tzset()\ndef app(environ, start): pass\n"
        );
        fs::write(folder.path().join(format!("{name}.py")), text).unwrap();
        format!("  {name}: {{ wsgi: {{ app: \"{name}:app\", isolation: {isolation} }} }}\n")
    });
    let yaml = format!(
        "python: {}\napps:\n{}routes: [ {{ mount: /a, app: first }}, {{ mount: /b, app: same }}, {{ app: other }} ]",
        python.display(),
        apps.concat()
    );
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let output = check(folder.path(), &["check", "vestibule.yaml"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let warnings: Vec<_> =
        told.lines().filter(|line| line.contains("the time zone was not changed")).collect();
    assert!(matches!(warnings[..], [warning] if warning.contains("other.py:3")), "{told}");
}

#[test]
fn dates_in_several_interpreters_do_not_crash_their_end() {
    let Some(python) = with_sub_interpreters() else { return };
    let folder = tempdir().unwrap();
    for name in ["one.py", "other.py"] {
        fs::write(folder.path().join(name), "import datetime\ndef app(environ, start): pass\n").unwrap();
    }
    let yaml = format!(
        "python: {}\napps:\n  one: {{ wsgi: {{ app: \"one:app\", isolation: interpreter }} }}\n\
         \x20 other: {{ wsgi: {{ app: \"other:app\", isolation: interpreter }} }}\n\
         routes: [ {{ mount: /one, app: one }}, {{ app: other }} ]",
        python.display()
    );
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let output = check(folder.path(), &["check", "vestibule.yaml"]);
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

#[test]
fn two_django_projects_in_one_interpreter_are_refused() {
    let (folder, yaml) = projects(Path::new(&venv()), "shared");
    let told = refused(&folder, &yaml);
    for words in ["shop and blog cannot share an interpreter", "mysite", "vestibule.yaml:5:24"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for remedy in ["`isolation: interpreter`", "`isolation: process`"] {
        assert!(told.contains(remedy), "{remedy}: {told}");
    }
}

#[test]
fn below_python_3_13_an_interpreter_of_its_own_is_refused_by_name() {
    let pythons =
        std::env::var("VESTIBULE_TEST_PYTHONS").expect("VESTIBULE_TEST_PYTHONS is not set: start tests/run");
    let is_older = |python: &&str| {
        let mut asked = Command::new(python);
        asked.args(["-c", "import sys; print(sys.version_info < (3, 13))"]);
        asked.output().is_ok_and(|output| output.stdout.starts_with(b"True"))
    };
    let python = pythons.split(':').find(is_older).expect("an older Python is among them");
    let folder = tempdir().unwrap();
    let yaml = format!(
        "python: \"{python}\"\napps: {{ shop: {{ wsgi: {{ app: \"who:application\", path: {APPS}, isolation: interpreter }} }} }}\n\
         routes: [ {{ app: shop }} ]"
    );
    let told = refused(&folder, &yaml);
    assert!(
        told.contains("the application shop wants an interpreter of its own, which Python has from 3.13 on"),
        "{told}"
    );
    assert!(told.contains("`isolation: process`") && told.contains("vestibule.yaml:1:9"), "{told}");
}

#[test]
fn an_extension_that_cannot_bear_an_interpreter_of_its_own_is_named() {
    let Some(python) = with_sub_interpreters() else { return };
    for (app, module) in [("matrices:application", "numpy."), ("bundled_xml:application", "lxml.etree")] {
        let folder = tempdir().unwrap();
        let yaml = format!(
            "python: {}\napps: {{ sums: {{ wsgi: {{ app: \"{app}\", path: {APPS}, isolation: interpreter }} }} }}\n\
             routes: [ {{ app: sums }} ]",
            python.display()
        );
        let told = refused(&folder, &yaml);
        let words =
            format!("the application sums cannot have an interpreter of its own: it imports {module}");
        let place = format!("{}.py:3)", app.split(':').next().unwrap());
        assert!(told.contains(&words) && told.contains(&place), "{told}");
    }
}

#[test]
fn variables_of_an_application_are_its_own() {
    let yaml = format!(
        "python: {}\nenv: {{ DEPLOY: production, SITE: all }}\napps:\n\
         \x20 one: {{ wsgi: {{ app: \"variables:application\", path: {APPS}, env: {{ DEPLOY: beta }} }} }}\n\
         \x20 other: {{ wsgi: {{ app: \"variables:application\", path: {APPS} }} }}\n\
         routes: [ {{ mount: /one, app: one }}, {{ app: other }} ]",
        venv()
    );
    let gateway = TestGateway::from_yaml(&yaml);
    let [one, other] = ["/one", "/"].map(|path| get(&gateway.address(), path).text());
    assert_eq!([told(&one, "DEPLOY"), told(&one, "SITE")], ["beta", "all"]);
    assert_eq!([told(&other, "DEPLOY"), told(&other, "SITE")], ["production", "all"]);
}
