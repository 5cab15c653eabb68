//! Workload `wr`: transactions that read registers and write them.
//!
//! A read tells whose write it saw and nothing of the others: the checker looks for an order of
//! versions that explains all of them.

use tribunal_checkers::Consistency;
use tribunal_checkers::weak::RwRegister;

use crate::isolation::Isolation;
use crate::registry::Entry;
use crate::transactions::{Mix, Objects};

static WR: Isolation = Isolation {
    name: "wr",
    options: &[
        ("live-keys", "registers in use at one time: 1 to 1000 (default 5)"),
        (
            "writes-per-key",
            "writes tried on one register before a fresh one replaces it (default 64)",
        ),
        ("max-length", "longest transaction, in reads and writes: 1 to 64 (default 4)"),
        (
            "level",
            "what is judged: strict-serializable, serializable, snapshot-isolation, ... (default \
             strict-serializable)",
        ),
        ("final-attempts", "attempts of each final read on each node (default 20)"),
    ],
    writes: "writes-per-key",
    objects: Objects::Registers,
    mix: Mix::Steps,
    live: 5,
    times: 64,
    longest: 4,
    level: Consistency::StrictSerializable,
    levels: RwRegister::LEVELS,
    checker: |level| Box::new(RwRegister::new(level)),
};

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: WR.name,
    summary: "transactions that read registers and write them",
    options: WR.options,
    build: |setting| WR.build(setting),
};
