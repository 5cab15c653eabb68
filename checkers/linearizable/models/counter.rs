//! A counter: a number that is added to and read.

use tribunal_history::{Code, CounterOp as Recorded, Op, Operation};

use super::bounds::{Slips, beyond};
use super::effect::{change, look};
use crate::StateBefore;
use crate::linearizable::{Dialect, Entry, FromHistory, Interpreted, Model, Steps, Words};

/// A counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counter {
    /// What it shows before the first addition.
    pub initial: i64,
    /// Whether it may shrink: a plus-minus counter; otherwise a grow-only one.
    pub shrinks: bool,
}

/// An operation with its answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CounterOp {
    /// Added this.
    Add {
        /// How much.
        delta: i64,
        /// What the counter showed afterwards, where the client was told.
        after: Option<i64>,
    },
    /// Saw this.
    Read(i64),
}

impl Model for Counter {
    /// Sums of 2^32 numbers of 64 bits fit.
    type State = i128;
    type Op = CounterOp;

    fn initial(&self) -> i128 {
        i128::from(self.initial)
    }

    fn step(&self, state: &i128, op: &CounterOp) -> Steps<i128> {
        let (next, seen) = match op {
            CounterOp::Add { delta, after } => (state + i128::from(*delta), *after),
            CounterOp::Read(seen) => (*state, Some(*seen)),
        };
        match seen {
            Some(seen) if i128::from(seen) != next => Steps::None,
            Some(_) | None => Steps::One(next),
        }
    }

    fn is_pure(&self, op: &CounterOp) -> bool {
        match op {
            CounterOp::Add { delta, .. } => *delta == 0,
            CounterOp::Read(_) => true,
        }
    }

    fn observes(&self, observer: &CounterOp, _producer: &CounterOp) -> bool {
        match observer {
            CounterOp::Add { after, .. } => after.is_some(),
            CounterOp::Read(_) => true,
        }
    }

    fn is_lost(&self, state: &i128, op: &CounterOp) -> bool {
        let before = match op {
            CounterOp::Add { after: None, .. } => return false,
            CounterOp::Add { delta, after: Some(after) } => i128::from(*after) - i128::from(*delta),
            CounterOp::Read(seen) => i128::from(*seen),
        };
        !self.shrinks && before < *state
    }

    /// By bounds: the least and the most it can have held.
    fn explains(
        &self,
        op: &CounterOp,
        must: &mut dyn Iterator<Item = &CounterOp>,
        may: &mut dyn Iterator<Item = &CounterOp>,
    ) -> bool {
        let before = match op {
            CounterOp::Add { after: None, .. } => return true,
            CounterOp::Add { delta, after: Some(after) } => i128::from(*after) - i128::from(*delta),
            CounterOp::Read(seen) => i128::from(*seen),
        };
        let (least, most) = self.held(must, may);
        least <= before && before <= most
    }

    fn range(
        &self,
        op: &CounterOp,
        must: &mut dyn Iterator<Item = &CounterOp>,
        may: &mut dyn Iterator<Item = &CounterOp>,
    ) -> Option<StateBefore> {
        let state = match self.held(must, may) {
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        let because = refused(op, &state);
        Some(StateBefore { state, because })
    }

    fn unexplained(&self, entries: &[Entry], ops: &[CounterOp]) -> Option<u32> {
        beyond(self.initial, entries, ops, Slips::default())
    }

    fn settles(&self, op: &CounterOp) -> bool {
        match op {
            CounterOp::Add { after, .. } => after.is_some(),
            CounterOp::Read(_) => true,
        }
    }

    fn describe_state(&self, state: &i128) -> String {
        state.to_string()
    }

    /// All that was added before matters, so this is what the counter showed.
    fn clash(&self, state: &i128, _op: &CounterOp) -> Option<String> {
        Some(format!(" while the counter showed {state}"))
    }

    fn words(&self, op: &CounterOp) -> Words {
        match op {
            CounterOp::Add { delta, after: None } => {
                Words { past: format!("added {delta}"), perfect: format!("added {delta}") }
            }
            CounterOp::Add { delta, after: Some(after) } => {
                let text = format!("added {delta} and got {after}");
                Words { past: text.clone(), perfect: text }
            }
            CounterOp::Read(seen) => {
                Words { past: format!("read {seen}"), perfect: format!("read {seen}") }
            }
        }
    }

    fn refusal(&self, state: &i128, op: &CounterOp) -> String {
        refused(op, &state.to_string())
    }
}

/// Why `op` is illegal where the counter shows `state`.
fn refused(op: &CounterOp, state: &str) -> String {
    match op {
        CounterOp::Read(seen) => {
            format!("a read of {seen} is illegal where the counter shows {state}")
        }
        CounterOp::Add { delta, after } => {
            let after = after.map_or("nothing".into(), |after| after.to_string());
            format!("adding {delta} cannot give {after} where the counter shows {state}")
        }
    }
}

impl Counter {
    /// The least and the most that it can hold after all of `must` and some of `may`.
    fn held(
        &self,
        must: &mut dyn Iterator<Item = &CounterOp>,
        may: &mut dyn Iterator<Item = &CounterOp>,
    ) -> (i128, i128) {
        let added = |op: &CounterOp| match op {
            CounterOp::Add { delta, .. } => i128::from(*delta),
            CounterOp::Read(_) => 0,
        };
        let certain = i128::from(self.initial) + must.map(added).sum::<i128>();
        may.map(added).fold((certain, certain), |(least, most), delta| {
            (least + delta.min(0), most + delta.max(0))
        })
    }
}

impl FromHistory for Counter {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        _dialect: Dialect,
    ) -> Result<Interpreted<CounterOp>, String> {
        let op = match operation.op() {
            Op::Counter(op) => op,
            other => return Err(other.to_string()),
        };
        match op {
            Recorded::Add { delta, .. } if delta < 0 && !self.shrinks => {
                Err(format!("{op}, which a counter that only grows does not have"))
            }
            Recorded::Add { delta, value, .. } => {
                let told = || CounterOp::Add { delta, after: value.present().copied() };
                Ok(change(operation, told, || CounterOp::Add { delta, after: None }))
            }
            Recorded::Read { value, .. } => {
                Ok(look(operation, value.present().copied().map(CounterOp::Read)))
            }
        }
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }
}
