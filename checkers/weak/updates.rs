//! Reads that are not repeatable, and updates that were lost: seen while reads are resolved.

use super::problems::What;
use super::table::INITIAL;

const NONE: u32 = u32::MAX;

/// What was seen of each key, and who updated each version.
pub(super) struct Updates {
    /// By key: the last transaction that writes it.
    writes: Vec<u32>,
    /// By key: the last transaction that read it, and of whom at first.
    first: Vec<(u32, u32)>,
    /// By step that wrote a version, and by key for the initial one: the first that read it and
    /// wrote the key.
    updated: Vec<u32>,
    updated_initial: Vec<u32>,
}

impl Updates {
    pub(super) fn new(keys: usize, steps: usize) -> Updates {
        Updates {
            writes: vec![NONE; keys],
            first: vec![(NONE, NONE); keys],
            updated: vec![NONE; steps],
            updated_initial: vec![NONE; keys],
        }
    }

    /// `v` writes `key`; told before its reads.
    pub(super) fn writes(&mut self, v: u32, key: u32) {
        self.writes[key as usize] = v;
    }

    /// `v` read `key` before it wrote it, from `source`, whose step `version` wrote it. What that
    /// contradicts, and of whom.
    pub(super) fn read(
        &mut self,
        v: u32,
        key: u32,
        source: u32,
        version: u32,
    ) -> Option<(What, u32)> {
        let first = &mut self.first[key as usize];
        if first.0 == v {
            return (first.1 != source).then_some((What::NonRepeatable, first.1));
        }
        *first = (v, source);
        if self.writes[key as usize] != v {
            return None;
        }
        let updated = match version {
            INITIAL => &mut self.updated_initial[key as usize],
            version => &mut self.updated[version as usize],
        };
        if *updated == NONE {
            *updated = v;
            return None;
        }
        Some((What::LostUpdate, *updated))
    }
}
