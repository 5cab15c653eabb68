//! Clients of the simulator: what an invented database answers, and when.

use std::collections::BTreeMap;

use tribunal_history::{
    ErrorClass, KeyRange, Kind, Mop, Nanos, NodeId, Observed, Op, RegisterOp, Value,
};

use super::exact;
use crate::seed::Draw;

/// A state machine: answers an operation asked of a node at the instant it takes effect. `Ok` is
/// the operation with what it observed; `Err` says why it had no effect.
pub type Machine = Box<dyn FnMut(NodeId, &Op) -> Result<Op, ErrorClass> + Send>;

/// How an invented database behaves.
pub enum Fake {
    /// Everything succeeds in no time. Nothing is observed: a read stays unanswered.
    Quick,
    /// Everything succeeds after this long. Nothing is observed.
    Perfect(Nanos),
    /// Nobody knows what became of anything, after this long.
    PerfectInfo(Nanos),
    /// In each slot `ok`, `fail`, `info` in turn, each after this long.
    Imperfect(Nanos),
    /// A linearizable database that takes its time and loses answers.
    Model(Model),
}

/// A linearizable database: every operation takes effect at one instant between invocation and
/// completion. An operation whose answer is lost may take effect later than that, or never.
pub struct Model {
    /// What it does.
    pub machine: Machine,
    /// From invocation to effect, and again from effect to completion.
    pub latency: Latency,
    /// Probability that the answer of an operation is lost.
    pub crash_rate: f64,
    /// Times when it is worse than that.
    pub windows: Vec<Window>,
    /// When the client stops waiting for a lost answer.
    pub timeout: Nanos,
}

/// A duration that is drawn.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Latency {
    /// Always this.
    Fixed(Nanos),
    /// From the one up to and without the other.
    Uniform(Nanos, Nanos),
    /// With this mean.
    Exponential(Nanos),
}

/// A fault: operations invoked in it fare as it says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Window {
    /// Its beginning.
    pub from: Nanos,
    /// Its end, which is outside.
    pub to: Nanos,
    /// Probability that the answer is lost, in place of the usual one.
    pub crash_rate: f64,
    /// Latency in place of the usual one.
    pub latency: Latency,
}

/// When an operation takes effect, if it does, and when and how it completes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Fate {
    pub(super) effect: Option<Nanos>,
    pub(super) end: Nanos,
    /// `None`: as the machine decides at the effect.
    pub(super) kind: Option<Kind>,
}

impl Fake {
    /// The fate of operation `nth` of its slot, sent at `now`.
    pub(super) fn fate(&self, now: Nanos, nth: u64, op: &Op, draw: &mut Draw) -> Fate {
        let plain = |after: Nanos, kind| Fate {
            effect: None,
            end: now.saturating_add(after),
            kind: Some(kind),
        };
        match self {
            Fake::Quick => plain(Nanos(0), Kind::Ok),
            Fake::Perfect(after) => plain(*after, Kind::Ok),
            Fake::PerfectInfo(after) => plain(*after, Kind::Info),
            Fake::Imperfect(after) => {
                plain(*after, [Kind::Ok, Kind::Fail, Kind::Info][(nth % 3) as usize])
            }
            Fake::Model(model) => model.fate(now, op, draw),
        }
    }

    /// What `node` answers to the operation at its effect.
    pub(super) fn apply(&mut self, node: NodeId, op: &Op) -> Result<Op, ErrorClass> {
        match self {
            Fake::Model(model) => (model.machine)(node, op),
            Fake::Quick | Fake::Perfect(_) | Fake::PerfectInfo(_) | Fake::Imperfect(_) => {
                Ok(op.clone())
            }
        }
    }
}

impl Model {
    /// A machine that answers within a millisecond and loses nothing.
    pub fn reliable(machine: Machine) -> Model {
        Model {
            machine,
            latency: Latency::Uniform(Nanos(1), Nanos(500_000)),
            crash_rate: 0.0,
            windows: Vec::new(),
            timeout: Nanos::from_millis(5),
        }
    }

    fn fate(&self, now: Nanos, op: &Op, draw: &mut Draw) -> Fate {
        let window = self.windows.iter().find(|window| window.from <= now && now < window.to);
        let crash_rate = window.map_or(self.crash_rate, |window| window.crash_rate);
        let latency = window.map_or(self.latency, |window| window.latency);
        let effect = now.saturating_add(latency.draw(draw));
        let end = effect.saturating_add(latency.draw(draw));
        let gone = now.saturating_add(self.timeout);
        if draw.unit() >= crash_rate && end <= gone {
            return Fate { effect: Some(effect), end, kind: None };
        }
        if !op.writes() {
            return Fate { effect: None, end: gone, kind: Some(Kind::Fail) };
        }
        // A late effect after the client gave up is what makes `info` mean "at any later time".
        let late = Nanos(draw.below(self.timeout.0.saturating_mul(3).max(1)));
        let effect = (draw.below(2) == 0).then_some(effect.saturating_add(late));
        Fate { effect, end: gone, kind: Some(Kind::Info) }
    }
}

impl Latency {
    fn draw(self, draw: &mut Draw) -> Nanos {
        match self {
            Latency::Fixed(latency) => latency,
            Latency::Uniform(from, to) => {
                Nanos(from.0 + draw.below(to.saturating_sub(from).0.max(1)))
            }
            Latency::Exponential(mean) => {
                Nanos((-exact::ln(1.0 - draw.unit()) * mean.0 as f64) as u64)
            }
        }
    }
}

/// A map of registers that starts empty, with transactions over registers and lists. Reads of
/// what was never written find nothing; reads by predicates other than ranges of keys, an append to
/// a register and every other family are refused as `unsupported`. Transactions whose additions
/// would leave less than zero fail as `insufficient`.
pub fn register_machine() -> Machine {
    let mut registers: BTreeMap<Value, Value> = BTreeMap::new();
    let mut lists: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    Box::new(move |_, op| match op {
        Op::Register(op) => apply_register(&mut registers, op).map(Op::Register),
        Op::Txn(txn) => {
            let mut txn = txn.clone();
            if !txn.mops.iter().all(is_understood) {
                return Err(ErrorClass::new("unsupported"));
            }
            let adds = txn.mops.iter().any(|mop| matches!(mop, Mop::Add { .. }));
            let before = adds.then(|| (registers.clone(), lists.clone()));
            for mop in &mut txn.mops {
                if let Err(refused) = apply_mop(&mut registers, &mut lists, mop) {
                    (registers, lists) = before.expect("only an addition is refused");
                    return Err(refused);
                }
            }
            Ok(Op::Txn(txn))
        }
        Op::Set(_) | Op::Counter(_) | Op::Queue(_) | Op::Lock(_) | Op::Id(_) => {
            Err(ErrorClass::new("unsupported"))
        }
    })
}

fn apply_register(
    registers: &mut BTreeMap<Value, Value>,
    op: &RegisterOp,
) -> Result<RegisterOp, ErrorClass> {
    match op {
        RegisterOp::Append { .. } => Err(ErrorClass::new("unsupported")),
        RegisterOp::Read { key, .. } => {
            let value = observed(registers.get(key));
            Ok(RegisterOp::Read { key: key.clone(), value })
        }
        RegisterOp::Write { key, value } => {
            registers.insert(key.clone(), value.clone());
            Ok(op.clone())
        }
        RegisterOp::Cas { key, from, to } => {
            if registers.get(key).unwrap_or(&Value::Nil) != from {
                return Err(ErrorClass::MISMATCH);
            }
            registers.insert(key.clone(), to.clone());
            Ok(op.clone())
        }
    }
}

fn is_understood(mop: &Mop) -> bool {
    let Mop::ReadPredicate { predicate, .. } = mop else { return true };
    predicate.parse::<KeyRange>().is_ok()
}

fn apply_mop(
    registers: &mut BTreeMap<Value, Value>,
    lists: &mut BTreeMap<Value, Vec<Value>>,
    mop: &mut Mop,
) -> Result<(), ErrorClass> {
    match mop {
        Mop::Read { key, value } => *value = observed(registers.get(key)),
        Mop::Write { key, value } => drop(registers.insert(key.clone(), value.clone())),
        Mop::Append { key, element } => lists.entry(key.clone()).or_default().push(element.clone()),
        Mop::ReadList { key, elements } => *elements = observed(lists.get(key)),
        Mop::Add { key, delta, value } => {
            let held = match registers.get(key) {
                None => 0,
                Some(Value::Int(int)) => *int,
                Some(_) => return Err(ErrorClass::new("no-number")),
            };
            let after = held.checked_add(*delta).filter(|after| *after >= 0);
            let after = after.ok_or_else(|| ErrorClass::new("insufficient"))?;
            registers.insert(key.clone(), Value::Int(after));
            *value = Observed::Present(after);
        }
        Mop::ReadPredicate { predicate, matches } => {
            let range: KeyRange = predicate.parse().expect("it is understood");
            let found = registers.iter().filter(|(key, _)| range.contains(key));
            let found = found.map(|(key, value)| (key.clone(), value.clone()));
            *matches = Observed::Present(found.collect());
        }
    }
    Ok(())
}

fn observed<T: Clone>(found: Option<&T>) -> Observed<T> {
    found.cloned().map_or(Observed::Absent, Observed::Present)
}
