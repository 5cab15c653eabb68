//! Whether limits are kept: a search that has no end is told to stop, and one may hold so much.

use std::time::{Duration, Instant};

use tribunal_checkers::{Budget, Verdict};
use xtask::generate::find;

use crate::bench::Bench;
use crate::input::Input;
use crate::memory;
use crate::ours::{self, Check};
use crate::table::time;

/// A search that goes on for minutes.
const OPERATIONS: u64 = 1_000;
/// When it is told to stop, and how often.
const FLAGS: [u64; 3] = [20, 200, 2_000];
const ROUNDS: usize = 5;
/// By when it must have.
const LATE: Duration = Duration::from_millis(50);
/// Searches that remember more and more, or are laid out in more, and what they may hold, in MiB;
/// and how much more than that in percent. With crashed operations of which every subset is another
/// state, configurations are as wide as there are operations.
const REMEMBERING: [(&str, u64, [u64; 3]); 4] = [
    ("stack", 1_000_000, [64, 128, 256]),
    ("long-texts", 10_000, [16, 32, 64]),
    ("crashed-sums", 100, [64, 256, 1_024]),
    ("crashed-elements", 80, [64, 128, 256]),
];
const MORE: f64 = 5.0;

/// Two small tables of their own: these rows have no verdict and no rival.
pub(crate) fn rows(bench: &mut Bench) {
    let Some(family) = find("crashbad") else { return };
    let shape = family.shape(OPERATIONS, bench.settings.seed);
    let input = Input::generated(family, &shape).ours_alone();
    println!(
        "\n| row | told to stop after | unknown that much later, worst of {ROUNDS} | goal | |"
    );
    println!("|---|---|---|---|---|");
    for flag in FLAGS.map(Duration::from_millis) {
        let late = (0..ROUNDS).map(|_| stopped_after(&input, flag)).max().flatten();
        let met = late.map_or("not measured", |late| if late <= LATE { "met" } else { "missed" });
        let (flag, late) = (time(flag), late.map_or("—".into(), time));
        println!("| L10 | {flag} | {late} | ≤ {} | {met} |", time(LATE));
        bench.remember(met == "missed", || format!("L10 told to stop after {flag}"));
    }
    println!("\n| row | input | bytes allowed | resident beyond the history | more | goal | |");
    println!("|---|---|---|---|---|---|---|");
    for (name, operations, limits) in REMEMBERING {
        held(bench, (name, operations), limits);
    }
}

fn held(bench: &mut Bench, (name, operations): (&str, u64), limits: [u64; 3]) {
    let Some(family) = find(name) else { return };
    let shape = family.shape(operations, bench.settings.seed);
    for limit in limits {
        let most = limit << 20;
        let Some(held) = memory::held_at_limit(family, &shape, most) else {
            println!("| L10 | {name} | {limit} MiB | — | — | ≤ {MORE} % | not measured |");
            continue;
        };
        let more = (held as f64 / most as f64 - 1.0) * 100.0;
        let met = if more <= MORE { "met" } else { "missed" };
        let held = held as f64 / f64::from(1 << 20);
        println!(
            "| L10 | {name} | {limit} MiB | {held:.1} MiB | {more:.1} % | ≤ {MORE} % | {met} |"
        );
        bench.remember(met == "missed", || format!("L10 at {limit} MiB, {name}"));
    }
}

/// How late the search came back as unknown; `None` if it had an answer before.
fn stopped_after(input: &Input, flag: Duration) -> Option<Duration> {
    let budget = Budget::unlimited();
    let told = budget.clone();
    let started = Instant::now();
    let teller = std::thread::spawn(move || {
        std::thread::sleep(flag);
        let now = Instant::now();
        told.cancel();
        now
    });
    let sample = ours::once(input, ours::search_alone(), Check::Whole, &budget);
    let ended = started.elapsed();
    let told = teller.join().expect("the teller ends") - started;
    (sample.verdict == Verdict::Unknown).then(|| ended.saturating_sub(told))
}
