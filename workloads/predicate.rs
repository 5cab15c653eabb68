//! Workload `predicate`: transactions that read by a range of keys, and write into it.
//!
//! Who reads by a range and does not find a key comes before who added that key. Where that one
//! did not see what the first wrote either, both come before each other: a phantom (Adya 1999, 4.3:
//! G2). Ranges are short-lived, so that there always is something to add.

use tribunal_checkers::Consistency;
use tribunal_checkers::weak::RwRegister;

use crate::isolation::Isolation;
use crate::registry::Entry;
use crate::transactions::{Mix, Objects};

static PREDICATE: Isolation = Isolation {
    name: "predicate",
    options: &[
        ("live-keys", "ranges of eight registers in use at one time: 1 to 1000 (default 3)"),
        ("writes-per-key", "writes tried on one range before a fresh one replaces it (default 16)"),
        ("max-length", "longest transaction, in reads and writes: 1 to 64 (default 3)"),
        (
            "level",
            "what is judged: strict-serializable, repeatable-read, snapshot-isolation, ... (default \
             strict-serializable)",
        ),
        ("final-attempts", "attempts of each final read on each node (default 20)"),
    ],
    writes: "writes-per-key",
    objects: Objects::Ranges,
    mix: Mix::Steps,
    live: 3,
    times: 16,
    longest: 3,
    level: Consistency::StrictSerializable,
    levels: RwRegister::LEVELS,
    checker: |level| Box::new(RwRegister::new(level)),
};

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: PREDICATE.name,
    summary: "transactions that read whatever is in a range of keys, and write into it",
    options: PREDICATE.options,
    build: |setting| PREDICATE.build(setting),
};
