//! Texts that are put and appended to: the sweeps against the definition, the search, and their own
//! planted mistakes.

use tribunal_history::{
    Builder, History, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value,
};

use super::generate::Random;
use super::histories;
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::texts::{Planted, Trap, decide_with};
use crate::linearizable::{
    Allowance, Dialect, Engines, Fast, Kv, Options, Partition, Proof, judge,
};
use crate::{Budget, Evidence, Report, Verdict};

#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    Put(String),
    Append(String),
    /// What was seen; nothing, if it crashed.
    Get(String),
}

/// `to` is `u32::MAX` where it crashed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Act {
    process: u32,
    action: Action,
    from: u32,
    to: u32,
}

/// Operations on one key.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Acts {
    initial: &'static str,
    acts: Vec<Act>,
}

/// A client is idle, or its operation waits for its effect, or for its return.
#[derive(Clone, Copy)]
enum Client {
    Idle,
    Sent(usize),
    Done(usize),
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pool {
    /// Each text once.
    Fresh,
    /// One of so many.
    Few(u64),
    /// Texts that begin with others, and sometimes none.
    NoCode,
}

impl Pool {
    fn text(self, random: &mut Random, fresh: &mut u64) -> String {
        *fresh += 1;
        match self {
            Pool::Fresh => format!("{fresh}."),
            Pool::Few(texts) => format!("{}.", 1 + random.below(texts)),
            Pool::NoCode => ["a", "ab", "b", "ba", "aba", ""][random.below(6) as usize].into(),
        }
    }
}

struct Shape {
    ops: usize,
    clients: u64,
    crash_percent: u64,
    put_percent: u64,
    pool: Pool,
    initial: &'static str,
}

/// Valid by construction.
fn valid(random: &mut Random, shape: &Shape) -> Acts {
    let (ops, clients, initial) = (shape.ops, shape.clients, shape.initial);
    let mut acts: Vec<Act> = Vec::new();
    let mut stage = vec![Client::Idle; clients as usize];
    let mut process: Vec<u32> = (0..clients as u32).collect();
    let (mut text, mut fresh, mut time) = (initial.to_owned(), 0, 0);
    while acts.len() < ops || stage.iter().any(|client| !matches!(client, Client::Idle)) {
        let at = random.below(clients) as usize;
        time += 1;
        match stage[at] {
            Client::Idle if acts.len() < ops => {
                let action = match random.below(100) {
                    0..50 => Action::Get(String::new()),
                    _ if random.percent(shape.put_percent) => {
                        Action::Put(shape.pool.text(random, &mut fresh))
                    }
                    _ => Action::Append(shape.pool.text(random, &mut fresh)),
                };
                stage[at] = Client::Sent(acts.len());
                acts.push(Act { process: process[at], action, from: time, to: u32::MAX });
            }
            Client::Idle => {}
            Client::Sent(act) => {
                let crashes = random.percent(shape.crash_percent);
                match &mut acts[act].action {
                    Action::Get(seen) => seen.clone_from(&text),
                    _ if crashes && random.percent(50) => {}
                    Action::Put(new) => text.clone_from(new),
                    Action::Append(more) => text.push_str(more),
                }
                stage[at] = Client::Done(act);
                if crashes {
                    stage[at] = Client::Idle;
                    process[at] += clients as u32;
                }
            }
            Client::Done(act) => {
                acts[act].to = time;
                stage[at] = Client::Idle;
            }
        }
    }
    Acts { initial, acts }
}

/// What two gets saw swapped, a part of it dropped, doubled, invented or exchanged with another, an
/// earlier or later text, or one cut in the middle.
fn corrupt(random: &mut Random, acts: &mut Acts) {
    let acts = &mut acts.acts;
    let gets: Vec<usize> = (0..acts.len())
        .filter(|at| acts[*at].to != u32::MAX && matches!(acts[*at].action, Action::Get(_)))
        .collect();
    if gets.is_empty() {
        return;
    }
    for _ in 0..=random.below(2) {
        let mut any = || gets[random.below(gets.len() as u64) as usize];
        let (one, other) = (any(), any());
        let (also, most) = (acts[other].action.clone(), acts.len() as u64 + 2);
        let Action::Get(seen) = &mut acts[one].action else { continue };
        let mut parts: Vec<String> = seen.split_inclusive('.').map(str::to_owned).collect();
        let places = parts.len() as u64;
        match random.below(8) {
            0 => {
                if let Action::Get(also) = also {
                    let seen = std::mem::replace(seen, also);
                    acts[other].action = Action::Get(seen);
                }
                continue;
            }
            1 => {
                seen.truncate(random.below(seen.len() as u64 + 1) as usize);
                continue;
            }
            2 if places > 0 => {
                parts.remove(random.below(places) as usize);
            }
            3 if places > 0 => parts.push(parts[random.below(places) as usize].clone()),
            4 if places > 1 => {
                parts.swap(random.below(places) as usize, random.below(places) as usize);
            }
            5 if places > 0 => parts.truncate(random.below(places) as usize),
            6 if places > 0 => {
                parts.remove(0);
            }
            _ => parts.push(format!("{}.", 1 + random.below(most))),
        }
        *seen = parts.concat();
    }
}

fn small(random: &mut Random) -> Acts {
    let pool = match random.below(10) {
        0..6 => Pool::Fresh,
        6 => Pool::NoCode,
        _ => Pool::Few(2 + random.below(4)),
    };
    let shape = Shape {
        ops: 2 + random.below(7) as usize,
        clients: 1 + random.below(5),
        crash_percent: random.below(41),
        put_percent: random.below(61),
        pool,
        initial: ["", "", "0.", "1."][random.below(4) as usize],
    };
    let mut acts = valid(random, &shape);
    if random.percent(60) {
        corrupt(random, &mut acts);
    }
    acts
}

/// From the definition: some choice of crashed writes, some order, legal, in real time.
fn is_linearizable(acts: &Acts) -> bool {
    let asserts = |act: &&Act| act.to != u32::MAX || !matches!(act.action, Action::Get(_));
    let ops: Vec<&Act> = acts.acts.iter().filter(asserts).collect();
    some_order(&ops, &mut vec![false; ops.len()], acts.initial)
}

fn some_order(acts: &[&Act], placed: &mut Vec<bool>, text: &str) -> bool {
    let left = |at: usize, placed: &[bool]| !placed[at] && acts[at].to != u32::MAX;
    if (0..acts.len()).all(|at| !left(at, placed)) {
        return true;
    }
    for at in 0..acts.len() {
        let precedes = |other: usize| left(other, placed) && acts[other].to < acts[at].from;
        if placed[at] || (0..acts.len()).any(precedes) {
            continue;
        }
        let next = match &acts[at].action {
            Action::Put(new) => new.clone(),
            Action::Append(more) => format!("{text}{more}"),
            Action::Get(seen) if seen == text => text.to_owned(),
            Action::Get(_) => continue,
        };
        placed[at] = true;
        let found = some_order(acts, placed, &next);
        placed[at] = false;
        if found {
            return true;
        }
    }
    false
}

fn history(acts: &Acts) -> History {
    let mut events: Vec<(u32, &Act, bool)> = Vec::new();
    for act in &acts.acts {
        events.push((act.from, act, false));
        if act.to != u32::MAX {
            events.push((act.to, act, true));
        }
    }
    events.sort_by_key(|(time, _, _)| *time);
    let mut builder = Builder::as_given();
    for (time, act, ends) in events {
        let (time, process, key) = (Nanos(u64::from(time)), Process(act.process), Value::text("x"));
        let op = Op::Register(match &act.action {
            Action::Put(text) => RegisterOp::Write { key, value: Value::text(text.as_str()) },
            Action::Append(text) => RegisterOp::Append { key, value: Value::text(text.as_str()) },
            Action::Get(text) => {
                let seen = Value::text(text.as_str());
                RegisterOp::Read { key, value: Observed::Present(seen) }
            }
        });
        if ends {
            builder.complete(time, process, Outcome::Ok, Some(&op), None).expect("well-formed");
        } else {
            builder.invoke(time, process, None, None, &op.pending()).expect("well-formed");
        }
    }
    builder.finish()
}

fn judged(acts: &Acts, engines: Engines, configurations: u64) -> Report {
    let options = Options { engines, ..Options::default() };
    // The search remembers every text it saw.
    let budget = Budget::unlimited().with_configurations(configurations).with_bytes(256 << 20);
    let (model, history) = (Kv { initial: acts.initial.into() }, history(acts));
    let report = judge(&model, &history, Dialect::TRIBUNAL, &budget, options);
    report.unwrap_or_else(|error| panic!("{error}: {acts:?}"))
}

fn engine(report: &Report) -> &'static str {
    report.cost.engines.first().expect("a decided key").0
}

/// What the fast path alone says.
fn by_texts(acts: &Acts, planted: Planted) -> Option<bool> {
    let (history, budget) = (history(acts), Budget::unlimited());
    let ledger = Ledger::new(&budget);
    let component = components(&Kv { initial: acts.initial.into() }, &history).pop()?;
    let (operations, dialect) = (&component.operations, Dialect::TRIBUNAL);
    let partition = Partition { history: &history, operations, dialect };
    match decide_with(&partition, Allowance::new(&ledger), acts.initial, planted) {
        Fast::HandOver(_) => None,
        Fast::Spent(..) => panic!("nothing bounds it"),
        Fast::Decided(decided) => Some(matches!(decided.proof, Proof::Order(_))),
    }
}

#[test]
fn the_texts_agree_with_the_definition() {
    let mut random = Random(71);
    let (mut valid, mut invalid, mut handed) = (0, 0, 0);
    let all = histories(60_000);
    for number in 0..all {
        let acts = small(&mut random);
        let expected = is_linearizable(&acts);
        let report = judged(&acts, Engines::Auto, u64::MAX);
        let wanted = if expected { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(report.verdict, wanted, "{number}: {acts:?}");
        assert_eq!(report.cost.certificates_verified, 1, "{acts:?}");
        handed += u64::from(engine(&report) != "texts");
        valid += u64::from(expected);
        invalid += u64::from(!expected);
    }
    println!("{valid} valid, {invalid} invalid, {handed} of them by the search, 0 mismatches");
    assert!(valid > all / 5 && invalid > all / 5, "{valid} valid, {invalid} invalid");
    assert!(handed > all / 100 && handed < all / 5, "{handed} handed over");
}

/// Where every text is written once, and where few are written often.
#[test]
fn the_texts_agree_with_the_search_on_medium_histories() {
    let mut random = Random(72);
    let (all, mut decided, mut fast) = (histories(60_000).div_ceil(200), 0, 0);
    for number in 0..all {
        let shape = Shape {
            ops: 15 + random.below(40) as usize,
            clients: 2 + random.below(4),
            crash_percent: 2,
            put_percent: random.below(31),
            pool: if number % 3 == 0 { Pool::Few(8) } else { Pool::Fresh },
            initial: "",
        };
        let mut acts = valid(&mut random, &shape);
        if number % 2 == 0 {
            corrupt(&mut random, &mut acts);
        }
        let [auto, search] =
            [Engines::Auto, Engines::Search].map(|engines| judged(&acts, engines, 20_000));
        if auto.verdict != Verdict::Unknown && search.verdict != Verdict::Unknown {
            assert_eq!(auto.verdict, search.verdict, "{acts:?}");
            decided += 1;
            fast += u64::from(engine(&auto) == "texts");
        }
    }
    println!("{decided} of {all} decided by the search, {fast} by texts, 0 mismatches");
    assert!(decided > all * 3 / 4 && fast > all / 2, "{decided} and {fast} of {all} decided");
}

#[test]
fn long_valid_texts_are_never_called_invalid() {
    let mut random = Random(73);
    let (all, mut decided) = (histories(60_000).div_ceil(100), 0);
    for number in 0..all {
        let shape = Shape {
            ops: 100 + random.below(300) as usize,
            clients: 2 + random.below(49),
            crash_percent: 2,
            put_percent: random.below(21),
            pool: if number % 3 == 0 { Pool::Few(100) } else { Pool::Fresh },
            initial: ["", "0."][random.below(2) as usize],
        };
        let acts = valid(&mut random, &shape);
        let said = by_texts(&acts, Planted::default());
        assert_ne!(said, Some(false), "{acts:?}");
        assert!(said.is_some() || number % 3 == 0, "{acts:?}");
        decided += u64::from(said.is_some());
    }
    println!("{decided} of {all} decided");
    assert!(decided > all * 3 / 4, "{decided} of {all} decided");
}

/// Their proofs are searched for, so they must not need much of a search.
#[test]
fn long_invalid_texts_are_decided_within_a_small_budget() {
    let mut random = Random(74);
    let (mut invalid, all) = (0, 40);
    for number in 0..all {
        let shape = Shape {
            ops: 300,
            clients: 5,
            crash_percent: 1,
            put_percent: number % 10,
            pool: Pool::Fresh,
            initial: "",
        };
        let mut acts = valid(&mut random, &shape);
        corrupt(&mut random, &mut acts);
        let report = judged(&acts, Engines::Auto, 200_000);
        assert_ne!(report.verdict, Verdict::Unknown, "{:?}", report.reason);
        invalid += u64::from(report.verdict == Verdict::Invalid);
    }
    assert!(invalid > all / 2, "{invalid} of {all} invalid");
}

/// The negative proof: every mistake one could make in a rule shows within these histories.
#[test]
fn planted_mistakes_are_caught() {
    let traps = [
        Trap::AnyCode,
        Trap::UnknownIsFine,
        Trap::HiddenTooEarly,
        Trap::AnyOrder,
        Trap::TwiceIsFine,
        Trap::ShownBeforeCall,
        Trap::RepeatedMeansFirst,
        Trap::SweepForgets,
        Trap::GetsDoNotBound,
        Trap::CrashedReturns,
        Trap::InitialUnbound,
        Trap::ForwardMayMeet,
        Trap::BackwardMayHide,
        Trap::UnseenDropped,
    ];
    for trap in traps {
        let mut random = Random(71);
        let planted = Planted { trap: Some(trap) };
        let caught = (0..100_000).find(|_| {
            let acts = small(&mut random);
            by_texts(&acts, planted).is_some_and(|said| said != is_linearizable(&acts))
        });
        let caught = caught.unwrap_or_else(|| panic!("{trap:?} was not caught"));
        println!("{trap:?} caught by history {caught}");
    }
}

/// Verdict, whether the fast path decided, and of a finding how many operations show it.
#[track_caller]
fn check(expected: (Verdict, bool, usize), initial: &'static str, acts: &[(u32, &str, u32, u32)]) {
    let acts: Vec<Act> = acts
        .iter()
        .map(|(process, what, from, to)| {
            let (f, text) = what.split_once(' ').expect("put, append or get, and a text");
            let text = text.to_owned();
            let action = match f {
                "put" => Action::Put(text),
                "append" => Action::Append(text),
                _ => Action::Get(text),
            };
            Act { process: *process, action, from: *from, to: *to }
        })
        .collect();
    let acts = Acts { initial, acts };
    assert_eq!(is_linearizable(&acts), expected.0 == Verdict::Valid, "{acts:?}");
    let report = judged(&acts, Engines::Auto, u64::MAX);
    let named = report.anomalies.first().map_or(0, |anomaly| match &anomaly.evidence {
        Evidence::Counterexample { operations, .. } => operations.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!((report.verdict, engine(&report) == "texts", named), expected, "{acts:?}");
    assert_eq!(judged(&acts, Engines::Search, u64::MAX).verdict, expected.0, "{acts:?}");
}

const NEVER: u32 = u32::MAX;

#[test]
fn a_get_goes_back() {
    let acts =
        [(0, "put 1.", 1, 2), (0, "append 2.", 3, 4), (1, "get 1.2.", 5, 6), (1, "get 1.", 7, 8)];
    check((Verdict::Invalid, true, 3), "", &acts);
}

#[test]
fn two_gets_disagree_about_the_order() {
    let acts = [
        (0, "append 1.", 1, 3),
        (1, "append 2.", 2, 4),
        (2, "get 1.2.", 5, 7),
        (3, "get 2.1.", 6, 8),
    ];
    check((Verdict::Invalid, true, 4), "", &acts);
}

#[test]
fn a_completed_append_is_lost() {
    check((Verdict::Invalid, true, 2), "", &[(0, "append 1.", 1, 2), (1, "get ", 3, 4)]);
}

#[test]
fn an_append_that_a_put_hid_may_be_lost() {
    let acts = [(0, "append 1.", 1, 5), (1, "put 2.", 2, 4), (1, "get 2.", 6, 7)];
    check((Verdict::Valid, true, 0), "", &acts);
    let acts = [(1, "put 2.", 1, 2), (0, "append 1.", 3, 4), (1, "get 2.", 5, 6)];
    check((Verdict::Invalid, true, 3), "", &acts);
}

#[test]
fn a_get_shows_what_a_put_hid() {
    let acts = [(0, "put 1.", 1, 2), (0, "put 2.", 3, 4), (1, "get 1.", 5, 6)];
    check((Verdict::Invalid, true, 2), "", &acts);
}

#[test]
fn the_initial_text_is_there_until_something_is_put() {
    let acts = [(0, "get 0.", 1, 2), (1, "append 1.", 3, 4), (0, "get 0.1.", 5, 6)];
    check((Verdict::Valid, true, 0), "0.", &acts);
    check((Verdict::Invalid, true, 1), "", &acts);
    let acts = [(0, "put 1.", 1, 2), (1, "get 0.", 3, 4)];
    check((Verdict::Invalid, true, 2), "0.", &acts);
}

#[test]
fn a_put_comes_between_what_a_get_shows() {
    let acts =
        [(0, "put 1.", 1, 20), (1, "get 1.", 2, 3), (2, "put 2.", 4, 5), (1, "get 1.", 6, 7)];
    check((Verdict::Invalid, true, 4), "", &acts);
}

#[test]
fn a_crashed_append_may_show_late_or_never() {
    let acts = [
        (0, "append 1.", 1, NEVER),
        (1, "append 3.", 2, NEVER),
        (2, "append 2.", 3, 4),
        (3, "get 2.", 5, 6),
        (3, "get 2.1.", 7, 8),
    ];
    check((Verdict::Valid, true, 0), "", &acts);
}

#[test]
fn a_text_that_nobody_wrote_shows() {
    check((Verdict::Invalid, true, 1), "", &[(0, "put 1.", 1, 2), (1, "get 7.", 3, 4)]);
    check((Verdict::Invalid, true, 1), "", &[(0, "put 1.", 1, 2), (1, "get 1", 3, 4)]);
    check((Verdict::Invalid, true, 2), "", &[(0, "put 1.", 1, 2), (1, "get 1.7", 3, 4)]);
}

#[test]
fn a_text_written_twice_is_told_apart_by_time() {
    let acts = [
        (0, "append 1.", 1, 2),
        (1, "get 1.", 3, 4),
        (0, "append 1.", 5, 6),
        (1, "get 1.1.", 7, 8),
        (0, "put 1.", 9, 10),
        (1, "get 1.", 11, 12),
    ];
    check((Verdict::Valid, true, 0), "", &acts);
    let acts = [(0, "append 1.", 1, 2), (1, "get 1.", 3, 4), (1, "get 1.1.", 5, 6)];
    check((Verdict::Invalid, true, 2), "", &acts);
}

/// Whichever of the two showed: with one taken there is an order.
#[test]
fn a_retry_after_a_crash_may_show_once_or_twice() {
    let acts = [
        (0, "append 1.", 1, NEVER),
        (1, "append 1.", 2, 3),
        (2, "get 1.", 4, 5),
        (2, "get 1.1.", 6, 7),
    ];
    check((Verdict::Valid, true, 0), "", &acts);
    check((Verdict::Valid, true, 0), "", &acts[..3]);
}

/// One must be taken, and what follows from that is no proof.
#[test]
fn a_text_written_twice_at_once_is_searched_where_it_matters() {
    let acts = [
        (0, "put 1.", 1, 8),
        (1, "put 1.", 2, 9),
        (2, "put 2.", 3, 10),
        (3, "get 1.", 4, 5),
        (3, "get 2.", 6, 7),
        (3, "get 1.", 11, 12),
    ];
    check((Verdict::Valid, false, 0), "", &acts);
}

#[test]
fn texts_that_begin_with_others_are_searched() {
    let acts = [(0, "append a", 1, 2), (1, "append ab", 3, 4), (2, "get aab", 5, 6)];
    check((Verdict::Valid, false, 0), "", &acts);
    let acts = [(0, "append a", 1, 2), (1, "append ab", 3, 4), (2, "get aba", 5, 6)];
    check((Verdict::Invalid, false, 3), "", &acts);
}

fn kv(acts: &[(Op, Option<Op>)], dialect: Dialect) -> Report {
    let mut builder = Builder::as_given();
    for (time, (asked, told)) in (0..).zip(acts) {
        builder.invoke(Nanos(2 * time), Process(0), None, None, asked).expect("well-formed");
        let told = Some(told.as_ref().unwrap_or(asked));
        let ended = builder.complete(Nanos(2 * time + 1), Process(0), Outcome::Ok, told, None);
        ended.expect("well-formed");
    }
    let (model, budget) = (Kv { initial: "".into() }, Budget::unlimited());
    let report = judge(&model, &builder.finish(), dialect, &budget, Options::default());
    report.unwrap_or_else(|error| panic!("{error}"))
}

/// A get with its answer.
fn got(value: Observed<Value>) -> (Op, Option<Op>) {
    let read = |value| Op::Register(RegisterOp::Read { key: Value::text("x"), value });
    (read(Observed::Pending), Some(read(value)))
}

fn wrote(value: Value) -> (Op, Option<Op>) {
    (Op::Register(RegisterOp::Write { key: Value::text("x"), value }), None)
}

#[test]
fn answers_mean_what_the_dialect_says() {
    let acts = [wrote(Value::Int(7)), got(Observed::Absent)];
    assert_eq!(kv(&acts, Dialect::ETCD).verdict, Verdict::Invalid);
    assert_eq!(kv(&acts, Dialect::KNOSSOS).verdict, Verdict::Valid);
    // Nil is nothing there, however it is written.
    let acts = [wrote(Value::Int(7)), got(Observed::Present(Value::Nil))];
    assert_eq!(kv(&acts, Dialect::ETCD).verdict, Verdict::Invalid);
    assert_eq!(kv(&acts, Dialect::KNOSSOS).verdict, Verdict::Valid);
    let acts = [wrote(Value::Int(7)), got(Observed::Present(Value::text("7")))];
    let report = kv(&acts, Dialect::ETCD);
    assert_eq!((report.verdict, engine(&report)), (Verdict::Valid, "texts"));
    let acts = [wrote(Value::Int(7)), got(Observed::Present(Value::unparsed(b"7")))];
    let report = kv(&acts, Dialect::ETCD);
    assert_eq!((report.verdict, engine(&report)), (Verdict::Invalid, "texts"));
    // Nothing is written: the search knows what that means.
    let acts = [wrote(Value::Nil), got(Observed::Present(Value::text("")))];
    let report = kv(&acts, Dialect::ETCD);
    assert_eq!(report.verdict, Verdict::Valid);
    assert_ne!(engine(&report), "texts");
}

/// The clock is the caller's, and the cap holds.
#[test]
fn a_spent_budget_is_unknown() {
    let shape = Shape {
        ops: 200,
        clients: 5,
        crash_percent: 0,
        put_percent: 5,
        pool: Pool::Fresh,
        initial: "",
    };
    let history = history(&valid(&mut Random(75), &shape));
    let model = Kv { initial: "".into() };
    for budget in [Budget::unlimited().with_bytes(1 << 10), Budget::unlimited()] {
        if budget.bytes > 1 << 10 {
            budget.cancel();
        }
        let report = judge(&model, &history, Dialect::TRIBUNAL, &budget, Options::default());
        assert_eq!(report.expect("a history of texts").verdict, Verdict::Unknown);
    }
}
