//! Changes to a history whose effect on the verdict is known beforehand.

use super::check;
use super::generate::{Act, Answer, Question, Random, history, small};
use crate::{Budget, Checker, Verdict};

const HISTORIES: u64 = 20_000;

/// Invalid or not; a history that asserts nothing counts as not.
fn invalid(acts: &[Act]) -> bool {
    check(&history(acts)).verdict == Verdict::Invalid
}

/// Each history with its verdict, and a number to choose by.
fn for_each(seed: u64, mut look: impl FnMut(&[Act], bool, &mut Random)) {
    let mut random = Random(seed);
    for _ in 0..HISTORIES {
        let acts = small(&mut random);
        let before = invalid(&acts);
        look(&acts, before, &mut random);
    }
}

#[test]
fn dropping_a_crashed_operation_never_cures() {
    for_each(11, |acts, before, random| {
        let crashed: Vec<usize> =
            (0..acts.len()).filter(|at| acts[*at].answer == Answer::Crashed).collect();
        if !before || crashed.is_empty() {
            return;
        }
        let mut fewer = acts.to_vec();
        fewer.remove(crashed[random.below(crashed.len() as u64) as usize]);
        assert!(invalid(&fewer), "{acts:?}");
    });
}

#[test]
fn adding_a_crashed_operation_never_condemns() {
    for_each(12, |acts, before, random| {
        if before {
            return;
        }
        let (one, other) = (random.below(4) as i64, random.below(4) as i64);
        let question =
            if random.percent(50) { Question::Write(one) } else { Question::Cas(one, other) };
        let last = acts.iter().map(|act| act.from).max().expect("an operation");
        let from = 1_000_000 - random.below(u64::from(last) + 1) as u32;
        // Spread the others out so that the new instant is nobody's.
        let mut more: Vec<Act> = acts.to_vec();
        let to = u32::MAX;
        more.push(Act { process: 999, key: 0, question, answer: Answer::Crashed, from, to });
        for act in &mut more[..acts.len()] {
            act.from = 1_000_000 - (last - act.from.min(last)) * 2;
            act.to = if act.to == to { to } else { 1_000_000 + 2 * act.to - 2 * last };
        }
        let taken = more.iter().filter(|act| act.from == from || act.to == from).count();
        assert!(taken == 1 || invalid(&more) || !before, "{acts:?}");
        if taken == 1 {
            assert!(!invalid(&more), "{acts:?}");
        }
    });
}

#[test]
fn renaming_values_and_processes_changes_nothing() {
    let rename = |value: i64| if value == 0 { 0 } else { 1_000_003 - 17 * value };
    for_each(13, |acts, before, _| {
        let mut renamed = acts.to_vec();
        for act in &mut renamed {
            act.process = 5_000 - act.process;
            act.question = match act.question {
                Question::Read => Question::Read,
                Question::Write(value) => Question::Write(rename(value)),
                Question::Cas(from, to) => Question::Cas(rename(from), rename(to)),
            };
            if let Answer::Found(value) = act.answer {
                act.answer = Answer::Found(rename(value));
            }
        }
        assert_eq!(invalid(&renamed), before, "{acts:?}");
    });
}

#[test]
fn widening_an_interval_never_condemns() {
    for_each(14, |acts, before, random| {
        if before {
            return;
        }
        let mut wider = acts.to_vec();
        let end = 2 * wider.iter().map(|act| act.from).max().expect("an operation") + 1_000;
        let at = random.below(acts.len() as u64) as usize;
        for (number, act) in wider.iter_mut().enumerate() {
            // Another client each time, so that an operation may outlast the next of its client.
            act.process = number as u32;
        }
        match random.below(2) {
            0 if wider[at].to != u32::MAX => wider[at].to = end,
            _ => wider[at].from = 0,
        }
        assert!(!invalid(&wider), "{acts:?}");
    });
}

#[test]
fn two_histories_on_different_keys_have_the_worse_verdict() {
    for_each(15, |acts, before, random| {
        let other = small(random);
        let expected = before || invalid(&other);
        let moved = other.iter().map(|act| Act {
            key: act.key + 10,
            process: act.process + 500,
            // Odd and even instants, so that no two events share one.
            from: 2 * act.from + 1,
            to: if act.to == u32::MAX { act.to } else { 2 * act.to + 1 },
            ..*act
        });
        let both: Vec<Act> = acts
            .iter()
            .map(|act| Act {
                from: 2 * act.from,
                to: if act.to == u32::MAX { act.to } else { 2 * act.to },
                ..*act
            })
            .chain(moved)
            .collect();
        assert_eq!(invalid(&both), expected, "{both:?}");
    });
}

#[test]
fn threads_change_neither_verdict_nor_evidence() {
    let mut random = Random(16);
    for _ in 0..200 {
        let mut acts = Vec::new();
        for key in 0..12 {
            acts.extend(small(&mut random).into_iter().map(|act| Act {
                key,
                process: act.process + 1_000 * key as u32,
                from: act.from * 12 + key as u32,
                to: if act.to == u32::MAX { act.to } else { act.to * 12 + key as u32 },
                ..act
            }));
        }
        let history = history(&acts);
        let checker = super::cas_register(0);
        let budget = Budget::unlimited;
        let alone = checker.check(&history, &budget()).expect("a register history");
        for threads in [2, 3, 8] {
            let together = checker.check(&history, &budget().with_threads(threads));
            assert_eq!(together.expect("a register history"), alone);
        }
        let subjects: Vec<_> = alone.anomalies.iter().map(|found| &found.subject).collect();
        assert!(subjects.len() <= 12);
    }
}
