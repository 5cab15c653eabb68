//! Drives one target without a coverage-guided fuzzer: `drive TARGET EXECUTIONS [SEED [FIRST]]`.
//!
//! Input i depends on the target, the seed and i alone; what fails is written to `artifacts/` and
//! can be run again with `drive TARGET FILE`. The process dies at the first failure. How much
//! memory it may have is up to who starts it (`ulimit -v`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tribunal_fuzz::{Target, mutate};

/// Longest execution. A slow one is a finding, a machine that sleeps is not: it is run again.
const SLOW: Duration = Duration::from_millis(1_000);
/// An execution this long never ends.
const HANGS: Duration = Duration::from_secs(60);

/// The execution under way, for the watchdog.
static NOW: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().and_then(|name| Target::from_name(name));
    let (Some(target), Some(what)) = (target, arguments.get(1)) else {
        let names = Target::ALL.map(Target::name).join(", ");
        eprintln!("drive TARGET EXECUTIONS [SEED [FIRST]], or drive TARGET FILE; TARGET: {names}");
        return ExitCode::from(64);
    };
    let number = |at: usize, default: u64| {
        arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    match what.parse() {
        Ok(executions) => drive(target, executions, number(2, 1), number(3, 0)),
        Err(_) => match std::fs::read(what) {
            Ok(input) => {
                println!("came through: {}", target.run(&input));
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("read {what}: {error}");
                ExitCode::from(66)
            }
        },
    }
}

fn drive(target: Target, executions: u64, seed: u64, first: u64) -> ExitCode {
    let name = target.name();
    std::thread::spawn(move || watch(target, seed));
    let start = Instant::now();
    let (mut slowest, mut slowest_at, mut through) = (Duration::ZERO, first, 0);
    for at in first..first + executions {
        let input = mutate::input(target, seed, at);
        NOW.store(at, Ordering::Relaxed);
        let mut took = match timed(target, &input) {
            Ok((took, came_through)) => {
                through += u64::from(came_through);
                took
            }
            Err(()) => return fail(target, seed, at, &input, "panicked"),
        };
        if took > SLOW {
            took = timed(target, &input).map_or(took, |(again, _)| again.min(took));
        }
        if took > SLOW {
            return fail(target, seed, at, &input, "took more than a second");
        }
        if took > slowest {
            (slowest, slowest_at) = (took, at);
        }
    }
    println!(
        "{name}: {executions} executions with seed {seed}, {through} came through, {:.0} a second, \
         slowest {:.1} ms (input {slowest_at}), {}",
        executions as f64 / start.elapsed().as_secs_f64(),
        slowest.as_secs_f64() * 1e3,
        peak(),
    );
    ExitCode::SUCCESS
}

fn timed(target: Target, input: &[u8]) -> Result<(Duration, bool), ()> {
    let start = Instant::now();
    let through = catch_unwind(AssertUnwindSafe(|| target.run(input))).map_err(drop)?;
    Ok((start.elapsed(), through))
}

fn fail(target: Target, seed: u64, at: u64, input: &[u8], what: &str) -> ExitCode {
    let name = target.name();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let path = folder.join(format!("{name}-{seed}-{at}"));
    let kept = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
    eprintln!("{name}: input {at} of seed {seed} {what}; kept: {kept:?} {}", path.display());
    ExitCode::FAILURE
}

/// Ends the process when one execution does not end.
fn watch(target: Target, seed: u64) {
    let (mut last, mut since) = (u64::MAX, Instant::now());
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = NOW.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > HANGS {
            let input = mutate::input(target, seed, now);
            fail(target, seed, now, &input, "does not end");
            std::process::exit(1);
        }
    }
}

/// The most memory the process had.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.map_or_else(|| "memory unknown".to_owned(), |kib| format!("peak {} MiB", kib / 1024))
}
