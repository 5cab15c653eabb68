//! The time of day that one process sees, bent for it alone.
//!
//! A process asks for the time through the vDSO, two pages of code that the kernel maps into it.
//! While all of its threads are stopped, the entries that tell the time of day are overwritten with
//! jumps to code of ours in the slack of these pages, in this process's private copy: it asks the
//! kernel and adds an offset and a drift. Other processes, the kernel and CLOCK_MONOTONIC are not
//! touched; static programs and virtual machines are reached, for no library is replaced.
//!
//! Not covered: raw system calls, deadlines in absolute time of day that the kernel compares
//! (futex, timerfd), times of files. A program that is executed anew has a fresh vDSO.
//!
//! It is done by a process of its own ([`main`]): whoever is the parent of a daemon waits for its
//! end, and would mistake for it the stops that are reported to who traces it.

mod blob;
mod image;
mod patch;
mod stop;

use std::io::{self, Read, Write};
use std::process::{Command, ExitCode};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::exec;
use crate::failure::{Outcome, While};
use crate::protocol::{Failure, Identity};

/// Longest time for all processes of one order. Threads in the kernel (state D) may need it.
const PATIENCE: Duration = Duration::from_secs(4);

/// Most bytes of an order or of its answer.
const LIMIT: usize = 1 << 20;

/// How the time of day is bent: what is seen is `t + offset + (t - since) * drift`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Bend {
    pub(crate) offset_ns: i64,
    /// Parts of 10^9; begins when it is set.
    pub(crate) drift_ppb: i64,
}

/// What is to be done to the time of some processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// From now on it is bent like this.
    Set(Bend),
    /// It is true again.
    Clear,
    /// Nothing; the answer is what is found.
    Look,
}

#[derive(Serialize, Deserialize)]
struct Request {
    processes: Vec<Identity>,
    order: Order,
}

/// What was found or left in one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) identity: Identity,
    /// How its time is bent; `None`: it is true.
    pub(crate) bend: Option<Bend>,
    /// When it was bent last, in nanoseconds since 1970; 0 if never.
    pub(crate) since_ns: u64,
    /// How long its threads were stopped.
    pub(crate) stopped_us: u64,
}

/// Carries an order out on every process; those that are gone are left out of the answer.
///
/// # Errors
/// A process that cannot be traced, or a vDSO that is not understood.
pub(crate) fn carry_out(processes: &[Identity], order: Order) -> Outcome<Vec<Found>> {
    let request = Request { processes: processes.to_vec(), order };
    let input = serde_json::to_vec(&request).map_err(|error| Failure::io(error.to_string()))?;
    let mut command = Command::new("/proc/self/exe");
    let ended = exec::run(command.arg("bend-time").env_clear(), &input, PATIENCE, LIMIT);
    let said = ended.and_then(|ended| ended.success("bend-time")).during("change a vDSO")?;
    let answers: Vec<Result<Found, String>> =
        serde_json::from_str(&said).map_err(|error| Failure::io(format!("bend-time: {error}")))?;
    answers.into_iter().map(|answer| answer.map_err(Failure::io)).collect()
}

/// `tribunal-agent bend-time`: a request on stdin, the answer on stdout.
pub(crate) fn main() -> ExitCode {
    let mut text = Vec::new();
    let read = io::stdin().lock().take(LIMIT as u64).read_to_end(&mut text);
    let request: Result<Request, String> = read
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_slice(&text).map_err(|error| error.to_string()));
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            eprintln!("read request: {error}");
            return ExitCode::FAILURE;
        }
    };
    let one = |identity: &Identity| -> Option<Result<Found, String>> {
        let done = patch::carry_out(*identity, &request.order);
        match done {
            Err(_) if crate::proc::stat_of(*identity).is_none_or(|stat| !stat.lives()) => None,
            done => Some(done.map_err(|error| format!("process {}: {error}", identity.pid))),
        }
    };
    let answers: Vec<Result<Found, String>> = request.processes.iter().filter_map(one).collect();
    match serde_json::to_string(&answers) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("write answer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `tribunal-agent tell-time`: a line each hundredth of a second, for a minute or until nobody
/// reads it: how many seconds the time of day that this process sees is ahead of the kernel's, and
/// the same of CLOCK_MONOTONIC.
pub(crate) fn tell() -> ExitCode {
    for _ in 0..6_000 {
        let ahead = clock::ahead();
        let line = ahead.map(|(day, monotonic)| format!("{day:.3} {monotonic:.3}"));
        if line.and_then(|line| writeln!(io::stdout(), "{line}")).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ExitCode::SUCCESS
}
