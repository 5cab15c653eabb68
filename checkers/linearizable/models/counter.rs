//! A counter: a number that is added to and read.

use tribunal_history::{Code, CounterOp as Recorded, Op, Operation};

use super::effect::{change, look};
use crate::StateBefore;
use crate::linearizable::{
    Bound, Count, Dialect, FAR, FromHistory, Interpreted, Model, Number, Since, Steps, Words,
};

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

    fn number(&self) -> Option<Number<'_, CounterOp>> {
        let least = if self.shrinks { -FAR } else { i128::from(self.initial) };
        let exactly = |number: i128| (number, number);
        let count = move |op: &CounterOp| match op {
            CounterOp::Add { delta, after } => {
                let (change, after) = (i128::from(*delta), after.map(i128::from));
                Count { change, before: after.map_or((least, FAR), |it| exactly(it - change)) }
            }
            CounterOp::Read(seen) => Count { change: 0, before: exactly(i128::from(*seen)) },
        };
        let initial = i128::from(self.initial);
        Some(Number { initial, range: (least, FAR), count: Box::new(count) })
    }

    fn beyond(&self, op: &CounterOp, bound: &Bound) -> StateBefore {
        let state = bound.words();
        StateBefore { because: refused(op, &state), state }
    }

    fn clash_beyond(&self, _op: &CounterOp, bound: &Bound) -> String {
        match &bound.since {
            Since::Operation(done) => {
                let much = bound.certain.1;
                // Or it would not be counted from there. What only grows is not said not to shrink.
                let (changed, unchanged) = match bound.at_least {
                    true => (format!("{much} more had been added"), "taken away"),
                    false => (format!("{much} had been taken away"), "added"),
                };
                match (bound.certain.0, bound.at_least && !self.shrinks) {
                    (0, true) => format!(" after {done}"),
                    (0, false) => format!(" after {done} and nothing had been {unchanged} since"),
                    (_, true) => format!(" after {done} and {changed}"),
                    (_, false) => format!(" after {done}, {changed} and nothing {unchanged} since"),
                }
            }
            Since::Start | Since::Moment(_) => {
                format!(" while the counter showed {}", bound.words())
            }
        }
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
