//! What applications give in answer after answer, and need not be read each time: the headers of the last answer, by their
//! places.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderName, HeaderValue};

/// How many headers of an answer a thread remembers.
const PLACES: usize = 16;

/// A text that is longer is not remembered.
const LONG: usize = 256;

/// What comes so often in turn comes for ever: it becomes a constant, of which nobody counts the copies (as `Bytes` else does, each
/// time with a locked instruction, when one is made and when one is dropped).
const OFTEN: u32 = 1_000;

/// How many bytes of such constants a process makes.
static CONSTANTS: AtomicUsize = AtomicUsize::new(16 << 10);

thread_local! {
    static LAST: RefCell<Vec<Field>> = const { RefCell::new(Vec::new()) };
    static LENGTH: Cell<Option<(u64, Repeated<HeaderValue>)>> = const { Cell::new(None) };
}

/// A header.
#[derive(Default)]
pub(crate) struct Field {
    pub(crate) name: Read<HeaderName>,
    pub(crate) value: Read<HeaderValue>,
}

/// A text, and what it was read as. That is kept only once the text has come twice: many a text never comes again.
pub(crate) struct Read<T> {
    text: String,
    known: Option<Repeated<T>>,
}

/// A value, and how often it came again.
struct Repeated<T> {
    value: T,
    times: u32,
}

/// What can be kept for answer after answer.
pub(crate) trait Keep: Clone {
    /// The same as a constant, where there is room for it.
    fn constant(&self) -> Option<Self> {
        None
    }
}

/// Nearly all names are standard ones, which are constants.
impl Keep for HeaderName {}

impl Keep for HeaderValue {
    fn constant(&self) -> Option<Self> {
        let text = self.to_str().ok()?;
        let left = |left: usize| left.checked_sub(text.len());
        CONSTANTS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).ok()?;
        Some(Self::from_static(Box::leak(text.into())))
    }
}

/// Does something with the header that was last at this place.
pub(crate) fn at_place<R>(place: usize, run: impl FnOnce(&mut Field) -> R) -> R {
    if place >= PLACES {
        return run(&mut Field::default());
    }
    LAST.with_borrow_mut(|last| {
        if last.len() <= place {
            last.resize_with(place + 1, Field::default);
        }
        run(&mut last[place])
    })
}

/// The value of a Content-Length.
pub(crate) fn length(length: u64) -> HeaderValue {
    let known = LENGTH.take().filter(|(known, _)| *known == length);
    let (_, mut last) = known.unwrap_or_else(|| (length, Repeated::new(length.into())));
    let value = last.again();
    LENGTH.set(Some((length, last)));
    value
}

impl<T: Keep> Repeated<T> {
    fn new(value: T) -> Self {
        Self { value, times: 0 }
    }

    fn again(&mut self) -> T {
        self.times = self.times.saturating_add(1);
        if self.times == OFTEN
            && let Some(constant) = self.value.constant()
        {
            self.value = constant;
        }
        self.value.clone()
    }
}

impl<T: Keep> Read<T> {
    /// What the text is, as `read` reads it.
    pub(crate) fn read<E>(&mut self, text: &str, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.text != text {
            self.known = None;
            self.text.clear();
            if text.len() <= LONG {
                self.text.push_str(text);
            }
            return read();
        }
        match &mut self.known {
            Some(known) => Ok(known.again()),
            None => read().inspect(|value| self.known = Some(Repeated::new(value.clone()))),
        }
    }
}

impl<T> Default for Read<T> {
    fn default() -> Self {
        Self { text: String::new(), known: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keep for String {}
    impl Keep for () {}

    #[test]
    fn a_text_is_read_until_it_has_come_twice_in_turn() {
        let long = "x".repeat(LONG + 1);
        let mut last = Read::default();
        for (text, is_read) in [
            ("a", true),
            ("a", true),
            ("a", false),
            ("b", true),
            ("a", true),
            (&long, true),
            (&long, true),
            ("", true),
        ] {
            let mut was_read = false;
            let read = last.read(text, || {
                was_read = true;
                Ok::<_, ()>(text.to_owned())
            });
            assert_eq!((read.unwrap().as_str(), was_read), (text, is_read));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_each_time() {
        let mut last = Read::<()>::default();
        for _ in 0..4 {
            assert_eq!(last.read("a", || Err("refused")), Err("refused"));
        }
    }

    #[test]
    fn what_comes_for_ever_becomes_a_constant_while_there_is_room() {
        let mut last = Read::default();
        let mut again = |text: &str| last.read(text, || HeaderValue::from_str(text)).unwrap();
        let room = || CONSTANTS.load(Ordering::Relaxed);
        let (before, value) = (room(), "x".repeat(LONG));
        for _ in 0..2 * OFTEN {
            assert_eq!(again(&value), value);
        }
        assert_eq!(room(), before - LONG);
        for number in 0..=before / LONG {
            let value = format!("{number:0LONG$}");
            for _ in 0..2 * OFTEN {
                assert_eq!(again(&value), value);
            }
        }
        assert!(room() < LONG);
    }

    #[test]
    fn each_length_is_its_own() {
        for number in [0, 13, 13, 14, u64::MAX] {
            assert_eq!(length(number), number.to_string());
        }
    }
}
