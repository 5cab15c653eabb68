//! What a data type suspects of a few elements it is guilty of, whatever the rest does; and what a
//! mistake in that would name for nothing, or miss.

use std::fmt::Debug;

use tribunal_history::Value;

use super::super::generate::Random;
use super::super::{histories, prepare};
use super::lists::Lists;
use super::oracle::is_linearizable;
use super::{Act, World, history, settle, small};
use crate::Budget;
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::models::appended;
use crate::linearizable::partition::components;
use crate::linearizable::rules::Rules;
use crate::linearizable::{Dialect, Model, Problem, portfolio};

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
    let (part, budget) = (problem.about(model, elements), Budget::unlimited());
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
