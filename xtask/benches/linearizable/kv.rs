//! Key-value stores: Porcupine's logs, and larger ones.

use std::time::Duration;

use tribunal_checkers::Verdict;
use tribunal_checkers::linearizable::Dialect;
use tribunal_history::codec::{ReadOptions, read};
use tribunal_history::{Family, Value};
use xtask::generate::{Shape, find};

use crate::bench::Bench;
use crate::corpus::folder;
use crate::input::{Input, short};
use crate::ours;
use crate::table::{Goal, Row};

/// Porcupine's logs; its user tells it of the keys.
const LOGS: [(&str, &[Goal]); 2] = [
    ("c50-ok", &[Goal::Faster(100.0), Goal::Within(Duration::from_millis(2))]),
    ("c50-bad", &[Goal::Faster(100.0)]),
];

/// Operations and clients of ours, whether Porcupine is told of the keys, and what must hold.
const GENERATED: [(u64, u32, bool, &[Goal]); 5] = [
    (1_700, 50, true, &[Goal::Faster(100.0)]),
    (10_000, 10, true, &[]),
    (10_000, 50, true, &[]),
    (1_000, 10, false, &[]),
    (KEYS_IN_ONE, 10, false, &[Goal::Faster(2_000.0), Goal::Within(Duration::from_micros(1_300))]),
];

/// With ten clients Porcupine takes seconds on so many, as on its own log.
const KEYS_IN_ONE: u64 = 2_000;

pub(crate) fn rows(bench: &mut Bench) {
    for (name, goals) in LOGS {
        match log(name) {
            Ok(input) => bench.row("L8", &input, ours::automatic(), goals),
            Err(why) => bench.print(Row::missing("L8", &format!("{name} ({why})"), goals)),
        }
    }
    for (operations, clients, apart, goals) in GENERATED {
        let Some(family) = find("kv") else { return };
        let seed = bench.settings.seed;
        let shape = Shape { operations, clients, crashes_per_mille: 0, seed };
        let keys = if apart { "keys apart" } else { "keys in one for Porcupine" };
        let rival_model = if apart { "kv" } else { "kv-whole" };
        let name = format!("kv_{}, {clients} clients, {keys}", short(operations));
        let input = Input { name, rival_model, ..Input::generated(family, &shape) };
        bench.row("L8", &input, ours::automatic(), goals);
    }
}

fn log(name: &str) -> Result<Input, String> {
    let path = folder("porcupine").ok_or("no folder")?.join(format!("kv/{name}.txt"));
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let options = ReadOptions { family: Some(Family::Register), ..ReadOptions::default() };
    let read = read(&bytes, None, &options).map_err(|error| error.to_string())?;
    let expected = if name.ends_with("-ok") { Verdict::Valid } else { Verdict::Invalid };
    let reading = (Dialect::ETCD, Value::text(""));
    Ok(Input::new(name, read.history, "kv", reading, expected))
}
