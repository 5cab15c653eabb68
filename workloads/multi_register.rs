//! Workload `multi-register`: transactions that read several registers, or write several.
//!
//! Strict serializability of transactions is linearizability of the map of all registers (Herlihy &
//! Wing 1990): `check RUN -m multi-register` judges a run by that engine, which knows nothing of
//! this one.

use tribunal_checkers::Consistency;
use tribunal_checkers::weak::RwRegister;

use crate::isolation::Isolation;
use crate::registry::Entry;
use crate::transactions::{Mix, Objects};

static MULTI_REGISTER: Isolation = Isolation {
    name: "multi-register",
    options: &[
        ("live-keys", "registers in use at one time: 1 to 1000 (default 3)"),
        (
            "writes-per-key",
            "writes tried on one register before a fresh one replaces it (default 64)",
        ),
        ("max-length", "longest transaction, in reads or writes: 1 to 64 (default 3)"),
        (
            "level",
            "what is judged: strict-serializable, serializable, snapshot-isolation, ... (default \
             strict-serializable)",
        ),
        ("final-attempts", "attempts of each final read on each node (default 20)"),
    ],
    writes: "writes-per-key",
    objects: Objects::Registers,
    mix: Mix::Whole,
    live: 3,
    times: 64,
    longest: 3,
    level: Consistency::StrictSerializable,
    levels: RwRegister::LEVELS,
    checker: |level| Box::new(RwRegister::new(level)),
};

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: MULTI_REGISTER.name,
    summary: "transactions that read several registers or write several",
    options: MULTI_REGISTER.options,
    build: |setting| MULTI_REGISTER.build(setting),
};
