//! What processes have in memory.

use std::fs;

/// The code and the constants of files that a process has mapped, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Code {
    mapped: usize,
    pub(crate) in_memory: usize,
}

impl Code {
    /// That of the program itself.
    pub(crate) fn of_program(pid: u32) -> Self {
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        Self::of(pid, &program.to_string_lossy())
    }

    /// That of the files whose path contains a text.
    pub(crate) fn of(pid: u32, path: &str) -> Self {
        let (mut code, mut counts) = (Self::default(), false);
        for line in fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            // A line about the mapping above, or one of a mapping: its place, its permissions, …, its path.
            let Some(name) = first.strip_suffix(':') else {
                counts = !second.contains('w') && words.last().is_some_and(|last| last.contains(path));
                continue;
            };
            let size = || second.parse::<usize>().unwrap_or_default() << 10;
            match name {
                "Size" if counts => code.mapped += size(),
                "Rss" if counts => code.in_memory += size(),
                // What was written there, and is no longer the file's.
                "Anonymous" if counts => code.in_memory -= size(),
                _ => {}
            }
        }
        code
    }

    /// Whether the process has only a small part of it in memory: what a loop needs that waits.
    pub(crate) fn is_given_back(&self) -> bool {
        self.mapped > 0 && self.in_memory < self.mapped / 4
    }
}

/// What a process has in memory that is in no file, in bytes.
pub(crate) fn anonymous(pid: u32) -> usize {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let size = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let size = size.and_then(|size| size.trim().trim_end_matches(" kB").parse::<usize>().ok());
    size.expect("the kernel tells it") << 10
}
