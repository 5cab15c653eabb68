//! Time of the search: histories of others, and synthetic families.
//!
//! `cargo bench -p tribunal-checkers --bench linearizable [NAME...]`: per history the bare verdict
//! (best of several runs, quick refutations off and on; from the parsed history to the verdict),
//! and the whole check with its evidence. Parsing excluded. Generators are seeded; the same
//! everywhere. `BARE=1` leaves the whole check out.

use std::path::Path;
use std::time::{Duration, Instant};

use tribunal_checkers::linearizable::{
    Bare, CasRegister, Dialect, Engines, Linearizable, ModelChoice, Options, decide,
};
use tribunal_checkers::{Budget, Checker, Verdict};
use tribunal_history::codec::{ReadOptions, read};
use tribunal_history::{
    Builder, ErrorClass, History, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value,
};

/// No single run may take longer.
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_named = |name: &str| wanted.iter().any(|want| name.contains(want));
    let is_wanted = |name: &str| is_named(name) || wanted.is_empty() && !name.contains("stretch");
    println!(
        "{:<20} {:>7} {:>10} {:>10} {:>10}  verdict  {:>9} {:>8} {:>6}  engine",
        "history", "ops", "search ms", "quick ms", "check ms", "configs", "KiB", "B/op"
    );
    if is_wanted("etcd") {
        folder("etcd", "porcupine/jepsen", Dialect::ETCD, &Value::Nil);
    }
    if is_wanted("knossos") {
        folder("knossos", "knossos/cas-register", Dialect::KNOSSOS, &Value::Nil);
    }
    for family in FAMILIES {
        for size in family.sizes {
            let name = format!("{}_{size}", family.name);
            if is_wanted(&name) {
                let history = (family.history)(*size);
                report(&name, &measure(&history, Dialect::TRIBUNAL, &Value::Int(0)));
            }
        }
    }
}

struct Measured {
    search: Duration,
    quick: Duration,
    check: Duration,
    operations: usize,
    bare: Bare,
}

fn report(name: &str, measured: &Measured) {
    let Measured { search, quick, check, operations, bare } = measured;
    let (kib, each) = (bare.peak_bytes / 1024, bare.peak_bytes / (*operations as u64).max(1));
    println!(
        "{name:<20} {operations:>7} {:>10.4} {:>10.4} {:>10.3}  {:<8} {:>9} {kib:>8} {each:>6}  {}",
        ms(*search),
        ms(*quick),
        ms(*check),
        bare.verdict.name(),
        bare.configurations,
        bare.engine,
    );
}

/// The best of several runs, and what they returned.
fn best<T>(mut run: impl FnMut(&Budget) -> T) -> (Duration, T) {
    let (mut total, mut runs, mut best) = (Duration::ZERO, 0, Duration::MAX);
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
        let result = run(&budget);
        let took = started.elapsed();
        done.send(()).ok();
        watch.join().expect("the watch ends");
        best = best.min(took);
        total += took;
        runs += 1;
        if runs >= 50 || total > Duration::from_secs(1) {
            return (best, result);
        }
    }
}

fn measure(history: &History, dialect: Dialect, initial: &Value) -> Measured {
    let model = CasRegister { initial: initial.clone() };
    let bare = |quick| {
        let options = Options { quick, engines: Engines::Search, ..Options::default() };
        best(|budget| decide(&model, history, dialect, budget, options).expect("a register"))
    };
    let ((search, bare), (quick, _)) = (bare(false), bare(true));
    let checker = Linearizable::new(ModelChoice::CasRegister, dialect, initial.clone());
    let check = match std::env::var_os("BARE") {
        Some(_) => Duration::ZERO,
        None => {
            let (check, report) = best(|budget| checker.check(history, budget));
            let verdict = report.expect("a register").verdict;
            assert!(verdict == bare.verdict || bare.verdict == Verdict::Unknown);
            check
        }
    };
    Measured { search, quick, check, operations: history.len(), bare }
}

/// The ten slowest histories of a folder of the corpus, and the sums.
fn folder(name: &str, folder: &str, dialect: Dialect, initial: &Value) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let mut paths = Vec::new();
    files(&corpus.join(folder), &mut paths);
    if paths.is_empty() {
        println!("skipped: no histories at {}", corpus.join(folder).display());
        return;
    }
    paths.sort();
    let mut all = Vec::new();
    for path in &paths {
        let bytes = std::fs::read(path).expect("a readable history");
        let options = ReadOptions { independent: Some(false), ..ReadOptions::default() };
        let history = read(&bytes, None, &options).expect("a history").history;
        let measured = measure(&history, dialect, initial);
        all.push((path.file_stem().expect("a name").to_string_lossy().into_owned(), measured));
    }
    all.sort_by_key(|(_, measured)| std::cmp::Reverse(measured.search));
    for (name, measured) in all.iter().take(10) {
        report(name, measured);
    }
    let sum = |of: fn(&Measured) -> Duration| ms(all.iter().map(|(_, each)| of(each)).sum());
    println!(
        "{name:<20} {:>7} {:>10.4} {:>10.4} {:>10.3}  sum over the histories",
        all.len(),
        sum(|each| each.search),
        sum(|each| each.quick),
        sum(|each| each.check),
    );
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
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
        sizes: &[1_000, 10_000],
        history: |ops| synthetic(ops, 10, 0, Late::Stale, Domain::Fresh),
    },
    Family {
        name: "crash",
        sizes: &[100, 200, 400, 1_000],
        history: |ops| synthetic(ops, 5, 15, Late::True, Domain::Five),
    },
    Family {
        name: "crashbad",
        sizes: &[100, 150, 200, 250, 300, 400],
        history: |ops| synthetic(ops, 5, 15, Late::NeverWritten, Domain::Five),
    },
    Family {
        name: "stretch-crashbad",
        sizes: &[500, 600, 700, 1_000],
        history: |ops| synthetic(ops, 5, 15, Late::NeverWritten, Domain::Five),
    },
    Family {
        name: "crashlate",
        sizes: &[100, 150, 200, 250, 300, 400],
        history: |ops| synthetic(ops, 5, 15, Late::WrittenOnce, Domain::Five),
    },
    Family {
        name: "crashstale",
        sizes: &[100, 150, 200, 250, 300, 400],
        history: |ops| synthetic(ops, 5, 15, Late::Another, Domain::Five),
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
    /// Another of the five.
    Another,
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
        Late::True | Late::NeverWritten | Late::WrittenOnce | Late::Another => Value::Int(99),
    };
    let reads = |act: &&mut Act| matches!(act.op, RegisterOp::Read { .. });
    let last = acts.iter_mut().rev().find(reads).expect("a read");
    let value = match &last.op {
        RegisterOp::Read { value: Observed::Present(Value::Int(true_value)), .. }
            if late == Late::Another =>
        {
            Value::Int((true_value + 1) % 5)
        }
        _ => value,
    };
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
