//! What locks have in common: somebody takes them and gives them back.

use std::fmt::Debug;
use std::hash::Hash;

use tribunal_history::{Code, LockOp as Recorded, Op, Operation, Process};

use super::effect::change;
use crate::StateBefore;
use crate::linearizable::holds;
use crate::linearizable::{
    Allowance, Bound, Count, Dialect, Fast, FromHistory, Interpreted, Model, Number, Partition,
    Since, Steps, Words,
};

/// What is taken and given back, and by whom.
///
/// A discipline forgets what does not matter to it ([`Locking::grip`]): operations that are alike
/// then are interchangeable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Grip {
    /// Who.
    pub owner: Option<Process>,
    /// How many permits.
    pub permits: i64,
    /// The fencing token granted or presented.
    pub token: Option<i64>,
}

/// When a lock can be taken and given back.
pub trait Locking: Clone + Send + Sync {
    /// Who holds it.
    type Hold: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// Whether owners are told apart: then those of one do not matter to another's release, nobody
    /// is helped by a lock that another one holds, and who holds it cannot lose it.
    const OWNED: bool;
    /// Nobody holds it.
    fn free(&self) -> Self::Hold;
    /// What of `grip` matters.
    fn grip(&self, grip: Grip) -> Grip;
    /// `hold` once `grip` is taken; `None` where it cannot be.
    fn acquire(&self, hold: &Self::Hold, grip: &Grip) -> Option<Self::Hold>;
    /// `hold` once `grip` is given back; `None` where it cannot be.
    fn release(&self, hold: &Self::Hold, grip: &Grip) -> Option<Self::Hold>;
    /// Whether taking `grip` leads to the same state wherever it is possible.
    fn settles(&self, grip: &Grip) -> bool;
    /// How many permits there are, where nothing else matters.
    fn total(&self) -> Option<u32> {
        None
    }
    /// Of what one is taken.
    const ONE: &'static str = "the lock";
    /// What stood against `op`, as [`Model::clash`] says it.
    fn clash(&self, hold: &Self::Hold, op: &LockOp) -> String;
    /// The state, for people.
    fn describe(&self, hold: &Self::Hold) -> String;
}

/// What stands against an operation of who does not hold the lock; nobody else might hold it.
pub(super) fn held_by_another(holder: Option<Process>) -> String {
    match holder {
        Some(holder) => format!(" while {holder} held it"),
        None => ", which it did not hold".into(),
    }
}

/// How often it was taken and given back, as against `op`, to end a sentence.
fn counted(op: &LockOp, bound: &Bound) -> String {
    let (certain, possible) = (bound.certain, bound.possible);
    let few = |(count, permits): (u64, i128)| i128::from(count) == permits;
    let said = |(count, permits): (u64, i128), one: &str| {
        let s = if count == 1 { "" } else { "s" };
        match few(certain) && few(possible) {
            true => format!("{count} {one}{s}"),
            false => format!("{count} {one}{s} ({permits} permits)"),
        }
    };
    let (own, other) = match op {
        LockOp::Acquire(_) => ("acquire", "release"),
        LockOp::Release(_) => ("release", "acquire"),
    };
    if let Since::Operation(done) = &bound.since {
        // Nothing is given back since then, or it would not be counted from there.
        let more = match certain.0 {
            0 => String::new(),
            1 => format!(", one more {own} had returned"),
            count => format!(", {count} more {own}s had returned"),
        };
        return format!(" after {done}{more} and no {other} had been invoked since");
    }
    let (certain, possible) = (said(certain, own), said(possible, other));
    match &bound.since {
        Since::Moment(when) => format!(
            " when {certain} had been invoked and had returned since {when}, and at most \
             {possible} can have happened"
        ),
        Since::Start | Since::Operation(_) => {
            format!(" when {certain} had returned and at most {possible} had been invoked")
        }
    }
}

/// A lock, free at first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lock<L>(pub L);

/// An operation. One that was refused did not happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockOp {
    /// Took it.
    Acquire(Grip),
    /// Gave it back.
    Release(Grip),
}

impl LockOp {
    fn grip(&self) -> &Grip {
        match self {
            LockOp::Acquire(grip) | LockOp::Release(grip) => grip,
        }
    }

    fn text(&self, one: &str) -> String {
        let (word, with, grip) = match self {
            LockOp::Acquire(grip) => ("acquired", "got", grip),
            LockOp::Release(grip) => ("released", "presented", grip),
        };
        let what = match grip.permits {
            1 => one.to_owned(),
            many => format!("{many} permits"),
        };
        let token = grip.token.map_or(String::new(), |token| format!(" and {with} token {token}"));
        format!("{word} {what}{token}")
    }
}

impl<L: Locking> Model for Lock<L> {
    type State = L::Hold;
    type Op = LockOp;

    fn initial(&self) -> L::Hold {
        self.0.free()
    }

    fn step(&self, state: &L::Hold, op: &LockOp) -> Steps<L::Hold> {
        let next = match op {
            LockOp::Acquire(grip) => self.0.acquire(state, grip),
            LockOp::Release(grip) => self.0.release(state, grip),
        };
        next.map_or(Steps::None, Steps::One)
    }

    fn is_pure(&self, op: &LockOp) -> bool {
        op.grip().permits == 0
    }

    /// With owners, by projection to fewer of them: who shut nobody out is not missed. Without,
    /// taking needs what was given back, and giving back needs what was taken.
    fn observes(&self, observer: &LockOp, producer: &LockOp) -> bool {
        match (observer, producer) {
            (LockOp::Release(grip), LockOp::Acquire(other)) => {
                !L::OWNED || grip.owner == other.owner
            }
            (LockOp::Acquire(_), LockOp::Release(_)) => !L::OWNED,
            (LockOp::Acquire(_), LockOp::Acquire(_)) | (LockOp::Release(_), LockOp::Release(_)) => {
                false
            }
        }
    }

    const CONSUMES: bool = L::OWNED;

    fn consumes(&self, consumer: &LockOp, producer: &LockOp) -> bool {
        match (consumer, producer) {
            (LockOp::Release(grip), LockOp::Acquire(other)) => {
                L::OWNED && grip.owner == other.owner
            }
            (LockOp::Release(_) | LockOp::Acquire(_), _) => false,
        }
    }

    fn settles(&self, op: &LockOp) -> bool {
        matches!(op, LockOp::Acquire(grip) if self.0.settles(grip))
    }

    fn describe_state(&self, state: &L::Hold) -> String {
        self.0.describe(state)
    }

    fn words(&self, op: &LockOp) -> Words {
        Words { past: op.text(L::ONE), perfect: op.text(L::ONE) }
    }

    /// More permits than there are.
    fn impossible(&self, op: &LockOp) -> Option<String> {
        let total = self.0.total().filter(|total| op.grip().permits > i64::from(*total))?;
        let are = if total == 1 { "is" } else { "are" };
        Some(format!(", and there {are} {total}"))
    }

    fn clash(&self, state: &L::Hold, op: &LockOp) -> Option<String> {
        Some(self.0.clash(state, op))
    }

    fn number(&self) -> Option<Number<'_, LockOp>> {
        let total = i128::from(self.0.total()?);
        let count = move |op: &LockOp| {
            let permits = i128::from(op.grip().permits);
            match op {
                LockOp::Acquire(_) => Count { change: permits, before: (0, total - permits) },
                LockOp::Release(_) => Count { change: -permits, before: (permits, total) },
            }
        };
        Some(Number { initial: 0, range: (0, total), count: Box::new(count) })
    }

    fn beyond(&self, op: &LockOp, bound: &Bound) -> StateBefore {
        let word = match op {
            LockOp::Acquire(_) => "acquired",
            LockOp::Release(_) => "released",
        };
        let because = format!("it cannot be {word}{}", counted(op, bound));
        StateBefore { state: format!("{} taken", bound.words()), because }
    }

    fn clash_beyond(&self, op: &LockOp, bound: &Bound) -> String {
        counted(op, bound)
    }

    fn refusal(&self, state: &L::Hold, op: &LockOp) -> String {
        let word = match op {
            LockOp::Acquire(_) => "acquired",
            LockOp::Release(_) => "released",
        };
        let who = match op.grip().owner {
            Some(owner) => format!(" by {owner}"),
            None => String::new(),
        };
        format!("it cannot be {word}{who} where it is {}", self.0.describe(state))
    }
}

impl<L: Locking> FromHistory for Lock<L> {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        _dialect: Dialect,
    ) -> Result<Interpreted<LockOp>, String> {
        let op = match operation.op() {
            Op::Lock(op) => op,
            other => return Err(other.to_string()),
        };
        let owner = Some(operation.process());
        match op {
            Recorded::Acquire { permits, .. } | Recorded::Release { permits, .. }
                if permits < 0 =>
            {
                Err(format!("{op}, with less than no permits"))
            }
            Recorded::Acquire { permits, token, .. } => {
                let taken = |token| LockOp::Acquire(self.0.grip(Grip { owner, permits, token }));
                Ok(change(operation, || taken(token.present().copied()), || taken(None)))
            }
            Recorded::Release { permits, token, .. } => {
                let token = token.present().copied();
                let given = || LockOp::Release(self.0.grip(Grip { owner, permits, token }));
                Ok(change(operation, given, given))
            }
        }
    }

    fn fast(&self, partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
        match L::OWNED {
            true => holds::decide(self, partition, allowance),
            false => Fast::HandOver("nobody owns the lock"),
        }
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }
}
