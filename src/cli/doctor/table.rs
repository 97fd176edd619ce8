//! The findings as a person reads them: a table, what stands behind it, and what to write.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::Patient;
use super::probe::Where;
use super::report::{Import, Outcome};

const TITLES: [&str; 7] = ["APPLICATION", "ISOLATION", "WORKS", "IMPORT", "MEMORY", "CHANGES", "BECAUSE OF"];

/// A cell, and the colour of its text on a terminal.
#[derive(Clone, Default)]
struct Cell(String, &'static str);

const PLAIN: &str = "";
const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";

/// The whole text.
pub(super) fn render(patients: &[Patient], color: bool) -> String {
    let mut rows = vec![TITLES.map(|title| Cell(title.into(), BOLD)).to_vec()];
    for patient in patients {
        for (number, (place, outcome)) in patient.outcomes.iter().enumerate() {
            let name = if number == 0 { patient.name.as_str() } else { "" };
            rows.push(row(name, *place, outcome));
        }
    }
    let mut text = columns(&rows, color);
    let mut told = HashSet::new();
    for patient in patients {
        text.push_str(&details(patient, &mut told));
    }
    let advice: Vec<_> = patients.iter().map(advice).collect();
    let title = columns(&[vec![Cell("WHAT TO WRITE".into(), BOLD)]], color);
    let _ = write!(text, "\n{title}{}", columns(&advice, color));
    text
}

fn row(name: &str, place: Where, outcome: &Outcome) -> Vec<Cell> {
    let mut row = vec![Cell(name.into(), PLAIN), Cell(place.name().into(), PLAIN)];
    match outcome {
        Outcome::Works(import) => {
            let memory = import.memory.map_or_else(|| "?".into(), mebibytes);
            let changes =
                if import.changes.is_empty() { String::new() } else { import.changes.len().to_string() };
            row.push(Cell("yes".into(), GREEN));
            row.extend(
                [format!("{:.2} s", import.took.as_secs_f64()), memory, changes]
                    .map(|text| Cell(text, PLAIN)),
            );
        }
        Outcome::Fails(failure) => {
            row.push(Cell("no".into(), RED));
            row.resize(TITLES.len() - 1, Cell::default());
            row.push(Cell(failure.because.clone(), PLAIN));
        }
    }
    row
}

fn mebibytes(bytes: u64) -> String {
    // Halves of a MiB are no matter here.
    format!("{} MiB", (bytes + (1 << 19)) >> 20)
}

/// What the table has no room for, but for failures that were `told` already.
fn details<'a>(patient: &'a Patient, told: &mut HashSet<&'a str>) -> String {
    let mut text = String::new();
    for (_, outcome) in &patient.outcomes {
        if let Outcome::Fails(failure) = outcome
            && told.insert(&failure.text)
        {
            let lines = failure.text.replace('\n', "\n  ");
            let _ = write!(text, "\n{lines}\n");
        }
    }
    if patient.is_another_user {
        let _ = write!(
            text,
            "\n{} was imported as this user, as only root can become its `user`\n",
            patient.name
        );
    }
    let imports: Vec<&Import> = patient.outcomes.iter().filter_map(|(_, outcome)| outcome.import()).collect();
    let lists = [
        (
            "changes, for everybody in its process:",
            imports.iter().map(|import| &import.changes).max_by_key(|list| list.len()),
        ),
        (
            "works without these, which cannot be loaded into an interpreter of its own:",
            imports.iter().map(|import| &import.refused).max_by_key(|list| list.len()),
        ),
    ];
    for (title, list) in lists {
        if let Some(list) = list.filter(|list| !list.is_empty()) {
            let _ = write!(text, "\n{} {title}\n  {}\n", patient.name, list.join("\n  "));
        }
    }
    text
}

fn advice(patient: &Patient) -> Vec<Cell> {
    let advice = match patient.advice() {
        Some(Where::Shared) => "isolation: shared         # the default".into(),
        Some(place) if !patient.needs_process.is_empty() => {
            format!("isolation: {}        # for its {}", place.name(), patient.needs_process.join(" and "))
        }
        Some(place) => format!("isolation: {}", place.name()),
        None if !patient.needs_process.is_empty() => {
            format!("# it does not work with its {}", patient.needs_process.join(" and "))
        }
        None => "# it does not work, wherever it is".into(),
    };
    vec![Cell(format!("{}:", patient.name), PLAIN), Cell(advice, PLAIN)]
}

/// The rows with their cells one below the other.
fn columns(rows: &[Vec<Cell>], color: bool) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.0.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, Cell(cell, style)) in row.iter().enumerate() {
            let space = width(column) - cell.chars().count() + 2;
            let (on, off) = if color && !style.is_empty() {
                (format!("\x1b[{style}m"), "\x1b[0m")
            } else {
                (String::new(), "")
            };
            // Writing to a string cannot fail.
            let _ = write!(line, "{on}{cell}{off}{:space$}", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::report::Failure;
    use super::*;

    fn patients() -> Vec<Patient> {
        let works = |milliseconds, mebibytes: u64, changes: &[&str]| {
            Outcome::Works(Import {
                took: Duration::from_millis(milliseconds),
                memory: Some(mebibytes << 20),
                changes: changes.iter().map(|&change| change.into()).collect(),
                refused: Vec::new(),
            })
        };
        let fails = |because: &str, text: &str| {
            Outcome::Fails(Failure { because: because.into(), text: text.into() })
        };
        let change = "os.environ['X'] was changed (shop.py:3)";
        vec![
            Patient {
                name: "shop".into(),
                outcomes: [
                    (Where::Shared, works(210, 24, &[change])),
                    (Where::Interpreter, fails("lxml.etree", "shop imports lxml.etree")),
                    (Where::Process, works(1250, 41, &[change])),
                ],
                needs_process: Vec::new(),
                is_another_user: false,
            },
            Patient {
                name: "blog".into(),
                outcomes: [
                    (Where::Shared, fails("shop", "blog cannot live beside shop")),
                    (Where::Interpreter, works(100, 8, &[])),
                    (Where::Process, works(100, 20, &[])),
                ],
                needs_process: vec!["user", "cwd"],
                is_another_user: true,
            },
        ]
    }

    const EXPECTED: &str = "\
APPLICATION  ISOLATION    WORKS  IMPORT  MEMORY  CHANGES  BECAUSE OF
shop         shared       yes    0.21 s  24 MiB  1
             interpreter  no                              lxml.etree
             process      yes    1.25 s  41 MiB  1
blog         shared       no                              shop
             interpreter  yes    0.10 s  8 MiB
             process      yes    0.10 s  20 MiB

shop imports lxml.etree

shop changes, for everybody in its process:
  os.environ['X'] was changed (shop.py:3)

blog cannot live beside shop

blog was imported as this user, as only root can become its `user`

WHAT TO WRITE
shop:  isolation: shared         # the default
blog:  isolation: process        # for its user and cwd
";

    #[test]
    fn columns_stand_one_below_the_other() {
        assert_eq!(render(&patients(), false), EXPECTED);
    }

    #[test]
    fn colours_change_nothing_else() {
        let mut text = render(&patients(), true);
        assert!(text.contains("\x1b[32myes\x1b[0m") && text.contains("\x1b[31mno\x1b[0m"));
        for style in [BOLD, GREEN, RED, "0"] {
            text = text.replace(&format!("\x1b[{style}m"), "");
        }
        let trimmed: Vec<_> = text.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, EXPECTED.lines().collect::<Vec<_>>());
    }
}
