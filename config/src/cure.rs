//! What to do about a text that is no YAML: the slips that its authors make, told from the line that the parser stopped at.

use crate::place::Place;

/// The cure of an error of the parser, with the place of the slip where that is another one.
pub(crate) fn cure(place: &Place, message: &str) -> Option<(String, Option<Place>)> {
    if message.contains("tab")
        && let Some(tab) = place.tab_of_indentation()
    {
        return Some(("lines are indented by spaces, never by a tab".into(), Some(tab)));
    }
    let line = place.line_text();
    let (before, rest) = place.around();
    let text = match rest.chars().next() {
        _ if line.contains("${") => "within `{ }` and `[ ]`, a value with `${…}` must be quoted".into(),
        Some('*') if message.contains("unknown value") => {
            format!("`*` begins an alias of an `&anchor`; a text must be quoted: `\"{}\"`", word(rest))
        }
        Some(first @ ('@' | '`' | '%')) => {
            format!("a text that begins with `{first}` must be quoted: `\"{}\"`", word(rest))
        }
        _ if before.trim_end().ends_with('}') && before.contains(": {") => {
            "a text that begins with `{` must be quoted".into()
        }
        _ if message.contains("expected ':'") => {
            let (key, value) = line.trim().split_once(':')?;
            format!("a space follows the `:` of a key: `{key}: {value}`")
        }
        _ => return None,
    };
    Some((text, None))
}

/// What was probably meant to be one plain text.
fn word(rest: &str) -> &str {
    rest.split([' ', ',', ']', '}', '#']).next().unwrap_or(rest)
}
