//! Workload `append`: transactions that read lists and append to them.
//!
//! A list that is read tells every append before it, in order: so the order of all writes is known
//! once each list has been read at the end, and every level of isolation can be decided.

use tribunal_checkers::Consistency;
use tribunal_checkers::txn::ListAppend;

use crate::isolation::Isolation;
use crate::registry::Entry;
use crate::transactions::{Mix, Objects};

static APPEND: Isolation = Isolation {
    name: "append",
    options: &[
        ("live-keys", "lists in use at one time: 1 to 1000 (default 5)"),
        (
            "appends-per-key",
            "appends tried on one list before a fresh one replaces it (default 64)",
        ),
        ("max-length", "longest transaction, in reads and appends: 1 to 64 (default 4)"),
        (
            "level",
            "what is judged: strict-serializable, serializable, snapshot-isolation, ... (default \
             strict-serializable)",
        ),
        ("final-attempts", "attempts of each final read on each node (default 20)"),
    ],
    writes: "appends-per-key",
    objects: Objects::Lists,
    mix: Mix::Steps,
    live: 5,
    times: 64,
    longest: 4,
    level: Consistency::StrictSerializable,
    levels: ListAppend::LEVELS,
    checker: |level| Box::new(ListAppend::new(level)),
};

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: APPEND.name,
    summary: "transactions that read lists and append to them",
    options: APPEND.options,
    build: |setting| APPEND.build(setting),
};
