//! Workload `session`: reads and writes of single registers by clients that roam between nodes.
//!
//! What is promised to a session (Terry et al. 1994) holds wherever its next request goes. A store
//! whose nodes are each a little behind keeps all of it for clients that stay where they are, so
//! these clients do not: after a few operations the next ones are asked of another node. A process
//! is one session; an operation of unknown outcome ends it, for such a write may yet take effect
//! behind whatever its process does next.

use std::sync::Arc;

use tribunal_checkers::stats::Stats;
use tribunal_checkers::vacuity::Vacuity;
use tribunal_checkers::weak::RwRegister;
use tribunal_checkers::{Checker, Consistency};
use tribunal_harness::generator::{Gen, map, roam, stagger};
use tribunal_harness::target::Vocabulary;
use tribunal_history::{Family, Mop, Nanos, Op, RegisterOp};

use crate::keys::{Remember, Seen};
use crate::register::final_reads;
use crate::registry::Entry;
use crate::transactions::{Mix, Objects, Shape, Transactions};
use crate::workload::{Setting, Workload, WorkloadError};

const NAME: &str = "session";

const OPTIONS: &[(&str, &str)] = &[
    ("stay", "operations a client asks of a node before it goes to another one (default 2)"),
    ("live-keys", "registers in use at one time: 1 to 1000 (default 5)"),
    ("writes-per-key", "writes tried on one register before a fresh one replaces it (default 64)"),
    (
        "judge",
        "promises that are judged, with commas (default read-your-writes, monotonic-reads, \
         monotonic-writes, writes-follow-reads, causal; there is pram, too)",
    ),
    ("final-attempts", "attempts of each final read on each node (default 20)"),
];

/// Most objects in use at one time.
const LIVE: u64 = 1000;

/// What is judged where nobody says: each guarantee by itself, and causality, which is all of them
/// together.
const PROMISES: [Consistency; 5] = [
    Consistency::ReadYourWrites,
    Consistency::MonotonicReads,
    Consistency::MonotonicWrites,
    Consistency::WritesFollowReads,
    Consistency::Causal,
];

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: NAME,
    summary: "reads and writes of registers by clients that go from node to node",
    options: OPTIONS,
    build,
};

fn build(setting: &Setting) -> Result<Workload, WorkloadError> {
    setting.only(NAME, OPTIONS)?;
    let stay = setting.positive(NAME, "stay", 2)?;
    let shape = Shape {
        objects: Objects::Registers,
        mix: Mix::Steps,
        live: setting.positive(NAME, "live-keys", 5)?,
        writes: setting.positive(NAME, "writes-per-key", 64)?,
        longest: 1,
    };
    if shape.live > LIVE {
        return Err(bad(setting, "live-keys", "write a whole number from 1 to 1000"));
    }
    let attempts = setting.positive(NAME, "final-attempts", 20)?;
    let promises = promises(setting)?;
    let mut generator: Gen = map(single, Box::new(Transactions::new(shape)));
    if let Some(rate) = setting.rate {
        generator = stagger(Nanos((1e9 / rate) as u64), generator);
    }
    let seen = Seen::default();
    let touched = Arc::clone(&seen);
    let nodes = setting.nodes.min(setting.concurrency) as u32;
    let judges = promises.into_iter().map(|it| Box::new(RwRegister::new(it)) as Box<dyn Checker>);
    let others: [Box<dyn Checker>; 2] = [Box::new(Stats::default()), Box::new(Vacuity)];
    Ok(Workload {
        name: NAME,
        needs: Vocabulary { families: &[Family::Register] },
        generator: Box::new(Remember::new(roam(stay, generator), seen)),
        final_generator: Box::new(move || final_reads(&touched, nodes, attempts)),
        checkers: judges.chain(others).collect(),
    })
}

/// A transaction of one step as the operation that it is.
fn single(op: Op) -> Op {
    let Op::Txn(txn) = &op else { return op };
    match txn.mops.as_slice() {
        [Mop::Read { key, value }] => {
            Op::Register(RegisterOp::Read { key: key.clone(), value: value.clone() })
        }
        [Mop::Write { key, value }] => {
            Op::Register(RegisterOp::Write { key: key.clone(), value: value.clone() })
        }
        _ => op,
    }
}

fn promises(setting: &Setting) -> Result<Vec<Consistency>, WorkloadError> {
    let Some(names) = setting.options.get("judge") else { return Ok(PROMISES.to_vec()) };
    let mut promises = Vec::new();
    for name in names.split(',').map(str::trim) {
        let known = PROMISES.into_iter().chain([Consistency::Pram]).find(|it| it.name() == name);
        match known {
            Some(promise) if !promises.contains(&promise) => promises.push(promise),
            Some(_) | None => {
                let problem = "write each once of read-your-writes, monotonic-reads, \
                               monotonic-writes, writes-follow-reads, pram, causal";
                return Err(bad(setting, "judge", problem));
            }
        }
    }
    Ok(promises)
}

fn bad(setting: &Setting, option: &'static str, problem: &'static str) -> WorkloadError {
    let value = setting.options.get(option).cloned().unwrap_or_default();
    WorkloadError::BadOption { workload: NAME, option, value, problem }
}
