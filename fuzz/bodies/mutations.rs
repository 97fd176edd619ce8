//! Bytes that were good, and are so no longer.

use super::dice::Dice;

impl Dice {
    pub(crate) fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).expect("it is below 256")
    }

    /// The same with a few bytes changed, left out, doubled or added; sometimes with none.
    pub(crate) fn mutated(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..self.roll(6) {
            let at = self.roll(bytes.len());
            match self.roll(4) {
                0 => bytes[at] = self.byte(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, self.byte()),
                _ => {
                    let end = at + self.roll(bytes.len() - at);
                    bytes.extend_from_within(at..end);
                }
            }
        }
        bytes
    }
}
