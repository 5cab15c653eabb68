//! No history of a store that runs a level is said to break it, nor any weaker one; and the next
//! stronger one is seen broken, so that the store runs no more than it says.

use super::store::{Kept, Sees, Size, run};
use crate::testing::{Random, histories};
use crate::txn::ListAppend;
use crate::weak::RwRegister;
use crate::{Budget, Checker, Consistency as C, Report, Verdict};

/// A store, the level that it runs, and a level that it does not.
struct Case {
    sees: Sees,
    clocked: bool,
    runs: C,
    beyond: C,
}

const fn case(sees: Sees, clocked: bool, runs: C, beyond: C) -> Case {
    Case { sees, clocked, runs, beyond }
}

const REGISTERS: [Case; 10] = [
    case(Sees::All, true, C::StrictSerializable, C::StrictSerializable),
    case(Sees::All, false, C::StrongSessionSerializable, C::StrictSerializable),
    case(Sees::FreshSnapshot, true, C::StrongSnapshotIsolation, C::Serializable),
    case(Sees::Snapshot, true, C::StrongSessionSnapshotIsolation, C::StrongSnapshotIsolation),
    case(Sees::Prefix, false, C::StrongSessionPrefix, C::SnapshotIsolation),
    case(Sees::Parallel, false, C::StrongSessionParallelSnapshotIsolation, C::StrongSessionPrefix),
    case(Sees::Causes, false, C::Causal, C::Prefix),
    case(Sees::CausesAsTheyCame, false, C::CausalMemory, C::Causal),
    case(Sees::Some, false, C::StrongSessionReadAtomic, C::Causal),
    case(Sees::MoreAndMore, false, C::StrongSessionReadCommitted, C::ReadAtomic),
];

/// Of lists a version says all that came before, so that less is possible.
const LISTS: [Case; 9] = [
    case(Sees::All, true, C::StrictSerializable, C::StrictSerializable),
    case(Sees::All, false, C::StrongSessionSerializable, C::StrictSerializable),
    case(Sees::FreshSnapshot, true, C::StrongSnapshotIsolation, C::Serializable),
    case(Sees::Snapshot, true, C::StrongSessionSnapshotIsolation, C::StrongSnapshotIsolation),
    case(Sees::Prefix, false, C::StrongSessionPrefix, C::SnapshotIsolation),
    case(Sees::Parallel, false, C::StrongSessionParallelSnapshotIsolation, C::StrongSessionPrefix),
    case(Sees::Causes, false, C::StrongSessionReadAtomic, C::Prefix),
    case(Sees::Some, false, C::StrongSessionReadAtomic, C::StrongSessionPrefix),
    case(Sees::MoreAndMore, false, C::StrongSessionReadCommitted, C::ReadAtomic),
];

fn answer(report: &Report, level: C) -> Option<Verdict> {
    report.levels.iter().find(|answer| answer.level == level).map(|answer| answer.verdict)
}

fn never_refuted(case: &Case, kept: Kept, checker: &dyn Checker) {
    let Case { sees, clocked, runs, beyond } = *case;
    let mut random = Random(sees as u64 * 2 + u64::from(clocked));
    let many = histories(2_000).div_ceil(4);
    let (mut broken, mut unknown) = (0, 0);
    for at in 0..many {
        let size = Size {
            transactions: if at % 50 == 0 { 400 } else { 5 + random.below(40) as usize },
            sessions: 2 + random.below(5),
            keys: 2 + random.below(4),
        };
        let history = run(sees, kept, size, clocked, &mut random);
        let report = checker.check(&history, &Budget::unlimited().with_configurations(1 << 20));
        let report = report.expect("transactions");
        for level in report.levels.iter().filter(|it| runs.implies(it.level)) {
            let (name, because) = (level.level.name(), &level.because);
            if level.verdict == Verdict::Invalid {
                let events = history.events().take(80).map(|event| format!("{event}\n"));
                let shown = events.collect::<String>();
                panic!("{name}: {because} in history {at} of {sees:?}:\n{shown}");
            }
        }
        unknown += u64::from(answer(&report, runs) != Some(Verdict::Valid));
        broken += u64::from(answer(&report, beyond) == Some(Verdict::Invalid));
    }
    let (name, beyond_name) = (runs.name(), beyond.name());
    println!(
        "{kept:?} {name}: {many} never refuted, {unknown} undecided, {broken} not {beyond_name}"
    );
    assert!(beyond == runs || broken * 100 > many, "{broken} of {many} are not {beyond_name}");
}

#[test]
fn registers_of_a_store_that_runs_a_level() {
    for case in &REGISTERS {
        never_refuted(case, Kept::Registers, &RwRegister::new(case.runs));
    }
}

#[test]
fn lists_of_a_store_that_runs_a_level() {
    for case in &LISTS {
        never_refuted(case, Kept::Lists, &ListAppend::new(case.runs));
    }
}
