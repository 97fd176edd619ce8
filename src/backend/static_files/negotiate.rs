//! Which precompressed siblings of a file a client accepts (RFC 9110 section 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// A content coding, and the ending of the files that hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// By their names in the configuration, in the order that saves the most bytes.
    pub(super) const ALL: [(&str, Self); 3] =
        [("br", Self::Brotli), ("zstd", Self::Zstd), ("gzip", Self::Gzip)];

    /// Its name in HTTP.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The ending that a precompressed sibling adds to a file's name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    fn is_named(self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.name()) || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }
}

/// Codings, the best liked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Accepted([Option<Coding>; Coding::ALL.len()]);

impl IntoIterator for Accepted {
    type Item = Coding;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Coding>, { Coding::ALL.len() }>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// The offered codings that the client accepts and likes no less than the plain file: by its weights, then as offered.
pub(super) fn accepted(headers: &HeaderMap, offered: &[Coding]) -> Accepted {
    if !headers.contains_key(ACCEPT_ENCODING) {
        return Accepted::default();
    }
    let weight =
        |is_named: &dyn Fn(&str) -> bool| elements(headers).find(|(name, _)| is_named(name)).map(|(_, q)| q);
    let any = weight(&|name| name == "*");
    let plain = weight(&|name| name.eq_ignore_ascii_case("identity")).unwrap_or(0);
    let weigh = |coding: Coding| weight(&|name| coding.is_named(name)).or(any).unwrap_or(0);
    let mut accepted = [None; Coding::ALL.len()];
    for (place, &coding) in accepted.iter_mut().zip(offered) {
        *place = Some((weigh(coding), coding)).filter(|&(weight, _)| weight > 0 && weight >= plain);
    }
    accepted.sort_by_key(|coding| std::cmp::Reverse(coding.map_or(0, |(weight, _)| weight)));
    Accepted(accepted.map(|coding| coding.map(|(_, coding)| coding)))
}

/// The elements of all Accept-Encoding headers, with their weights in thousandths.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = (&str, u16)> {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|element| {
        let (name, parameter) = element.split_once(';').unwrap_or((element, "q=1"));
        (name.trim(), weight(parameter.trim()))
    })
}

/// `q=0.5` in thousandths. What is no weight accepts nothing.
fn weight(parameter: &str) -> u16 {
    let Some(value) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) else { return 0 };
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let padded = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = padded.fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(headers: &HeaderMap, offered: &[Coding]) -> Vec<Coding> {
        accepted(headers, offered).into_iter().collect()
    }

    #[test]
    fn weights_choose_and_the_offer_breaks_ties() {
        use Coding::{Brotli, Gzip, Zstd};
        for (header, expected) in [
            ("gzip, deflate, br, zstd", vec![Brotli, Zstd, Gzip]),
            ("gzip", vec![Gzip]),
            ("x-gzip", vec![Gzip]),
            ("GZIP;Q=0.2, br;q=0.1", vec![Gzip, Brotli]),
            ("gzip;q=1.0, br;q=0", vec![Gzip]),
            ("gzip ; q=0.001", vec![Gzip]),
            ("*", vec![Brotli, Zstd, Gzip]),
            ("*;q=0.5, gzip", vec![Gzip, Brotli, Zstd]),
            ("*, br;q=0", vec![Zstd, Gzip]),
            ("identity, gzip;q=0.5", vec![]),
            ("identity;q=0.5, gzip", vec![Gzip]),
            ("identity;q=0", vec![]),
            ("", vec![]),
            ("deflate", vec![]),
            ("gzip;q=2, br;q=x, zstd;level=3", vec![]),
            ("gzip;q=0.0000", vec![]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, header.parse().unwrap());
            assert_eq!(list(&headers, &[Brotli, Zstd, Gzip]), expected, "{header}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, "br;q=0".parse().unwrap());
        headers.append(ACCEPT_ENCODING, "*".parse().unwrap());
        assert_eq!(list(&headers, &[Coding::Brotli, Coding::Gzip]), [Coding::Gzip]);
    }

    #[test]
    fn a_client_that_says_nothing_gets_the_plain_file() {
        assert_eq!(list(&HeaderMap::new(), &[Coding::Gzip]), []);
    }
}
