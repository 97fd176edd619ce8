//! What heads of HTTP/1 are made of, whoever has sent them: [`lines`], and in these the [`names`] and values of fields.

pub(crate) mod lines;
mod names;

/// The words of a list.
pub(crate) fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// A length: digits and nothing else, as `parse` would take a sign.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}
