//! Modules of one name that stand in different places: no application is given the other's.

use std::path::Path;

use http::Request;
use tempfile::TempDir;
use tower_wsgi::{Application, Settings, WsgiError};

use crate::harness::{TestBody, call, in_its_own_process, read, wait_for_log};
use crate::neighbours::{app, folder, refusal, site, text, write};
use crate::process::{install, second_virtualenv};

/// A virtualenv with these files.
fn virtualenv(files: &[(&str, &str)]) -> TempDir {
    let (folder, python) = second_virtualenv();
    write(&python.packages[0], files);
    folder
}

/// An application that is installed in a virtualenv.
fn installed(name: &str, virtualenv: &TempDir, app: &str) -> Settings {
    Settings { path: Vec::new(), ..with(virtualenv, site(name, Path::new(""), app)) }
}

fn with(virtualenv: &TempDir, settings: Settings) -> Settings {
    Settings { python: Some(virtualenv.path().into()), ..settings }
}

fn is(one: (&Path, &str), other: (&Path, &str), name: &str) -> String {
    let place = |path: &Path| path.canonicalize().unwrap().display().to_string();
    format!("the module {name} is {} for {} and {} for {}", place(one.0), one.1, place(other.0), other.1)
}

/// The files of a distribution, whose record has this hash of its source.
fn distribution(version: &str, hash: &str) -> Vec<(&'static str, String)> {
    let record = format!("m_shared/__init__.py,sha256={hash},1\nm_shared-1.0.dist-info/RECORD,,\n");
    let metadata = format!("Metadata-Version: 2.1\nName: m-shared\nVersion: {version}\n");
    vec![
        ("m_shared/__init__.py", String::new()),
        ("m_shared-1.0.dist-info/METADATA", metadata),
        ("m_shared-1.0.dist-info/RECORD", record),
    ]
}

#[test]
fn a_package_of_one_name_in_two_virtualenvs_is_refused() {
    let [shop, blog] = ["shop", "blog"].map(|name| {
        let wsgi = app("", &format!("'I am {name}'"));
        let (folder, python) = second_virtualenv();
        write(&python.packages[0], &[("m_site/__init__.py", ""), ("m_site/wsgi.py", &wsgi)]);
        install(&python, &format!("{name}_site"), "1.0");
        (folder, python.packages[0].join("m_site/__init__.py"))
    });
    Application::load(installed("m-shop", &shop.0, "m_site.wsgi:app")).unwrap();
    let told = refusal(installed("m-blog", &blog.0, "m_site.wsgi:app"), "m-shop");
    assert!(told.contains(&is((&shop.1, "m-shop"), (&blog.1, "m-blog"), "m_site")), "{told}");
}

#[test]
fn virtualenvs_may_share_equal_files_of_a_distribution_and_no_others() {
    let imports = folder(&[("m_imports.py", &app("import m_shared", "''"))]);
    let venv = |hash| {
        let files = distribution("1.0", hash);
        virtualenv(&files.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>())
    };
    let [one, same, changed] = ["abc", "abc", "abd"].map(venv);
    let site = |name, venv| with(venv, site(name, imports.path(), "m_imports:app"));
    Application::load(site("m-one", &one)).unwrap();
    Application::load(site("m-same", &same)).unwrap();
    assert!(refusal(site("m-changed", &changed), "m-one").contains("the module m_shared is"));
}

/// `shop` has a file beside it by the name of a package of `blog`'s virtualenv.
fn of_ones_own() -> (TempDir, TempDir, TempDir) {
    let imports = app("import m_store", "m_store.NAME");
    let shop = folder(&[("m_shop.py", &imports), ("m_store.py", "NAME = 'shop'")]);
    let blog = folder(&[("m_blog.py", &imports)]);
    (shop, blog, virtualenv(&[("m_store/__init__.py", "NAME = 'blog'")]))
}

#[test]
fn a_file_of_ones_own_is_not_given_to_whoever_means_a_package() {
    in_its_own_process("names::a_file_of_ones_own_is_not_given_to_whoever_means_a_package", async {
        let (shop, blog, venv) = of_ones_own();
        Application::load(site("shop", shop.path(), "m_shop:app")).unwrap();
        let told = refusal(with(&venv, site("blog", blog.path(), "m_blog:app")), "shop");
        let file = shop.path().join("m_store.py").canonicalize().unwrap();
        assert!(told.contains(&format!("{} for shop and ", file.display())), "{told}");
    });
}

#[test]
fn a_package_is_not_given_to_whoever_means_a_file_of_its_own() {
    in_its_own_process("names::a_package_is_not_given_to_whoever_means_a_file_of_its_own", async {
        let (shop, blog, venv) = of_ones_own();
        let blog = Application::load(with(&venv, site("blog", blog.path(), "m_blog:app"))).unwrap();
        assert_eq!(text(&blog).await, "blog");
        let told = refusal(site("shop", shop.path(), "m_shop:app"), "blog");
        let file = shop.path().join("m_store.py").canonicalize().unwrap();
        assert!(told.contains(&format!(" and {} for shop", file.display())), "{told}");
    });
}

#[test]
fn a_file_of_ones_own_is_not_given_to_whoever_means_the_standard_library() {
    in_its_own_process(
        "names::a_file_of_ones_own_is_not_given_to_whoever_means_the_standard_library",
        async {
            let own = folder(&[("m_own.py", &app("import profile", "''")), ("profile.py", "")]);
            let other =
                folder(&[("m_other.py", &app("try: import profile\nexcept ImportError: pass", "''"))]);
            let none = folder(&[("m_none.py", &app("", "''"))]);
            Application::load(site("none", none.path(), "m_none:app")).unwrap();
            let told = refusal(site("own", own.path(), "m_own:app"), "none");
            assert!(
                told.contains("the module profile is") && told.contains("/profile.py for none"),
                "{told}"
            );
            // The other way round: also where the application could do without it.
            let unused = folder(&[("m_unused.py", &app("", "''")), ("profile.py", "")]);
            Application::load(site("unused", unused.path(), "m_unused:app")).unwrap();
            let told = refusal(site("other", other.path(), "m_other:app"), "unused");
            assert!(told.contains("the module profile is") && told.contains(" for other"), "{told}");
        },
    );
}

#[tokio::test]
async fn parts_of_a_namespace_come_from_wherever_they_are_unless_two_have_one() {
    let parts = |own: &str| {
        let own = format!("m_space/{own}.py");
        let files = [(own.as_str(), "NAME = __name__"), ("m_space/both.py", "")];
        virtualenv(&files)
    };
    let [one, other] = ["one", "other"].map(parts);
    let imports = folder(&[
        ("m_part_one.py", &app("import m_space.one as part", "part.NAME")),
        ("m_part_other.py", &app("import m_space.other as part", "part.NAME")),
        ("m_part_both.py", &app("import m_space.both", "''")),
    ]);
    let load = |name: &str, venv, app| Application::load(with(venv, site(name, imports.path(), app)));
    let first = load("m-one", &one, "m_part_one:app").unwrap();
    let second = load("m-other", &other, "m_part_other:app").unwrap();
    assert_eq!((text(&first).await, text(&second).await), ("m_space.one".into(), "m_space.other".into()));
    let told = refusal(with(&one, site("m-both", imports.path(), "m_part_both:app")), "m-other");
    assert!(told.contains("the module m_space.both is"), "{told}");
}

#[test]
fn folders_that_an_application_adds_to_its_path_are_its_own() {
    let lines =
        "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'apps'))\nimport m_added";
    let made = |name: &str| folder(&[(name, &app(lines, "''")), ("apps/m_added.py", "")]);
    let [one, other] = ["m_adds.py", "m_adds_too.py"].map(made);
    Application::load(site("m-adds", one.path(), "m_adds:app")).unwrap();
    let told = refusal(site("m-adds-too", other.path(), "m_adds_too:app"), "m-adds");
    assert!(told.contains("the module m_added is"), "{told}");
}

#[tokio::test]
async fn an_application_may_put_its_folder_on_the_path_once_more() {
    // A `Path`, too, which has no effect.
    let lines = "import os, pathlib, sys\nsys.path.insert(0, os.path.dirname(__file__))\n\
                 sys.path.insert(0, pathlib.Path(__file__).parent)\nimport m_more_beside as beside";
    let [one, other] = ["one", "other"].map(|name| {
        let files = [(format!("m_more_{name}.py"), app(lines, "beside.__name__"))];
        let beside = if name == "one" { "m_more_beside.py" } else { "unused.py" };
        folder(&[(files[0].0.as_str(), files[0].1.as_str()), (beside, "")])
    });
    let path = vec![other.path().into(), one.path().into()];
    Application::load(site("m-more-one", one.path(), "m_more_one:app")).unwrap();
    let other = Settings { path, ..site("m-more-other", other.path(), "m_more_other:app") };
    assert_eq!(text(&Application::load(other).unwrap()).await, "m_more_beside");
}

/// An application that imports at a request what is asked for.
fn imports_late(name: &str) -> TempDir {
    let lines = "from importlib import import_module";
    let text = app(lines, "import_module(environ['QUERY_STRING']).__file__");
    let (own, alone) = (format!("{name}.py"), format!("{name}_alone.py"));
    folder(&[(&own, &text), (&alone, ""), ("scripts/__init__.py", ""), ("m_plugins/one.py", "")])
}

#[tokio::test]
async fn a_module_that_two_have_is_given_to_none_at_a_request() {
    let names = ["m_late_one", "m_late_other"];
    let sites = names.map(imports_late);
    let applications = [0, 1].map(|at| {
        Application::load(site(names[at], sites[at].path(), &format!("{}:app", names[at]))).unwrap()
    });
    let ask = async |application: &Application, module: &str| -> Result<String, WsgiError> {
        let request = Request::get(format!("/?{module}")).body(TestBody::default()).unwrap();
        Ok(read(call(application, request).await?).await.text().to_owned())
    };
    for (module, taken) in [("scripts", "scripts"), ("m_plugins.one", "m_plugins")] {
        for application in &applications {
            ask(application, module).await.unwrap_err();
        }
        let words = format!("the module {taken} is");
        let log = wait_for_log(&["WARN", "an import was refused", &words]);
        assert!(names.iter().all(|name| log.contains(&format!(" for {name}"))), "{log}");
        wait_for_log(&["ImportError", &words, "`isolation: interpreter`", "`isolation: process`"]);
    }
    // What one alone has is its own.
    for (application, name) in applications.iter().zip(names) {
        let file = ask(application, &format!("{name}_alone")).await.unwrap();
        assert!(file.ends_with(&format!("{name}_alone.py")), "{file}");
    }
}

#[test]
fn folders_of_one_name_are_no_package_of_two_applications() {
    let made = |name: &str, own: &str| {
        folder(&[(name, &app(&format!("import m_bare.{own}"), "''")), (&format!("m_bare/{own}.py"), "")])
    };
    let (one, other) = (made("m_bare_one.py", "one"), made("m_bare_other.py", "other"));
    Application::load(site("m-bare-one", one.path(), "m_bare_one:app")).unwrap();
    let told = refusal(site("m-bare-other", other.path(), "m_bare_other:app"), "m-bare-one");
    let places = [(&one, "m-bare-one"), (&other, "m-bare-other")];
    let [one, other] = places.map(|(folder, name)| format!("{}/m_bare for {name}", folder.path().display()));
    assert!(told.contains(&format!("the module m_bare is {one} and {other}")), "{told}");
}

/// What `pip install --editable` leaves of a distribution: a finder that knows where the module is, here in a project of its own.
fn editable(distribution: &str, module: &str) -> (TempDir, TempDir) {
    let project = folder(&[(&format!("{module}.py"), &app("", "''"))]);
    let finder = format!(
        "import sys\nfrom importlib.util import spec_from_file_location\n\n\nclass Finder:\n\
         \x20   @classmethod\n    def find_spec(cls, name, path=None, target=None):\n\
         \x20       return spec_from_file_location(name, '{}/{module}.py') if name == '{module}' else None\n\n\n\
         def install():\n    sys.meta_path.append(Finder)\n",
        project.path().display()
    );
    let its = format!("__editable___{distribution}_finder");
    let start = format!("import {its}; {its}.install()\n");
    let venv = virtualenv(&[("__editable__.pth", &start), (&format!("{its}.py"), &finder)]);
    (venv, project)
}

#[test]
fn an_editable_installation_is_an_applications_own() {
    // Two projects with a package of one name; then two copies of one project, whose finders have one name, too.
    for (module, distributions, taken) in [
        ("m_editable", ["m_shop_1_0", "m_blog_1_0"], "m_editable"),
        ("m_edited", ["m_site_1_0", "m_site_1_0"], "__editable___m_site_1_0_finder"),
    ] {
        let [shop, blog] = distributions.map(|distribution| editable(distribution, module));
        let (target, names) = (format!("{module}:app"), [format!("{module}-shop"), format!("{module}-blog")]);
        Application::load(installed(&names[0], &shop.0, &target)).unwrap();
        let told = refusal(installed(&names[1], &blog.0, &target), &names[0]);
        assert!(told.contains(&format!("the module {taken} is")), "{told}");
    }
}

#[test]
fn a_module_that_was_loaded_from_elsewhere_stays_its_applications() {
    in_its_own_process("names::a_module_that_was_loaded_from_elsewhere_stays_its_applications", async {
        let elsewhere = folder(&[("m_place.py", "NAME = 'elsewhere'")]);
        let file = elsewhere.path().join("m_place.py");
        let load = format!(
            "import sys, importlib.util as util\nspec = util.spec_from_file_location('m_place', {file:?})\n\
             sys.modules['m_place'] = module = util.module_from_spec(spec)\nspec.loader.exec_module(module)"
        );
        let one = folder(&[("m_one.py", &app(&load, "__import__('m_place').NAME"))]);
        let other = folder(&[("m_other.py", &app("", "''")), ("m_place.py", "NAME = 'other'")]);
        let one = Application::load(site("one", one.path(), "m_one:app")).unwrap();
        let told = refusal(site("other", other.path(), "m_other:app"), "one");
        assert!(told.contains("the module m_place is"), "{told}");
        assert_eq!(text(&one).await, "elsewhere");
    });
}

#[test]
fn a_finder_of_old_and_a_folder_of_data_stand_in_nobodys_way() {
    in_its_own_process("names::a_finder_of_old_and_a_folder_of_data_stand_in_nobodys_way", async {
        let finds = "import sys\nclass Finder:\n    def find_module(self, name, path=None): return None\n\
                     sys.meta_path.append(Finder())\nimport m_logs";
        let one = folder(&[("m_one.py", &app(finds, "''")), ("m_logs.py", "")]);
        let asks = "try:\n    import m_nothing\nexcept ImportError:\n    pass";
        let other = folder(&[("m_other.py", &app(asks, "'other'")), ("m_logs/today.txt", "")]);
        Application::load(site("one", one.path(), "m_one:app")).unwrap();
        let other = Application::load(site("other", other.path(), "m_other:app")).unwrap();
        assert_eq!(text(&other).await, "other");
    });
}
