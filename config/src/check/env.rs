//! `env`: variables that join the environ of every request, or of those that one application answers.

use crate::reader::Reader;
use crate::variable::is_variable;

/// Reads the key `env`: names and values, in file order.
pub fn read_env(reader: &mut Reader<'_>, is_standard: fn(&str) -> bool) -> Vec<(String, String)> {
    let pairs = reader.pairs("env");
    for (name, _) in &pairs {
        if name.starts_with("HTTP_") {
            reader
                .mistake(&name.place, format!("`{}` belongs to the request's headers", name.value))
                .help("the layer `request_headers` sets headers");
        } else if is_standard(name) || name.starts_with("wsgi.") {
            reader.mistake(&name.place, format!("`{}` is the request's own and cannot be set", name.value));
        } else if !is_variable(name) {
            reader
                .mistake(&name.place, format!("`{}` is not a variable's name", name.value))
                .help("it consists of letters, digits, `_` and `.`, and does not begin with a digit");
        }
    }
    pairs.into_iter().map(|(name, value)| (name.value, value.value)).collect()
}
