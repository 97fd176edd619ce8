//! What a scratch process tells: one `key value` a line, the lines of an application after its name.

use std::fmt::Write as _;
use std::time::Duration;

/// What is known of applications, and why nothing is known of the others.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// An application without an outcome was begun.
    told: Vec<(String, Option<Outcome>)>,
    end: String,
}

/// What became of an import.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Works(Import),
    Fails(Failure),
}

/// Why an application does not work somewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Failure {
    /// The extension, the other application, …; may be empty.
    pub(super) because: String,
    /// The whole story.
    pub(super) text: String,
}

/// An import that went well.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Import {
    pub(super) took: Duration,
    /// In bytes.
    pub(super) memory: Option<u64>,
    pub(super) changes: Vec<String>,
    pub(super) refused: Vec<String>,
}

impl Outcome {
    pub(super) fn import(&self) -> Option<&Import> {
        if let Self::Works(import) = self { Some(import) } else { None }
    }
}

impl Report {
    /// The import of an application begins.
    pub(super) fn begin(&mut self, name: String) {
        self.told.push((name, None));
    }

    /// The import that was begun last has ended.
    pub(super) fn end(&mut self, outcome: Outcome) {
        if let Some((_, last)) = self.told.last_mut() {
            *last = Some(outcome);
        }
    }

    /// What became of the application with this number, from 0; where the process did not come so far, how it ended.
    pub(super) fn outcome(&self, number: usize, name: &str) -> Outcome {
        let failure = match self.told.get(number) {
            Some((_, Some(outcome))) => return outcome.clone(),
            Some((_, None)) => Failure {
                because: "its end".into(),
                text: format!("{name}: the process ended while it was imported ({})", self.end),
            },
            None => Failure {
                because: "an end".into(),
                text: format!("{name}: the process ended before it could be imported ({})", self.end),
            },
        };
        Outcome::Fails(failure)
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, outcome) in &self.told {
            // Writing to a string cannot fail.
            let mut line = |key, value: &str| _ = writeln!(text, "{key} {}", in_one_line(value));
            line("application", name);
            match outcome {
                None => {}
                Some(Outcome::Fails(failure)) => {
                    line("fails", &failure.text);
                    line("because", &failure.because);
                }
                Some(Outcome::Works(import)) => {
                    line("took", &import.took.as_micros().to_string());
                    import.memory.iter().for_each(|memory| line("memory", &memory.to_string()));
                    import.changes.iter().for_each(|change| line("change", change));
                    import.refused.iter().for_each(|module| line("refused", module));
                }
            }
        }
        text
    }

    /// Reads what was written; `end` is how the process ended.
    pub(super) fn read(text: &str, end: String) -> Self {
        let mut report = Self { told: Vec::new(), end };
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let value = in_many_lines(value);
            if key == "application" {
                report.begin(value);
                continue;
            }
            let Some((_, outcome)) = report.told.last_mut() else { continue };
            match (key, outcome) {
                ("fails", outcome) => {
                    *outcome = Some(Outcome::Fails(Failure { because: String::new(), text: value }));
                }
                ("because", Some(Outcome::Fails(failure))) => failure.because = value,
                ("took", outcome) => {
                    let took = Duration::from_micros(value.parse().unwrap_or_default());
                    *outcome = Some(Outcome::Works(Import { took, ..Import::default() }));
                }
                ("memory", Some(Outcome::Works(import))) => import.memory = value.parse().ok(),
                ("change", Some(Outcome::Works(import))) => import.changes.push(value),
                ("refused", Some(Outcome::Works(import))) => import.refused.push(value),
                _ => {}
            }
        }
        report
    }
}

fn in_one_line(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn in_many_lines(text: &str) -> String {
    let mut lines = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => lines.push(if characters.next() == Some('n') { '\n' } else { '\\' }),
            other => lines.push(other),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let works = Outcome::Works(Import {
            took: Duration::from_micros(1_234),
            memory: Some(4096),
            changes: vec!["a\\n path with a \\ and\na line".into(), "another".into()],
            refused: vec!["lxml.etree".into()],
        });
        let text = "Traceback:\n  a line\n\\".into();
        let fails = Outcome::Fails(Failure { because: "numpy".into(), text });
        let mut report = Report::default();
        report.begin("shop".into());
        report.end(works.clone());
        report.begin("blog".into());
        report.end(fails.clone());
        report.begin("last".into());
        let read = Report::read(&report.to_text(), "killed".into());
        assert_eq!([read.outcome(0, "shop"), read.outcome(1, "blog")], [works, fails]);
        for (number, name, text) in [
            (2, "last", "last: the process ended while it was imported (killed)"),
            (3, "wiki", "wiki: the process ended before it could be imported (killed)"),
        ] {
            let Outcome::Fails(failure) = read.outcome(number, name) else {
                panic!("{name}: nothing was told of it")
            };
            assert_eq!(failure.text, text);
        }
    }

    #[test]
    fn nonsense_is_no_report() {
        let read = Report::read("took 5\nmemory\n\nfails x\nunknown y\n", "killed".into());
        assert!(read.outcome(0, "shop").import().is_none());
    }
}
