//! `vestibule doctor`: what it finds, in scratch processes.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::tempdir;

use super::isolation::with_sub_interpreters;
use super::venv;
use crate::harness::{BINARY, check, check_with};

const APP: &str = "def application(environ, start_response): pass\n";

/// What it prints of applications, each a folder with a file `place.py`.
fn examined(sites: &[(&str, &str)]) -> Output {
    examined_by(Path::new(&venv()), sites)
}

fn examined_by(python: &Path, sites: &[(&str, &str)]) -> Output {
    let folder = tempdir().unwrap();
    let (mut apps, mut routes) = (String::new(), String::new());
    for (name, text) in sites {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("place.py"), text).unwrap();
        writeln!(apps, "  {name}: {{ wsgi: {{ app: \"place:application\", path: {name} }} }}").unwrap();
        writeln!(routes, "  - {{ mount: /{name}, app: {name} }}").unwrap();
    }
    let yaml = format!("python: {}\napps:\n{apps}routes:\n{routes}", python.display());
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    check(folder.path(), &["doctor"])
}

/// The words of the rows of the table: application, isolation, and what is told of it.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let table = text.split("\n\n").next().expect("it begins with a table");
    table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn those_that_cannot_live_together_are_told_what_can_be_done() {
    let changes = format!("import os\nos.environ['PLACE'] = 'blog'\nprint('noise')\n{APP}");
    let output = examined(&[("shop", APP), ("blog", &changes)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{text}");
    let rows = rows(&text);
    assert_eq!(rows[0][..3], ["shop", "shared", "yes"], "{text}");
    assert!(rows[0][3].parse::<f64>().is_ok() && rows[0][4] == "s" && rows[0].ends_with(&["MiB"]), "{text}");
    assert_eq!(rows[3], ["blog", "shared", "no", "shop"], "{text}");
    // Below 3.13 there is no such interpreter; in all others, both are well.
    let in_interpreter = &rows[4];
    assert!(in_interpreter[1] == "yes" || in_interpreter[2] == "Python", "{text}");
    assert_eq!((&rows[5][..2], rows[5].last()), (&["process", "yes"][..], Some(&"1")), "{text}");
    assert!(text.contains("shop and blog cannot share an interpreter: the module place is"), "{text}");
    assert!(
        text.contains("os.environ['PLACE'] was changed (") && text.contains("blog/place.py:2)"),
        "{text}"
    );
    let best = if in_interpreter[1] == "yes" { "interpreter" } else { "process" };
    let advice = text.split_once("WHAT TO WRITE\n").expect("it ends with advice").1;
    assert_eq!(
        advice,
        format!("shop:  isolation: shared         # the default\nblog:  isolation: {best}\n"),
        "{text}"
    );
    assert!(!text.contains("noise"), "{text}");
}

#[test]
fn the_extension_that_forbids_an_interpreter_of_its_own_stands_in_the_table() {
    // Below 3.13 the table tells the version, as another test shows.
    let Some(python) = with_sub_interpreters() else { return };
    let sums = format!("import numpy\n{APP}");
    let output = examined_by(&python, &[("sums", &sums), ("well", APP)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let [shared, interpreter, process, ..] = &rows(&text)[..] else { panic!("{text}") };
    assert_eq!(
        (shared[..3].to_vec(), process[..2].to_vec()),
        (vec!["sums", "shared", "yes"], vec!["process", "yes"])
    );
    assert!(
        matches!(interpreter[..], ["interpreter", "no", module] if module.starts_with("numpy.")),
        "{text}"
    );
    assert!(text.contains("it imports numpy.") && text.contains("sums/place.py:1)"), "{text}");
    assert!(text.contains("sums:  isolation: shared"), "{text}");
}

#[test]
fn what_an_import_changes_for_everybody_is_told_with_its_line() {
    let changes = "import locale, os, signal, time
locale.setlocale(locale.LC_ALL, 'C.UTF-8')
os.environ['TZ'] = 'Asia/Tokyo'
time.tzset()
os.chdir('/')
signal.signal(signal.SIGTERM, signal.SIG_IGN)
";
    let output = examined(&[("meddles", &format!("{changes}{APP}")), ("well", APP)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let (_, told) = text.split_once("meddles changes, for everybody in its process:\n").expect("it is told");
    for (line, what) in [
        (2, "the locale was changed"),
        (3, "os.environ['TZ'] was changed"),
        (4, "the time zone was changed"),
        (5, "the working directory was changed"),
        (6, "a handler of SIGTERM was refused: signals are the gateway's"),
    ] {
        let place = format!("meddles/place.py:{line})");
        let is_told = |told: &str| told.starts_with(&format!("  {what} (")) && told.ends_with(&place);
        assert!(told.lines().take_while(|line| !line.is_empty()).any(is_told), "{what}: {text}");
    }
    // How many there are stands in the table.
    assert_eq!(rows(&text)[0].last(), Some(&"5"), "{text}");
    assert!(!text.contains("well changes"), "{text}");
}

#[test]
fn an_application_with_processes_of_its_own_is_tried_as_it_will_run() {
    let folder = tempdir().unwrap();
    let own = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    let (is_root, own) = (own.trim() == "0", own.trim());
    let user = if is_root { "nobody" } else { own };
    Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    fs::create_dir(folder.path().join("here")).unwrap();
    // It imports with its settings alone.
    let app = format!(
        "import os\nassert os.environ['GREETING'] == 'hello' and os.path.basename(os.getcwd()) == 'here'\n\
         assert 'OF_OTHERS' not in os.environ and os.getuid() == {}\n{APP}",
        if is_root { "65534" } else { own }
    );
    fs::write(folder.path().join("place.py"), app).unwrap();
    let yaml = format!(
        "python: {}\nroutes:\n  - wsgi: {{ app: \"place:application\", isolation: process, user: {user}, cwd: here, processes: 2,\n\
         \x20     env: {{ GREETING: hello }} }}",
        venv()
    );
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let output = check_with(folder.path(), &["doctor"], &[("OF_OTHERS", "secret")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let rows = rows(&text);
    assert_eq!((rows[0][4], rows[2][0], rows[2][1]), ("no", "process", "yes"), "{text}");
    assert!(text.ends_with("isolation: process        # for its user and cwd and processes\n"), "{text}");
}

#[test]
fn that_python_has_no_interpreters_of_their_own_is_told_once_and_not_as_a_mistake() {
    let output = examined(&[("shop", APP), ("blog", APP)]);
    let text = String::from_utf8(output.stdout).unwrap();
    let is_told = text.matches("`isolation: interpreter` needs Python 3.13 or later, and ").count();
    let has_them = rows(&text)[1][1] == "yes";
    assert_eq!(is_told, usize::from(!has_them), "{text}");
}

#[test]
fn one_that_ends_the_process_keeps_no_other_from_being_examined() {
    let output = examined(&[("ends", "import os\nos._exit(3)\n"), ("well", APP)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let rows = rows(&text);
    assert_eq!(rows[2], ["process", "no", "its", "end"], "{text}");
    assert_eq!(rows[3], ["well", "shared", "no", "an", "end"], "{text}");
    assert_eq!(rows[5][..2], ["process", "yes"], "{text}");
    assert!(text.contains("ends: the process ended while it was imported (exit status: 3)"), "{text}");
    assert!(text.contains("ends:  # it does not work, wherever it is"), "{text}");
}

#[test]
fn an_import_that_takes_long_is_told_while_it_does() {
    let folder = tempdir().unwrap();
    let waits = format!("import os, time\nwhile not os.path.exists('go'): time.sleep(0.1)\n{APP}");
    fs::write(folder.path().join("place.py"), waits).unwrap();
    let yaml = format!("python: {}\nroutes: [ {{ wsgi: {{ app: \"place:application\" }} }} ]", venv());
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let mut doctor = Command::new(BINARY);
    doctor.arg("doctor").current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut doctor = doctor.spawn().expect("the binary starts");
    let mut told = String::new();
    let mut stderr = BufReader::new(doctor.stderr.take().unwrap());
    stderr.read_line(&mut told).unwrap();
    assert_eq!(told, "still importing the applications together; this may take 120 s\n");
    fs::write(folder.path().join("go"), "").unwrap();
    assert!(doctor.wait_with_output().unwrap().status.success());
}

#[test]
fn one_that_does_not_import_is_shown_with_its_traceback() {
    let output = examined(&[("broken", "import no_such_module\n")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(rows(&text)[0], ["broken", "shared", "no", "its", "import"], "{text}");
    assert!(text.contains("No module named 'no_such_module'"), "{text}");
}

#[test]
fn a_file_without_applications_or_with_mistakes_is_told() {
    let folder = tempdir().unwrap();
    for (yaml, code, words) in [
        ("routes: [ { respond: { status: 200 } } ]", 0, "no WSGI applications"),
        ("routes: [ { app: shop } ]", 1, "shop"),
    ] {
        fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
        let output = check(folder.path(), &["doctor", "vestibule.yaml"]);
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(words), "{told}");
    }
}
