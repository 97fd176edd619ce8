//! Which coding a client accepts (RFC 9110 section 12.5.3).

use http::HeaderValue;

/// A content coding that answers can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// As it stands in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// The coding that the client likes best; of equals, the one that shrinks more. `None` where it likes to have none.
pub(super) fn choose<'v>(accept: impl IntoIterator<Item = &'v HeaderValue>) -> Option<Coding> {
    let values = accept.into_iter().filter_map(|value| value.to_str().ok());
    let (mut brotli, mut gzip, mut identity, mut other) = (None, None, None, None);
    for member in values.flat_map(|value| value.split(',')) {
        let (name, quality) =
            member.split_once(';').map_or((member, 1000), |(name, rest)| (name, quality(rest)));
        match name.trim().to_ascii_lowercase().as_str() {
            "br" => brotli = Some(quality),
            "gzip" | "x-gzip" => gzip = Some(quality),
            "identity" => identity = Some(quality),
            "*" => other = Some(quality),
            _ => {}
        }
    }
    let brotli = brotli.or(other).unwrap_or(0);
    let gzip = gzip.or(other).unwrap_or(0);
    let (best, coding) = if brotli >= gzip { (brotli, Coding::Brotli) } else { (gzip, Coding::Gzip) };
    (best > 0 && best >= identity.unwrap_or(0)).then_some(coding)
}

/// Thousandths of `q=0.5`; what is no quality counts as none at all.
fn quality(parameter: &str) -> u16 {
    let parameter = parameter.trim();
    let Some(number) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) else {
        return 0;
    };
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let is_quality = rest.len() <= 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
    match whole {
        "0" if is_quality => format!("{rest:0<3}").parse().unwrap_or(0),
        "1" if is_quality => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Coding> {
        choose([&HeaderValue::from_str(accept).unwrap()])
    }

    #[test]
    fn the_best_liked_coding_is_chosen() {
        for (accept, coding) in [
            ("gzip, deflate, br, zstd", Some(Coding::Brotli)),
            ("gzip", Some(Coding::Gzip)),
            ("GZIP;q=0.5, br;q=0.4", Some(Coding::Gzip)),
            ("br;q=0, *", Some(Coding::Gzip)),
            ("*;q=0.1", Some(Coding::Brotli)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=nonsense", None),
            ("deflate", None),
            ("", None),
        ] {
            assert_eq!(chosen(accept), coding, "{accept}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let values = ["br;q=0.1", "gzip"].map(HeaderValue::from_static);
        assert_eq!(choose(&values), Some(Coding::Gzip));
        assert_eq!(choose(&[]), None);
    }
}
