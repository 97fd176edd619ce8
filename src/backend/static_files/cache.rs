//! Answers that are kept in memory: of small files, for each core.
//!
//! An answer is trusted for the time that `cache` says, counted from the request that looked at the file. After that, the
//! next request looks again (which path, which sibling, which state); the bytes are read again only if that is another.
//! So a change is seen up to that time late, and then as a whole: head and body are kept, and replaced, as one.
//!
//! * A file is kept when it is asked for a second time within that time: a crawler that takes each file once displaces
//!   nothing, and costs nothing but the mark that it leaves.
//! * A file that was changed in the last two seconds is not kept: it may change again without its times telling.
//! * What is not there is not kept. To hear so from the kernel is one call, names that do not exist are without number,
//!   and a new file is to be seen at once.
//! * An answer counts as its body, its path and a lump sum for its headers. Where all of them exceed [`MOST_BYTES`], those go
//!   that have waited longest, but for those that were asked for since: these wait once more.
//!
//! The roots of a process share a core's memory; a key names the root.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use vestibule_layers::{Body, Response};

use super::conditional::{STEP, Validators, Verdict};
use super::files::{bare, unchanged};
use super::negotiate::{Accepted, Coding};
use super::representation::Representation;
use crate::backend::beneath::State;

/// How much each core keeps.
const MOST_BYTES: usize = 4 << 20;

/// Larger files are read each time: that costs little beside sending them.
const LARGEST: u64 = 64 << 10;

/// What the headers of an answer, and its places in the lists, take at most.
const LUMP: usize = 2 << 10;

/// How many of the last requests are remembered, to tell the second from the first.
const MARKS: usize = 1 << 10;

/// The time of a request: by the clock that never jumps, and by the one that files are dated by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) date: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { instant: Instant::now(), date: SystemTime::now() }
    }
}

/// All that decides which file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key<'a> {
    pub(super) root: usize,
    pub(super) accepted: Accepted,
    /// `PATH_INFO`
    pub(super) path: &'a [u8],
}

/// An answer that is kept.
pub(super) struct Kept {
    headers: HeaderMap,
    unchanged: HeaderMap,
    validators: Validators,
    body: Bytes,
}

impl Kept {
    /// Keeps a whole answer, with the headers of its 304; `None` where its body is not in memory.
    pub(super) fn new(answer: &Response, unchanged: HeaderMap, validators: Validators) -> Option<Self> {
        let body = match answer.body() {
            Body::Empty => Bytes::new(),
            // A copy, as the bytes may lie in a buffer that is larger and that others wait for.
            Body::Bytes(bytes) => Bytes::copy_from_slice(bytes),
            Body::Boxed(_) => return None,
        };
        Some(Self { headers: answer.headers().clone(), unchanged, validators, body })
    }

    /// Answers a GET or HEAD with these headers.
    pub(super) fn answer(&self, headers: &HeaderMap, with_body: bool) -> Response {
        match self.validators.judge(headers) {
            Verdict::NotModified => return unchanged(self.unchanged.clone()),
            Verdict::Failed => return bare(StatusCode::PRECONDITION_FAILED),
            Verdict::Proceed => {}
        }
        let mut answer = bare(StatusCode::OK);
        *answer.headers_mut() = self.headers.clone();
        if with_body {
            *answer.body_mut() = self.body.clone().into();
        }
        answer
    }
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::new(Cache::new(MOST_BYTES));
}

/// The answer, if it was checked within the time of trust.
pub(super) fn trusted(key: Key<'_>, now: Instant, trust: Duration) -> Option<Arc<Kept>> {
    CACHE.with_borrow_mut(|cache| cache.trusted(key, now, trust))
}

/// The answer, if it is of what was just opened; it is trusted again.
pub(super) fn renewed(key: Key<'_>, chosen: &Representation, now: Moment) -> Option<Arc<Kept>> {
    let source = (chosen.file.state, chosen.coding);
    CACHE.with_borrow_mut(|cache| cache.renewed(key, source, now.instant))
}

/// Whether the answer that was just made of a file is to be kept: one call to the kernel tells that the body was not
/// changed while it was read.
pub(super) fn is_worth_keeping(key: Key<'_>, chosen: &Representation, now: Moment, trust: Duration) -> bool {
    let State { size, modified, changed, .. } = chosen.file.state;
    let is_settled = |time| now.date.duration_since(time).is_ok_and(|age| age >= STEP);
    size <= LARGEST
        && is_settled(modified)
        && is_settled(changed)
        && CACHE.with_borrow_mut(|cache| cache.is_asked_again(key, now.instant, trust))
        && !chosen.file.has_changed()
}

/// Keeps the answer that was made of a file.
pub(super) fn keep(key: Key<'_>, chosen: &Representation, now: Moment, kept: Kept) {
    let source = (chosen.file.state, chosen.coding);
    CACHE.with_borrow_mut(|cache| cache.keep(key, source, now.instant, kept));
}

/// What an answer was made of.
type Source = (State, Option<Coding>);

struct Cache {
    hasher: RandomState,
    entries: HashMap<u64, Entry>,
    /// The keys of all entries, the one to go next first.
    queue: VecDeque<u64>,
    bytes: usize,
    most_bytes: usize,
    /// Which file was last asked for, and when, by the low bits of its hash.
    marks: Vec<Option<(u64, Instant)>>,
}

struct Entry {
    root: usize,
    accepted: Accepted,
    path: Box<[u8]>,
    source: Source,
    checked: Instant,
    was_used: bool,
    kept: Arc<Kept>,
}

impl Entry {
    fn is_of(&self, key: Key<'_>) -> bool {
        Key { root: self.root, accepted: self.accepted, path: &self.path } == key
    }

    fn size(&self) -> usize {
        self.kept.body.len() + self.path.len() + LUMP
    }
}

impl Cache {
    fn new(most_bytes: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            entries: HashMap::new(),
            queue: VecDeque::new(),
            bytes: 0,
            most_bytes,
            marks: Vec::new(),
        }
    }

    fn trusted(&mut self, key: Key<'_>, now: Instant, trust: Duration) -> Option<Arc<Kept>> {
        let entry = self.entry(key).filter(|entry| now.saturating_duration_since(entry.checked) < trust)?;
        entry.was_used = true;
        Some(Arc::clone(&entry.kept))
    }

    fn renewed(&mut self, key: Key<'_>, source: Source, now: Instant) -> Option<Arc<Kept>> {
        let entry = self.entry(key).filter(|entry| entry.source == source)?;
        entry.was_used = true;
        entry.checked = now;
        Some(Arc::clone(&entry.kept))
    }

    fn entry(&mut self, key: Key<'_>) -> Option<&mut Entry> {
        let hash = self.hasher.hash_one(key);
        self.entries.get_mut(&hash).filter(|entry| entry.is_of(key))
    }

    /// Whether the file is asked for a second time within the time of trust.
    fn is_asked_again(&mut self, key: Key<'_>, now: Instant, trust: Duration) -> bool {
        let hash = self.hasher.hash_one(key);
        self.marks.resize(MARKS, None);
        let low = usize::try_from(hash % MARKS as u64).expect("the rest is smaller than a usize");
        let last = self.marks[low].replace((hash, now));
        last.is_some_and(|(known, at)| known == hash && now.saturating_duration_since(at) < trust)
    }

    fn keep(&mut self, key: Key<'_>, source: Source, now: Instant, kept: Kept) {
        let Key { root, accepted, path } = key;
        let kept = Arc::new(kept);
        let entry = Entry { root, accepted, path: path.into(), source, checked: now, was_used: false, kept };
        self.bytes += entry.size();
        let hash = self.hasher.hash_one(key);
        match self.entries.insert(hash, entry) {
            Some(old) => self.bytes -= old.size(),
            None => self.queue.push_back(hash),
        }
        while self.bytes > self.most_bytes {
            self.evict();
        }
    }

    /// Lets one answer go; one that was used since its turn came last has another turn.
    fn evict(&mut self) {
        while let Some(hash) = self.queue.pop_front() {
            let entry = self.entries.get_mut(&hash).expect("the queue holds the keys of the entries");
            if std::mem::take(&mut entry.was_used) {
                self.queue.push_back(hash);
                continue;
            }
            self.bytes -= entry.size();
            self.entries.remove(&hash);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::beneath::{Entry as Found, Root};

    /// The source and the answer of a file of this length.
    fn file(length: usize) -> (Source, impl Fn() -> Kept) {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("a"), vec![0; length]).unwrap();
        let found = Root::open(folder.path()).map(|root| async move { root.find(b"a").await }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Ok(Found::File(file)) = runtime.block_on(found) else { panic!("the file is there") };
        let state = file.state;
        let kept = move || {
            let answer = Response::new(Bytes::from(vec![0; length]).into());
            let validators = Validators::of(&state, None, SystemTime::now());
            Kept::new(&answer, HeaderMap::new(), validators).unwrap()
        };
        ((state, None), kept)
    }

    fn key(path: &[u8]) -> Key<'_> {
        Key { root: 0, accepted: Accepted::default(), path }
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_what_is_used_stays() {
        let (source, kept) = file(10_000);
        let (now, trust) = (Instant::now(), Duration::from_secs(1));
        let mut cache = Cache::new(100_000);
        for number in 0..1000 {
            cache.keep(key(format!("/{number}").as_bytes()), source, now, kept());
            assert!(cache.trusted(key(b"/0"), now, trust).is_some(), "{number}");
            let bytes: usize = cache.entries.values().map(Entry::size).sum();
            assert!(bytes <= 100_000 && bytes == cache.bytes, "{bytes}, {}", cache.bytes);
            assert_eq!(cache.queue.len(), cache.entries.len());
        }
        assert_eq!(cache.entries.len(), 8);
        assert!(cache.trusted(key(b"/999"), now, trust).is_some());
        assert!(cache.trusted(key(b"/500"), now, trust).is_none());
    }

    #[test]
    fn a_file_without_a_byte_counts_too() {
        let (source, kept) = file(0);
        let mut cache = Cache::new(10 * LUMP);
        for number in 0..1000_u32 {
            cache.keep(key(&number.to_be_bytes()), source, Instant::now(), kept());
        }
        assert!(cache.entries.len() < 10);
    }

    #[test]
    fn an_answer_that_replaces_another_is_counted_once() {
        let (source, kept) = file(10_000);
        let mut cache = Cache::new(100_000);
        for _ in 0..1000 {
            cache.keep(key(b"/"), source, Instant::now(), kept());
        }
        assert_eq!((cache.entries.len(), cache.queue.len(), cache.bytes), (1, 1, 10_000 + 1 + LUMP));
    }
}
