//! Workload `causal`: single reads and writes of registers, judged by what each client may know.
//!
//! What a client read or wrote comes before what it does next, for everybody (Ahamad et al. 1995;
//! the convergent form of Bouajjani et al., POPL 2017). No order between clients is asked for.

use tribunal_checkers::Consistency;
use tribunal_checkers::weak::RwRegister;

use crate::isolation::Isolation;
use crate::registry::Entry;
use crate::transactions::{Mix, Objects};

static CAUSAL: Isolation = Isolation {
    name: "causal",
    options: &[
        ("live-keys", "registers in use at one time: 1 to 1000 (default 5)"),
        (
            "writes-per-key",
            "writes tried on one register before a fresh one replaces it (default 64)",
        ),
        ("max-length", "longest transaction, in reads and writes: 1 to 64 (default 1)"),
        (
            "level",
            "what is judged: causal, pram, read-your-writes, monotonic-reads, ... (default causal)",
        ),
        ("final-attempts", "attempts of each final read on each node (default 20)"),
    ],
    writes: "writes-per-key",
    objects: Objects::Registers,
    mix: Mix::Steps,
    live: 5,
    times: 64,
    longest: 1,
    level: Consistency::Causal,
    levels: RwRegister::LEVELS,
    checker: |level| Box::new(RwRegister::new(level)),
};

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: CAUSAL.name,
    summary: "single reads and writes of registers, in the order of what clients may know",
    options: CAUSAL.options,
    build: |setting| CAUSAL.build(setting),
};
