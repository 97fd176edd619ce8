//! Applications that share an interpreter, and what they must not disagree about.
//!
//! What changes the variables of the process has one of its own: whoever reads them meanwhile (for a temporary folder, for a program
//! that is started) may read what has just been freed.

use std::path::Path;
use std::sync::Arc;

use http::Request;
use http_environ::{Environ, Server};
use tempfile::TempDir;
use tower_wsgi::{Application, LoadError, Settings, discover};

use crate::harness::{TestBody, call, in_its_own_process, read, settings, wait_for_log};

/// An application that answers with the value of `text`, after other lines.
pub(crate) fn app(lines: &str, text: &str) -> String {
    format!(
        "{lines}\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [{text}.encode()]\n"
    )
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    folder
}

pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

pub(crate) fn site(name: &str, folder: &Path, app: &str) -> Settings {
    Settings { name: name.into(), path: vec![folder.into()], ..settings(app) }
}

/// The text of a refusal, which names both applications and both remedies.
pub(crate) fn refusal(refused: Settings, other: &str) -> String {
    let name = refused.name.clone();
    let error = Application::load(refused).expect_err("it is refused");
    assert!(matches!(error, LoadError::Disagreement { .. }), "{error}");
    let text = error.to_string();
    for words in [name.as_str(), other, "`isolation: interpreter`", "`isolation: process`"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    text
}

pub(crate) async fn text(application: &Application) -> String {
    let request = Request::get("/").body(TestBody::default()).unwrap();
    read(call(application, request).await.unwrap()).await.text().to_owned()
}

#[test]
fn two_settings_of_django_are_refused_whatever_else_goes_wrong() {
    in_its_own_process("neighbours::two_settings_of_django_are_refused_whatever_else_goes_wrong", async {
        let chooses = |settings: &str| {
            format!("import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', '{settings}')\n")
        };
        let answers = "os.environ.get('DJANGO_SETTINGS_MODULE', 'none')";
        let one = folder(&[("n_shop.py", &app(&chooses("shop.settings"), answers))]);
        let shop = Application::load(site("n-shop", one.path(), "n_shop:app")).unwrap();

        let fails = chooses("blog.settings") + "import n_models_that_nobody_has\n";
        let other = folder(&[
            ("n_blog.py", &app(&chooses("blog.settings"), answers)),
            ("n_blog_that_fails.py", &fails),
            ("n_same.py", &app(&chooses("shop.settings"), answers)),
            ("n_none.py", &app("import os", "repr(os.environ.get('DJANGO_SETTINGS_MODULE'))")),
        ]);
        for module in ["n_blog:app", "n_blog_that_fails:app"] {
            let told = refusal(site("n-blog", other.path(), module), "n-shop");
            assert!(told.contains("shop.settings for n-shop and blog.settings for n-blog"), "{told}");
        }
        // The first site, others of the same project, and what is no site of Django, live on.
        assert_eq!(text(&shop).await, "shop.settings");
        let same = Application::load(site("n-same", other.path(), "n_same:app")).unwrap();
        assert_eq!(text(&same).await, "shop.settings");
        Application::load(site("n-none", other.path(), "n_none:app")).unwrap();
        assert_eq!(text(&shop).await, "shop.settings");
    });
}

#[test]
fn a_module_name_that_two_have_is_refused_before_it_is_imported() {
    let raises = "raise SystemError('it was imported')\n";
    let one = folder(&[("n_one.py", &app("", "'one'")), ("n_config.py", "NAME = 'one'\n")]);
    let other = folder(&[("n_other.py", raises), ("n_config/__init__.py", raises)]);
    Application::load(site("n-one", one.path(), "n_one:app")).unwrap();
    let told = refusal(site("n-other", other.path(), "n_other:app"), "n-one");
    for file in [one.path().join("n_config.py"), other.path().join("n_config/__init__.py")] {
        assert!(told.contains(file.canonicalize().unwrap().to_str().unwrap()), "{told}");
    }
}

#[tokio::test]
async fn what_nobody_imports_may_be_in_both_until_somebody_does() {
    let files = |name: &'static str, lines: &str| {
        [(name, app(lines, "'well'")), ("manage.py", String::new()), ("tests/__init__.py", String::new())]
    };
    let made =
        |files: [(&str, String); 3]| folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let one = made(files("n_first.py", ""));
    let other = made(files("n_second.py", ""));
    let third = made(files("n_third.py", "import manage"));
    Application::load(site("n-first", one.path(), "n_first:app")).unwrap();
    let second = Application::load(site("n-second", other.path(), "n_second:app")).unwrap();
    assert_eq!(text(&second).await, "well");
    let told = refusal(site("n-third", third.path(), "n_third:app"), "n-first");
    assert!(told.contains("the module manage is"), "{told}");
}

#[test]
fn a_bare_folder_is_no_module_whoever_comes_first() {
    let file = folder(&[("n_with_file.py", &app("", "''")), ("n_assets.py", "")]);
    let bare = folder(&[("n_with_folder.py", &app("", "''")), ("n_assets/style.css", "")]);
    let more = folder(&[("n_with_another.py", &app("", "''")), ("n_assets.py", "")]);
    Application::load(site("n-with-file", file.path(), "n_with_file:app")).unwrap();
    Application::load(site("n-with-folder", bare.path(), "n_with_folder:app")).unwrap();
    let told = refusal(site("n-with-another", more.path(), "n_with_another:app"), "n-with-file");
    assert!(told.contains("the module n_assets is"), "{told}");
}

#[test]
fn a_factory_that_is_not_called_is_told() {
    let text = "def create_app(config=None):\n    return None\n\n\n\
                def any_number(*arguments, key=None): pass\n\n\ndef two(environ, start, more=None): pass\n";
    let folder = folder(&[("n_factory.py", text)]);
    let error = Application::load(site("n-factory", folder.path(), "n_factory:create_app")).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("if it makes the application, write n_factory:create_app()"), "{told}");
    for name in ["any_number", "two"] {
        Application::load(site(name, folder.path(), &format!("n_factory:{name}"))).unwrap();
    }
}

#[tokio::test]
async fn files_of_one_name_stand_side_by_side_but_not_with_helpers_of_one_name() {
    let file = |folder: &TempDir| format!("{}:app", folder.path().join("n_site.py").display());
    let [one, other] = ["'one'", "'other'"].map(|text| folder(&[("n_site.py", &app("", text))]));
    Application::load(site("n-file", one.path(), &file(&one))).unwrap();
    let second = Application::load(site("n-file-too", other.path(), &file(&other))).unwrap();
    assert_eq!(text(&second).await, "other");

    let with_helper = |text| folder(&[("n_a.py", &app("import n_helper", text)), ("n_helper.py", "")]);
    let [one, other] = ["'one'", "'other'"].map(with_helper);
    let file = |folder: &TempDir| format!("{}:app", folder.path().join("n_a.py").display());
    Application::load(Settings { path: Vec::new(), ..site("n-help", one.path(), &file(&one)) }).unwrap();
    let refused = Settings { path: Vec::new(), ..site("n-help-too", other.path(), &file(&other)) };
    assert!(refusal(refused, "n-help").contains("the module n_helper is"));
}

#[test]
fn what_an_import_changes_for_everybody_is_told_with_file_and_line() {
    in_its_own_process(
        "neighbours::what_an_import_changes_for_everybody_is_told_with_file_and_line",
        async {
            let lines = "import locale, os, time
os.environ['N_SECRET'] = 'hidden'
del os.environ['N_SECRET']
os.chdir(os.getcwd())
locale.setlocale(locale.LC_NUMERIC, 'C')
os.environ['TZ'] = 'NEW-3'
time.tzset()
del os.environ['TZ']; time.tzset()
locale.setlocale(locale.LC_NUMERIC)
";
            let meddles = folder(&[("n_meddles.py", &app(lines, "''"))]);
            let settings = site("n-meddles", meddles.path(), "n_meddles:app");
            let (_, import) = Application::load_and_tell(settings).unwrap();
            let told = import.changes.join("\n");
            for (what, line) in [
                ("os.environ['N_SECRET'] was changed", 2),
                ("os.environ['N_SECRET'] was changed", 3),
                ("the working directory was changed", 4),
                ("the locale was changed", 5),
                ("the time zone was changed", 7),
            ] {
                let place = format!("n_meddles.py:{line})");
                assert!(
                    told.lines().any(|told| told.starts_with(what) && told.ends_with(&place)),
                    "{place}: {told}"
                );
                wait_for_log(&["n-meddles", what, &place]);
            }
            assert!(!told.contains("n_meddles.py:9") && !told.contains("hidden"), "{told}");
        },
    );
}

#[test]
fn a_variable_that_two_set_differently_is_a_warning() {
    in_its_own_process("neighbours::a_variable_that_two_set_differently_is_a_warning", async {
        let sets = |value: &str| app(&format!("import os\nos.environ['N_DEPLOY'] = '{value}'"), "''");
        let both = folder(&[("n_sets.py", &sets("one")), ("n_sets_too.py", &sets("other"))]);
        Application::load(site("n-sets", both.path(), "n_sets:app")).unwrap();
        Application::load(site("n-sets-too", both.path(), "n_sets_too:app")).unwrap();
        wait_for_log(&[
            "WARN",
            "n-sets-too",
            "os.environ['N_DEPLOY']",
            "to another value than n-sets had set at",
            "n_sets.py:2",
        ]);
    });
}

#[test]
fn an_interpreter_is_asked_without_what_applications_have_set() {
    in_its_own_process("neighbours::an_interpreter_is_asked_without_what_applications_have_set", async {
        let sets =
            folder(&[("n_startup.py", &app("import os\nos.environ['PYTHONHOME'] = '/nowhere'", "''"))]);
        Application::load(site("n-startup", sets.path(), "n_startup:app")).unwrap();
        // Its Python would not even start.
        discover(settings("").python.as_deref()).unwrap();
    });
}

#[tokio::test]
async fn variables_of_an_application_come_before_the_listeners_and_after_the_routes() {
    let folder =
        folder(&[("n_env.py", &app("import os", "(environ['DEPLOY'] + str(os.environ.get('DEPLOY')))"))]);
    let variables = vec![("DEPLOY".into(), "beta".into())];
    let application =
        Application::load(Settings { variables, ..site("n-env", folder.path(), "n_env:app") }).unwrap();
    let request = |on_the_way: Option<&str>| {
        let mut request = Request::get("/").body(TestBody::default()).unwrap();
        let mut environ = Environ::for_target(request.uri()).unwrap();
        let env = vec![("DEPLOY".into(), b"production".as_slice().into())];
        environ.server = Arc::new(Server { env, ..Server::default() });
        if let Some(value) = on_the_way {
            environ.set(&"DEPLOY".into(), value.as_bytes());
        }
        request.extensions_mut().insert(environ);
        request
    };
    for (on_the_way, seen) in [(None, "betaNone"), (Some("production"), "productionNone")] {
        let answer = read(call(&application, request(on_the_way)).await.unwrap()).await;
        assert_eq!(answer.text(), seen);
    }
}
