//! Registers whose clients crash.

use std::time::Duration;

use tribunal_checkers::Verdict;
use xtask::generate::find;

use crate::bench::Bench;
use crate::input::Input;
use crate::ours::{self, Check};
use crate::table::{Goal, Row};

const SOON: Goal = Goal::Within(Duration::from_millis(50));
const HALF: Goal = Goal::Within(Duration::from_millis(500));

/// Operations, and what must hold of `crashbad`; of the others where Porcupine ends at 150.
const SIZES: [(u64, Goal); 6] = [
    (100, Goal::Within(Duration::from_millis(5))),
    (150, Goal::Faster(9_000.0)),
    (200, SOON),
    (250, SOON),
    (300, HALF),
    (400, HALF),
];

/// Above this many operations Porcupine is not asked: it does not end at half of them.
const RIVAL_UP_TO: u64 = 250;

/// Where nothing says otherwise.
const OTHERS_AT_150: f64 = 5_000.0;

/// Where Porcupine ends it does so after a second or after a minute, as the draw has it: several
/// draws, none chosen.
const DRAWS_AT_150: usize = 3;

/// Draws looked at. A stale read that a crashed write explains makes a valid history, and no case.
const DRAWS: u64 = 64;

/// Every family and size; refutations without search on, then off. Porcupine has one turn for both.
pub(crate) fn rows(bench: &mut Bench) {
    valid(bench);
    for (operations, goal) in SIZES {
        for family in ["crashbad", "crashlate", "crashstale"] {
            let goal = match goal {
                Goal::Faster(_) if family != "crashbad" => Goal::Faster(OTHERS_AT_150),
                goal => goal,
            };
            let draws = if operations == 150 { DRAWS_AT_150 } else { 1 };
            for input in invalid(bench, family, operations, draws) {
                both(bench, &input, goal);
            }
        }
    }
    if !bench.settings.quick
        && let Some(input) = input(bench, "crashbad", 1_000, 0)
    {
        let ours = bench.alone(&input, ours::search_alone());
        let theirs = crate::table::Theirs::Skipped("not run".into());
        let goals = [Goal::Within(Duration::from_secs(10)), Goal::Bytes(1e6)];
        let row = Row::of("L3d", &input, theirs, ours, &goals);
        let input = format!("{}, quick off (stretch)", row.input);
        bench.print(Row { input, ..row });
    }
}

fn both(bench: &mut Bench, input: &Input, goal: Goal) {
    let (theirs, with) = bench.contest(input, ours::automatic());
    let without = bench.alone(input, ours::search_alone());
    for (mode, ours) in [("on", with), ("off", without)] {
        let row = Row::of("L3", input, theirs.clone(), ours, &[goal]);
        let input = format!("{}, quick {mode}", row.input);
        bench.print(Row { input, ..row });
    }
}

fn valid(bench: &mut Bench) {
    let goals: [(u64, &[Goal]); 4] =
        [(100, &[]), (200, &[]), (400, &[]), (1_000, &[Goal::Within(Duration::from_millis(1))])];
    for (operations, goals) in goals {
        if let Some(input) = input(bench, "crash", operations, 0) {
            bench.row("L3", &input, ours::automatic(), goals);
        }
    }
}

/// The first `draws` that are not valid, by seed.
fn invalid(bench: &Bench, family: &str, operations: u64, draws: usize) -> Vec<Input> {
    let mut found = Vec::new();
    let mut all = (0..DRAWS).map_while(|draw| input(bench, family, operations, draw));
    while found.len() < draws
        && let Some(input) = all.next()
    {
        let judged = ours::measure(&input, ours::automatic(), Check::Bare, bench.patience());
        if judged.verdict != Verdict::Valid {
            found.push(input);
        }
    }
    found
}

/// Draw number `draw` after the seed of this run.
fn input(bench: &Bench, family: &str, operations: u64, draw: u64) -> Option<Input> {
    let family = find(family)?;
    let seed = bench.settings.seed + draw;
    let input = Input::generated(family, &family.shape(operations, seed));
    let name = format!("{} seed {seed}", input.name);
    let asked = operations <= RIVAL_UP_TO || family.name == "crash";
    let input = if asked { input } else { input.ours_alone() };
    Some(Input { name, ..input })
}
