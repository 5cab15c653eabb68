//! Verdicts of the zone test on random histories, each with its proof accepted.

use super::distinct::{Kind, Shape, corrupt, small, valid};
use crate::linearizable::fast::{Allowance, Fast, Partition, Proof};
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::tests::generate::{Act, Random, history};
use crate::linearizable::tests::{brute, cas_register, histories};
use crate::linearizable::zones::{Planted, RegisterKind, Trap, decide_with};
use crate::linearizable::{CasRegister, Dialect, Engines, Options};
use crate::{Budget, Checker, Verdict};

/// What the zone test alone says; `None` is a hand-over.
pub(super) fn by_zones(acts: &[Act], planted: Planted) -> Option<bool> {
    let (history, model) = (history(acts), CasRegister { initial: 0.into() });
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    let mut all = Some(true);
    for component in components(&model, &history) {
        let (operations, dialect) = (&component.operations, Dialect::TRIBUNAL);
        let partition = Partition { history: &history, operations, dialect };
        let allowance = Allowance::new(&ledger);
        let said = decide_with(&partition, allowance, &0.into(), RegisterKind::Cas, planted);
        match said {
            Fast::HandOver(_) => return None,
            Fast::Spent(..) => panic!("nothing bounds it"),
            Fast::Decided(decided) => {
                let valid = matches!(decided.proof, Proof::Order(_));
                all = all.map(|all| all && valid);
            }
        }
    }
    all
}

fn checked(acts: &[Act], engines: Engines) -> (Verdict, bool) {
    let options = Options { engines, ..Options::default() };
    let history = history(acts);
    let checker = cas_register(0).with_options(options);
    let report = checker.check(&history, &Budget::unlimited());
    let report = report.unwrap_or_else(|error| panic!("{error}: {acts:?}"));
    let by_zones = report.cost.engines.iter().any(|(engine, _)| *engine == "zones");
    assert_eq!(report.cost.certificates_verified, 1, "{acts:?}");
    (report.verdict, by_zones)
}

#[test]
fn zones_agree_with_the_definition() {
    let each = histories(100_000).div_ceil(4);
    for kind in Kind::ALL {
        let mut random = Random(31);
        let (mut valid, mut invalid, mut decided) = (0, 0, 0);
        for number in 0..each {
            let acts = small(&mut random, kind);
            let expected = brute::is_linearizable(&acts);
            let (verdict, by_zones) = checked(&acts, Engines::Auto);
            let wanted = if expected { Verdict::Valid } else { Verdict::Invalid };
            assert_eq!(verdict, wanted, "{kind:?} {number}: {acts:?}");
            decided += u64::from(by_zones);
            valid += u64::from(expected);
            invalid += u64::from(!expected);
        }
        println!("{kind:?}: {valid} valid, {invalid} invalid, {decided} by zones, 0 mismatches");
        assert!(invalid > each / 8 && valid > each / 8, "{valid} valid, {invalid} invalid");
        let least = match kind {
            Kind::Plain | Kind::Crashes => each,
            Kind::Chains => each * 9 / 10,
            Kind::Repeats => each / 2,
        };
        assert!(decided >= least, "{kind:?}: {decided} of {each} decided by zones");
    }
}

#[test]
fn zones_agree_with_the_search_on_medium_histories() {
    let mut random = Random(32);
    let (mut invalid, mut decided) = (0, 0);
    let all = histories(100_000).div_ceil(100);
    for number in 0..all {
        let kind = Kind::ALL[number as usize % 4];
        let (ops, clients) = (50 + random.below(351) as usize, 2 + random.below(7));
        let mut acts = valid(&mut random, Shape { kind, ops, clients, crash_percent: 3 });
        if number % 2 == 0 {
            corrupt(&mut random, &mut acts);
        }
        let (verdict, by_zones) = checked(&acts, Engines::Auto);
        assert_eq!(verdict, checked(&acts, Engines::Search).0, "{kind:?}: {acts:?}");
        invalid += u64::from(verdict == Verdict::Invalid);
        decided += u64::from(by_zones);
    }
    println!("{all} histories, {invalid} invalid, {decided} by zones, 0 mismatches");
    assert!(invalid > all / 5 && decided > all / 2, "{invalid} invalid, {decided} by zones");
}

#[test]
fn long_valid_histories_are_never_called_invalid() {
    let mut random = Random(33);
    let mut decided = 0;
    let all = histories(100_000).div_ceil(10);
    for number in 0..all {
        let kind = Kind::ALL[number as usize % 3];
        let (ops, clients) = (100 + random.below(300) as usize, 2 + random.below(19));
        let acts = valid(&mut random, Shape { kind, ops, clients, crash_percent: 2 });
        let said = by_zones(&acts, Planted::default());
        assert_ne!(said, Some(false), "{kind:?}: {acts:?}");
        decided += u64::from(said == Some(true));
    }
    println!("{decided} of {all} called valid, the others handed over");
    assert!(decided > all * 9 / 10, "{decided} of {all} decided");
}

/// The negative proof: every mistake one could make in a rule shows within these histories.
#[test]
fn planted_mistakes_are_caught() {
    let traps = [
        Trap::ForwardMayMeet,
        Trap::BackwardMayHide,
        Trap::ReadBeforeWrite,
        Trap::UnwrittenIsFine,
        Trap::RingKept,
        Trap::CrashedReturns,
        Trap::ChainForgets,
        Trap::TwoSuccessors,
        Trap::InitialUnbound,
        Trap::MissedDropped,
        Trap::MissedOverlaps,
        Trap::RepeatedMeansFirst,
    ];
    for trap in traps {
        let mut random = Random(31);
        let planted = Planted { trap: Some(trap) };
        let caught = (0..100_000).find(|number| {
            let acts = small(&mut random, Kind::ALL[number % 4]);
            by_zones(&acts, planted).is_some_and(|said| said != brute::is_linearizable(&acts))
        });
        let caught = caught.unwrap_or_else(|| panic!("{trap:?} was not caught"));
        println!("{trap:?} caught by history {caught}");
    }
}
