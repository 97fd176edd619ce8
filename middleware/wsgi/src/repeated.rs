//! What applications give in answer after answer, and need not be read each time: the headers of the last answer, by their
//! places.

use std::cell::{Cell, RefCell};

use http::{HeaderName, HeaderValue};

/// How many headers of an answer a thread remembers.
const PLACES: usize = 16;

/// A text that is longer is not remembered.
const LONG: usize = 256;

thread_local! {
    static LAST: RefCell<Vec<Field>> = const { RefCell::new(Vec::new()) };
    static LENGTH: Cell<Option<(u64, HeaderValue)>> = const { Cell::new(None) };
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
    known: Option<T>,
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
    let value = match LENGTH.take() {
        Some((known, value)) if known == length => value,
        _ => length.into(),
    };
    LENGTH.set(Some((length, value.clone())));
    value
}

impl<T: Clone> Read<T> {
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
        match &self.known {
            Some(known) => Ok(known.clone()),
            None => read().inspect(|value| self.known = Some(value.clone())),
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
    fn each_length_is_its_own() {
        for number in [0, 13, 13, 14, u64::MAX] {
            assert_eq!(length(number), number.to_string());
        }
    }
}
