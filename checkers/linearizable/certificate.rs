//! Verifies what a search claims, without trusting it: an order for *valid*, a sub-history for
//! *invalid*. Shares no code with the search.

use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;
use tribunal_history::{History, OpIndex};

use super::{Dialect, Entry, FromHistory, Interpreted, Model, NEVER, Problem, Steps};
use super::{plain, sums};
use crate::Spent;

/// Sub-histories up to this size are re-decided by trying every order, unless these are more steps.
const ENUMERATED: usize = 12;
const STEPS: u64 = 1 << 20;

/// Accepts `order` (positions in `problem.entries`) iff it proves that `problem` is linearizable:
/// every completed operation once, crashed ones at most once, each legal where it stands, and none
/// after an operation that was invoked after it had returned. O(n).
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify_linearization<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    order: &[u32],
) -> Result<(), String> {
    let mut seen = vec![false; problem.entries.len()];
    let mut states = vec![model.initial()];
    let mut latest_call = 0;
    for position in order {
        let Some(entry) = problem.entries.get(*position as usize) else {
            return Err(format!("{position} is no operation"));
        };
        if std::mem::replace(&mut seen[*position as usize], true) {
            return Err(format!("operation {} stands twice", entry.origin.0));
        }
        if entry.ret < latest_call {
            return Err(format!(
                "operation {} stands after one invoked after it had returned",
                entry.origin.0
            ));
        }
        latest_call = latest_call.max(entry.call);
        if !step_all(model, &mut states, problem.op(entry)) {
            return Err(format!("operation {} is illegal where it stands", entry.origin.0));
        }
    }
    match problem.entries.iter().zip(&seen).find(|(entry, seen)| entry.ret != NEVER && !**seen) {
        Some((missing, _)) => Err(format!("operation {} is missing", missing.origin.0)),
        None => Ok(()),
    }
}

/// Accepts `order` iff it proves that these operations of `history` are linearizable, as
/// [`verify_linearization`] does, without interning them. O(n), one bit per operation.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify_order<M: FromHistory>(
    model: &M,
    history: &History,
    operations: &[OpIndex],
    dialect: Dialect,
    order: &[OpIndex],
) -> Result<(), String> {
    let mut missing = FixedBitSet::with_capacity(history.len());
    missing.extend(operations.iter().map(|index| index.0 as usize));
    let mut states = vec![model.initial()];
    let mut latest_call = 0;
    for index in order {
        if !missing.contains(index.0 as usize) {
            return Err(format!("operation {} stands twice, or elsewhere", index.0));
        }
        missing.remove(index.0 as usize);
        let operation = history.operation(*index);
        let (op, ret) = match model.interpret(&operation, dialect)? {
            Interpreted::Completed(op) => (op, operation.ret().map_or(NEVER, |ret| ret.0)),
            Interpreted::Crashed(op) => (op, NEVER),
            Interpreted::Nothing => return Err(format!("operation {} asserts nothing", index.0)),
        };
        if ret < latest_call {
            let index = index.0;
            return Err(format!("operation {index} stands after one invoked after its return"));
        }
        latest_call = latest_call.max(operation.call().0);
        if !step_all(model, &mut states, &op) {
            return Err(format!("operation {} is illegal where it stands", index.0));
        }
    }
    for left in missing.ones() {
        let operation = history.operation(OpIndex(left as u32));
        if let Interpreted::Completed(_) = model.interpret(&operation, dialect)? {
            return Err(format!("operation {left} is missing"));
        }
    }
    Ok(())
}

/// Accepts `kept` iff no operation of the partition that is not in it, and was invoked before the
/// event of rank `failed`, may be the reason why `kept` has no legal order: the rule of
/// [`verify_counterexample`], for a sub-history that was never part of a [`Problem`].
/// O(n * distinct operations kept), where few of what is left out could matter if nothing hid it.
///
/// # Errors
/// What may have been seen and was left out.
pub fn verify_closed<M: FromHistory>(
    model: &M,
    history: &History,
    operations: &[OpIndex],
    dialect: Dialect,
    kept: &[OpIndex],
    failed: u32,
) -> Result<(), String> {
    let mut part = Vec::new();
    for index in kept {
        let operation = history.operation(*index);
        match model.interpret(&operation, dialect)? {
            Interpreted::Completed(op) => {
                let ret = operation.ret().map(|ret| ret.0).filter(|ret| *ret <= failed);
                part.push((*index, op, operation.call().0, ret.unwrap_or(NEVER)));
            }
            Interpreted::Crashed(op) => part.push((*index, op, operation.call().0, NEVER)),
            Interpreted::Nothing => return Err(format!("operation {} asserts nothing", index.0)),
        }
    }
    let part: Vec<Kept<'_, M::Op>> = part
        .iter()
        .map(|(origin, op, call, ret)| Kept { origin: *origin, op, call: *call, ret: *ret })
        .collect();
    let barriers = Barriers::of(model, &part);
    let mut inside = FixedBitSet::with_capacity(history.len());
    inside.extend(kept.iter().map(|index| index.0 as usize));
    // What is alike is looked at once: its first call and its latest return.
    let mut distinct: FxHashMap<&M::Op, (u32, u32)> = FxHashMap::default();
    for one in &part {
        let (first, latest) = distinct.entry(one.op).or_insert((one.call, one.ret));
        (*first, *latest) = ((*first).min(one.call), (*latest).max(one.ret));
    }
    for index in operations {
        let operation = history.operation(*index);
        let call = operation.call().0;
        if call > failed || inside.contains(index.0 as usize) {
            continue;
        }
        let (op, ret) = match model.interpret(&operation, dialect)? {
            Interpreted::Completed(op) => (op, operation.ret().map_or(NEVER, |ret| ret.0)),
            Interpreted::Crashed(op) => (op, NEVER),
            Interpreted::Nothing => continue,
        };
        let matters = distinct.iter().any(|(own, (first, latest))| {
            *latest >= call && model.observes(own, &op) || ret >= *first && model.consumes(&op, own)
        });
        if matters {
            may_be_left_out(model, &part, &barriers, &Kept { origin: *index, op: &op, call, ret })?;
        }
    }
    Ok(())
}

/// An operation as the rules of leaving out see it; `ret` is [`NEVER`] beyond the failing event.
struct Kept<'a, O> {
    origin: OpIndex,
    op: &'a O,
    call: u32,
    ret: u32,
}

/// Kept operations that hide what was before them.
struct Barriers {
    /// (call, return) of the blind ones.
    blind: Vec<(u32, u32)>,
    /// What returned before this does not matter.
    from: u32,
}

impl Barriers {
    fn of<M: Model>(model: &M, kept: &[Kept<'_, M::Op>]) -> Barriers {
        let blind = kept.iter().filter(|one| one.ret != NEVER && model.is_blind(one.op));
        let first = kept.iter().min_by_key(|one| one.call).filter(|first| {
            first.ret != NEVER
                && kept.iter().all(|one| one.origin == first.origin || one.call > first.ret)
                && model.settles(first.op)
                && !matches!(model.step(&model.initial(), first.op), Steps::None)
        });
        Barriers {
            blind: blind.map(|one| (one.call, one.ret)).collect(),
            from: first.map_or(0, |first| first.call),
        }
    }
}

fn may_be_left_out<M: Model>(
    model: &M,
    kept: &[Kept<'_, M::Op>],
    barriers: &Barriers,
    dropped: &Kept<'_, M::Op>,
) -> Result<(), String> {
    if model.is_pure(dropped.op) || dropped.ret < barriers.from {
        return Ok(());
    }
    let after = barriers.blind.iter().filter(|(call, _)| *call > dropped.ret).map(|(_, ret)| *ret);
    let hidden_from = after.min().unwrap_or(NEVER);
    for one in kept {
        let (origin, out) = (one.origin.0, dropped.origin.0);
        let in_time = one.ret >= dropped.call && one.call < hidden_from;
        if in_time && model.observes(one.op, dropped.op) {
            return Err(format!(
                "operation {origin} may have seen operation {out}, which was left out"
            ));
        }
        if dropped.ret >= one.call && model.consumes(dropped.op, one.op) {
            return Err(format!(
                "operation {out}, which was left out, may have consumed operation {origin}"
            ));
        }
    }
    Ok(())
}

/// Takes `op` from every state; whether it is legal in one.
fn step_all<M: Model>(model: &M, states: &mut Vec<M::State>, op: &M::Op) -> bool {
    let mut next: Vec<M::State> = Vec::new();
    for state in states.iter() {
        match model.step(state, op) {
            Steps::None => {}
            Steps::One(one) => push_new(&mut next, one),
            Steps::Many(all) => all.into_iter().for_each(|one| push_new(&mut next, one)),
        }
    }
    *states = next;
    !states.is_empty()
}

fn push_new<S: PartialEq>(states: &mut Vec<S>, state: S) {
    if !states.contains(&state) {
        states.push(state);
    }
}

/// What became of an attempt to verify a counterexample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// It is a proof.
    Proved,
    /// This ended the plain search.
    Undecided(Spent),
}

/// Accepts `kept` (positions in `problem.entries`) iff the history of these operations up to the
/// event of rank `failed` has no legal order, and nothing was left out whose absence could be
/// the reason.
///
/// What may be left out: events after `failed` (a prefix of a linearizable history is
/// linearizable); pure operations (no order needs them); what may be left out by the contract of
/// [`Model::observes`] and [`Model::consumes`], where a pair counts only if the one can have seen
/// the other, or taken away what it brought: not if it returned before the other was called, nor
/// if a kept blind operation certainly stands between the two; and whatever had returned before a
/// first kept operation that settles the state and is legal initially. Why that suffices: a legal
/// order of the whole, cut before that first operation, is a legal order; cut into pieces that
/// begin with the blind operations that are kept, each piece is one of the orders the contract
/// speaks of. Where the object is a number, whatever sums prove is proved (`sums/verify.rs`). A
/// completed operation that is legal in no state ([`Model::impossible`]) is a proof by itself.
///
/// The plain search remembers `limit` configurations at most, and ends where told to stop.
///
/// # Errors
/// Why it is no proof.
pub fn verify_counterexample<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    kept: &[u32],
    failed: u32,
    most_bytes: u64,
    stop: &dyn Fn() -> bool,
) -> Result<Accepted, String> {
    let mut keep = vec![false; problem.entries.len()];
    for position in kept {
        let slot = keep.get_mut(*position as usize);
        *slot.ok_or_else(|| format!("{position} is no operation"))? = true;
    }
    let mut part = Vec::new();
    for (entry, _) in problem.entries.iter().zip(&keep).filter(|(_, keep)| **keep) {
        if entry.call > failed {
            return Err(format!("operation {} was invoked too late", entry.origin.0));
        }
        let ret = if entry.ret > failed { NEVER } else { entry.ret };
        part.push(Entry { ret, ..*entry });
    }
    if let [only] = part.as_slice()
        && only.ret != NEVER
        && model.impossible(problem.op(only)).is_some()
    {
        return Ok(Accepted::Proved);
    }
    if sums::proves(model, problem, &keep, failed, sums::Slips::default()) {
        return Ok(Accepted::Proved);
    }
    let as_kept = |entry: &Entry| Kept {
        origin: entry.origin,
        op: problem.op(entry),
        call: entry.call,
        ret: entry.ret,
    };
    let whole: Vec<Kept<'_, M::Op>> = part.iter().map(as_kept).collect();
    let barriers = Barriers::of(model, &whole);
    for (dropped, _) in problem.entries.iter().zip(&keep).filter(|(_, keep)| !**keep) {
        if dropped.call <= failed {
            if stop() {
                return Ok(Accepted::Undecided(Spent::Time));
            }
            may_be_left_out(model, &whole, &barriers, &as_kept(dropped))?;
        }
    }
    if part.len() <= ENUMERATED {
        let done = vec![false; part.len()];
        let mut orders = Orders { model, part: &part, ops: &problem.ops, done, steps: STEPS, stop };
        match orders.some(&model.initial()) {
            Some(true) => return Err("some order of it is legal".into()),
            Some(false) => return Ok(Accepted::Proved),
            None if stop() => return Ok(Accepted::Undecided(Spent::Time)),
            // Many crashed operations, each of which may be anywhere.
            None => {}
        }
    }
    match plain::is_linearizable(model, &part, &problem.ops, most_bytes, stop) {
        Ok(true) => Err("some order of it is legal".into()),
        Ok(false) => Ok(Accepted::Proved),
        Err(spent) => Ok(Accepted::Undecided(spent)),
    }
}

/// Every order, one after the other.
struct Orders<'a, M: Model> {
    model: &'a M,
    part: &'a [Entry],
    ops: &'a [M::Op],
    done: Vec<bool>,
    /// How many are left.
    steps: u64,
    stop: &'a dyn Fn() -> bool,
}

impl<M: Model> Orders<'_, M> {
    /// Whether one is legal from `state`; `None` where it was told to stop, or took too many steps.
    /// Depth is at most [`ENUMERATED`].
    fn some(&mut self, state: &M::State) -> Option<bool> {
        let open = || self.part.iter().zip(&self.done).filter(|(_, done)| !**done);
        let Some(first_return) = open().map(|(entry, _)| entry.ret).min() else {
            return Some(true);
        };
        if first_return == NEVER {
            return Some(true);
        }
        for (at, entry) in self.part.iter().enumerate() {
            if self.done[at] || entry.call > first_return {
                continue;
            }
            self.steps = self.steps.checked_sub(1).filter(|_| !(self.stop)())?;
            let next = match self.model.step(state, &self.ops[entry.class as usize]) {
                Steps::None => Vec::new(),
                Steps::One(one) => vec![one],
                Steps::Many(all) => all,
            };
            self.done[at] = true;
            for next in &next {
                if self.some(next)? {
                    self.done[at] = false;
                    return Some(true);
                }
            }
            self.done[at] = false;
        }
        Some(false)
    }
}
