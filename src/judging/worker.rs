//! The process that judges. It says where it is before it goes there, so that its death has a
//! place.

use std::io::Write;
use std::thread;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike;
use nix::unistd::getppid;

use super::inputs;
use super::judge::Limits;
use super::order::{Order, Place, Word};
use crate::exit_code::{ExitCode, Trouble};

/// Deep enough for anything that is not a defect.
const STACK: usize = 64 << 20;
/// Address space that is reserved and not used: stacks and arenas of every thread.
const RESERVED_PER_THREAD: u64 = 160 << 20;
/// Address space beyond the memory limit: what a check holds outside its account.
const SLACK: u64 = 1 << 30;
/// Processor time beyond what every thread may use.
const GRACE_SECONDS: u64 = 30;

/// The hidden subcommand: one job, then the end.
pub(crate) fn work(order: &str) -> Result<ExitCode, Trouble> {
    let order: Order = serde_json::from_str(order)
        .map_err(|error| Trouble::usage(format!("`work` is for tribunal itself: {error}")))?;
    die_with(order.parent)?;
    let judge = thread::Builder::new().name("judge".into()).stack_size(STACK);
    let judge = judge
        .spawn(move || inputs::carry_out(&order))
        .map_err(|error| Trouble::infra(format!("start a thread to judge in: {error}")))?;
    let word = match judge.join() {
        Ok(Ok(judged)) => Word::Done(Box::new(judged)),
        Ok(Err(Trouble { code, message })) => Word::Trouble { code: code as u8, message },
        // Its message is on stderr; the supervisor knows the place.
        Err(_) => return Ok(ExitCode::Bug),
    };
    say(&word)?;
    Ok(ExitCode::Held)
}

/// One word to the supervisor.
pub(super) fn say(word: &Word) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    let line = serde_json::to_string(word).map_err(Trouble::bug)?;
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Trouble::infra)
}

/// Whether checkers run under their limits from here on, or freely again.
pub(super) enum Limited {
    Judging(Limits),
    Free,
}

/// Sets what the system enforces if a checker does not keep its own limits.
pub(super) fn limit(to: Limited) -> Result<(), Trouble> {
    let set = |resource, soft: Option<u64>| {
        let (_, hard) = getrlimit(resource)?;
        setrlimit(resource, soft.unwrap_or(hard).min(hard), hard)
    };
    let (space, seconds) = match to {
        Limited::Free => (None, None),
        Limited::Judging(limits) => {
            let threads = thread::available_parallelism().map_or(1, usize::from) as u64 + 2;
            let beyond = SLACK + threads * RESERVED_PER_THREAD;
            let space = address_space().saturating_add(limits.bytes).saturating_add(beyond);
            let each = limits.time.as_secs().saturating_add(GRACE_SECONDS);
            let seconds = processor_seconds().saturating_add(each.saturating_mul(threads));
            (Some(space), Some(seconds))
        }
    };
    set(Resource::RLIMIT_AS, space)
        .and_then(|()| set(Resource::RLIMIT_CPU, seconds))
        // A dump of so large a process helps nobody.
        .and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0))
        .map_err(|error| Trouble::infra(format!("limit the process that judges: {error}")))
}

/// What this process has mapped, in bytes.
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let page = page.ok().flatten().and_then(|page| u64::try_from(page).ok()).unwrap_or(4_096);
    pages.unwrap_or(0) * page
}

fn processor_seconds() -> u64 {
    let used = getrusage(UsageWho::RUSAGE_SELF);
    let used = used.map_or(0, |used| (used.user_time() + used.system_time()).num_seconds());
    u64::try_from(used).unwrap_or(0)
}

/// No worker outlives who asked for it.
fn die_with(parent: u32) -> Result<(), Trouble> {
    set_pdeathsig(Signal::SIGKILL).map_err(Trouble::infra)?;
    // It may have ended before that was set.
    match u32::try_from(getppid().as_raw()) == Ok(parent) {
        true => Ok(()),
        false => Err(Trouble::usage("`work` is for tribunal itself")),
    }
}

/// Says where the worker goes next.
pub(super) fn at(place: Place) -> Result<(), Trouble> {
    say(&Word::At(place))
}
