//! Random histories, some of them broken on purpose; every level against its definition.

use tribunal_history::{
    Builder, History, KeyRange, Mop, Nanos, NodeId, Observed, Op, Outcome, Process, Session, TxnOp,
    Value,
};

use super::drawn::NO_MEMORY;
use super::oracle::{Axiom, KEYS, Keep, clean, has_memory, holds, weakly_causal, written};
use super::promises::{Promise, kept};
use crate::testing::{Random, Tally, drawn, histories};
use crate::weak::planted::{Bug, Planted};
use crate::weak::{Options, RwRegister};
use crate::{Budget, Checker, Consistency as C, Report, Verdict};

/// One transaction before it is recorded.
struct Draft {
    process: u32,
    mops: Vec<Mop>,
    outcome: Outcome,
    /// On the time axis.
    call: u64,
    ret: u64,
}

/// At most five transactions of at most four steps on at most three keys; of a hundred reads
/// `scans` are by a predicate.
fn drafts(random: &mut Random, scans: u64) -> Vec<Draft> {
    // Causality over several sessions shows in short transactions.
    let short = random.chance(40);
    let (many, keys, processes) = match short {
        true => (5, 2, 3 + random.below(2) as u32),
        false => (2 + random.below(4), 1 + random.below(3), 1 + random.below(3) as u32),
    };
    let mut clock = vec![0_u64; processes as usize];
    let mut next = 0;
    let mut drafts: Vec<Draft> = Vec::new();
    for _ in 0..many {
        let process = random.below(u64::from(processes)) as u32;
        let call = clock[process as usize] + 1 + random.below(6);
        let ret = call + 1 + random.below(12);
        clock[process as usize] = ret;
        let outcome = match random.below(14) {
            0 => Outcome::Fail,
            1 => Outcome::Info,
            _ => Outcome::Ok,
        };
        let steps = if short { 2 } else { 1 + random.below(4) };
        let mops = (0..steps)
            .map(|_| {
                let key = Value::Int(random.below(keys) as i64);
                if random.chance(45) {
                    next += 1;
                    return Mop::Write { key, value: Value::Int(next) };
                }
                if scans > 0 && random.chance(scans) {
                    return scan(random);
                }
                Mop::Read { key, value: Observed::Absent }
            })
            .collect();
        drafts.push(Draft { process, mops, outcome, call, ret });
    }
    drafts
}

/// A read of a range of keys.
fn scan(random: &mut Random) -> Mop {
    let from = random.below(KEYS as u64) as i64;
    let to = from + 1 + random.below((KEYS - from) as u64) as i64;
    let predicate = match random.chance(40) {
        true => "keys".into(),
        false => format!("keys {from}..{to}"),
    };
    Mop::ReadPredicate { predicate: predicate.into(), matches: Observed::Pending }
}

/// Fills a read of a range of keys in with what is seen of each.
fn scanned(mop: &mut Mop, mut seen: impl FnMut(&Value) -> Option<Value>) {
    let Mop::ReadPredicate { predicate, matches } = mop else { return };
    let range: KeyRange = predicate.parse().expect("a range of keys");
    let keys = (0..KEYS).map(Value::Int).filter(|key| range.contains(key));
    *matches = Observed::Present(keys.filter_map(|key| Some((key.clone(), seen(&key)?))).collect());
}

type State = std::collections::BTreeMap<Value, Value>;

/// Fills the reads in as some order would have it, from snapshots that may be old, for the whole
/// transaction or for each read; then perhaps spoils some.
fn filled(mut drafts: Vec<Draft>, random: &mut Random) -> Vec<Draft> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    if random.chance(70) {
        let points: Vec<u64> = drafts
            .iter()
            .map(|draft| draft.call + random.below(draft.ret - draft.call + 1))
            .collect();
        order.sort_by_key(|at| points[*at]);
    } else {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at as u64 + 1) as usize);
        }
    }
    let (stale, torn) = (random.chance(60), random.chance(30));
    let mut states: Vec<State> = vec![State::new()];
    for at in order {
        let draft = &mut drafts[at];
        let old = |random: &mut Random, states: &[State]| {
            let back = if stale { random.below(states.len().min(4) as u64) as usize } else { 0 };
            states[states.len() - 1 - back].clone()
        };
        let mut snapshot = old(random, &states);
        let mut own = State::new();
        for mop in &mut draft.mops {
            match mop {
                Mop::Write { key, value } => drop(own.insert(key.clone(), value.clone())),
                Mop::Read { key, value } => {
                    if torn {
                        snapshot = old(random, &states);
                    }
                    let seen = own.get(key).or_else(|| snapshot.get(key)).cloned();
                    *value = seen.map_or(Observed::Absent, Observed::Present);
                }
                mop => scanned(mop, |key| {
                    if torn {
                        snapshot = old(random, &states);
                    }
                    own.get(key).or_else(|| snapshot.get(key)).cloned()
                }),
            }
        }
        let applies = match draft.outcome {
            Outcome::Ok => true,
            Outcome::Fail => random.chance(10),
            Outcome::Info | Outcome::Open => random.chance(50),
        };
        if applies {
            let mut state = states.last().cloned().unwrap_or_default();
            state.extend(own);
            states.push(state);
        }
    }
    if random.chance(30) {
        spoil(&mut drafts, random);
    }
    drafts
}

/// Fills each read in with any write of its key by an earlier transaction, whatever else was seen.
fn wild(mut drafts: Vec<Draft>, random: &mut Random) -> Vec<Draft> {
    let mut writes: Vec<(Value, Value)> = Vec::new();
    for draft in &mut drafts {
        let mut own = State::new();
        for mop in &mut draft.mops {
            match mop {
                Mop::Write { key, value } => drop(own.insert(key.clone(), value.clone())),
                Mop::Read { key, value } => {
                    let seen = any_of(key, &own, &writes, random);
                    *value = seen.map_or(Observed::Absent, Observed::Present);
                }
                mop => scanned(mop, |key| any_of(key, &own, &writes, random)),
            }
        }
        writes.extend(own);
    }
    drafts
}

/// Any write of a key, its own if there is one.
fn any_of(
    key: &Value,
    own: &State,
    writes: &[(Value, Value)],
    random: &mut Random,
) -> Option<Value> {
    let of_key = writes.iter().filter(|(k, _)| k == key).map(|(_, value)| value);
    let of_key: Vec<&Value> = own.get(key).map_or(of_key.collect(), |own| vec![own]);
    let any = random.below(2 * of_key.len() as u64 + 1) as usize;
    of_key.get(any).or(of_key.last()).map(|value| (*value).clone())
}

/// Has one read see any write of its key, or nothing, or what nobody wrote.
fn spoil(drafts: &mut [Draft], random: &mut Random) {
    let writes: Vec<(Value, Value)> = (drafts.iter().flat_map(|draft| &draft.mops))
        .filter_map(|mop| match mop {
            Mop::Write { key, value } => Some((key.clone(), value.clone())),
            _ => None,
        })
        .collect();
    for _ in 0..1 + random.below(2) {
        let at = random.below(drafts.len() as u64) as usize;
        let mop = random.below(drafts[at].mops.len() as u64) as usize;
        if let Mop::ReadPredicate { matches: Observed::Present(seen), .. } =
            &mut drafts[at].mops[mop]
            && !seen.is_empty()
        {
            seen.remove(random.below(seen.len() as u64) as usize);
        }
        let Mop::Read { key, value } = &mut drafts[at].mops[mop] else { continue };
        let of_key: Vec<&Value> = writes.iter().filter(|(k, _)| k == key).map(|it| &it.1).collect();
        let any = random.below(of_key.len() as u64 + 2) as usize;
        *value = match of_key.get(any) {
            Some(seen) => Observed::Present((*seen).clone()),
            None if random.chance(20) => Observed::Present(Value::Int(99)),
            None => Observed::Absent,
        };
    }
}

fn history(drafts: &[Draft]) -> History {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        events.push((draft.call, false, at));
        events.push((draft.ret, true, at));
    }
    // An invocation before a completion at one instant: they are concurrent.
    events.sort();
    let mut builder = Builder::as_given();
    // A process of which an outcome is unknown is retired; its session goes on.
    let mut process: Vec<u32> = (0..5).collect();
    let mut asked: Vec<u32> = vec![0; drafts.len()];
    for (time, completion, at) in events {
        let draft = &drafts[at];
        let slot = draft.process as usize;
        let session = Some(Session(draft.process));
        let op = Op::Txn(TxnOp { mops: draft.mops.clone() });
        let built = if completion {
            let done = Process(asked[at]);
            if draft.outcome == Outcome::Info {
                process[slot] += 5;
            }
            builder.complete(Nanos(time), done, draft.outcome, Some(&op), None).map(drop)
        } else {
            asked[at] = process[slot];
            let (who, node) = (Process(process[slot]), Some(NodeId(0)));
            builder.invoke(Nanos(time), who, session, node, &op.pending()).map(drop)
        };
        built.expect("drafts are well formed");
    }
    builder.finish()
}

pub(super) fn random_history(seed: u64) -> History {
    with_scans(seed, 0)
}

/// A history in which of a hundred reads `scans` are by a predicate.
pub(super) fn with_scans(seed: u64, scans: u64) -> History {
    let mut random = Random(seed);
    let drafts = drafts(&mut random, scans);
    let filled = if random.chance(30) { wild } else { filled };
    history(&filled(drafts, &mut random))
}

pub(super) fn answer(report: &Report, level: C) -> Verdict {
    let answer = report.levels.iter().find(|answer| answer.level == level);
    answer.unwrap_or_else(|| panic!("{level:?} is not answered")).verdict
}

/// What the definition says of every level that is decided.
pub(super) fn definitions(history: &History) -> Vec<(C, bool)> {
    let says = |keep, axiom| holds(history, keep, axiom);
    vec![
        (C::ReadUncommitted, written(history)),
        (C::ReadCommitted, says(Keep::Nothing, Axiom::Nothing)),
        (C::StrongSessionReadCommitted, says(Keep::Sessions, Axiom::Nothing)),
        (C::MonotonicAtomicView, says(Keep::Nothing, Axiom::Monotonic)),
        (C::StrongSessionMonotonicAtomicView, says(Keep::Sessions, Axiom::Monotonic)),
        (C::ReadAtomic, says(Keep::Nothing, Axiom::Atomic)),
        (C::StrongSessionReadAtomic, says(Keep::Sessions, Axiom::Atomic)),
        (C::Prefix, says(Keep::Nothing, Axiom::Prefix)),
        (C::StrongSessionPrefix, says(Keep::Sessions, Axiom::Prefix)),
        (C::SnapshotIsolation, says(Keep::Nothing, Axiom::Snapshot)),
        (C::StrongSessionSnapshotIsolation, says(Keep::Sessions, Axiom::Snapshot)),
        (C::StrongSnapshotIsolation, says(Keep::RealTime, Axiom::Snapshot)),
        (C::Serializable, says(Keep::Nothing, Axiom::Serial)),
        (C::StrongSessionSerializable, says(Keep::Sessions, Axiom::Serial)),
        (C::StrictSerializable, says(Keep::RealTime, Axiom::Serial)),
        (C::Causal, says(Keep::Sessions, Axiom::Causal)),
        (C::WeakCausal, weakly_causal(history)),
        (C::CausalMemory, has_memory(history)),
    ]
}

/// The same of what is promised to sessions.
pub(super) fn promises(history: &History) -> Vec<(C, bool)> {
    let none = Promise { own_writes: false, reads: false, writes: false, follows: false };
    let reads = Promise { reads: true, ..none };
    let says = |promise| kept(history, promise);
    vec![
        (C::Pram, says(Promise { own_writes: true, writes: true, ..reads })),
        (C::ReadYourWrites, says(Promise { own_writes: true, ..none })),
        (C::MonotonicReads, says(reads)),
        (C::MonotonicWrites, says(Promise { writes: true, ..reads })),
        (C::WritesFollowReads, says(Promise { follows: true, ..reads })),
    ]
}

/// Whether no transaction reads twice: guarantees count read by read.
fn read_one_by_one(history: &History) -> bool {
    history.operations().all(|operation| {
        let Op::Txn(txn) = operation.op() else { return false };
        txn.mops.iter().filter(|mop| matches!(mop, Mop::Read { .. })).count() <= 1
    })
}

/// Whether the checker says what the definitions do; which levels hold.
fn compare(history: &History, checker: &RwRegister, tally: &mut Tally) -> Result<Vec<C>, String> {
    let report = checker.check(history, &Budget::unlimited()).map_err(|error| error.to_string())?;
    let because: Vec<_> = report.levels.iter().map(|a| (a.level.name(), &a.because)).collect();
    let mut valid = Vec::new();
    for (level, wanted) in definitions(history) {
        let said = answer(&report, level);
        let wanted = if wanted { Verdict::Valid } else { Verdict::Invalid };
        if said != wanted {
            return Err(format!("{level:?} is {said:?}, not {wanted:?}: {because:?}"));
        }
        tally.add(format!("rw-register: {}", level.name()), said);
        if wanted == Verdict::Valid {
            valid.push(level);
        }
    }
    let clean = clean(history);
    for (level, wanted) in promises(history) {
        let said = answer(&report, level);
        let right = match (said, wanted) {
            (Verdict::Invalid, false) => true,
            (Verdict::Valid, true) => clean,
            // Where not every read is explained, the others say only what is broken.
            (Verdict::Unknown | Verdict::Invalid, true) => !clean,
            (Verdict::Unknown | Verdict::Valid, false) => false,
        };
        if !right {
            return Err(format!("{level:?} is {said:?}, kept: {wanted}, {because:?}"));
        }
        tally.add(format!("rw-register: {}", level.name()), said);
        if said == Verdict::Valid {
            valid.push(level);
        }
    }
    let all = Promise { own_writes: true, reads: true, writes: true, follows: true };
    let (together, causal) = (kept(history, all), valid.contains(&C::Causal));
    if clean && (causal && !together || read_one_by_one(history) && together != causal) {
        return Err("all guarantees together are causal consistency".into());
    }
    Ok(valid)
}

pub(super) fn shown(history: &History) -> String {
    let one = |op: tribunal_history::Operation<'_>| {
        format!("T{} s{} {:?} {}\n", op.index().0, op.session().0, op.outcome(), op.op())
    };
    history.operations().map(one).collect()
}

#[test]
fn every_weak_level_is_what_its_definition_says() {
    let many = histories(3_000);
    let checker = RwRegister::new(C::Causal);
    let mut counts: Vec<(C, u64)> = Vec::new();
    assert!(compare(&drawn(NO_MEMORY), &checker, &mut Tally::default()).is_ok());
    let mut tally = Tally::default();
    for seed in 0..many {
        let history = random_history(seed);
        let valid = compare(&history, &checker, &mut tally)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", shown(&history)));
        for level in valid {
            match counts.iter_mut().find(|(known, _)| *known == level) {
                Some((_, count)) => *count += 1,
                None => counts.push((level, 1)),
            }
        }
    }
    tally.print();
    // Every level tells histories apart that the next weaker one does not.
    let count = |level| counts.iter().find(|(known, _)| *known == level).map_or(0, |it| it.1);
    let chain = [
        C::Causal,
        C::StrongSessionReadAtomic,
        C::StrongSessionMonotonicAtomicView,
        C::StrongSessionReadCommitted,
        C::ReadCommitted,
        C::ReadUncommitted,
    ];
    for pair in chain.windows(2) {
        assert!(count(pair[0]) + many / 500 < count(pair[1]), "{pair:?}: {counts:?}");
    }
    assert!(count(C::Causal) > many / 5 && count(C::WeakCausal) > count(C::Causal), "{counts:?}");
    for level in [C::ReadYourWrites, C::MonotonicReads, C::MonotonicWrites, C::WritesFollowReads] {
        assert!(count(level) > count(C::Causal) && count(level) < many, "{level:?}: {counts:?}");
    }
}

#[test]
fn every_planted_mistake_is_found() {
    let options = Options { verify: false, ..Options::default() };
    for bug in Bug::ALL {
        let mut checker = RwRegister::new(C::Causal).with_options(options.clone());
        checker.planted = Planted { bug: Some(*bug) };
        let wrong = |history| compare(&history, &checker, &mut Tally::default()).is_err();
        let found = (0..20_000).find(|seed| wrong(random_history(*seed)));
        let rare = || wrong(drawn(NO_MEMORY));
        assert!(found.is_some() || rare(), "{bug:?} is not found");
    }
}
