//! Workload `long-fork`: transactions that write one register, and transactions that read several.
//!
//! Two that read may see two independent writes in different orders: a long fork, which parallel
//! snapshot isolation allows and snapshot isolation does not (Sovran et al., SOSP 2011).

use tribunal_checkers::Consistency;
use tribunal_checkers::weak::RwRegister;

use crate::isolation::Isolation;
use crate::registry::Entry;
use crate::transactions::{Mix, Objects};

static LONG_FORK: Isolation = Isolation {
    name: "long-fork",
    options: &[
        ("live-keys", "registers in use at one time: 1 to 1000 (default 3)"),
        (
            "writes-per-key",
            "writes tried on one register before a fresh one replaces it (default 64)",
        ),
        ("max-length", "registers that one transaction reads: 1 to 64 (default 3)"),
        (
            "level",
            "what is judged: snapshot-isolation, serializable, prefix, ... (default \
             snapshot-isolation)",
        ),
        ("final-attempts", "attempts of each final read on each node (default 20)"),
    ],
    writes: "writes-per-key",
    objects: Objects::Registers,
    mix: Mix::Forks,
    live: 3,
    times: 64,
    longest: 3,
    level: Consistency::SnapshotIsolation,
    levels: RwRegister::LEVELS,
    checker: |level| Box::new(RwRegister::new(level)),
};

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: LONG_FORK.name,
    summary: "transactions that write one register or read several",
    options: LONG_FORK.options,
    build: |setting| LONG_FORK.build(setting),
};
