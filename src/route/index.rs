//! Which routes of a level can match at all, by host and by literal prefix.
//!
//! A level may hold thousands of routes, of which the first in the file that matches wins. Each is filed under its exact
//! hosts (or none) and its literal prefix. What a request may match are then two short lists in file order, merged:
//! those of its host and those of any host. So 10,000 routes with a literal prefix or an exact host cost what ten do; a
//! route with neither is a candidate everywhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use matchit::Router;

/// The numbers of a level's routes by host and by prefix.
#[derive(Debug, Default)]
pub(super) struct Index {
    hosts: HashMap<Box<str>, Prefixes>,
    any_host: Prefixes,
}

/// Where a route is filed.
pub(super) struct Place<'a> {
    /// The only hosts that it can match, in lower case; `None` for any.
    pub(super) hosts: Option<Vec<&'a str>>,
    /// Its literal prefix, at a segment boundary: `/shop`, or "" for none.
    pub(super) prefix: String,
}

impl Index {
    /// Files the routes of a level, in file order.
    pub(super) fn new<'a>(places: impl Iterator<Item = Place<'a>>) -> Self {
        let mut any_host: Vec<(u32, String)> = Vec::new();
        let mut by_host: HashMap<Box<str>, Vec<(u32, String)>> = HashMap::new();
        for (number, place) in (0..).zip(places) {
            match place.hosts {
                None => any_host.push((number, place.prefix)),
                Some(hosts) => {
                    for host in hosts.into_iter().collect::<BTreeSet<_>>() {
                        by_host.entry(host.into()).or_default().push((number, place.prefix.clone()));
                    }
                }
            }
        }
        let hosts = by_host.into_iter().map(|(host, routes)| (host, Prefixes::new(&routes))).collect();
        Self { hosts, any_host: Prefixes::new(&any_host) }
    }

    /// Whether the host matters at all.
    pub(super) fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// The numbers of the routes that may match a host (in lower case) and a path, in file order.
    pub(super) fn candidates<'a>(&'a self, host: &str, path: &[u8]) -> impl Iterator<Item = u32> + 'a {
        let path = searchable(path);
        let of_host = self.hosts.get(host).map_or(&[][..], |prefixes| prefixes.candidates(path));
        merge(of_host, self.any_host.candidates(path))
    }
}

/// The part of a path that can be looked up: literal prefixes are UTF-8, so whatever follows other bytes does not count.
fn searchable(path: &[u8]) -> &str {
    std::str::from_utf8(path).unwrap_or_else(|error| {
        let valid = &path[..error.valid_up_to()];
        let end = valid.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        std::str::from_utf8(&valid[..end]).unwrap_or_default()
    })
}

fn merge<'a>(left: &'a [u32], right: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(a), Some(b)) if b < a => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}

/// Routes by their literal prefix. matchit finds the longest prefix that stands in the table; its list holds the routes
/// of that prefix and of all shorter ones.
#[derive(Debug, Default)]
struct Prefixes {
    tree: Router<usize>,
    lists: Vec<Box<[u32]>>,
    /// The routes without a prefix.
    everywhere: Box<[u32]>,
}

impl Prefixes {
    fn new(routes: &[(u32, String)]) -> Self {
        let mut own: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (number, prefix) in routes {
            own.entry(prefix).or_default().push(*number);
        }
        let everywhere = own.remove("").unwrap_or_default();
        let mut prefixes = Self { everywhere: everywhere.clone().into(), ..Self::default() };
        for prefix in own.keys() {
            let shorter = prefix.match_indices('/').skip(1).filter_map(|(end, _)| own.get(&prefix[..end]));
            let mut list: Vec<u32> = shorter.chain([&everywhere, &own[prefix]]).flatten().copied().collect();
            list.sort_unstable();
            let number = prefixes.lists.len();
            prefixes.lists.push(list.into());
            let literal = prefix.replace('{', "{{").replace('}', "}}");
            for form in [literal.clone(), format!("{literal}/"), format!("{literal}/{{*rest}}")] {
                prefixes.tree.insert(form, number).expect("prefixes are distinct and their braces doubled");
            }
        }
        prefixes
    }

    fn candidates(&self, path: &str) -> &[u32] {
        // What an empty tree compares is nothing, which takes `memcmp` a long time where it reads under masks (AVX-512).
        if self.lists.is_empty() {
            return &self.everywhere;
        }
        self.tree.at(path).map_or(&self.everywhere, |found| &self.lists[*found.value])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(routes: &[(Option<&'static str>, &str)]) -> Index {
        let place = |(host, prefix): &(Option<&'static str>, &str)| Place {
            hosts: host.map(|host| vec![host]),
            prefix: (*prefix).to_owned(),
        };
        Index::new(routes.iter().map(place))
    }

    fn candidates(index: &Index, host: &str, path: &[u8]) -> Vec<u32> {
        index.candidates(host, path).collect()
    }

    #[test]
    fn candidates_are_those_of_a_prefix_and_of_all_shorter_ones_in_file_order() {
        let index =
            index(&[(None, "/a/b"), (None, "/a"), (None, ""), (None, "/c"), (None, "/a/b"), (None, "/{x}")]);
        assert_eq!(candidates(&index, "", b"/a/b/c"), [0, 1, 2, 4]);
        assert_eq!(candidates(&index, "", b"/a/b"), [0, 1, 2, 4]);
        assert_eq!(candidates(&index, "", b"/a/bc"), [1, 2]);
        assert_eq!(candidates(&index, "", b"/a/"), [1, 2]);
        assert_eq!(candidates(&index, "", b"/x"), [2]);
        assert_eq!(candidates(&index, "", b"/{x}/y"), [2, 5]);
        assert_eq!(candidates(&index, "", b""), [2]);
    }

    #[test]
    fn hosts_are_merged_with_what_holds_for_any_host() {
        let index = index(&[(Some("a"), ""), (None, "/p"), (Some("b"), "/p"), (Some("a"), "/p"), (None, "")]);
        assert_eq!(candidates(&index, "a", b"/p"), [0, 1, 3, 4]);
        assert_eq!(candidates(&index, "b", b"/q"), [4]);
        assert_eq!(candidates(&index, "c", b"/p/x"), [1, 4]);
    }

    #[test]
    fn bytes_that_are_no_text_end_what_is_looked_up() {
        let index = index(&[(None, "/a"), (None, "/a/b"), (None, "")]);
        assert_eq!(candidates(&index, "", b"/a/\xff/b"), [0, 2]);
        assert_eq!(candidates(&index, "", b"/a\xff"), [2]);
        assert_eq!(candidates(&index, "", b"/a/b\xff"), [0, 2]);
    }
}
