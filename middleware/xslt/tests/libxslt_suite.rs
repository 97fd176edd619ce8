//! libxslt's own test documents: our results are `xsltproc`'s, byte for byte, except where the policy forbids what a test does.
//!
//! `tests/libxslt-source` fetches them, where `VESTIBULE_TEST_LIBXSLT` says or into `target/libxslt-source`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tower_xslt::{Limit, Limits, Policy, Stylesheet, XsltError};

/// Fewer would mean that they were not found.
const LEAST: usize = 500;

/// How a result compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Same,
    /// `generate-id()` counts from addresses in memory.
    SameButForIds,
    /// The document has no address here, so what it names relative to itself is not there; nor is its external DTD read. `xsltproc`
    /// does the same with a document from stdin.
    SameFromStdin,
    BothFail,
    /// Refused by the policy, or without a module that is not there
    Forbidden,
    Different,
}

#[test]
fn its_own_test_documents_give_what_xsltproc_gives() {
    let tests = source();
    let pairs = pairs(&tests);
    assert!(pairs.len() >= LEAST, "only {} pairs of sheet and document in {}", pairs.len(), tests.display());
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut told = String::new();
    for (sheet, document) in &pairs {
        let (verdict, why) = compare(&tests, sheet, document);
        *counts.entry(verdict).or_default() += 1;
        if matches!(verdict, Verdict::Forbidden | Verdict::Different) {
            let name = |path: &Path| path.strip_prefix(&tests).unwrap_or(path).display().to_string();
            writeln!(told, "{verdict:?}: {} {}: {why}", name(sheet), name(document)).unwrap();
        }
    }
    // Past what captures the output of tests: the numbers are for everybody.
    writeln!(std::io::stdout(), "{told}{} of libxslt's own tests: {counts:?}", pairs.len()).unwrap();
    assert_eq!(counts.get(&Verdict::Different), None, "see above");
}

/// The folder of the tests.
fn source() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("VESTIBULE_TEST_LIBXSLT").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| root.join("target/libxslt-source"));
    let tests = folder.join("tests").canonicalize();
    tests.unwrap_or_else(|error| {
        panic!("{}: {error}; fetch it: tests/libxslt-source {}", folder.display(), folder.display())
    })
}

/// Sheets and their documents: of the same name, or as the makefiles have it.
fn pairs(tests: &Path) -> BTreeSet<(PathBuf, PathBuf)> {
    let mut pairs = BTreeSet::new();
    let mut folders = vec![tests.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "xsl") {
                let name = path.with_extension("xml").file_name().unwrap().to_owned();
                let candidates = [folder.join(&name), folder.join("../docs").join(&name)];
                if let Some(document) = candidates.into_iter().find(|document| document.is_file()) {
                    pairs.insert((path, document));
                }
            }
        }
        let makefile = fs::read_to_string(folder.join("Makefile.am")).unwrap_or_default();
        pairs.extend(of_makefile(&folder, &makefile));
    }
    let docbook = tests.join("docbook");
    for entry in fs::read_dir(docbook.join("test")).unwrap() {
        let document = entry.unwrap().path();
        if document.extension().is_some_and(|ending| ending == "xml") {
            for kind in ["html", "fo", "xhtml"] {
                pairs.insert((docbook.join(kind).join("docbook.xsl"), document.clone()));
            }
        }
    }
    pairs
}

/// `xsltproc $(srcdir)/a.xsl $(srcdir)/b.xml`, and rules `a: b.xml` that run `a.xsl`.
fn of_makefile(folder: &Path, makefile: &str) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for line in makefile.lines() {
        let words: Vec<_> =
            line.split_whitespace().map(|word| word.trim_start_matches("$(srcdir)/")).collect();
        for pair in words.windows(2) {
            let sheet = match pair[0].strip_suffix(':') {
                Some(name) => format!("{name}.xsl"),
                None => pair[0].to_owned(),
            };
            let (sheet, document) = (folder.join(sheet), folder.join(pair[1]));
            let fits = sheet.extension().is_some_and(|ending| ending == "xsl")
                && document.extension().is_some_and(|ending| ending == "xml");
            if fits && sheet.is_file() && document.is_file() {
                found.push((sheet, document));
            }
        }
    }
    found
}

fn compare(tests: &Path, sheet: &Path, document: &Path) -> (Verdict, String) {
    let ours = ours(tests, sheet, document);
    let theirs = xsltproc(sheet, document, false);
    match ours {
        Ok(bytes) if theirs.status.success() && bytes == theirs.stdout => (Verdict::Same, String::new()),
        Ok(bytes) if theirs.status.success() && renumbered(&bytes) == renumbered(&theirs.stdout) => {
            (Verdict::SameButForIds, String::new())
        }
        Ok(bytes) => {
            let theirs = xsltproc(sheet, document, true);
            if theirs.status.success() && renumbered(&bytes) == renumbered(&theirs.stdout) {
                (Verdict::SameFromStdin, String::new())
            } else {
                let (ours, theirs) = (String::from_utf8_lossy(&bytes).into_owned(), text(&theirs));
                (Verdict::Different, first_difference(&ours, &theirs))
            }
        }
        Err(error) if is_forbidden(sheet, &error) => (Verdict::Forbidden, error.to_string()),
        Err(_) if !theirs.status.success() || !xsltproc(sheet, document, true).status.success() => {
            (Verdict::BothFail, String::new())
        }
        Err(error) => (Verdict::Different, error.to_string()),
    }
}

fn ours(tests: &Path, sheet: &Path, document: &Path) -> Result<Vec<u8>, XsltError> {
    let mut policy = Policy::default();
    policy.folders.push(tests.to_owned());
    let document = fs::read(document).unwrap();
    let (sheet, limits) = (sheet.to_owned(), Limits::default());
    // Where a pool's thread has room for deep recursion, that of a test has not.
    let run = move || {
        let output = Stylesheet::compile([sheet], &policy)?.transform(&*document, &[], &limits)?;
        Ok(output.bytes.to_vec())
    };
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(run);
    thread.unwrap().join().unwrap()
}

fn xsltproc(sheet: &Path, document: &Path, from_stdin: bool) -> Output {
    let mut command = Command::new("timeout");
    command.args(["60s", "xsltproc", "--nonet"]).arg(sheet);
    // Nothing is beside it there.
    let empty = tempfile::tempdir().unwrap();
    command.current_dir(&empty);
    if from_stdin {
        command.arg("-").stdin(File::open(document).unwrap());
    } else {
        command.arg(document).stdin(Stdio::null());
    }
    command.output().expect("xsltproc is there (apt-get install xsltproc)")
}

/// Whether an error is one that the policy is meant to give.
fn is_forbidden(sheet: &Path, error: &XsltError) -> bool {
    match error {
        XsltError::PolicyDenied { .. } | XsltError::Limit(Limit::Depth | Limit::Entities) => true,
        XsltError::Failed(_) | XsltError::Compile(_) => {
            let sheet = fs::read_to_string(sheet).unwrap_or_default();
            // `xsltproc` also brings an extension that is for libxslt's tests alone.
            sheet.contains("http://exslt.org/crypto")
                || error.to_string().contains("failed to find extension test")
        }
        _ => false,
    }
}

/// Ids of `generate-id()` by the order in which they come first.
fn renumbered(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find("id") {
        let (before, id) = rest.split_at(at);
        let length =
            id[2..].find(|c: char| !(c.is_ascii_digit() || c == 'p' || c == 'm')).unwrap_or(id.len() - 2) + 2;
        let (id, after) = id.split_at(length);
        out.push_str(before);
        if id[2..].contains(|c: char| c.is_ascii_digit()) {
            let next = known.len();
            write!(out, "id{}", known.entry(id).or_insert(next)).unwrap();
        } else {
            out.push_str(id);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn text(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    format!("{}{}", String::from_utf8_lossy(&output.stdout), if output.status.success() { "" } else { &said })
}

fn first_difference(ours: &str, theirs: &str) -> String {
    let differ = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    let (ours, theirs) = differ.unwrap_or((ours, theirs));
    let cut = |text: &str| text.chars().take(200).collect::<String>();
    format!("{:?} and not {:?}", cut(ours), cut(theirs))
}
