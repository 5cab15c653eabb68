//! The verdicts of every engine are those of the definition.

use super::super::generate::Random;
use super::super::histories;
use super::containers::{least_first, priority_queue, queue, stack};
use super::lists::Lists;
use super::locks::{fenced_mutex, mutex, owner_mutex, reentrant_mutex, semaphore};
use super::numbers::{Ids, Sum};
use super::oracle::is_linearizable;
use super::registers::{Plain, Several, Texts};
use super::sets::Elements;
use super::{Act, Shape, World, certificates, history, metamorphic, minimal, small, valid};
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::portfolio::{Order, decide_by};
use crate::linearizable::rules::Rules;
use crate::linearizable::tests::prepare;
use crate::linearizable::{Dialect, Engines, FromHistory, Options, judge};
use crate::{Budget, Report, Verdict};

macro_rules! worlds {
    ($($name:ident: $world:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn agrees_with_the_definition() {
                agree(stringify!($name), &$world);
            }

            #[test]
            fn no_long_valid_history_is_called_invalid() {
                long(stringify!($name), &$world);
            }

            #[test]
            fn changes_have_the_effect_they_must_have() {
                metamorphic::changes(&$world);
            }

            #[test]
            fn corrupted_certificates_are_refused() {
                certificates::corrupted(stringify!($name), &$world);
            }

            #[test]
            fn counterexamples_are_minimal() {
                minimal::minimal(stringify!($name), &$world);
            }
        }
    )*};
}

worlds! {
    register: Plain;
    multi_register: Several;
    kv: Texts;
    list: Lists { single: true };
    list_transactions: Lists { single: false };
    set: Elements { shrinks: true, whole: true };
    set_by_element: Elements { shrinks: true, whole: false };
    g_set: Elements { shrinks: false, whole: true };
    g_counter: Sum { shrinks: false };
    pn_counter: Sum { shrinks: true };
    unique_ids: Ids;
    fifo_queue: queue(false);
    fifo_queue_repeated: queue(true);
    lifo_stack: stack(false);
    lifo_stack_repeated: stack(true);
    priority: priority_queue(false);
    priority_repeated: priority_queue(true);
    priority_least_first: least_first();
    anybodys_mutex: mutex();
    owners_mutex: owner_mutex();
    reentrant: reentrant_mutex();
    fenced: fenced_mutex();
    counting_semaphore: semaphore();
}

/// Configurations one small history may take; none needs a fraction of it.
const ENOUGH: u64 = 1_000_000;

pub(super) fn judged<M: FromHistory>(model: &M, acts: &[Act], engines: Engines) -> Report {
    judged_within(ENOUGH, model, acts, engines)
}

fn judged_within<M: FromHistory>(
    configurations: u64,
    model: &M,
    acts: &[Act],
    engines: Engines,
) -> Report {
    let budget = Budget::unlimited().with_configurations(configurations);
    let options = Options { engines, ..Options::default() };
    let report = judge(model, &history(acts), Dialect::TRIBUNAL, &budget, options);
    report.unwrap_or_else(|error| panic!("{error}: {acts:?}"))
}

/// Whether every object is linearizable by the bare search in one order.
pub(super) fn by_search<M: FromHistory>(model: &M, acts: &[Act], order: Option<Order>) -> bool {
    let history = history(acts);
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    components(model, &history).iter().all(|component| {
        let problem = prepare(model, &history, component, Dialect::TRIBUNAL).expect("its family");
        let rules = Rules::default();
        match decide_by(model, &problem, &ledger, u64::MAX, rules, order).found {
            Found::Linearization(_) => true,
            Found::Dead(_) => false,
            Found::Spent(..) | Found::Impure(..) => panic!("undecided: {acts:?}"),
        }
    })
}

fn agree<W: World>(name: &str, world: &W) {
    let mut random = Random(seed(name));
    let model = world.model();
    let (mut valid, mut unknown) = (0, 0);
    let number = histories(5_000);
    for at in 0..number {
        let acts = small(world, &mut random);
        let expected = is_linearizable(world, &acts);
        valid += u64::from(expected);
        let verdict = if expected { Verdict::Valid } else { Verdict::Invalid };
        for engines in [Engines::Auto, Engines::Search] {
            let report = judged(&model, &acts, engines);
            if report.verdict == Verdict::Unknown {
                unknown += 1;
                continue;
            }
            let why = format!("history {at} by {engines:?}: {acts:#?}");
            assert_eq!(report.verdict, verdict, "{why}");
            let objects = components(&model, &history(&acts)).len() as u64;
            assert_eq!(report.cost.certificates_verified, objects, "{why}");
        }
        for order in [Order::Depth, Order::Breadth] {
            assert_eq!(by_search(&model, &acts, Some(order)), expected, "{order:?}: {acts:#?}");
        }
    }
    let invalid = number - valid;
    println!("| {name} | {number} | {valid} | {invalid} | {unknown} | 0 |");
    assert!(valid * 5 > number, "{valid} of {number} are valid");
    assert!(invalid * 20 > number, "{invalid} of {number} are invalid");
    assert!(unknown * 100 < number, "{unknown} of {number} are unknown");
}

fn long<W: World>(name: &str, world: &W) {
    let mut random = Random(seed(name) + 1);
    let model = world.model();
    let number = histories(5_000).div_ceil(100);
    let mut unknown = 0;
    for at in 0..number {
        let shape = Shape {
            ops: 100 + random.below(901) as usize,
            clients: 2 + random.below(4),
            keys: 1,
            crash_percent: random.below(3),
            untold_percent: random.below(4) / 3,
        };
        let acts = valid(world, &mut random, shape);
        for engines in [Engines::Auto, Engines::Search] {
            // Crashed removals make some of them hard; that must not take all night.
            match judged_within(ENOUGH / 50, &model, &acts, engines).verdict {
                Verdict::Valid => {}
                Verdict::Unknown => unknown += 1,
                Verdict::Invalid => panic!("history {at} by {engines:?}"),
            }
        }
    }
    println!("{name}: {number} long histories, {unknown} unknown");
}

/// Another stream of histories for every data type.
pub(super) fn seed(name: &str) -> u64 {
    name.bytes().fold(7, |seed, byte| (seed * 31 + u64::from(byte)) % (1 << 40))
}
