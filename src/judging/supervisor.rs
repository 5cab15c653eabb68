//! Starts the worker, waits for what it says, and outlives it.
//!
//! A worker that dies (stack overflow, no memory, a signal) or does not stop in time has answered
//! for nothing it was at: that checker is unknown, with the reason, and the job is done again
//! without it.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::judge::Limits;
use super::order::{Death, Job, Judged, Order, Place, Word};
use crate::exit_code::{ExitCode, Trouble};

/// A history is read and checked for form by then.
const READING: Duration = Duration::from_secs(1_800);
/// Beyond the time limit, which checkers keep themselves.
const GRACE: Duration = Duration::from_secs(10);
/// Verdicts and page are written by then.
const REPORT: Duration = Duration::from_secs(600);
/// Of what a worker says last on stderr, in a reason.
const LAST_WORDS: usize = 400;

/// Does the job. `before_report` is called once every checker has answered or died, for each
/// worker that gets there.
///
/// The worker dies with the thread that calls this.
///
/// # Errors
/// What the worker could not read or write; a worker that cannot be started; one that dies while
/// it reads.
pub(crate) fn judge(
    job: Job,
    limits: Limits,
    before_report: &mut dyn FnMut(),
) -> Result<Judged, Trouble> {
    let mut order = Order { job, limits, deaths: Vec::new(), parent: std::process::id() };
    loop {
        let death = match Worker::start(&order)?.attend(limits, before_report) {
            Ok(end) => return end,
            Err(death) => death,
        };
        let known = order.deaths.iter().any(|known| known.place == death.place);
        if known || death.place == Place::Reading {
            return Err(Trouble::bug(format!("{}: {}", death.place.doing(), death.why)));
        }
        order.deaths.push(death);
    }
}

/// A process at work; gone when this is dropped.
struct Worker {
    child: Child,
    words: Receiver<Result<Word, String>>,
    /// Hands on what the worker says to people; ends with its last line.
    stderr: Option<JoinHandle<String>>,
    stdin: Option<ChildStdin>,
}

impl Worker {
    fn start(order: &Order) -> Result<Worker, Trouble> {
        let text = serde_json::to_string(order).map_err(Trouble::usage)?;
        // Not by its path: that may name another build by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("tribunal").arg("work").arg(text);
        // In a group of its own: an interrupt from the terminal is ours to answer.
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(match order.job {
            Job::Run { .. } => Stdio::piped(),
            // In a group of its own it may not read a terminal.
            Job::Check { .. } if std::io::stdin().is_terminal() => Stdio::null(),
            Job::Check { .. } => Stdio::inherit(),
        });
        let mut child = command
            .spawn()
            .map_err(|error| Trouble::infra(format!("start a process to judge in: {error}")))?;
        let (said, words) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let line = line.map_err(|error| error.to_string());
                    let word = line.and_then(|line| {
                        serde_json::from_str(&line).map_err(|error| error.to_string())
                    });
                    if said.send(word).is_err() {
                        return;
                    }
                }
            });
        }
        let stderr = child.stderr.take().map(|stderr| thread::spawn(move || pass_on(stderr)));
        let stdin = child.stdin.take();
        Ok(Worker { child, words, stderr, stdin })
    }

    /// What the worker came to.
    fn attend(
        mut self,
        limits: Limits,
        before_report: &mut dyn FnMut(),
    ) -> Result<Result<Judged, Trouble>, Death> {
        let mut place = Place::Reading;
        let mut deadline = Instant::now() + READING;
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            match self.words.recv_timeout(patience) {
                Ok(Ok(Word::At(next))) => {
                    match (&place, &next) {
                        (Place::Reading, Place::Checker { .. }) => {
                            deadline = Instant::now() + limits.time + GRACE;
                        }
                        (_, Place::Report) => {
                            before_report();
                            // A worker that is gone is seen at the next turn.
                            let _ = self.stdin.take().map(|mut stdin| stdin.write_all(b"\n"));
                            deadline = Instant::now() + REPORT;
                        }
                        (_, Place::Reading | Place::Checker { .. }) => {}
                    }
                    place = next;
                }
                Ok(Ok(Word::Done(judged))) => return Ok(Ok(*judged)),
                Ok(Ok(Word::Trouble { code, message })) => {
                    return Ok(Err(Trouble { code: ExitCode::of(code), message }));
                }
                Ok(Err(problem)) => {
                    let why = format!("the process said what cannot be read: {problem}");
                    return Err(Death { place, why });
                }
                Err(RecvTimeoutError::Timeout) => {
                    let why = "the process did not stop when its time was up, and was ended";
                    return Err(Death { place, why: why.into() });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let why = self.died();
                    return Err(Death { place, why });
                }
            }
        }
    }

    fn died(&mut self) -> String {
        let status = self.child.wait();
        let words = self.stderr.take().and_then(|stderr| stderr.join().ok()).unwrap_or_default();
        let how = match status {
            Ok(status) => ended(status),
            Err(error) => format!("cannot be waited for: {error}"),
        };
        match words.is_empty() {
            true => format!("the process {how}"),
            false => format!("the process {how}: {words}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It is gone already in nearly every case.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(stderr) = self.stderr.take() {
            let _ = stderr.join();
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            let killed = signal == Signal::SIGKILL as i32;
            let hint = if killed { ", as the system does when memory runs out" } else { "" };
            format!("died of {name}{hint}")
        }
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".into(),
    }
}

/// Copies to our stderr as it comes; the last line that says something, cut. Backtraces do not.
fn pass_on(stderr: ChildStderr) -> String {
    let mut last = String::new();
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without end is passed on in pieces.
        let limit = 1 << 16;
        match reader.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        // Who does not read it loses it.
        let _ = std::io::stderr().write_all(text.as_bytes());
        let aside = ["note:", "stack backtrace:", " "].iter().any(|start| text.starts_with(start));
        if !aside && !text.trim().is_empty() {
            last = text.trim().chars().take(LAST_WORDS).collect();
        }
    }
}
