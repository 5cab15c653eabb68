//! Resident memory of one bare verdict beyond the history, measured in a process of its own.

use std::process::{Command, ExitCode};
use std::time::Duration;

use tribunal_checkers::{Budget, Verdict};
use xtask::generate::{Family, Shape, find};

use crate::input::Input;
use crate::ours::{self, Check};
use crate::table::Ours;

/// Turns this program into the child.
pub(crate) const FLAG: &str = "--memory-of";

/// Bytes, or `None` where nothing was decided or the kernel does not say.
pub(crate) fn beyond_the_history(family: &Family, shape: &Shape, ours: &Ours) -> Option<u64> {
    if !matches!(ours, Ours::Decided { .. }) {
        return None;
    }
    asked(family, shape, &[])
}

fn asked(family: &Family, shape: &Shape, more: &[u64]) -> Option<u64> {
    let Shape { operations, clients, crashes_per_mille, seed } = *shape;
    let output = Command::new(std::env::current_exe().ok()?)
        .args([FLAG, family.name])
        .args([operations, clients.into(), crashes_per_mille.into(), seed].map(|n| n.to_string()))
        .args(more.iter().map(u64::to_string))
        // What is freed goes back at once, so that nothing measured is older than the check.
        .env("MALLOC_MMAP_THRESHOLD_", "131072")
        .env("MALLOC_TRIM_THRESHOLD_", "131072")
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Bytes that a search held which had to end as unknown at `most` bytes; `None` where it ended
/// otherwise, or the kernel does not say.
pub(crate) fn held_at_limit(family: &Family, shape: &Shape, most: u64) -> Option<u64> {
    asked(family, shape, &[most])
}

/// The child: prints one number.
pub(crate) fn child(arguments: &[String]) -> ExitCode {
    match measured(arguments) {
        Some(bytes) => {
            println!("{bytes}");
            ExitCode::SUCCESS
        }
        None => ExitCode::FAILURE,
    }
}

fn measured(arguments: &[String]) -> Option<u64> {
    let [family, numbers @ ..] = arguments else { return None };
    let numbers: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let [operations, clients, crashes, seed, ref limit @ ..] = numbers[..] else { return None };
    let (clients, crashes_per_mille) = (clients as u32, crashes as u32);
    let shape = Shape { operations, clients, crashes_per_mille, seed };
    let input = Input::generated(find(family)?, &shape).ours_alone();
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = status("VmRSS:")?;
    if let Some(most) = limit.first() {
        let budget = Budget::unlimited().with_bytes(*most);
        let sample = ours::once(&input, ours::search_alone(), Check::Bare, &budget);
        (sample.verdict == Verdict::Unknown).then_some(())?;
    } else {
        ours::measure(&input, ours::automatic(), Check::Bare, Duration::from_secs(60));
    }
    status("VmHWM:")?.checked_sub(before)
}

/// A line of `/proc/self/status`, in bytes.
fn status(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|found| found.strip_prefix(line))?;
    kib.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}
