//! Histories made to order are the same everywhere, and show what they say they show.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;
use tribunal_checkers::linearizable::{CasRegister, Dialect, Options, decide};
use tribunal_checkers::{Budget, Verdict};
use tribunal_history::codec::{Format, ReadOptions, read, write};
use tribunal_history::{Code, History, MopView, Observed, Op, Outcome, QueueOp, RegisterOp, SetOp};
use xtask::generate::{
    Expected, FAMILIES, Family, Shape, Step, find, history, porcupine_kv, porcupine_register,
};

/// FNV-1a: a fingerprint of the text of a history.
fn fingerprint(history: &History) -> u64 {
    let mut bytes = Vec::new();
    write(history, Format::Jsonl, &mut bytes).expect("a sink that does not fail");
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    let mut lines = String::new();
    for family in FAMILIES {
        let history = family.history(&family.shape(500, 7));
        let again = family.history(&family.shape(500, 7));
        let other = family.history(&family.shape(500, 8));
        assert_eq!(fingerprint(&history), fingerprint(&again));
        assert_ne!(fingerprint(&history), fingerprint(&other));
        lines +=
            &format!("{:16} {:4} {:016x}\n", family.name, history.len(), fingerprint(&history));
    }
    expect![[r#"
        unique            500 f9f6db521ab941fa
        five-value-cas    500 f770c391495e7ab3
        crash             500 20039c67b3911e95
        crashbad          500 4271db3cae594bae
        crashlate         502 6e37f2780f6bee9a
        crashstale        500 cd15679e64152c04
        kv                500 39ce4dd26fb42cc6
        long-texts        500 5def55c7d5c1886e
        crashed-sums      501 82cbdfdd13db6fa4
        crashed-elements  501 9580dffe966069f8
        queue             500 98532ea6abd84f79
        stack             500 f5a360a86cbc031b
        priority-queue    500 6e1d3e63e24be1d5
        set               500 222de65993a99b16
        append            500 022b7cbca0543c7e
        stale-append      500 b79d588710a04fbc
        wr                500 382257b71c104482
    "#]]
    .assert_eq(&lines);
}

#[test]
fn registers_have_the_verdict_they_were_made_for() {
    for family in
        FAMILIES.iter().filter(|family| ["register", "cas-register"].contains(&family.model))
    {
        for seed in 0..50 {
            let history = family.history(&family.shape(120, seed));
            let model = CasRegister { initial: family.initial() };
            let budget = Budget::unlimited();
            let bare = decide(&model, &history, Dialect::TRIBUNAL, &budget, Options::default());
            let verdict = bare.expect("a register history").verdict;
            match family.expected {
                Expected::Valid => assert_eq!(verdict, Verdict::Valid, "{} {seed}", family.name),
                Expected::Invalid => {
                    assert_eq!(verdict, Verdict::Invalid, "{} {seed}", family.name);
                }
                Expected::Unstated => assert_ne!(verdict, Verdict::Unknown),
            }
        }
    }
}

/// What comes out was put in before, once, and what is looked up and found was added.
#[test]
fn containers_give_what_they_were_given() {
    for family in ["queue", "stack", "priority-queue", "set"] {
        let family = find(family).expect("a family");
        let history = family.history(&family.shape(2_000, 3));
        let mut moves = BTreeMap::new();
        for operation in history.operations() {
            assert_eq!(operation.outcome(), Outcome::Ok);
            let (value, change) = match operation.op() {
                Op::Queue(QueueOp::Enqueue { value, .. }) => (value, 1),
                Op::Queue(QueueOp::Dequeue { value, .. }) => match value.present() {
                    Some(value) => (value.clone(), -1),
                    None => continue,
                },
                Op::Set(SetOp::Add { element, added, .. }) => {
                    assert_eq!(added.present(), Some(&true));
                    (element, 1)
                }
                Op::Set(SetOp::Remove { element, removed, .. }) => {
                    assert_eq!(removed.present(), Some(&true));
                    (element, -1)
                }
                _other => continue,
            };
            moves.entry(value).or_insert_with(Vec::new).push(change);
        }
        let right = |moves: &Vec<i32>| moves[..] == [1] || moves[..] == [1, -1];
        // In the order of invocations an element may come out before it was put in.
        moves.values_mut().for_each(|moves| moves.sort_by_key(|change| -change));
        assert!(moves.values().all(right), "{}", family.name);
        assert!(moves.len() > 500, "{}", family.name);
    }
}

/// Every list that is read is the start of the longest, and one transaction has 2.5
/// micro-operations.
#[test]
fn lists_only_grow() {
    for name in ["append", "stale-append"] {
        grow(find(name).expect("a family"));
    }
}

fn grow(family: &Family) {
    let history = family.history(&family.shape(4_000, 3));
    let mut reads: BTreeMap<Code, Vec<&[Code]>> = BTreeMap::new();
    let (mut mops, mut appends) = (0, BTreeMap::<Code, u32>::new());
    for mop in history.operations().flat_map(|operation| operation.mops()) {
        mops += 1;
        match mop {
            MopView::ReadList { key, elements: Observed::Present(list) } => {
                reads.entry(key).or_default().push(list);
            }
            MopView::Append { key, .. } => *appends.entry(key).or_default() += 1,
            _other => {}
        }
    }
    assert!((9_700..10_300).contains(&mops), "{mops}");
    assert!(appends.values().all(|appends| *appends <= 32) && appends.len() > 100);
    for mut lists in reads.into_values() {
        lists.sort_by_key(|list| list.len());
        assert!(lists.windows(2).all(|pair| pair[1].starts_with(pair[0])));
        let longest = lists.last().expect("a read");
        let once: BTreeSet<&Code> = longest.iter().collect();
        assert_eq!(once.len(), longest.len());
    }
}

#[test]
fn crashes_are_as_many_as_asked() {
    let family = find("crash").expect("a family");
    let history = family.history(&family.shape(10_000, 1));
    let crashed = history.operations().filter(|op| op.outcome() == Outcome::Open);
    let writes = history.operations().filter(|op| op.op().writes()).count();
    let share = crashed.count() as f64 / writes as f64;
    assert!((0.13..0.17).contains(&share), "{share}");
    let shape = Shape { crashes_per_mille: 0, ..family.shape(1_000, 1) };
    assert!(family.history(&shape).operations().all(|op| op.outcome() != Outcome::Open));
}

#[test]
fn files_say_what_the_history_said() {
    let family = find("crashlate").expect("a family");
    let history = family.history(&family.shape(300, 5));
    for format in [Format::Jsonl, Format::Edn, Format::Native] {
        let mut bytes = Vec::new();
        write(&history, format, &mut bytes).expect("a sink that does not fail");
        let read = read(&bytes, None, &ReadOptions::default()).expect("a history").history;
        assert_eq!(read.len(), history.len());
        let pairs = history.operations().zip(read.operations());
        for (one, other) in pairs {
            assert_eq!((one.op(), one.call(), one.ret()), (other.op(), other.call(), other.ret()));
        }
    }
}

#[test]
fn the_other_checker_reads_the_same_operations() {
    let family = find("crash").expect("a family");
    let events = &mut Vec::new();
    family.events(&family.shape(8, 2), &mut |event| events.push(event));
    let history = history(events.iter().cloned());
    let text = porcupine_register(&history, &family.initial(), |_| true).expect("a register");
    expect![[r#"
        register 0
        call 0 cas 3 2
        call 1 cas 1 3
        return 1 missed
        call 2 read
        return 2 value 0
        call 3 write 0
        call 4 read
        return 3 done
        call 5 write 3
        call 6 read
        call 7 cas 0 3
        return 0 missed
        return 5 done
        return 4 value 3
        return 6 value 3
        return 7 missed
    "#]]
    .assert_eq(&text);
    let family = find("kv").expect("a family");
    let kv = family.history(&family.shape(200, 2));
    assert!(porcupine_register(&kv, &family.initial(), |_| true).is_err());
    let text = porcupine_kv(&kv).expect("strings");
    let calls = text.lines().filter(|line| line.starts_with("call "));
    assert_eq!(calls.count(), 200);
    let cas = |event: &&xtask::generate::Event| {
        matches!(&event.step, Step::Invoke(Op::Register(RegisterOp::Cas { .. })))
    };
    assert!(events.iter().any(|event| cas(&event)));
    assert!(porcupine_kv(&history).is_err());
}
