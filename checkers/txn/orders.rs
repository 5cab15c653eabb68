//! The order of each key's versions, as far as it is known.

use super::table::{NOBODY, Status, Table};

/// Per key: the versions whose order is known, first to last, then those of which nothing is known
/// but that they come after all of these.
#[derive(Debug, Default)]
pub(super) struct Orders {
    start: Vec<u32>,
    versions: Vec<u32>,
    /// By place: the transaction that happened and wrote this version or the next later one.
    next: Vec<u32>,
    tail_start: Vec<u32>,
    tail: Vec<u32>,
    /// By version: its place from 1, or 0.
    place: Vec<u32>,
}

impl Orders {
    /// From the known order of every key, in key order.
    pub(super) fn new(table: &Table<'_>, known: &[Vec<u32>]) -> Orders {
        let mut orders = Orders { place: vec![0; table.versions.len()], ..Orders::default() };
        for key in known {
            orders.start.push(orders.versions.len() as u32);
            for (at, version) in key.iter().enumerate() {
                orders.place[*version as usize] = at as u32 + 1;
            }
            orders.versions.extend(key);
        }
        orders.start.push(orders.versions.len() as u32);
        orders.add_next(table);
        orders.add_tails(table);
        orders
    }

    fn add_next(&mut self, table: &Table<'_>) {
        self.next = vec![NOBODY; self.versions.len()];
        for key in 0..self.start.len() - 1 {
            let mut next = NOBODY;
            for at in (self.start[key]..self.start[key + 1]).rev() {
                next = table.writer(self.versions[at as usize]).unwrap_or(next);
                self.next[at as usize] = next;
            }
        }
    }

    /// The last write of each transaction that happened, where its place is not known.
    fn add_tails(&mut self, table: &Table<'_>) {
        let in_tail = |version: usize| {
            let row = table.versions[version];
            let happened = table.writer(version as u32).is_some();
            happened && row.last && self.place[version] == 0 && table.is_clear(row.key)
        };
        let mut counts = vec![0; self.start.len()];
        let late: Vec<u32> =
            (0..table.versions.len()).filter(|v| in_tail(*v)).map(|v| v as u32).collect();
        for version in &late {
            counts[table.versions[*version as usize].key as usize + 1] += 1;
        }
        for key in 1..counts.len() {
            counts[key] += counts[key - 1];
        }
        self.tail_start = counts.clone();
        self.tail = vec![0; late.len()];
        for version in late {
            let at = &mut counts[table.versions[version as usize].key as usize];
            self.tail[*at as usize] = version;
            *at += 1;
        }
    }

    /// The versions of a key whose order is known.
    #[inline]
    pub(super) fn known(&self, key: u32) -> &[u32] {
        let (from, to) = (self.start[key as usize], self.start[key as usize + 1]);
        &self.versions[from as usize..to as usize]
    }

    /// The versions of a key that come after all of these, in no known order.
    #[inline]
    pub(super) fn tail(&self, key: u32) -> &[u32] {
        let (from, to) = (self.tail_start[key as usize], self.tail_start[key as usize + 1]);
        &self.tail[from as usize..to as usize]
    }

    /// The place of a version from 1; 0 of the initial one, and where it is not known.
    #[inline]
    pub(super) fn place(&self, version: u32) -> u32 {
        self.place.get(version as usize).copied().unwrap_or(0)
    }

    /// Who wrote the first version after `place` that a transaction that happened wrote; `None`
    /// where the known order ends before.
    #[inline]
    pub(super) fn writer_after(&self, key: u32, place: u32) -> Option<u32> {
        let at = self.start[key as usize] + place;
        let inside = at < self.start[key as usize + 1];
        inside.then(|| self.next[at as usize]).filter(|writer| *writer != NOBODY)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        let words = self.start.capacity()
            + self.versions.capacity()
            + self.next.capacity()
            + self.tail_start.capacity()
            + self.tail.capacity()
            + self.place.capacity();
        4 * words as u64
    }
}

/// Whether a transaction takes part in orders.
pub(super) fn happened(table: &Table<'_>, t: u32) -> bool {
    matches!(table.txns[t as usize].status, Status::Committed | Status::Observed)
}
