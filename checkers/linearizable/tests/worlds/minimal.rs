//! A counterexample that is called minimal is: no part of it that could be left alone is one. What
//! is one is decided by the sequential objects, and every part is tried.

use tribunal_history::{History, OpIndex};

use super::super::generate::Random;
use super::super::histories;
use super::certificates::{prefix, recorded};
use super::conform::seed;
use super::oracle::is_linearizable;
use super::{Act, Shape, World, history, lies, small, valid};
use crate::linearizable::certificate::verify_closed;
use crate::linearizable::partition::components;
use crate::linearizable::{Dialect, Engines, Options, judge};
use crate::{Anomaly, Budget, Evidence};

const DIALECT: Dialect = Dialect::TRIBUNAL;

/// Of larger counterexamples there are too many parts.
const LARGEST: usize = 8;

/// Small histories, and larger ones in which most operations are beside the point.
pub(super) fn minimal<W: World>(name: &str, world: &W) {
    let mut random = Random(seed(name) + 3);
    let (mut found, mut minimal, mut parts) = (0, 0, 0);
    for at in 0..histories(5_000).div_ceil(5) {
        let acts = if at % 2 == 0 { small(world, &mut random) } else { wide(world, &mut random) };
        let history = history(&acts);
        let acts = recorded(&history, &acts);
        for engines in [Engines::Auto, Engines::Search] {
            let budget = Budget::unlimited().with_configurations(100_000);
            let options = Options { engines, ..Options::default() };
            let report = judge(&world.model(), &history, DIALECT, &budget, options);
            let report = report.unwrap_or_else(|error| panic!("{error}: {acts:#?}"));
            for anomaly in &report.anomalies {
                found += 1;
                minimal += u64::from(anomaly.minimal || few(anomaly));
                if anomaly.minimal {
                    parts += no_part_is_one(world, &history, &acts, anomaly);
                }
            }
        }
    }
    println!("{name}: {minimal} of {found} minimal or few, none of {parts} parts a counterexample");
    assert!(found > 0 && minimal * 20 > found * 19, "{minimal} of {found} are minimal");
}

/// What contradicts itself about a few elements of a whole is not called minimal: by another
/// element less may do. It is a few operations all the same.
fn few(anomaly: &Anomaly) -> bool {
    let Evidence::Counterexample { operations, .. } = &anomaly.evidence else { return false };
    operations.len() <= 4
}

pub(super) fn wide<W: World>(world: &W, random: &mut Random) -> Vec<Act> {
    let shape = Shape {
        ops: 12 + random.below(20) as usize,
        clients: 2 + random.below(3),
        keys: 1,
        crash_percent: random.below(11),
        untold_percent: 4,
    };
    let mut acts = valid(world, random, shape);
    lies::corrupt(random, &mut acts);
    acts
}

/// How many parts were looked at.
fn no_part_is_one<W: World>(world: &W, history: &History, acts: &[Act], anomaly: &Anomaly) -> u64 {
    let Evidence::Counterexample { operations, failed, .. } = &anomaly.evidence else { return 0 };
    if operations.len() > LARGEST {
        return 0;
    }
    let model = world.model();
    let components = components(&model, history);
    let own = components.iter().find(|component| component.operations.contains(&operations[0]));
    let all = &own.expect("a component of its own").operations;
    let mut parts = 0;
    for mask in 1..(1_u32 << operations.len()) - 1 {
        let chosen = (0..).zip(operations).filter(|(bit, _)| mask >> bit & 1 == 1);
        let part: Vec<OpIndex> = chosen.map(|(_, index)| *index).collect();
        if verify_closed(&model, history, all, DIALECT, &part, failed.0).is_ok() {
            parts += 1;
            let alone = prefix(history, acts, &part, failed.0);
            assert!(is_linearizable(world, &alone), "{part:?} of {operations:?} of {acts:#?}");
        }
    }
    parts
}
