//! A store that runs a level: transactions commit one after another, and each sees some of those
//! before it. Which ones is the level.
//!
//! Cerone, Bernardi & Gotsman, A Framework for Transactional Consistency Models with Atomic
//! Visibility (CONCUR 2015), definitions 4 to 9. It runs, where the oracles of small histories
//! enumerate: its histories may have any length, and it knows no checker.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, Session, TxnOp, Value,
};

use crate::testing::Random;

/// What a transaction sees of those that committed before it. Its session's it always sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sees {
    /// All.
    All,
    /// All up to some instant, at least what had returned before it was asked; and nobody else
    /// wrote what it writes since.
    FreshSnapshot,
    /// The same of an instant that may be long ago.
    Snapshot,
    /// All up to some instant that may be long ago.
    Prefix,
    /// Some, with all that these saw; and nobody it does not see wrote what it writes.
    Parallel,
    /// Some, with all that these saw.
    Causes,
    /// The same, in an order that is its session's own.
    CausesAsTheyCame,
    /// Some.
    Some,
    /// Some, and more with every read.
    MoreAndMore,
}

/// What is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    Registers,
    Lists,
}

/// How long, how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) transactions: usize,
    pub(super) sessions: u64,
    pub(super) keys: u64,
}

/// A transaction that committed.
struct Committed {
    session: u64,
    /// What it wrote last to each register, or appended to each list, by key.
    writes: BTreeMap<u64, Vec<i64>>,
    /// Those that it saw, by number.
    saw: BTreeSet<usize>,
    returned: u64,
}

/// One in the history.
struct Told {
    process: u32,
    session: u64,
    mops: Vec<Mop>,
    outcome: Outcome,
    asked: u64,
    returned: u64,
}

pub(super) struct Store<'r> {
    sees: Sees,
    kept: Kept,
    size: Size,
    /// Whether clocks tell what committed before what.
    clocked: bool,
    now: u64,
    random: &'r mut Random,
    committed: Vec<Committed>,
    told: Vec<Told>,
    /// By session: its clock, the process it is, and what reached it in which order.
    clocks: Vec<u64>,
    processes: Vec<u32>,
    logs: Vec<Vec<usize>>,
    next_value: i64,
}

/// A history of a store that runs `sees`. `clocked`: in real time, too.
pub(super) fn run(
    sees: Sees,
    kept: Kept,
    size: Size,
    clocked: bool,
    random: &mut Random,
) -> History {
    let sessions = size.sessions as usize;
    let mut store = Store {
        sees,
        kept,
        size,
        clocked,
        now: 0,
        random,
        committed: Vec::new(),
        told: Vec::new(),
        clocks: vec![0; sessions],
        processes: (0..sessions as u32).collect(),
        logs: vec![Vec::new(); sessions],
        next_value: 0,
    };
    for _ in 0..size.transactions {
        store.step();
    }
    store.history()
}

impl Store<'_> {
    /// The next transaction to commit, or not to.
    fn step(&mut self) {
        let session = self.random.below(self.size.sessions);
        let clock = self.clocks[session as usize];
        self.now += 100;
        if self.clocked && clock >= self.now {
            // It still waits for an answer.
            return;
        }
        // Without clocks each session has a time of its own.
        let (asked, returned) = match self.clocked {
            true => {
                let asked = (self.now - self.random.below(self.now.min(400))).max(clock + 1);
                (asked, self.now + self.random.below(400))
            }
            false => (clock + 1 + self.random.below(50), clock + 60 + self.random.below(200)),
        };
        let mops = self.asks();
        let mut seen = self.sight(session, asked);
        let (answered, writes) = self.answers(session, &mops, &mut seen);
        let mut contended = read_back(&mops);
        if matches!(self.sees, Sees::FreshSnapshot | Sees::Snapshot | Sees::Parallel) {
            contended.extend(writes.keys());
        }
        let mut unseen = self.committed.iter().enumerate().filter(|(at, _)| !seen.contains(at));
        let clash = unseen.any(|(_, it)| it.writes.keys().any(|key| contended.contains(key)));
        let outcome = match self.random.below(20) {
            _ if clash => Outcome::Fail,
            0 => Outcome::Fail,
            1 => Outcome::Info,
            _ => Outcome::Ok,
        };
        self.clocks[session as usize] = returned;
        let process = self.processes[session as usize];
        self.told.push(Told { process, session, mops: answered, outcome, asked, returned });
        if outcome == Outcome::Info {
            self.processes[session as usize] += self.size.sessions as u32;
        }
        // What did not answer may have happened, and nobody waits for it.
        if outcome == Outcome::Ok || outcome == Outcome::Info && self.random.chance(50) {
            let returned = if outcome == Outcome::Ok { returned } else { u64::MAX };
            self.logs[session as usize].push(self.committed.len());
            self.committed.push(Committed { session, writes, saw: seen, returned });
        }
    }

    fn asks(&mut self) -> Vec<Mop> {
        let many = 1 + self.random.below(4);
        (0..many)
            .map(|_| {
                let key = Value::Int(self.random.below(self.size.keys) as i64);
                let writes = self.random.chance(50);
                self.next_value += i64::from(writes);
                let value = Value::Int(self.next_value);
                match (self.kept, writes) {
                    (Kept::Registers, true) => Mop::Write { key, value },
                    (Kept::Registers, false) => Mop::Read { key, value: Observed::Pending },
                    (Kept::Lists, true) => Mop::Append { key, element: value },
                    (Kept::Lists, false) => Mop::ReadList { key, elements: Observed::Pending },
                }
            })
            .collect()
    }

    /// What a transaction of `session` sees as it begins.
    fn sight(&mut self, session: u64, asked: u64) -> BTreeSet<usize> {
        let all = self.committed.len();
        let own = |it: &Committed| it.session == session;
        let last_own = self.committed.iter().rposition(own).map_or(0, |at| at + 1);
        let returned = |it: &Committed| it.returned < asked;
        let mut any = |from: usize| from + self.random.below((all - from) as u64 + 1) as usize;
        let mut seen: BTreeSet<usize> = match self.sees {
            Sees::All => return (0..all).collect(),
            Sees::FreshSnapshot => {
                let due = self.committed.iter().rposition(returned).map_or(0, |at| at + 1);
                return (0..any(due.max(last_own))).collect();
            }
            Sees::Snapshot | Sees::Prefix => return (0..any(last_own)).collect(),
            Sees::Parallel
            | Sees::Causes
            | Sees::CausesAsTheyCame
            | Sees::Some
            | Sees::MoreAndMore => (0..all).filter(|at| own(&self.committed[*at])).collect(),
        };
        if self.sees == Sees::CausesAsTheyCame {
            seen.extend(&self.logs[session as usize]);
        }
        self.learn(session, &mut seen);
        seen
    }

    /// More of what there is, with what that entails.
    fn learn(&mut self, session: u64, seen: &mut BTreeSet<usize>) {
        let all = self.committed.len() as u64;
        for _ in 0..self.random.below(4) {
            // Most of what is learnt is new.
            let back = self.random.below(all.clamp(1, 8));
            seen.extend(all.checked_sub(back + 1).map(|at| at as usize));
        }
        let causes = matches!(self.sees, Sees::Parallel | Sees::Causes | Sees::CausesAsTheyCame);
        loop {
            let before = seen.len();
            if causes {
                let more: Vec<usize> =
                    seen.iter().flat_map(|at| self.committed[*at].saw.clone()).collect();
                seen.extend(more);
            }
            // A list is what was appended, without gaps.
            if self.kept == Kept::Lists {
                let lists = |at: &usize| self.committed[*at].writes.keys().copied();
                let last: BTreeMap<u64, usize> =
                    seen.iter().flat_map(|at| lists(at).map(|key| (key, *at))).collect();
                let earlier = (0..self.committed.len())
                    .filter(|at| lists(at).any(|key| last.get(&key).is_some_and(|last| at < last)));
                let earlier: Vec<usize> = earlier.collect();
                seen.extend(earlier);
            }
            if seen.len() == before {
                break;
            }
        }
        if self.sees != Sees::CausesAsTheyCame {
            return;
        }
        let log = &mut self.logs[session as usize];
        let new: Vec<usize> = seen.iter().copied().filter(|at| !log.contains(at)).collect();
        log.extend(new);
    }

    /// The steps with what they saw, and what was written.
    fn answers(
        &mut self,
        session: u64,
        mops: &[Mop],
        seen: &mut BTreeSet<usize>,
    ) -> (Vec<Mop>, BTreeMap<u64, Vec<i64>>) {
        let mut writes: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        let mut answered = mops.to_vec();
        for mop in &mut answered {
            match mop {
                Mop::Write { key: Value::Int(key), value: Value::Int(value) } => {
                    writes.insert(*key as u64, vec![*value]);
                }
                Mop::Append { key: Value::Int(key), element: Value::Int(value) } => {
                    writes.entry(*key as u64).or_default().push(*value);
                }
                Mop::Read { key: Value::Int(key), value } => {
                    let held = self.held(session, *key as u64, seen, &writes);
                    *value =
                        held.last().map_or(Observed::Absent, |it| Observed::Present((*it).into()));
                }
                Mop::ReadList { key: Value::Int(key), elements } => {
                    let held = self.held(session, *key as u64, seen, &writes);
                    *elements = Observed::Present(held.into_iter().map(Value::Int).collect());
                }
                other => panic!("nobody asks for {other:?}"),
            }
            // What it appended to is a list that stands.
            if self.sees == Sees::MoreAndMore && writes.is_empty() {
                self.learn(session, seen);
            }
        }
        (answered, writes)
    }

    /// Everything that was written to `key` as a session sees it, its own last.
    fn held(
        &self,
        session: u64,
        key: u64,
        seen: &BTreeSet<usize>,
        own: &BTreeMap<u64, Vec<i64>>,
    ) -> Vec<i64> {
        let order: Vec<usize> = match self.sees {
            Sees::CausesAsTheyCame => self.logs[session as usize].clone(),
            _ => seen.iter().copied().collect(),
        };
        let before = order.iter().filter_map(|at| self.committed[*at].writes.get(&key));
        before.chain(own.get(&key)).flatten().copied().collect()
    }

    fn history(&self) -> History {
        let mut events: Vec<(u64, bool, &Told)> = Vec::new();
        for told in &self.told {
            events.push((told.asked, false, told));
            events.push((told.returned, true, told));
        }
        // An invocation before a completion at one instant: they are concurrent.
        events.sort_by_key(|(time, completion, told)| (*time, *completion, told.process));
        let mut builder = Builder::as_given();
        for (time, completion, told) in events {
            let (op, process) = (Op::Txn(TxnOp { mops: told.mops.clone() }), Process(told.process));
            let built = if completion {
                builder.complete(Nanos(time), process, told.outcome, Some(&op), None).map(drop)
            } else {
                let session = Some(Session(told.session as u32));
                builder.invoke(Nanos(time), process, session, None, &op.pending()).map(drop)
            };
            built.expect("a session waits for its answer");
        }
        builder.finish()
    }
}

/// Lists that a transaction reads after it appended to them: it shows where its elements stand.
fn read_back(mops: &[Mop]) -> BTreeSet<u64> {
    let mut appended = BTreeSet::new();
    let mut back = BTreeSet::new();
    for mop in mops {
        match mop {
            Mop::Append { key: Value::Int(key), .. } => drop(appended.insert(*key as u64)),
            Mop::ReadList { key: Value::Int(key), .. } if appended.contains(&(*key as u64)) => {
                back.insert(*key as u64);
            }
            _ => {}
        }
    }
    back
}
