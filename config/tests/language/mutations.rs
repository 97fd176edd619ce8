//! Whatever is done to a good file, reading it ends with a configuration or with diagnostics, and these can be shown.

use crate::kinds::load_text;
use crate::model::WHOLE;

/// Marsaglia's xorshift: the same sequence in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// What breaks YAML, this language, or the arithmetic of places.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "-",
    "\n",
    "\r\n",
    "\t",
    "  ",
    "\"",
    "'",
    "#",
    " #",
    "&a ",
    "*a",
    "*it",
    "<<: ",
    "!!int ",
    "!x ",
    "${",
    "${PORT}",
    "${X:?",
    "}}",
    "{*",
    "|",
    ">",
    "~",
    "null",
    "é",
    "日本",
    "\u{1F600}",
    "\u{feff}",
    "\0",
    "99999999999",
    "---\n",
    "%YAML 1.1\n",
    "? ",
    "use: public",
];

/// Removes, doubles, moves or inserts something.
fn mutate(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(characters.len() + 1);
        let end = (at + random.below(12)).min(characters.len());
        match random.below(5) {
            0 => {
                characters.drain(at..end);
            }
            1 => {
                let copy: Vec<char> = characters[at..end].to_vec();
                let to = random.below(characters.len() + 1);
                characters.splice(to..to, copy);
            }
            2 => {
                let lines: Vec<String> =
                    characters.iter().collect::<String>().lines().map(str::to_owned).collect();
                let line = lines.get(random.below(lines.len())).cloned().unwrap_or_default();
                characters.splice(at..at, line.chars());
            }
            _ => {
                characters.splice(at..at, random.of(&PIECES).chars());
            }
        }
    }
    characters.into_iter().collect()
}

#[test]
fn mutated_files_are_understood_or_refused() {
    let mut random = Random(0x5eed_cafe_f00d_0001);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..1_000 {
        let text = mutate(WHOLE, &mut random);
        match load_text(&text) {
            Ok(config) => {
                good += 1;
                assert!(!config.warnings.has_errors());
                config.warnings.render(false);
            }
            Err(diagnostics) => {
                bad += 1;
                assert!(diagnostics.has_errors(), "refused without a reason:\n{text}");
                let shown = diagnostics.render(false);
                assert!(shown.contains("error: "), "{shown}");
            }
        }
    }
    // Were it always one of both, little would be tried.
    assert!(good > 50 && bad > 300, "{good} good, {bad} bad");
}
