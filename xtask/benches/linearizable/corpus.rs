//! Histories of others, beside the repository.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tribunal_checkers::Verdict;
use tribunal_checkers::linearizable::Dialect;
use tribunal_history::Value;
use tribunal_history::codec::{ReadOptions, read};

use crate::bench::Bench;
use crate::input::Input;
use crate::ours;
use crate::table::{Goal, Ours, Row, Theirs, time};

/// The folder of one origin; `None`, aloud, where it is missing.
pub(crate) fn folder(origin: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus").join(origin);
    if !root.is_dir() {
        println!("\nskipped: no histories at {}", root.display());
        return None;
    }
    Some(root)
}

/// The cas-register rows of `verdicts.tsv` whose path starts with `prefix`.
fn registers(origin: &str, prefix: &str, dialect: Dialect) -> Vec<Input> {
    let Some(folder) = folder(origin) else { return Vec::new() };
    let Ok(table) = std::fs::read_to_string(folder.join("verdicts.tsv")) else {
        println!("\nskipped: no verdicts.tsv in {}", folder.display());
        return Vec::new();
    };
    let mut inputs = Vec::new();
    let options = ReadOptions { independent: Some(false), ..ReadOptions::default() };
    for line in table.lines().filter(|line| line.starts_with(prefix)) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, model, expected, ..] = columns[..] else { continue };
        let Some(initial) = model.strip_prefix("linearizable/cas-register init=") else { continue };
        let initial = initial.parse().map_or(Value::Nil, Value::Int);
        let expected = match expected {
            "valid" => Verdict::Valid,
            "invalid" => Verdict::Invalid,
            _ => Verdict::Unknown,
        };
        let Ok(bytes) = std::fs::read(folder.join(file)) else {
            println!("\nskipped: no {file}");
            continue;
        };
        match read(&bytes, None, &options) {
            Ok(read) if read.history.is_empty() => {}
            Ok(read) => {
                let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
                let reading = (dialect, initial);
                inputs.push(Input::new(&name, read.history, "cas-register", reading, expected));
            }
            Err(error) => println!("\nskipped: {file}: {error}"),
        }
    }
    inputs
}

/// One log with what both sides did.
struct Log {
    input: Input,
    theirs: Theirs,
    ours: Ours,
}

impl Log {
    fn bare(&self) -> Option<Duration> {
        match self.ours {
            Ours::Decided { bare, .. } => Some(bare),
            Ours::Unknown { .. } | Ours::Missing => None,
        }
    }

    fn row(self, id: &'static str, goals: &[Goal]) -> Row {
        Row::of(id, &self.input, self.theirs, self.ours, goals)
    }
}

fn contests(bench: &mut Bench, prefix: &str) -> Vec<Log> {
    let inputs = registers("porcupine", prefix, Dialect::ETCD);
    let log = |input: Input| {
        let (theirs, ours) = bench.contest(&input, ours::automatic());
        Log { input, theirs, ours }
    };
    inputs.into_iter().map(log).collect()
}

/// The sum over all logs as one row, and the slowest of ours as another.
pub(crate) fn etcd(bench: &mut Bench) {
    let logs = contests(bench, "jepsen/");
    let Some(sum) = sum(&logs) else { return };
    bench.print(Row {
        id: "L1",
        verdicts: Some(as_labelled(&logs)),
        input: format!("{} logs, sum", logs.len()),
        goals: vec![Goal::Faster(500.0)],
        ..sum
    });
    let slowest = logs.into_iter().max_by_key(|log| log.bare().unwrap_or(Duration::MAX));
    if let Some(slowest) = slowest {
        bench.print(slowest.row("L1", &[Goal::Within(Duration::from_micros(250))]));
    }
}

/// All of them as one input; `None` where there is none or one is undecided.
fn sum(logs: &[Log]) -> Option<Row> {
    let first = logs.first()?;
    let mut row = Row::of("", &first.input, first.theirs.clone(), first.ours.clone(), &[]);
    for log in &logs[1..] {
        row.operations += log.input.operations();
        row.crashed += log.input.crashed();
        row.theirs = match (row.theirs, &log.theirs) {
            (
                Theirs::Decided { verdict, median, bytes },
                Theirs::Decided { verdict: worse, median: more, bytes: others },
            ) => Theirs::Decided {
                verdict: verdict.max(*worse),
                median: median + *more,
                bytes: bytes + others,
            },
            (Theirs::Decided { .. }, other) => other.clone(),
            (not_decided, _) => not_decided,
        };
        row.ours = match (row.ours, &log.ours) {
            (
                Ours::Decided { verdict, bare, whole, peak_bytes, engine },
                Ours::Decided {
                    verdict: worse, bare: more, whole: more_whole, peak_bytes: p, ..
                },
            ) => Ours::Decided {
                verdict: verdict.max(*worse),
                bare: bare + *more,
                whole: whole.zip(*more_whole).map(|(one, other)| one + other),
                peak_bytes: peak_bytes.max(*p),
                engine,
            },
            (Ours::Decided { .. }, other) => other.clone(),
            (not_decided, _) => not_decided,
        };
    }
    Some(row)
}

fn as_labelled(logs: &[Log]) -> String {
    let right = logs.iter().filter(|log| match log.ours {
        Ours::Decided { verdict, .. } => verdict == log.input.expected,
        Ours::Unknown { .. } | Ours::Missing => false,
    });
    format!("{} as labelled", right.count())
}

/// The logs Porcupine finds hardest of all that were published, by its own benchmarks, and the
/// hardest first. Those after the first two must be won by a lesser ratio.
const HARDEST: [&str; 10] = ["002", "007", "099", "057", "075", "040", "080", "085", "097", "053"];

/// Those that are there.
pub(crate) fn hard(bench: &mut Bench) {
    let inputs = registers("porcupine", "jepsen/", Dialect::ETCD);
    let place = |input: &Input| HARDEST.iter().position(|number| input.name.ends_with(number));
    let mut inputs: Vec<(usize, Input)> =
        inputs.into_iter().filter_map(|input| Some((place(&input)?, input))).collect();
    inputs.sort_by_key(|(place, _)| *place);
    for (place, input) in inputs {
        let goal = if place < 2 { 10_000.0 } else { 500.0 };
        bench.row("L2", &input, ours::automatic(), &[Goal::Faster(goal)]);
    }
}

/// All of Knossos' registers as one input; Porcupine is not asked.
pub(crate) fn knossos(bench: &mut Bench) {
    let mut inputs = registers("knossos", "", Dialect::KNOSSOS);
    inputs.extend(registers("elle-cli", "knossos/", Dialect::KNOSSOS));
    let log = |input: Input| {
        let ours = bench.alone(&input, ours::automatic());
        Log { input, theirs: Theirs::Skipped("not run".into()), ours }
    };
    let logs: Vec<Log> = inputs.into_iter().map(log).collect();
    let Some(sum) = sum(&logs) else { return };
    bench.print(Row {
        id: "L9",
        verdicts: Some(as_labelled(&logs)),
        input: format!("{} histories, sum", logs.len()),
        goals: vec![Goal::Within(Duration::from_millis(5))],
        ..sum
    });
    let mut slow: Vec<&Log> = logs.iter().collect();
    slow.sort_by_key(|log| std::cmp::Reverse(log.bare()));
    let slow = slow.iter().take(3).map(|log| {
        let bare = log.bare().map_or("unknown".into(), time);
        format!("{} {bare}", log.input.name)
    });
    let slow: Vec<String> = slow.collect();
    println!("\nslowest: {}", slow.join(", "));
}
