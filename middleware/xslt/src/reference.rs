//! Relative references (RFC 3986 section 5.2), as documents write them.

/// What a reference means in a document of this URI, without its fragment. The base is absolute.
///
/// ```
/// use tower_xslt::resolve;
/// assert_eq!(resolve("http://a/b/c?d", "../e.xsl#f"), "http://a/e.xsl");
/// assert_eq!(resolve("route:/feeds/news.xml", "//b/c"), "route://b/c");
/// ```
pub fn resolve(base: &str, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    if scheme_of(reference).is_some() {
        return reference.to_owned();
    }
    let base = base.split('#').next().unwrap_or_default();
    let (scheme, rest) = scheme_of(base).map_or(("", base), |scheme| base.split_at(scheme.len() + 1));
    if reference.starts_with("//") {
        return format!("{scheme}{reference}");
    }
    let authority = rest.strip_prefix("//").map_or(0, |rest| 2 + rest.find(['/', '?']).unwrap_or(rest.len()));
    let (authority, rest) = rest.split_at(authority);
    let (path, query) = split_query(rest);
    let (new_path, new_query) = split_query(reference);
    let (path, query) = match new_path {
        "" if new_query.is_empty() => (path.to_owned(), query),
        "" => (path.to_owned(), new_query),
        absolute if absolute.starts_with('/') => (without_dots(absolute), new_query),
        relative => {
            let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
            (without_dots(&format!("{folder}{relative}")), new_query)
        }
    };
    format!("{scheme}{authority}{path}{query}")
}

/// The scheme that a reference begins with: one letter alone would be a drive, which no URI here has either.
fn scheme_of(reference: &str) -> Option<&str> {
    let (scheme, _) = reference.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

/// The path, and the query with its question mark.
fn split_query(text: &str) -> (&str, &str) {
    text.split_at(text.find('?').unwrap_or(text.len()))
}

/// RFC 3986 section 5.2.4
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (reference, resolved) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g..", "http://a/b/c/g.."),
            ("./g/.", "http://a/b/c/g/"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
        ] {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference), resolved, "{reference}");
        }
    }

    #[test]
    fn a_base_without_an_authority_or_a_path_will_do() {
        assert_eq!(resolve("route:/a/b.xsl", "c.xsl"), "route:/a/c.xsl");
        assert_eq!(resolve("http://a", "b"), "http://a/b");
        assert_eq!(resolve("/srv/a/b.xsl", "../c.xml"), "/srv/c.xml");
    }
}
