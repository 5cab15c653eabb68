//! From a partition of a history to a container: the fast paths of the models.
//!
//! Reads operations as the models do: `ok` happened, `info` and open ones may have, `fail` did
//! not; a peek or a question that was not answered asserts nothing. What no decider here can
//! represent (whole reads of a set, removes whose client was not told what came out, values put in
//! twice) is handed over. Values and ranks are numbered without hashing where they are small.

use std::convert::Infallible;

use rustc_hash::FxHashMap;
use tribunal_history::{Code, F, Observed, OpIndex, Operation, Outcome};

use super::decide::{Answer, Input, Kind, decide};
use super::prep::{Act, Acts, What};
use super::tricks::Tricks;
use crate::linearizable::fast::Stop;
use crate::linearizable::{Allowance, Decided, Fast, NEVER, NilRead, Partition, Proof};

/// Bytes for an operation, its value and its ranks.
const ENTRY: u64 = 100;
/// Operations read between two looks at the budget.
const POLL: usize = 1 << 15;

/// Which value comes out of a container next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The first put in.
    First,
    /// The last put in.
    Last,
    /// The greatest.
    Greatest,
    /// The least.
    Least,
}

/// Decides a partition of enqueues, dequeues and peeks. O(n log n).
pub fn fast_queue(partition: &Partition<'_>, allowance: Allowance<'_>, next: Next) -> Fast {
    let kind = match next {
        Next::First => Kind::Queue,
        Next::Last => Kind::Stack,
        Next::Greatest | Next::Least => Kind::PriorityQueue,
    };
    decided(partition, allowance, Reading { partition, kind, next })
}

/// Decides a partition of adds, removes and questions for single elements. O(n).
pub fn fast_set(partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
    decided(partition, allowance, Reading { partition, kind: Kind::Set, next: Next::First })
}

/// How the operations of a partition are to be read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    partition: &'a Partition<'a>,
    kind: Kind,
    next: Next,
}

/// Operations that assert something, with codes for values.
struct Read {
    acts: Vec<Act>,
    origin: Vec<OpIndex>,
    crashed: u64,
}

fn decided(partition: &Partition<'_>, allowance: Allowance<'_>, reading: Reading<'_>) -> Fast {
    let spent = |spent| Fast::Spent(spent, "the fast path did not end".into());
    // Before anything is held.
    let bytes = partition.operations.len() as u64 * ENTRY;
    if let Err(limit) = allowance.allows(bytes) {
        return spent(limit);
    }
    let Read { acts, mut origin, crashed } = match reading.read(allowance) {
        Ok(read) => read,
        Err(Stop::HandOver(why)) => return Fast::HandOver(why),
        Err(Stop::Spent(limit)) => return spent(limit),
        Err(Stop::Refuted(never)) => match never {},
    };
    let (input, order) = match reading.input(acts) {
        Ok(input) => input,
        Err(why) => return Fast::HandOver(why),
    };
    if let Some(order) = order {
        origin = order.into_iter().map(|at| origin[at as usize]).collect();
    }
    let completed = origin.len() as u64 - crashed;
    let back = |acts: Vec<u32>| acts.into_iter().map(|at| origin[at as usize]).collect();
    let proof = match decide(&input, reading.kind, allowance, Tricks::default()) {
        Ok(Answer::Order(order)) => Proof::Order(back(order)),
        Ok(Answer::Contradiction(few)) => Proof::Contradiction(back(few)),
        Ok(Answer::HandOver(why)) => return Fast::HandOver(why),
        Err(limit) => return spent(limit),
    };
    let peak_bytes = input.bytes() + origin.len() as u64 * 4;
    let engine = match (reading.kind, reading.next) {
        (Kind::Set, _) => "set",
        (Kind::Queue, _) => "queue",
        (Kind::Stack, _) => "stack",
        (Kind::PriorityQueue, _) => "priority-queue",
    };
    Fast::Decided(Decided { engine, completed, crashed, peak_bytes, proof })
}

impl Reading<'_> {
    fn read(&self, allowance: Allowance<'_>) -> Result<Read, Stop<Infallible>> {
        let Partition { history, operations, .. } = *self.partition;
        let mut acts = Vec::with_capacity(operations.len());
        let mut origin = Vec::with_capacity(operations.len());
        let mut crashed = 0;
        for (at, index) in operations.iter().enumerate() {
            if at.is_multiple_of(POLL) {
                allowance.passed(at);
                allowance.allows(operations.len() as u64 * ENTRY)?;
            }
            let operation = history.operation(*index);
            let read = match self.kind {
                Kind::Set => self.element(&operation),
                Kind::Queue | Kind::Stack | Kind::PriorityQueue => self.item(&operation),
            };
            let read = read.map_err(Stop::HandOver)?;
            let Some((what, value)) = read else { continue };
            let ret = match operation.outcome() {
                Outcome::Ok => operation.ret().map_or(NEVER, |ret| ret.0),
                Outcome::Fail | Outcome::Info | Outcome::Open => NEVER,
            };
            crashed += u64::from(ret == NEVER);
            acts.push(Act { call: operation.call().0, ret, value: value.0, what });
            origin.push(*index);
        }
        Ok(Read { acts, origin, crashed })
    }

    /// What an operation on a queue asserts.
    fn item(&self, operation: &Operation<'_>) -> Result<Option<(What, Code)>, &'static str> {
        if !matches!(operation.f(), F::Enqueue | F::Dequeue | F::Peek) {
            return Err("an operation that is none of a queue");
        }
        let happened = match operation.outcome() {
            Outcome::Ok => true,
            Outcome::Info | Outcome::Open => false,
            Outcome::Fail => return Ok(None),
        };
        let empty = operation.a() == Code::ABSENT;
        let untold = operation.a() == Code::PENDING
            || (empty && self.partition.dialect.nil_read == NilRead::Unknown);
        Ok(match (operation.f(), happened) {
            (F::Enqueue, _) => Some((What::Insert, operation.a())),
            (F::Dequeue, false) => Some((What::Unknown, Code(0))),
            (F::Dequeue, true) if untold => return Err("a remove was answered without a value"),
            (F::Peek, true) if untold => None,
            (F::Peek, false) => None,
            (F::Dequeue | F::Peek, true) if empty => Some((What::Empty, Code(0))),
            (F::Dequeue, true) => Some((What::Remove, operation.a())),
            (F::Peek, true) => Some((What::Peek, operation.a())),
            _ => unreachable!("looked at first"),
        })
    }

    /// What an operation on a set asserts.
    fn element(&self, operation: &Operation<'_>) -> Result<Option<(What, Code)>, &'static str> {
        let single = matches!(operation.f(), F::SetAdd | F::SetRemove | F::SetContains);
        if !single && operation.f() != F::SetRead {
            return Err("an operation that is none of a set");
        }
        let happened = match operation.outcome() {
            Outcome::Ok => true,
            Outcome::Info | Outcome::Open => false,
            Outcome::Fail => return Ok(None),
        };
        let told = match operation.told() {
            Observed::Present(told) if happened => Some(told),
            Observed::Present(_) | Observed::Absent | Observed::Pending => None,
        };
        let what = match (operation.f(), told) {
            // Its element was there already: it changed nothing.
            (F::SetAdd, Some(false)) | (F::SetContains, Some(true)) => What::Peek,
            (F::SetAdd, _) => What::Insert,
            (F::SetRemove, Some(true)) => What::Remove,
            (F::SetRemove | F::SetContains, Some(false)) => What::Absent,
            (F::SetRemove, None) if happened => {
                return Err("a remove was answered without saying whether it found its element");
            }
            (F::SetRemove, None) => What::Remove,
            (F::SetContains, None) => return Ok(None),
            (F::SetRead, _) => return Err("the set is read whole"),
            _ => unreachable!("looked at first"),
        };
        Ok(Some((what, operation.a())))
    }

    /// The acts with values by number, and their order if it is another.
    fn input(&self, mut acts: Vec<Act>) -> Result<(Input, Option<Vec<u32>>), &'static str> {
        let codes = number(&mut acts);
        let values = codes.len() as u32;
        let events = self.partition.history.event_count();
        // Where most events are of this partition, ranks are dense enough as they are.
        let sorted = acts.is_sorted_by_key(|act| act.call);
        let dense = sorted && events as usize <= acts.len() * 2 + acts.len() / 4;
        let (input, order) = if dense {
            (Input::new(acts, values, events)?, None)
        } else {
            let (acts, order) = Acts::compressed(acts, values as usize);
            (Input::new(acts.acts, values, acts.events)?, Some(order))
        };
        let priorities = match self.next {
            Next::First | Next::Last => return Ok((input, order)),
            Next::Greatest => self.priorities(&codes),
            Next::Least => self.priorities(&codes).into_iter().map(|least| !least).collect(),
        };
        Ok((input.with_priorities(priorities), order))
    }

    /// Priorities in the order of the values behind `codes`.
    fn priorities(&self, codes: &[u32]) -> Vec<u32> {
        // Small integers are their own codes.
        if codes.iter().all(|code| code >> 31 == 0) {
            return codes.to_vec();
        }
        let value = |code: &u32| self.partition.history.value(Code(*code));
        let mut ranked: Vec<(usize, _)> = codes.iter().map(value).enumerate().collect();
        ranked.sort_by(|(_, one), (_, other)| one.cmp(other));
        let mut priorities = vec![0; codes.len()];
        for (rank, (number, _)) in (0u32..).zip(ranked) {
            priorities[number] = rank;
        }
        priorities
    }
}

/// Replaces codes by numbers in the order they are first met; the codes by number.
fn number(acts: &mut [Act]) -> Vec<u32> {
    const UNMET: u32 = u32::MAX;
    let named = |act: &&mut Act| !matches!(act.what, What::Empty | What::Unknown);
    let greatest = acts.iter_mut().filter(named).map(|act| act.value).max().unwrap_or(0) as usize;
    let mut codes = Vec::new();
    let mut meet = |known: &mut u32, code: u32| {
        if *known == UNMET {
            *known = codes.len() as u32;
            codes.push(code);
        }
        *known
    };
    if greatest < acts.len() * 4 + 1024 {
        let mut table = vec![UNMET; greatest + 1];
        for act in acts.iter_mut().filter(named) {
            act.value = meet(&mut table[act.value as usize], act.value);
        }
    } else {
        let mut table: FxHashMap<u32, u32> = FxHashMap::default();
        for act in acts.iter_mut().filter(named) {
            act.value = meet(table.entry(act.value).or_insert(UNMET), act.value);
        }
    }
    codes
}
