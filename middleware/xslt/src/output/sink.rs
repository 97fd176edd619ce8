//! Where a result goes.

/// The buffer that becomes the answer.
pub(super) struct Sink {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl Sink {
    /// `expected` is a guess at the size.
    pub(super) fn new(expected: usize, limit: usize) -> Self {
        Self { bytes: Vec::with_capacity(expected.min(limit)), limit, is_over: false }
    }

    /// Takes all of it, or nothing any more.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.is_over |= self.bytes.len() + bytes.len() > self.limit;
        if !self.is_over {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// True once it was given more than it may take.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Forgets what it has taken.
    pub(super) fn begin_anew(&mut self) {
        self.bytes.clear();
        self.is_over = false;
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
