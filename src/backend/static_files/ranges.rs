//! Which bytes a request asks for (RFC 9110 section 14).

use std::ops::Range;

use http::HeaderMap;
use http::header::RANGE;

/// More ranges than this in one request are an attack, or worth the whole file.
const MOST: usize = 16;

/// What a Range header comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// There is none, or none that is to be heeded.
    Whole,
    /// These, one or more; none is empty.
    Parts(Vec<Range<u64>>),
    /// 416
    Unsatisfiable,
}

/// Reads the Range header for a representation of `size` bytes.
///
/// Anything malformed, in other units, too much or overlapping gives the whole file, as section 14.2 allows. So does every
/// range of an empty file, which has no byte to point at.
pub(super) fn asked(headers: &HeaderMap, size: u64) -> Asked {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Asked::Whole };
    let Some(specs) = value.to_str().ok().and_then(byte_specs).filter(|_| size > 0) else {
        return Asked::Whole;
    };
    if specs.split(',').count() > MOST {
        return Asked::Whole;
    }
    let mut parts = Vec::new();
    for spec in specs.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        match part(spec, size) {
            None => return Asked::Whole,
            Some(part) if part.is_empty() => {}
            Some(part) => parts.push(part),
        }
    }
    match parts.as_slice() {
        [] => Asked::Unsatisfiable,
        several if overlap(several) => Asked::Whole,
        _ => Asked::Parts(parts),
    }
}

fn byte_specs(value: &str) -> Option<&str> {
    let (unit, specs) = value.split_once('=')?;
    let has_any = specs.contains(|c: char| c.is_ascii_digit());
    (unit.trim().eq_ignore_ascii_case("bytes") && has_any).then_some(specs)
}

/// `first-last`, `first-` or `-length`; empty where it lies behind the end, `None` where it is malformed.
fn part(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        return Some(size.saturating_sub(number(last)?)..size);
    }
    let first = number(first)?;
    let end = if last.is_empty() { size } else { number(last)?.saturating_add(1) };
    // `5-4` is malformed, though `5-` of a shorter file is only not satisfiable.
    (last.is_empty() || first < end).then(|| first..end.min(size))
}

/// A number too large to count still is one.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn overlap(parts: &[Range<u64>]) -> bool {
    let mut sorted: Vec<_> = parts.iter().collect();
    sorted.sort_by_key(|part| part.start);
    sorted.windows(2).any(|pair| pair[1].start < pair[0].end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str, size: u64) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, value.parse().unwrap());
        asked(&headers, size)
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        let table: [(&str, &[(u64, u64)]); 12] = [
            ("bytes=0-0", &[(0, 1)]),
            ("bytes=0-99", &[(0, 100)]),
            ("bytes=0-1000", &[(0, 100)]),
            ("bytes=99-", &[(99, 100)]),
            ("bytes=-1", &[(99, 100)]),
            ("bytes=-1000", &[(0, 100)]),
            ("Bytes = 1-2", &[(1, 3)]),
            ("bytes=5-5, 1-2 ,\t-3,", &[(5, 6), (1, 3), (97, 100)]),
            ("bytes=200-, 1-2", &[(1, 3)]),
            ("bytes=0-49,50-99", &[(0, 50), (50, 100)]),
            ("bytes=0-99999999999999999999999", &[(0, 100)]),
            ("bytes=0-18446744073709551615", &[(0, 100)]),
        ];
        for (value, parts) in table {
            let parts = parts.iter().map(|&(start, end)| start..end).collect();
            assert_eq!(of(value, 100), Asked::Parts(parts), "{value}");
        }
    }

    #[test]
    fn what_is_malformed_or_foreign_is_ignored() {
        for value in [
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=2-1",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=1--2",
            "lines=1-2",
            "=1-2",
            "",
            "bytes=1-2;",
            "bytes=0-1,x",
        ] {
            assert_eq!(of(value, 100), Asked::Whole, "{value}");
        }
    }

    #[test]
    fn what_lies_behind_the_end_cannot_be_satisfied() {
        for value in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=100-,200-300",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(of(value, 100), Asked::Unsatisfiable, "{value}");
        }
    }

    #[test]
    fn too_many_or_overlapping_ranges_give_the_whole() {
        let list = |count: u64| {
            let specs: Vec<String> = (0..count).map(|at| format!("{at}-{at}")).collect();
            format!("bytes={}", specs.join(","))
        };
        assert_eq!(of(&list(16), 100), Asked::Parts((0..16).map(|n| n..n + 1).collect()));
        assert_eq!(of(&list(17), 100), Asked::Whole);
        assert_eq!(of("bytes=0-10,10-20", 100), Asked::Whole);
        assert_eq!(of("bytes=50-,0-,1-", 100), Asked::Whole);
    }

    #[test]
    fn an_empty_file_is_always_whole() {
        for value in ["bytes=0-", "bytes=-1", "bytes=5-6"] {
            assert_eq!(of(value, 0), Asked::Whole, "{value}");
        }
    }

    #[test]
    fn two_range_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(RANGE, "bytes=0-1".parse().unwrap());
        headers.append(RANGE, "bytes=4-5".parse().unwrap());
        assert_eq!(asked(&headers, 100), Asked::Whole);
    }
    /// Whatever is sent, parts lie within the file, hold something and do not overlap.
    #[test]
    fn parts_are_always_sound() {
        let pieces = ["0", "3", "9", "-", ",", " ", "99999999999999999999"];
        for number in 0..pieces.len().pow(6) {
            let (mut rest, mut value) = (number, String::from("bytes="));
            for _ in 0..6 {
                value.push_str(pieces[rest % pieces.len()]);
                rest /= pieces.len();
            }
            let Asked::Parts(mut parts) = of(&value, 10) else { continue };
            parts.sort_by_key(|part| part.start);
            assert!(parts.iter().all(|part| part.start < part.end && part.end <= 10), "{value}");
            assert!(parts.is_sorted_by(|one, next| one.end <= next.start), "{value}");
        }
    }
}
