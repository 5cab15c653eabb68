//! Numbers from 0 for codes, in the order of their first appearance.

use rustc_hash::FxHashMap;

/// Codes below this have their number in an array: small integers are their own code.
const ARRAY: u32 = 1 << 24;

const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Dense {
    small: Vec<u32>,
    large: FxHashMap<u32, u32>,
    next: u32,
}

impl Dense {
    /// The number of a code, and whether it is new. Expected O(1).
    #[inline]
    pub(super) fn number(&mut self, code: u32) -> (u32, bool) {
        if let Some(number) = self.small.get(code as usize).filter(|number| **number != NONE) {
            return (*number, false);
        }
        if let Some(number) = self.large.get(&code) {
            return (*number, false);
        }
        let number = self.next;
        self.next += 1;
        // The array grows with what is there, or codes are too sparse for one.
        if code < ARRAY && u64::from(code) <= 4 * u64::from(number) + 1024 {
            if code as usize >= self.small.len() {
                self.small.resize((code as usize + 1).next_power_of_two(), NONE);
            }
            self.small[code as usize] = number;
        } else {
            self.large.insert(code, number);
        }
        (number, true)
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.next
    }
}
