//! Workload `append`: transactions that read lists and append to them.
//!
//! A list that is read tells every append before it, in order: so the order of all writes is known
//! once each list has been read at the end, and every level of isolation can be decided.

use std::sync::Arc;

use tribunal_checkers::stats::Stats;
use tribunal_checkers::txn::ListAppend;
use tribunal_checkers::vacuity::Vacuity;
use tribunal_checkers::{Checker, Consistency};
use tribunal_harness::generator::{Gen, stagger};
use tribunal_harness::target::Vocabulary;
use tribunal_history::{Family, Nanos};

use crate::keys::{Remember, Seen};
use crate::registry::Entry;
use crate::transactions::{Objects, Shape, Transactions, final_reads};
use crate::workload::{Setting, Workload, WorkloadError};

const NAME: &str = "append";

const OPTIONS: &[(&str, &str)] = &[
    ("live-keys", "lists in use at one time: 1 to 1000 (default 5)"),
    ("appends-per-key", "appends tried on one list before a fresh one replaces it (default 64)"),
    ("max-length", "longest transaction, in reads and appends: 1 to 64 (default 4)"),
    (
        "level",
        "what is judged: strict-serializable, serializable, snapshot-isolation, ... (default \
         strict-serializable)",
    ),
    ("final-attempts", "attempts of each final read on each node (default 20)"),
];

/// Most lists in use at one time.
const LIVE: u64 = 1000;

/// Longest transaction that targets take.
const LONGEST: u64 = 64;

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: NAME,
    summary: "transactions that read lists and append to them",
    options: OPTIONS,
    build,
};

fn build(setting: &Setting) -> Result<Workload, WorkloadError> {
    setting.only(NAME, OPTIONS)?;
    let shape = Shape {
        objects: Objects::Lists,
        live: setting.positive(NAME, "live-keys", 5)?,
        writes: setting.positive(NAME, "appends-per-key", 64)?,
        longest: setting.positive(NAME, "max-length", 4)?,
    };
    if shape.live > LIVE {
        return Err(bad(setting, "live-keys", "write a whole number from 1 to 1000"));
    }
    if shape.longest > LONGEST {
        return Err(bad(setting, "max-length", "write a whole number from 1 to 64"));
    }
    let attempts = setting.positive(NAME, "final-attempts", 20)?;
    let level = level(setting)?;
    let mut generator: Gen = Box::new(Transactions::new(shape));
    if let Some(rate) = setting.rate {
        generator = stagger(Nanos((1e9 / rate) as u64), generator);
    }
    let seen = Seen::default();
    let touched = Arc::clone(&seen);
    let nodes = setting.nodes.min(setting.concurrency) as u32;
    Ok(Workload {
        name: NAME,
        needs: Vocabulary { families: &[Family::Txn] },
        generator: Box::new(Remember::new(generator, seen)),
        final_generator: Box::new(move || final_reads(shape.objects, &touched, nodes, attempts)),
        checkers: checkers(level),
        model: "list-append",
    })
}

fn bad(setting: &Setting, option: &'static str, problem: &'static str) -> WorkloadError {
    let value = setting.options.get(option).cloned().unwrap_or_default();
    WorkloadError::BadOption { workload: NAME, option, value, problem }
}

fn level(setting: &Setting) -> Result<Consistency, WorkloadError> {
    let Some(name) = setting.options.get("level") else {
        return Ok(Consistency::StrictSerializable);
    };
    let level = Consistency::named(name).filter(|level| ListAppend::LEVELS.contains(level));
    level.ok_or_else(|| {
        let problem = "write strict-serializable, serializable, snapshot-isolation, \
                       repeatable-read, read-committed, or another level of list-append";
        bad(setting, "level", problem)
    })
}

fn checkers(level: Consistency) -> Vec<Box<dyn Checker>> {
    vec![Box::new(ListAppend::new(level)), Box::new(Stats::default()), Box::new(Vacuity)]
}
