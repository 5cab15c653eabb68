//! Time of the reference search: Porcupine's etcd logs, and synthetic families.
//!
//! `cargo bench -p tribunal-checkers --bench linearizable [NAME...]`: medians of several runs of a
//! whole check, certificate included, parsing not. Generators are seeded; the same everywhere.

use std::path::Path;
use std::time::{Duration, Instant};

use tribunal_checkers::linearizable::{Dialect, Linearizable, ModelChoice};
use tribunal_checkers::{Budget, Checker, Verdict};
use tribunal_history::codec::{ReadOptions, read};
use tribunal_history::{
    Builder, ErrorClass, History, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value,
};

/// No single check may take longer.
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|want| name.contains(want));
    if is_wanted("etcd") {
        etcd();
    }
    for family in FAMILIES {
        for size in family.sizes {
            let name = format!("{}_{size}", family.name);
            if is_wanted(&name) {
                let history = (family.history)(*size);
                report(&name, &measure(&history, Dialect::TRIBUNAL, Value::Int(0)));
            }
        }
    }
}

struct Measured {
    median: Duration,
    operations: usize,
    verdict: Verdict,
    configurations: u64,
    peak_bytes: u64,
    engine: &'static str,
}

fn report(name: &str, measured: &Measured) {
    let Measured { median, operations, verdict, configurations, peak_bytes, engine } = measured;
    let kib = peak_bytes / 1024;
    println!(
        "{name:<22} {:>9} ops {:>10.3} ms  {:<8} {configurations:>9} configurations {kib:>7} KiB  \
         {engine}",
        operations,
        median.as_secs_f64() * 1e3,
        verdict.name(),
    );
}

fn measure(history: &History, dialect: Dialect, initial: Value) -> Measured {
    let checker = Linearizable::new(ModelChoice::CasRegister, dialect, initial);
    let mut times = Vec::new();
    loop {
        let budget = Budget::unlimited();
        let flag = budget.clone();
        let (done, waits) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if waits.recv_timeout(LIMIT).is_err() {
                flag.cancel();
            }
        });
        let started = Instant::now();
        let report = checker.check(history, &budget).expect("a register history");
        times.push(started.elapsed());
        done.send(()).ok();
        watch.join().expect("the watch ends");
        let total: Duration = times.iter().sum();
        if times.len() >= 25 || total > Duration::from_secs(2) {
            times.sort();
            return Measured {
                median: times[times.len() / 2],
                operations: history.len(),
                verdict: report.verdict,
                configurations: report.cost.configurations,
                peak_bytes: report.cost.peak_bytes,
                engine: report.cost.engines.first().map_or("none", |(engine, _)| engine),
            };
        }
    }
}

fn etcd() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/porcupine/jepsen");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no etcd logs at {}", folder.display());
        return;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut sum = Duration::ZERO;
    let mut all = Vec::new();
    for path in &paths {
        let bytes = std::fs::read(path).expect("a readable log");
        let history = read(&bytes, None, &ReadOptions::default()).expect("an etcd log").history;
        let measured = measure(&history, Dialect::ETCD, Value::Nil);
        sum += measured.median;
        all.push((path.file_stem().expect("a name").to_string_lossy().into_owned(), measured));
    }
    all.sort_by_key(|(_, measured)| std::cmp::Reverse(measured.median));
    for (name, measured) in all.iter().take(10) {
        report(name, measured);
    }
    println!("{:<22} {:>9} logs {:>9.3} ms in sum of medians", "etcd", paths.len(), ms(sum));
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

struct Family {
    name: &'static str,
    sizes: &'static [usize],
    history: fn(usize) -> History,
}

/// Clients, values, crashes per cent, and what is done to the late read.
const FAMILIES: &[Family] = &[
    Family {
        name: "five-value-cas",
        sizes: &[1_000, 10_000, 100_000],
        history: |ops| synthetic(ops, 10, 0, Late::True, Domain::Five),
    },
    Family {
        name: "unique",
        sizes: &[1_000, 10_000, 100_000],
        history: |ops| synthetic(ops, 10, 0, Late::True, Domain::Fresh),
    },
    Family {
        name: "uniquestale",
        sizes: &[1_000, 10_000, 100_000],
        history: |ops| synthetic(ops, 10, 0, Late::Stale, Domain::Fresh),
    },
    Family {
        name: "crash",
        sizes: &[100, 200, 400, 1_000],
        history: |ops| synthetic(ops, 5, 15, Late::True, Domain::Five),
    },
    Family {
        name: "crashbad",
        sizes: &[100, 150, 200, 250],
        history: |ops| synthetic(ops, 5, 15, Late::NeverWritten, Domain::Five),
    },
    Family {
        name: "crashlate",
        sizes: &[100, 150, 200, 250, 300, 400],
        history: |ops| synthetic(ops, 5, 15, Late::WrittenOnce, Domain::Five),
    },
];

/// What the last read returns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    True,
    NeverWritten,
    /// `w 99; w 0` precede everything.
    WrittenOnce,
    /// The first value that was written.
    Stale,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Domain {
    /// A third each of reads, writes and cas of 0 to 4.
    Five,
    /// Half reads, half writes of what was never written before.
    Fresh,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

struct Act {
    process: u32,
    op: RegisterOp,
    outcome: Outcome,
    from: u64,
    to: u64,
}

/// The generator of the literature: each step picks a client, which invokes, takes effect, or
/// returns. A crash is a client that never returns, half of them without effect.
fn synthetic(
    ops: usize,
    clients: usize,
    crash_percent: u64,
    late: Late,
    domain: Domain,
) -> History {
    let mut random = Random(7);
    let mut acts: Vec<Act> = Vec::new();
    let mut stage: Vec<Option<(usize, bool)>> = vec![None; clients];
    let mut process: Vec<u32> = (1..=clients as u32).collect();
    let (mut register, mut time) = (0, 10);
    while acts.len() < ops || stage.iter().any(Option::is_some) {
        time += 1;
        let at = random.below(clients as u64) as usize;
        match stage[at] {
            None if acts.len() < ops => {
                let op = question(&mut random, domain, acts.len() as i64);
                stage[at] = Some((acts.len(), false));
                let outcome = Outcome::Open;
                acts.push(Act { process: process[at], op, outcome, from: time, to: u64::MAX });
            }
            None => {}
            Some((act, false)) => {
                let read = matches!(acts[act].op, RegisterOp::Read { .. });
                let crashes = !read && random.below(100) < crash_percent;
                if !(crashes && random.below(2) == 0) {
                    take_effect(&mut acts[act], &mut register);
                }
                stage[at] = Some((act, true));
                if crashes {
                    acts[act].outcome = Outcome::Open;
                    stage[at] = None;
                    process[at] += clients as u32;
                }
            }
            Some((act, true)) => {
                acts[act].to = time;
                stage[at] = None;
            }
        }
    }
    falsify(&mut acts, late);
    build(&acts)
}

fn question(random: &mut Random, domain: Domain, fresh: i64) -> RegisterOp {
    let key = Value::Nil;
    if domain == Domain::Fresh {
        return match random.below(2) {
            0 => RegisterOp::Read { key, value: Observed::Pending },
            _ => RegisterOp::Write { key, value: Value::Int(1_000 + fresh) },
        };
    }
    let mut value = || Value::Int(random.below(5) as i64);
    let (one, other) = (value(), value());
    match random.below(3) {
        0 => RegisterOp::Read { key, value: Observed::Pending },
        1 => RegisterOp::Write { key, value: one },
        _ => RegisterOp::Cas { key, from: one, to: other },
    }
}

fn take_effect(act: &mut Act, register: &mut i64) {
    act.outcome = Outcome::Ok;
    match &mut act.op {
        RegisterOp::Read { value, .. } => *value = Observed::Present(Value::Int(*register)),
        RegisterOp::Write { value: Value::Int(value), .. } => *register = *value,
        RegisterOp::Cas { from: Value::Int(from), to: Value::Int(to), .. } => {
            if from == register {
                *register = *to;
            } else {
                act.outcome = Outcome::Fail;
            }
        }
        other => unreachable!("{other} is not generated"),
    }
}

fn falsify(acts: &mut Vec<Act>, late: Late) {
    if late == Late::True {
        return;
    }
    let writes = |act: &Act| match &act.op {
        RegisterOp::Write { value, .. } => Some(value.clone()),
        RegisterOp::Read { .. } | RegisterOp::Cas { .. } | RegisterOp::Append { .. } => None,
    };
    let value = match late {
        Late::Stale => acts.iter().find_map(writes).expect("a write"),
        Late::True | Late::NeverWritten | Late::WrittenOnce => Value::Int(99),
    };
    let reads = |act: &&mut Act| matches!(act.op, RegisterOp::Read { .. });
    let last = acts.iter_mut().rev().find(reads).expect("a read");
    last.op = RegisterOp::Read { key: Value::Nil, value: Observed::Present(value) };
    if late == Late::WrittenOnce {
        for (value, from) in [(99, 0), (0, 2)] {
            let op = RegisterOp::Write { key: Value::Nil, value: Value::Int(value) };
            acts.push(Act { process: 0, op, outcome: Outcome::Ok, from, to: from + 1 });
        }
    }
}

fn build(acts: &[Act]) -> History {
    let mut events: Vec<(u64, bool, &Act)> = Vec::new();
    for act in acts {
        events.push((act.from, false, act));
        if act.to != u64::MAX {
            events.push((act.to, true, act));
        }
    }
    events.sort_by_key(|(time, _, _)| *time);
    let mut builder = Builder::as_given();
    for (time, completion, act) in events {
        let (time, process) = (Nanos(time), Process(act.process));
        let op = Op::Register(act.op.clone());
        if completion {
            let missed = act.outcome == Outcome::Fail;
            let error = missed.then_some(ErrorClass::MISMATCH);
            builder
                .complete(time, process, act.outcome, Some(&op), error.as_ref())
                .expect("well-formed");
        } else {
            builder.invoke(time, process, None, None, &op.pending()).expect("well-formed");
        }
    }
    builder.finish()
}
