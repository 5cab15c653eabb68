//! Small random histories: valid ones, mutated ones, and any; every level against its definition.

use tribunal_history::{
    Builder, History, Mop, Nanos, NodeId, Observed, Op, Outcome, Process, TxnOp, Value,
};

use super::oracle::{Axiom, Keep, axiomatic, phenomena, serializable, snapshot_isolated};
use crate::testing::{Random, Tally, histories};
use crate::txn::ListAppend;
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

fn list(key: u64, elements: Vec<Value>) -> Mop {
    Mop::ReadList { key: Value::Int(key as i64), elements: Observed::Present(elements) }
}

/// At most five transactions of at most four steps on at most three keys.
fn drafts(random: &mut Random) -> Vec<Draft> {
    let (many, keys, processes) =
        (3 + random.below(3), 1 + random.below(3), 1 + random.below(3) as u32);
    let mut clock = vec![0_u64; processes as usize];
    let mut next = 0;
    let mut drafts: Vec<Draft> = Vec::new();
    for _ in 0..many {
        let process = random.below(u64::from(processes)) as u32;
        let call = clock[process as usize] + 1 + random.below(6);
        let ret = call + 1 + random.below(12);
        clock[process as usize] = ret;
        let outcome = match random.below(10) {
            0 => Outcome::Fail,
            1 => Outcome::Info,
            _ => Outcome::Ok,
        };
        let steps = 1 + random.below(4);
        let mops = (0..steps)
            .map(|_| {
                let key = random.below(keys);
                if next < 6 && random.chance(50) {
                    next += 1;
                    return Mop::Append { key: Value::Int(key as i64), element: Value::Int(next) };
                }
                list(key, Vec::new())
            })
            .collect();
        drafts.push(Draft { process, mops, outcome, call, ret });
    }
    drafts
}

/// Fills the reads in as some order, or some snapshots, would have it; then perhaps spoils one.
fn filled(mut drafts: Vec<Draft>, random: &mut Random) -> Vec<Draft> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    if random.chance(70) {
        let point = |draft: &Draft, random: &mut Random| {
            draft.call + random.below(draft.ret - draft.call + 1)
        };
        let points: Vec<u64> = drafts.iter().map(|draft| point(draft, random)).collect();
        order.sort_by_key(|at| points[*at]);
    } else {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at as u64 + 1) as usize);
        }
    }
    let stale = random.chance(70);
    let mut states: Vec<std::collections::BTreeMap<Value, Vec<Value>>> = vec![Default::default()];
    for at in order {
        let draft = &mut drafts[at];
        let back = if stale { random.below(states.len().min(4) as u64) as usize } else { 0 };
        let snapshot = states[states.len() - 1 - back].clone();
        let mut own: Vec<(Value, Value)> = Vec::new();
        for mop in &mut draft.mops {
            match mop {
                Mop::Append { key, element } => own.push((key.clone(), element.clone())),
                Mop::ReadList { key, elements } => {
                    let mut seen = snapshot.get(key).cloned().unwrap_or_default();
                    let mine = own.iter().filter(|(k, _)| k == key);
                    seen.extend(mine.map(|(_, element)| element.clone()));
                    *elements = Observed::Present(seen);
                }
                _ => {}
            }
        }
        let applies = match draft.outcome {
            Outcome::Ok => true,
            Outcome::Fail => random.chance(10),
            Outcome::Info | Outcome::Open => random.chance(50),
        };
        if applies {
            let mut state = states.last().cloned().unwrap_or_default();
            for (key, element) in own {
                state.entry(key).or_default().push(element);
            }
            states.push(state);
        }
    }
    if random.chance(40) {
        spoil(&mut drafts, random);
    }
    drafts
}

fn spoil(drafts: &mut [Draft], random: &mut Random) {
    let at = random.below(drafts.len() as u64) as usize;
    let kind = random.below(6);
    for mop in &mut drafts[at].mops {
        let Mop::ReadList { elements: Observed::Present(seen), .. } = mop else { continue };
        match kind {
            0 => seen.clear(),
            1 => drop(seen.pop()),
            2 => seen.reverse(),
            3 => seen.push(Value::Int(1 + random.below(6) as i64)),
            4 => drop((!seen.is_empty()).then(|| seen.remove(0))),
            _ => {
                if let Some(first) = seen.first().cloned() {
                    seen.push(first);
                }
            }
        }
        return;
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
    let mut process: Vec<u32> = (0..4).collect();
    let mut asked: Vec<u32> = vec![0; drafts.len()];
    for (time, completion, at) in events {
        let draft = &drafts[at];
        let slot = draft.process as usize;
        let session = Some(tribunal_history::Session(draft.process));
        let op = Op::Txn(TxnOp { mops: draft.mops.clone() });
        let built = if completion {
            let done = Process(asked[at]);
            if draft.outcome == Outcome::Info {
                process[slot] += 4;
            }
            builder.complete(Nanos(time), done, draft.outcome, Some(&op), None).map(drop)
        } else {
            asked[at] = process[slot];
            let question = op.pending();
            let (who, node) = (Process(process[slot]), Some(NodeId(0)));
            builder.invoke(Nanos(time), who, session, node, &question).map(drop)
        };
        built.expect("drafts are well formed");
    }
    builder.finish()
}

fn answer(report: &Report, level: C) -> Verdict {
    let answer = report.levels.iter().find(|answer| answer.level == level);
    answer.unwrap_or_else(|| panic!("{level:?} is not decided")).verdict
}

/// The definitions of every level, and whether the checker says the same.
///
/// Whether it is serializable, and how many levels are open.
fn compare(history: &History, seed: u64, tally: &mut Tally) -> [u64; 2] {
    let checker = ListAppend::new(C::StrictSerializable);
    let report = checker.check(history, &Budget::unlimited());
    let report = report.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", shown(history)));
    let strengths = [
        (
            Keep::Nothing,
            [C::Serializable, C::SnapshotIsolation, C::ReadCommitted, C::ReadUncommitted],
            Some(C::ParallelSnapshotIsolation),
        ),
        (
            Keep::Sessions,
            [
                C::StrongSessionSerializable,
                C::StrongSessionSnapshotIsolation,
                C::StrongSessionReadCommitted,
                C::StrongSessionReadCommitted,
            ],
            Some(C::StrongSessionParallelSnapshotIsolation),
        ),
        (
            Keep::RealTime,
            [
                C::StrictSerializable,
                C::StrongSnapshotIsolation,
                C::StrongReadCommitted,
                C::StrongReadCommitted,
            ],
            None,
        ),
    ];
    let mut open = 0;
    let mut says = |level: C, wanted: bool| {
        let said = answer(&report, level);
        tally.add(format!("list-append: {}", level.name()), said);
        if said == Verdict::Unknown {
            open += 1;
            return;
        }
        let said = said == Verdict::Valid;
        let because: Vec<_> = report.levels.iter().map(|a| (a.level.name(), &a.because)).collect();
        assert_eq!(said, wanted, "seed {seed}: {level:?}\n{}{because:?}", shown(history));
    };
    let own = |kind| kind == "internal" || kind == "non-repeatable-read";
    let own = report.levels.iter().any(|answer| own(answer.because.as_str()));
    for (keep, [ser, si, rc, ru], psi) in strengths {
        let serial = serializable(history, keep);
        says(ser, serial);
        says(si, serial || snapshot_isolated(history, keep));
        let phenomena = phenomena(history, keep);
        says(rc, phenomena.pl2);
        // Reads without a common order are no G0, and no proof of its absence either.
        if ru != rc && phenomena.ordered {
            says(ru, phenomena.pl1);
        }
        if keep == Keep::Nothing {
            says(C::RepeatableRead, phenomena.pl299);
            says(C::ConsistentView, phenomena.pl2_plus);
        }
        if let Some(psi) = psi {
            says(psi, phenomena.pl2_plus && !own);
        }
        let axioms: &[(C, Axiom)] = match keep {
            Keep::Nothing => &[
                (C::MonotonicAtomicView, Axiom::MonotonicAtomicView),
                (C::ReadAtomic, Axiom::ReadAtomic),
                (C::Prefix, Axiom::Prefix),
            ],
            Keep::Sessions => &[
                (C::StrongSessionReadAtomic, Axiom::ReadAtomic),
                (C::StrongSessionPrefix, Axiom::Prefix),
            ],
            Keep::RealTime => &[],
        };
        for (level, axiom) in axioms {
            let alone = *axiom == Axiom::MonotonicAtomicView || !own;
            says(*level, phenomena.pl2 && alone && axiomatic(history, keep, *axiom));
        }
    }
    [u64::from(answer(&report, C::Serializable) == Verdict::Valid), open]
}

fn shown(history: &History) -> String {
    let one = |op: tribunal_history::Operation<'_>| {
        format!(
            "T{} s{} {:?} [{}..{:?}] {}\n",
            op.index().0,
            op.session().0,
            op.outcome(),
            op.call().0,
            op.ret().map(|ret| ret.0),
            op.op()
        )
    };
    history.operations().map(one).collect()
}

#[test]
fn every_level_is_what_its_definition_says() {
    let (mut serial, mut open) = (0, 0);
    let (many, mut tally) = (histories(3_000), Tally::default());
    for seed in 0..many {
        let mut random = Random(seed);
        let drafts = drafts(&mut random);
        let drafts = filled(drafts, &mut random);
        let [valid, unknown] = compare(&history(&drafts), seed, &mut tally);
        serial += valid;
        open += unknown;
    }
    tally.print();
    assert!(open * 50 < many, "of all levels of fifty histories at most one is open: {open}");
    assert!(serial > many / 5 && serial < many * 4 / 5, "both answers are exercised: {serial}");
}
