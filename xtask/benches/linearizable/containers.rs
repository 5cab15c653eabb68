//! Queues, priority queues, stacks and sets. No rival in this run: the goals are multiples of what
//! fastlin (C++) took on a million operations.

use std::time::Duration;

use tribunal_checkers::linearizable::Options;
use xtask::generate::find;

use crate::bench::Bench;
use crate::input::Input;
use crate::table::{Goal, Row, Theirs};
use crate::{memory, ours};

/// Family, milliseconds fastlin took, and how many times as fast we must be.
const ROWS: [(&str, f64, f64); 4] = [
    ("queue", 1180.0, 4.0),
    ("priority-queue", 1560.0, 4.0),
    ("stack", 4510.0, 8.0),
    ("set", 113.0, 2.0),
];

pub(crate) fn rows(bench: &mut Bench) {
    let operations = if bench.settings.quick { 100_000 } else { 1_000_000 };
    for (name, fastlin, times) in ROWS {
        let share = operations as f64 / 1e6;
        let most = Duration::from_secs_f64(share * fastlin / times / 1e3);
        let goals = [Goal::Within(most), Goal::Bytes(100.0)];
        let Some(family) = find(name) else { continue };
        let shape = family.shape(operations, bench.settings.seed);
        let input = Input::generated(family, &shape).ours_alone();
        let options = Options { orders: false, ..ours::automatic() };
        let ours = bench.alone(&input, options);
        let row = Row::of("L7", &input, Theirs::Skipped("not run".into()), ours, &goals);
        let resident_bytes = memory::beyond_the_history(family, &shape, &row.ours);
        bench.print(Row { resident_bytes, ..row });
    }
}
