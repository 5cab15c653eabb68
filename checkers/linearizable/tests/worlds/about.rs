//! The contract of what operations say of a few elements: of a legal order that is a legal order.

use tribunal_history::Value;

use super::super::generate::Random;
use super::super::{histories, prepare};
use super::containers::{priority_queue, queue, stack};
use super::lists::Lists;
use super::registers::{Several, Texts};
use super::sets::Elements;
use super::{Shape, World, history, valid};
use crate::Budget;
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::rules::Rules;
use crate::linearizable::{Dialect, FromHistory, portfolio};

/// Elements to ask about.
pub(super) type Asked = fn(&mut Random) -> Vec<Value>;

/// Any of three.
pub(super) fn elements(random: &mut Random) -> Vec<Value> {
    let wanted = random.below(8);
    (0..3).filter(|element| wanted >> element & 1 == 1).map(Value::Int).collect()
}

/// One of the values that are put into a container again and again.
pub(super) fn value(random: &mut Random) -> Vec<Value> {
    vec![Value::Int(random.below(3) as i64)]
}

/// A register and a value.
pub(super) fn register(random: &mut Random) -> Vec<Value> {
    vec![Value::Int(random.below(2) as i64), Value::Int(random.below(3) as i64)]
}

/// A text of two letters.
pub(super) fn text(random: &mut Random) -> Vec<Value> {
    let letters = (0..random.below(5)).map(|_| if random.below(2) == 0 { 'a' } else { 'b' });
    vec![Value::text(letters.collect::<String>())]
}

/// Whether what is said of some elements of a valid history is said to have no order.
pub(super) fn says_what_is_not<W: World>(
    world: &W,
    model: &impl FromHistory,
    some: Asked,
    random: &mut Random,
) -> bool {
    let (ops, clients) = (2 + random.below(20) as usize, 1 + random.below(5));
    let shape = Shape { ops, clients, keys: 1, crash_percent: 20, untold_percent: 8 };
    let history = history(&valid(world, random, shape));
    let (elements, budget) = (some(random), Budget::unlimited());
    components(model, &history).iter().any(|component| {
        let problem = prepare(model, &history, component, Dialect::TRIBUNAL).expect("its family");
        let part = problem.about(model, &elements, &|| false).expect("nobody stops it");
        let ledger = Ledger::new(&budget);
        let found = portfolio::decide(model, &part, &ledger, u64::MAX, Rules::default()).found;
        !matches!(found, Found::Linearization(_))
    })
}

fn says_what_is<W: World>(world: &W, some: Asked) {
    let (model, mut random) = (world.model(), Random(53));
    let wrong = (0..histories(5_000)).find(|_| says_what_is_not(world, &model, some, &mut random));
    assert_eq!(wrong, None);
}

#[test]
fn what_a_legal_order_says_of_some_elements_is_legal() {
    says_what_is(&Elements { shrinks: false, whole: true }, elements);
    says_what_is(&Elements { shrinks: true, whole: true }, elements);
    says_what_is(&Lists { single: false }, elements);
    says_what_is(&queue(true), value);
    says_what_is(&stack(true), value);
    says_what_is(&priority_queue(true), value);
    says_what_is(&Several, register);
    says_what_is(&Texts, text);
}
