//! "did you mean": the known name that a wrong one was probably meant to be.

/// What uWSGI, gunicorn, nginx, NGINX Unit and HAProxy call things, and their names here.
const ELSEWHERE: [(&str, &str); 57] = [
    ("add_header", "response_headers"),
    ("alias", "root"),
    ("applications", "apps"),
    ("auth_basic", "basic_auth"),
    ("bind", "listen"),
    ("callable", "app"),
    ("chdir", "cwd"),
    ("chdir", "path"),
    ("client_max_body_size", "body_limit"),
    ("deny", "allow"),
    ("environment", "env"),
    ("executable", "command"),
    ("fastcgi_pass", "fastcgi"),
    ("gid", "user"),
    ("gzip", "compress"),
    ("harakiri", "timeout"),
    ("home", "python"),
    ("http-socket", "listen"),
    ("ip_hash", "hash"),
    ("least_conn", "least_requests"),
    ("leastconn", "least_requests"),
    ("limit_conn", "concurrency_limit"),
    ("listen", "queue"),
    ("listeners", "listen"),
    ("location", "mount"),
    ("max-requests", "max_requests"),
    ("module", "app"),
    ("pass", "app"),
    ("php", "fastcgi"),
    ("proxy", "http"),
    ("proxy_pass", "http"),
    ("proxy_set_header", "request_headers"),
    ("pythonpath", "path"),
    ("reload-on-rss", "max_memory"),
    ("return", "respond"),
    ("reverse_proxy", "http"),
    ("root", "static"),
    ("roundrobin", "round_robin"),
    ("scgi_pass", "scgi"),
    ("server", "servers"),
    ("share", "root"),
    ("share", "static"),
    ("socket", "listen"),
    ("source", "client"),
    ("static-map", "static"),
    ("try_files", "fallback"),
    ("uid", "user"),
    ("upstream", "http"),
    ("upstreams", "apps"),
    ("uri", "path"),
    ("uwsgi_pass", "uwsgi"),
    ("virtualenv", "python"),
    ("workers", "processes"),
    ("working_directory", "cwd"),
    ("working_directory", "path"),
    ("wsgi-file", "app"),
    ("xslt_stylesheet", "xslt"),
];

/// The one of `names` that is meant by what it is called elsewhere, or by a slip.
pub(crate) fn meant<'a>(given: &str, names: &[&'a str]) -> Option<&'a str> {
    let mut ours = ELSEWHERE.iter().filter(|(theirs, _)| *theirs == given).map(|(_, ours)| *ours);
    let known = ours.find_map(|ours| names.iter().copied().find(|name| *name == ours));
    known.or_else(|| nearest(given, names.iter().copied()))
}

/// The nearest of `names`, if it is near enough that a slip of the fingers explains the difference.
pub(crate) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A number is not meant to be another number.
    if given.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let lower = given.to_lowercase();
    // One slip in a short name, two in a middling one, three in a long one.
    let limit = 1 + given.chars().count().saturating_sub(1) / 4;
    names
        .into_iter()
        .filter(|name| *name != given)
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit.min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The name that is one slip away from `given` among names that cannot be listed, only recognised.
pub(crate) fn one_slip(given: &str, known: impl Fn(&str) -> bool) -> Option<String> {
    let characters = || ('A'..='Z').chain(['_']);
    let cuts = || given.char_indices().map(|(at, _)| given.split_at(at)).chain([(given, "")]);
    let changed = cuts().flat_map(move |(before, after)| {
        let mut rest = after.chars();
        let first = rest.next();
        let without_first = rest.as_str();
        let second = rest.next();
        let swapped = first.zip(second).map(|(a, b)| format!("{before}{b}{a}{}", rest.as_str()));
        let removed = first.map(|_| format!("{before}{without_first}"));
        let replaced = characters().map(move |new| format!("{before}{new}{without_first}"));
        let added = characters().map(move |new| format!("{before}{new}{after}"));
        swapped.into_iter().chain(removed).chain(replaced).chain(added)
    });
    std::iter::once(given.to_uppercase()).chain(changed).find(|name| name != given && known(name))
}

#[cfg(test)]
mod tests {
    use super::{ELSEWHERE, meant, nearest, one_slip};

    #[test]
    fn recognised_names_are_found_within_one_slip() {
        let known = |name: &str| name == "PATH_INFO" || name.starts_with("HTTP_");
        for slip in ["PTH_INFO", "PATH_INFOO", "PAHT_INFO", "PATH-INFO", "path_info", "PATH_INF"] {
            assert_eq!(one_slip(slip, known).as_deref(), Some("PATH_INFO"), "{slip}");
        }
        assert_eq!(one_slip("HTP_HOST", known).as_deref(), Some("HTTP_HOST"));
        assert_eq!(one_slip("", known), None);
        assert_eq!(one_slip("DEPLOY", known), None);
    }

    #[test]
    fn names_from_elsewhere_are_understood_where_ours_may_stand() {
        let wsgi = ["app", "path", "python", "timeout", "cwd", "queue"];
        for (theirs, ours) in
            [("harakiri", "timeout"), ("module", "app"), ("chdir", "cwd"), ("listen", "queue")]
        {
            assert_eq!(meant(theirs, &wsgi), Some(ours));
        }
        assert_eq!(meant("gzip", &["compress", "cors"]), Some("compress"));
        assert_eq!(meant("gzip", &["app"]), None);
        assert_eq!(meant("tmeout", &wsgi), Some("timeout"));
        assert!(ELSEWHERE.is_sorted(), "{ELSEWHERE:?}");
    }

    #[test]
    fn slips_are_understood() {
        assert_eq!(nearest("layrs", ["app", "layers", "listen"]), Some("layers"));
        assert_eq!(nearest("ruotes", ["routes"]), Some("routes"));
        assert_eq!(nearest("Mount", ["mount"]), Some("mount"));
    }

    #[test]
    fn another_word_is_not_a_slip() {
        assert_eq!(nearest("proxy", ["app", "mount", "path"]), None);
        assert_eq!(nearest("a", ["http"]), None);
        assert_eq!(nearest("303", ["301"]), None);
    }
}
