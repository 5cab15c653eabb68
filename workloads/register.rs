//! Workload `register`: reads, writes and compare-and-sets on many independent registers.
//!
//! A group of clients, one per node where there are enough, works on one key until its share of
//! operations is used up, then takes a fresh one: histories per key stay short, and every key sees
//! every node. Every other key gets values written once only (a read names its write), the others
//! few contended values (compare-and-sets succeed often, states recur).

use std::sync::Arc;

use tribunal_checkers::Checker;
use tribunal_checkers::linearizable::{CasRegister, Dialect, Linearizable};
use tribunal_checkers::stats::Stats;
use tribunal_checkers::vacuity::Vacuity;
use tribunal_harness::generator::{
    Context, Gen, Generator, Keys, Next, Observation, concat, each_slot, independent_concurrent,
    limit, on_slots, sequence, stagger, until_ok,
};
use tribunal_harness::seed::Stream;
use tribunal_harness::target::Vocabulary;
use tribunal_history::{Family, Kind, Nanos, Observed, Op, RegisterOp, Value};

use crate::keys::{Remember, Seen};
use crate::registry::Entry;
use crate::workload::{Setting, Workload, WorkloadError};

const NAME: &str = "register";

const OPTIONS: &[(&str, &str)] = &[
    ("ops-per-key", "operations on one key before its group takes a fresh one (default 300)"),
    ("group", "clients that share a key (default: one per node)"),
    ("values", "unique, contended, or mixed: every other key (default mixed)"),
    ("final-attempts", "attempts of each final read on each node (default 20)"),
];

/// Contended values are drawn from `0..CONTENDED`.
const CONTENDED: u64 = 5;

/// Registry line.
pub(crate) const ENTRY: Entry =
    Entry { name: NAME, summary: "read, write and cas on many registers", options: OPTIONS, build };

/// Which values are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Values {
    Unique,
    Contended,
}

fn build(setting: &Setting) -> Result<Workload, WorkloadError> {
    setting.only(NAME, OPTIONS)?;
    let ops_per_key = setting.positive(NAME, "ops-per-key", 300)?;
    let default = setting.nodes.min(setting.concurrency) as u64;
    let group = setting.positive(NAME, "group", default)?.min(setting.concurrency as u64);
    let attempts = setting.positive(NAME, "final-attempts", 20)?;
    let values = values(setting)?;
    let per_key = move |key: &Value| -> Gen {
        limit(ops_per_key, Box::new(KeyOps::new(key.clone(), values(key))))
    };
    let mut generator = independent_concurrent(group as u32, Keys::unbounded(), per_key);
    if let Some(rate) = setting.rate {
        generator = stagger(Nanos((1e9 / rate) as u64), generator);
    }
    let seen = Seen::default();
    let touched = Arc::clone(&seen);
    let nodes = setting.nodes.min(setting.concurrency) as u32;
    Ok(Workload {
        name: NAME,
        needs: Vocabulary { families: &[Family::Register] },
        generator: Box::new(Remember::new(generator, seen)),
        final_generator: Box::new(move || final_reads(&touched, nodes, attempts)),
        checkers: checkers(),
    })
}

fn values(setting: &Setting) -> Result<fn(&Value) -> Values, WorkloadError> {
    match setting.options.get("values").map(String::as_str) {
        Some("unique") => Ok(|_| Values::Unique),
        Some("contended") => Ok(|_| Values::Contended),
        None | Some("mixed") => Ok(|key| match key {
            Value::Int(key) if key % 2 == 1 => Values::Contended,
            _ => Values::Unique,
        }),
        Some(other) => Err(WorkloadError::BadOption {
            workload: NAME,
            option: "values",
            value: other.into(),
            problem: "write unique, contended or mixed",
        }),
    }
}

fn checkers() -> Vec<Box<dyn Checker>> {
    let linearizable = Linearizable::new(CasRegister { initial: Value::Nil }, Dialect::TRIBUNAL);
    vec![Box::new(linearizable), Box::new(Stats::default()), Box::new(Vacuity)]
}

/// On one client of each node: every touched key is read until the node answers.
pub(crate) fn final_reads(touched: &Seen, nodes: u32, attempts: u64) -> Gen {
    let keys = touched.lock().expect("no panic while the keys are locked").clone();
    let read = |key: &Value| {
        let op = RegisterOp::Read { key: key.clone(), value: Observed::Pending };
        until_ok(sequence(vec![Op::Register(op); attempts as usize]))
    };
    on_slots(move |slot| slot < nodes, each_slot(concat(keys.iter().map(read).collect())))
}

/// Reads, writes and compare-and-sets on one key, two in five, two in five and one in five.
#[derive(Clone, Debug)]
struct KeyOps {
    key: Value,
    values: Values,
    stream: Option<Stream>,
    committed: u64,
    written: i64,
    /// What the key was last seen to hold: what a compare-and-set on unique values expects.
    last: Value,
    offer: Option<Op>,
}

impl KeyOps {
    fn new(key: Value, values: Values) -> KeyOps {
        KeyOps {
            key,
            values,
            stream: None,
            committed: 0,
            written: 0,
            last: Value::Nil,
            offer: None,
        }
    }

    fn op(&self) -> Op {
        let stream = self.stream.as_ref().expect("a generator is bound before it is asked");
        let mut draw = stream.draw(0, self.committed);
        let key = self.key.clone();
        let kind = draw.below(5);
        let mut value = |fresh: i64| match self.values {
            Values::Unique => Value::Int(fresh),
            Values::Contended => Value::Int(draw.below(CONTENDED) as i64),
        };
        Op::Register(match kind {
            0 | 1 => RegisterOp::Read { key, value: Observed::Pending },
            2 | 3 => RegisterOp::Write { key, value: value(self.written + 1) },
            _ => {
                let from = match self.values {
                    Values::Unique => self.last.clone(),
                    Values::Contended => value(0),
                };
                RegisterOp::Cas { key, from, to: value(self.written + 1) }
            }
        })
    }
}

impl Generator for KeyOps {
    fn bind(&mut self, stream: &Stream) {
        self.stream = Some(stream.clone());
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let stream = self.stream.as_ref().expect("a generator is bound before it is asked");
        let free = u64::from(cx.free.len());
        if free == 0 {
            return Next::Pending { until: None };
        }
        let at = stream.draw(1, self.committed).below(free) as u32;
        let Some(slot) = cx.free.nth(at) else {
            return Next::Pending { until: None };
        };
        let op = self.op();
        self.offer = Some(op.clone());
        Next::Invoke { slot, at: cx.time, node: None, op }
    }

    fn commit(&mut self) {
        self.committed += 1;
        if let Some(Op::Register(RegisterOp::Write { .. } | RegisterOp::Cas { .. })) =
            self.offer.take()
        {
            self.written += 1;
        }
    }

    fn observe(&mut self, _cx: &Context<'_>, event: &Observation<'_>) {
        let Op::Register(op) = event.op else { return };
        if event.kind != Kind::Ok || *op.key() != self.key {
            return;
        }
        match op {
            RegisterOp::Read { value, .. } => {
                self.last = value.present().cloned().unwrap_or(Value::Nil);
            }
            RegisterOp::Write { value, .. } => self.last = value.clone(),
            RegisterOp::Cas { to, .. } => self.last = to.clone(),
            // This workload asks for none.
            RegisterOp::Append { .. } => {}
        }
    }

    fn fork(&self) -> Box<dyn Generator> {
        Box::new(self.clone())
    }
}
