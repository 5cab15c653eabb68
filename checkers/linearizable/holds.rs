//! Locks with owners: mutexes, reentrant and fenced ones, decided by one order.
//!
//! A *hold* of a process goes from the acquire that finds it without the lock to the release that
//! leaves it so. What a process did has an order, and whatever order the whole has, the hold
//! certainly lasts from the return of that acquire to the call of that release, or for ever where
//! there is none: its *core*. Cores of a legal order do not meet, and holds are in the order of
//! their cores. So let every acquire happen where it returns and every release where it is called.
//! All of a hold then happens in its core: no process finds another one's hold, each does what it
//! did before in the same state, and tokens come in the same order. If there is a legal order,
//! this is one; if this is none, there is none.
//!
//! Crashed operations are the last of their processes. An acquire of that kind is left out: who
//! took the lock so held it to the end, and nothing came after. A release of that kind happens
//! where it is called, if it can: nobody needs the lock to be held. (Zones of registers, Gibbons &
//! Korach 1997, where a hold is a write and a read of a value of its own.)
//!
//! Knows owners and real time, no search. O(n log n), and O(n) where operations are nearly in the
//! order of their returns.

use tribunal_history::{OpIndex, Operation, Process};

use super::models::{Lock, LockOp, Locking};
use super::{
    Allowance, Decided, Fast, FromHistory, Interpreted, Model, NEVER, Partition, Proof, Steps,
};
use crate::Spent;
use crate::planted::Planted;

/// Operations between two looks at the budget.
const POLL: usize = 1 << 12;

/// The name in reports.
const ENGINE: &str = "holds";

/// A mistake planted by a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bug {
    /// An acquire happens where it is called.
    AcquiredAtCall,
    /// A release happens where it returns.
    ReleasedAtReturn,
    /// A crashed acquire happens, if it can.
    CrashedAcquires,
    /// A crashed release never happens.
    CrashedKeeps,
    /// A crashed release happens whether it can or not.
    CrashedMustRelease,
}

/// Which of them, if any.
pub(super) type Slips = Planted<Bug>;

/// An operation, and when it happens.
#[derive(Clone, Copy)]
struct Moment {
    rank: u32,
    index: OpIndex,
    completed: bool,
}

/// The one order that is worth a look.
struct Course<'p, L> {
    model: &'p Lock<L>,
    partition: &'p Partition<'p>,
    /// By rank.
    moments: Vec<Moment>,
    completed: u64,
    crashed: u64,
}

/// Where the course ends before its time.
struct Clash {
    /// The operation that cannot happen.
    failed: OpIndex,
    rank: u32,
    /// The one that happened last before it.
    before: Option<OpIndex>,
}

/// Why there is no course.
enum Stop {
    HandOver(&'static str),
    Spent(Spent),
}

impl From<Spent> for Stop {
    fn from(spent: Spent) -> Stop {
        Stop::Spent(spent)
    }
}

/// Decides a lock with owners.
pub(super) fn decide<L: Locking>(
    model: &Lock<L>,
    partition: &Partition<'_>,
    allowance: Allowance<'_>,
) -> Fast {
    decide_with(model, partition, allowance, Slips::default())
}

/// The same, with a mistake planted by a test.
pub(super) fn decide_with<L: Locking>(
    model: &Lock<L>,
    partition: &Partition<'_>,
    allowance: Allowance<'_>,
    slips: Slips,
) -> Fast {
    let found = Course::new(model, partition, allowance, slips)
        .and_then(|course| course.prove(allowance).map(|proof| (course.facts(), proof)));
    match found {
        Ok(((completed, crashed, peak_bytes), proof)) => {
            Fast::Decided(Decided { engine: ENGINE, completed, crashed, peak_bytes, proof })
        }
        Err(Stop::HandOver(why)) => Fast::HandOver(why),
        Err(Stop::Spent(spent)) => {
            Fast::Spent(spent, "the holds of the lock were not laid out".to_owned())
        }
    }
}

impl<'p, L: Locking> Course<'p, L> {
    fn new(
        model: &'p Lock<L>,
        partition: &'p Partition<'p>,
        allowance: Allowance<'_>,
        slips: Slips,
    ) -> Result<Course<'p, L>, Stop> {
        let room = partition.operations.len() * size_of::<Moment>();
        allowance.allows(room as u64)?;
        let moments = Vec::with_capacity(partition.operations.len());
        let mut course = Course { model, partition, moments, completed: 0, crashed: 0 };
        let mut crashed_calls = Vec::new();
        let mut last = 0;
        for (at, index) in partition.operations.iter().enumerate() {
            if at % POLL == 0 {
                allowance.passed(at);
                allowance.allows((room + 4 * crashed_calls.capacity()) as u64)?;
            }
            let operation = partition.history.operation(*index);
            let call = operation.call().0;
            match course.interpret(&operation)? {
                Interpreted::Completed(op) => {
                    let Some(ret) = operation.ret() else {
                        return Err(Stop::HandOver(
                            "an operation that did not return has an answer",
                        ));
                    };
                    last = last.max(ret.0);
                    course.completed += 1;
                    let early = match op {
                        LockOp::Acquire(_) => slips.has(Bug::AcquiredAtCall),
                        LockOp::Release(_) => !slips.has(Bug::ReleasedAtReturn),
                    };
                    let rank = if early { call } else { ret.0 };
                    course.moments.push(Moment { rank, index: *index, completed: true });
                }
                Interpreted::Crashed(op) => {
                    crashed_calls.push(call);
                    let happens = match op {
                        LockOp::Acquire(_) => slips.has(Bug::CrashedAcquires),
                        LockOp::Release(_) => !slips.has(Bug::CrashedKeeps),
                    };
                    if happens {
                        let completed = slips.has(Bug::CrashedMustRelease);
                        course.moments.push(Moment { rank: call, index: *index, completed });
                    }
                }
                Interpreted::Nothing => {}
            }
        }
        course.crashed = crashed_calls.iter().filter(|call| **call < last).count() as u64;
        course.moments.sort_by_key(|moment| moment.rank);
        Ok(course)
    }

    /// Operations that completed, that crashed, and bytes held.
    fn facts(&self) -> (u64, u64, u64) {
        let each = size_of::<Moment>() + size_of::<OpIndex>();
        (self.completed, self.crashed, (self.moments.capacity() * each) as u64)
    }

    fn interpret(&self, operation: &Operation<'_>) -> Result<Interpreted<LockOp>, Stop> {
        let asserted = self.model.interpret(operation, self.partition.dialect);
        asserted.map_err(|_| Stop::HandOver("an operation that locks do not have"))
    }

    fn prove(&self, allowance: Allowance<'_>) -> Result<Proof, Stop> {
        allowance.allows(self.facts().2)?;
        let mut order = Vec::with_capacity(self.moments.len());
        match self.follow(allowance, &mut order, |_| true)? {
            None => Ok(Proof::Order(order)),
            Some(clash) => {
                drop(order);
                self.contradiction(allowance, &clash).map(Proof::Contradiction)
            }
        }
    }

    /// Does what is `wanted`, and says in `order` what happened; where something cannot happen
    /// that did.
    fn follow(
        &self,
        allowance: Allowance<'_>,
        order: &mut Vec<OpIndex>,
        wanted: impl Fn(&Moment) -> bool,
    ) -> Result<Option<Clash>, Stop> {
        let mut state = self.model.initial();
        for (at, moment) in self.moments.iter().enumerate() {
            if at % POLL == 0 {
                allowance.passed(at);
                allowance.allows(self.facts().2)?;
            }
            if !wanted(moment) {
                continue;
            }
            let operation = self.partition.history.operation(moment.index);
            let op = match self.interpret(&operation)? {
                Interpreted::Completed(op) | Interpreted::Crashed(op) => op,
                Interpreted::Nothing => continue,
            };
            match self.model.step(&state, &op) {
                Steps::One(next) => {
                    state = next;
                    order.push(moment.index);
                }
                Steps::None | Steps::Many(_) if moment.completed => {
                    let rank = operation.ret().map_or(NEVER, |ret| ret.0);
                    let (failed, before) = (moment.index, order.last().copied());
                    return Ok(Some(Clash { failed, rank, before }));
                }
                Steps::None | Steps::Many(_) => {}
            }
        }
        Ok(None)
    }

    /// Few operations, of one process or of two, if the contradiction is theirs; otherwise all that
    /// happened. Crashed acquires explain nothing.
    fn contradiction(&self, allowance: Allowance<'_>, clash: &Clash) -> Result<Vec<OpIndex>, Stop> {
        let (own, holder) = (self.process(clash.failed), clash.before.map(|op| self.process(op)));
        let owners = [Some(own), holder].into_iter().flatten();
        let mut tried: Vec<Vec<OpIndex>> = Vec::new();
        tried.extend(self.both_took(clash)?);
        for owner in owners.clone() {
            tried.extend(self.since_it_took(clash, owner)?);
        }
        for other in owners {
            tried.push(self.called_before(clash, |process| process == own || process == other));
        }
        let mut order = Vec::new();
        for mut operations in tried {
            operations.sort_unstable();
            // What returns later may clash with what is called later, and not with these.
            let wanted = |moment: &Moment| {
                moment.rank <= clash.rank && operations.binary_search(&moment.index).is_ok()
            };
            order.clear();
            if self.follow(allowance, &mut order, wanted)?.is_some() {
                return Ok(operations);
            }
        }
        Ok(self.called_before(clash, |_| true))
    }

    fn process(&self, index: OpIndex) -> Process {
        self.partition.history.operation(index).process()
    }

    fn call(&self, index: OpIndex) -> u32 {
        self.partition.history.operation(index).call().0
    }

    /// The acquire at `index`, if that is one that completed.
    fn acquire(&self, index: OpIndex) -> Result<Option<LockOp>, Stop> {
        let operation = self.partition.history.operation(index);
        Ok(match self.interpret(&operation)? {
            Interpreted::Completed(op @ LockOp::Acquire(_)) => Some(op),
            Interpreted::Completed(_) | Interpreted::Crashed(_) | Interpreted::Nothing => None,
        })
    }

    /// What happens of operations called before the clash, by some processes.
    fn called_before(&self, clash: &Clash, of: impl Fn(Process) -> bool) -> Vec<OpIndex> {
        let indices = self.moments.iter().map(|moment| moment.index);
        let wanted = |index: &OpIndex| self.call(*index) <= clash.rank && of(self.process(*index));
        indices.filter(wanted).collect()
    }

    /// Two acquires, and no release of the first one's owner in between, not even one that crashed
    /// and could not happen.
    fn both_took(&self, clash: &Clash) -> Result<Option<Vec<OpIndex>>, Stop> {
        let Some(before) = clash.before else { return Ok(None) };
        if self.acquire(before)?.is_none() || self.acquire(clash.failed)?.is_none() {
            return Ok(None);
        }
        let holder = self.process(before);
        let mut early = self.moments.iter().take_while(|moment| moment.rank <= clash.rank);
        let crashed = early.any(|one| !one.completed && self.process(one.index) == holder);
        Ok((!crashed).then(|| vec![before, clash.failed]))
    }

    /// What fails, and what `owner` did from its last acquire on that returned before that was
    /// called, if all that came before is settled by that.
    fn since_it_took(&self, clash: &Clash, owner: Process) -> Result<Option<Vec<OpIndex>>, Stop> {
        // A release looks at what its own process took.
        if owner != self.process(clash.failed) && self.acquire(clash.failed)?.is_none() {
            return Ok(None);
        }
        let mut operations = self.called_before(clash, |process| process == owner);
        let called = self.call(clash.failed);
        for at in (0..operations.len()).rev() {
            let operation = self.partition.history.operation(operations[at]);
            if operation.ret().is_none_or(|ret| ret.0 >= called) {
                continue;
            }
            let Some(op) = self.acquire(operations[at])? else { continue };
            if !self.model.settles(&op) {
                return Ok(None);
            }
            operations.drain(..at);
            operations.retain(|index| *index != clash.failed);
            operations.push(clash.failed);
            return Ok(Some(operations));
        }
        Ok(None)
    }
}
