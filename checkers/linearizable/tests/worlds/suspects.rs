//! What a data type suspects of a few elements it is guilty of, whatever the rest does; and what a
//! mistake in that would name for nothing, or miss.

use std::fmt::Debug;

use tribunal_history::{Mop, Observed, QueueOp, RegisterOp, TxnOp, Value};

use super::super::generate::Random;
use super::super::{histories, prepare};
use super::containers::{priority_queue, queue, stack};
use super::lists::Lists;
use super::oracle::is_linearizable;
use super::registers::{Several, Texts};
use super::{Act, Ended, World, history, settle, small};
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::models::{appended, spelled, taken, unwritten};
use crate::linearizable::partition::components;
use crate::linearizable::rules::Rules;
use crate::linearizable::{Dialect, FromHistory, Model, Options, Problem, judge, portfolio};
use crate::{Budget, Evidence, Verdict};

type Op<W> = <<W as World>::Model as Model>::Op;

fn drawn<W: World>(world: &W, random: &mut Random) -> Vec<Act> {
    let mut acts = small(world, random);
    settle(&mut acts);
    acts
}

fn problems<W: World>(world: &W, acts: &[Act]) -> Vec<Problem<Op<W>>> {
    let (model, history) = (world.model(), history(acts));
    let components = components(&model, &history);
    let problem = |component| prepare(&model, &history, component, Dialect::TRIBUNAL);
    components.iter().map(|component| problem(component).expect("its family")).collect()
}

/// Whether what is said of these elements has no order.
fn is_guilty<M: Model>(model: &M, problem: &Problem<M::Op>, elements: &[Value]) -> bool {
    let part = problem.about(model, elements, &|| false).expect("nobody stops it");
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    let found = portfolio::decide(model, &part, &ledger, u64::MAX, Rules::default()).found;
    matches!(found, Found::Dead(_))
}

/// Of every `one_in` invalid histories at least one is refuted by suspects.
fn suspects_are_guilty<W: World>(name: &str, world: &W, one_in: u64) {
    let (model, mut random) = (world.model(), Random(73));
    let (mut claimed, mut invalid) = (0, 0);
    for _ in 0..histories(20_000) {
        let acts = drawn(world, &mut random);
        let guilty = problems(world, &acts).iter().any(|problem| {
            let suspects = model.suspects(&problem.entries, &problem.ops);
            suspects.is_some_and(|elements| {
                assert!(is_guilty(&model, problem, &elements), "{elements:?} of {acts:#?}");
                true
            })
        });
        let expected = is_linearizable(world, &acts);
        assert!(!guilty || !expected, "{acts:#?}");
        invalid += u64::from(!expected);
        claimed += u64::from(guilty);
    }
    println!("{name}: suspects refute {claimed} of {invalid} invalid histories");
    assert!(one_in * claimed > invalid);
}

/// Every mistake names somebody who is not guilty, or nobody where somebody is.
fn mistakes_are_caught<W: World, B: Debug + Copy>(
    world: &W,
    bugs: &[B],
    suspects: impl Fn(&Problem<Op<W>>, B) -> Option<Vec<Value>>,
) {
    let model = world.model();
    for bug in bugs {
        let mut random = Random(79);
        let (mut innocent, mut missed) = (None, None);
        for at in 0..50_000 {
            let acts = drawn(world, &mut random);
            for problem in problems(world, &acts) {
                match suspects(&problem, *bug) {
                    Some(elements) if is_guilty(&model, &problem, &elements) => {}
                    Some(_) => innocent = innocent.or(Some(at)),
                    None if model.suspects(&problem.entries, &problem.ops).is_some() => {
                        missed = missed.or(Some(at));
                    }
                    None => {}
                }
            }
            if innocent.or(missed).is_some() {
                break;
            }
        }
        assert!(innocent.or(missed).is_some(), "{bug:?} was not caught");
        println!("{bug:?}: not guilty in history {innocent:?}, missed in {missed:?}");
    }
}

#[test]
fn suspects_of_lists_are_guilty() {
    suspects_are_guilty("lists", &Lists { single: false }, 20);
}

#[test]
fn planted_mistakes_of_suspects_of_lists_are_caught() {
    use appended::{Bug, Slips, suspects};
    let bugs = [
        Bug::LaterIsOwn,
        Bug::AnyListIsOwn,
        Bug::FirstIsAllOwn,
        Bug::AppendedBeforeCall,
        Bug::CrashedForgotten,
        Bug::AnyListIsAppended,
        Bug::LastReturnCounts,
    ];
    mistakes_are_caught(&Lists { single: false }, &bugs, |problem, bug| {
        suspects(&problem.entries, &problem.ops, Slips { trap: Some(bug) })
    });
}

#[test]
fn suspects_of_containers_are_guilty() {
    for repeated in [false, true] {
        suspects_are_guilty("queue", &queue(repeated), 20);
        suspects_are_guilty("stack", &stack(repeated), 20);
        suspects_are_guilty("priority queue", &priority_queue(repeated), 20);
    }
}

#[test]
fn planted_mistakes_of_suspects_of_containers_are_caught() {
    use taken::{Bug, Slips, suspects};
    let bugs = [
        Bug::PutAtReturn,
        Bug::CrashedForgotten,
        Bug::PeekTakes,
        Bug::OverlapIsEarlier,
        Bug::OnceIsEnough,
        Bug::PeeksIgnored,
    ];
    mistakes_are_caught(&queue(true), &bugs, |problem, bug| {
        suspects(&problem.entries, &problem.ops, Slips { trap: Some(bug) })
    });
}

#[test]
fn suspects_of_transactions_on_registers_are_guilty() {
    suspects_are_guilty("registers", &Several, 20);
}

#[test]
fn planted_mistakes_of_suspects_of_registers_are_caught() {
    use unwritten::{Bug, Slips, suspects};
    let bugs = [
        Bug::InitialForgotten,
        Bug::WrittenBeforeCall,
        Bug::CrashedForgotten,
        Bug::OverwrittenIsLeft,
        Bug::FoundIsLeft,
        Bug::AnyKey,
        Bug::OwnIgnored,
    ];
    mistakes_are_caught(&Several, &bugs, |problem, bug| {
        let initial = Several.model().initial;
        suspects(&problem.entries, &problem.ops, &initial, Slips { trap: Some(bug) })
    });
}

#[test]
fn suspects_of_texts_are_guilty() {
    suspects_are_guilty("texts", &Texts, 20);
}

#[test]
fn planted_mistakes_of_suspects_of_texts_are_caught() {
    use spelled::{Bug, Slips, suspects};
    let bugs = [
        Bug::InitialForgotten,
        Bug::WrittenBeforeCall,
        Bug::CrashedForgotten,
        Bug::PutsForgotten,
        Bug::OneAppend,
        Bug::PutsAppended,
    ];
    mistakes_are_caught(&Texts, &bugs, |problem, bug| {
        suspects(&problem.entries, &problem.ops, "", Slips { trap: Some(bug) })
    });
}

/// Operations, each with an instant of its own for its call, and for its return if it has one.
#[derive(Default)]
pub(super) struct Told {
    pub(super) acts: Vec<Act>,
    time: u32,
}

impl Told {
    pub(super) fn ask(&mut self, op: tribunal_history::Op) -> usize {
        self.time += 1;
        let (process, ended) = (self.acts.len() as u32, Ended::Crashed);
        self.acts.push(Act { process, op, ended, from: self.time, to: u32::MAX });
        self.acts.len() - 1
    }

    fn end(&mut self, at: usize) {
        self.time += 1;
        (self.acts[at].ended, self.acts[at].to) = (Ended::Ok, self.time);
    }

    pub(super) fn at_once(&mut self, op: tribunal_history::Op) {
        let at = self.ask(op);
        self.end(at);
    }
}

/// What a search with so much to tell apart does not decide is shown by one operation.
fn is_shown_by<M: FromHistory>(model: &M, told: &Told, operations: usize, words: &str) {
    let (history, dialect) = (history(&told.acts), Dialect::TRIBUNAL);
    let budget = Budget::unlimited().with_configurations(20_000);
    let searched = Options { quick: false, ..Options::default() };
    let searched = judge(model, &history, dialect, &budget, searched).expect("its family");
    assert_eq!(searched.verdict, Verdict::Unknown);
    let report = judge(model, &history, dialect, &budget, Options::default()).expect("its family");
    assert_eq!((report.verdict, report.cost.certificates_verified), (Verdict::Invalid, 1));
    let anomaly = &report.anomalies[0];
    let Evidence::Counterexample { operations: shown, .. } = &anomaly.evidence else { panic!() };
    assert_eq!(shown.len(), operations, "{}", anomaly.summary);
    assert!(anomaly.minimal, "{}", anomaly.summary);
    assert!(anomaly.summary.contains(words), "{}", anomaly.summary);
}

/// One operation is the whole proof, and the sentence is about it.
pub(super) fn judged_by<M: FromHistory>(model: &M, told: &Told, words: &str, end: &str) {
    let (history, dialect) = (history(&told.acts), Dialect::TRIBUNAL);
    let budget = Budget::unlimited();
    let report = judge(model, &history, dialect, &budget, Options::default()).expect("its family");
    assert_eq!((report.verdict, report.cost.certificates_verified), (Verdict::Invalid, 1));
    let anomaly = &report.anomalies[0];
    let Evidence::Counterexample { operations, .. } = &anomaly.evidence else { panic!() };
    assert_eq!((operations.len(), anomaly.minimal), (1, true), "{}", anomaly.summary);
    let said = &anomaly.summary;
    assert!(said.contains(words) && said.ends_with(end), "{said}");
}

#[test]
fn what_is_taken_too_often_is_shown_whoever_crashed() {
    let enqueue = |value| {
        tribunal_history::Op::Queue(QueueOp::Enqueue { key: Value::Nil, value: Value::Int(value) })
    };
    let dequeue = |value: Option<i64>| {
        let value = value.map_or(Observed::Pending, |it| Observed::Present(Value::Int(it)));
        tribunal_history::Op::Queue(QueueOp::Dequeue { key: Value::Nil, value })
    };
    for (last, operations) in [(99, 1), (1, 5)] {
        let mut told = Told::default();
        for at in 0..24 {
            told.ask(enqueue(100 + at));
            told.ask(dequeue(None));
        }
        (0..2).for_each(|_| told.at_once(enqueue(1)));
        (0..2).for_each(|_| told.at_once(dequeue(Some(1))));
        told.at_once(dequeue(Some(123)));
        told.at_once(dequeue(Some(last)));
        is_shown_by(&queue(true).model(), &told, operations, " when it was not inside");
    }
}

#[test]
fn what_nobody_wrote_is_shown_among_thousands_of_transactions() {
    let op = |mops: Vec<Mop>| tribunal_history::Op::Txn(TxnOp { mops });
    let write = |key, value| Mop::Write { key: Value::Int(key), value: Value::Int(value) };
    let read = |key, value| Mop::Read {
        key: Value::Int(key),
        value: Observed::Present(Value::Int(value)),
    };
    let mut told = Told::default();
    (0..2_100).for_each(|value| told.at_once(op(vec![write(0, value)])));
    for key in 1..25 {
        told.ask(op(vec![write(0, 0), write(key, 1)]));
    }
    let all = (1..25).map(|key| read(key, 1));
    told.at_once(op(all.chain([read(0, -5)]).collect()));
    is_shown_by(&Several.model(), &told, 1, ", which no operation before it explains");
}

#[test]
fn what_nothing_spells_is_shown_although_nothing_was_put() {
    let value = |text: &str| Value::text(text);
    let append = |text: &str| {
        tribunal_history::Op::Register(RegisterOp::Append { key: Value::Nil, value: value(text) })
    };
    let mut told = Told::default();
    told.at_once(tribunal_history::Op::Register(RegisterOp::Write {
        key: Value::Nil,
        value: value(""),
    }));
    let letters = ('a'..='t').map(|letter| told.ask(append(&letter.to_string())));
    let letters: Vec<usize> = letters.collect();
    let got = Observed::Present(value("?"));
    told.at_once(tribunal_history::Op::Register(RegisterOp::Read { key: Value::Nil, value: got }));
    letters.into_iter().for_each(|at| told.end(at));
    is_shown_by(&Texts.model(), &told, 2, "got \"?\"");
}
