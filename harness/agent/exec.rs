//! Programs run to their end: argument vectors, bounded output, bounded time. Never a shell.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::proc;
use crate::sys;

/// What a program did.
pub(crate) struct Ended {
    /// Exit code, or minus the signal.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Output beyond the limit was dropped.
    pub(crate) cut: bool,
    /// The deadline passed and the program was killed.
    pub(crate) killed: bool,
}

impl Ended {
    /// Stdout if the program was content, else an error with what it said.
    pub(crate) fn success(self, what: &str) -> io::Result<String> {
        if self.killed {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what}: no end in time")));
        }
        if self.code != 0 {
            let said = String::from_utf8_lossy(&self.stderr);
            let said = said.lines().take(3).collect::<Vec<_>>().join("; ");
            return Err(io::Error::other(format!("{what}: exit code {}: {said}", self.code)));
        }
        Ok(String::from_utf8_lossy(&self.stdout).into_owned())
    }
}

/// A firewall tool or the like: found on the usual paths, 5 s, 1 MiB, success demanded.
pub(crate) fn tool(argv: &[&str], input: &str) -> io::Result<String> {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).env_clear().env("PATH", SYSTEM_PATH).env("LC_ALL", "C");
    run(&mut command, input.as_bytes(), Duration::from_secs(5), 1 << 20)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", argv[0])))?
        .success(&argv.join(" "))
}

/// Where tools and daemons are looked for when the agent was started without a PATH.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program; kills its whole session when the time is over.
pub(crate) fn run(
    command: &mut Command,
    input: &[u8],
    patience: Duration,
    limit: usize,
) -> io::Result<Ended> {
    let start = Instant::now();
    let command = sys::own_session(command);
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let leader = proc::stat(child.id() as i32).map(|stat| stat.identity);
    let stdout = collect(child.stdout.take(), limit);
    let stderr = collect(child.stderr.take(), limit);
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read its input says so by its exit code.
        let input = input.to_vec();
        thread::spawn(move || pipe.write_all(&input));
    }
    let status = wait(&mut child, start, patience)?;
    let killed = status.is_none();
    let status = match status {
        Some(status) => status,
        None => {
            let members = leader.map_or(Ok(Vec::new()), proc::members)?;
            for member in members {
                proc::signal(member.identity, nix::sys::signal::Signal::SIGKILL)?;
            }
            child.kill()?;
            child.wait()?
        }
    };
    // What a background process left behind by the program still writes is not waited for.
    let grace = Duration::from_millis(500);
    let (stdout, cut_out) = stdout.recv_timeout(grace).unwrap_or((Vec::new(), true));
    let (stderr, cut_err) = stderr.recv_timeout(grace).unwrap_or((Vec::new(), true));
    Ok(Ended { code: code(status), stdout, stderr, cut: cut_out || cut_err, killed })
}

/// Exit code, or minus the signal.
pub(crate) fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// Waits with short sleeps: a few milliseconds late is fine here and needs no signal handler.
fn wait(
    child: &mut Child,
    start: Instant,
    patience: Duration,
) -> io::Result<Option<std::process::ExitStatus>> {
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= patience {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Reads to the end, keeps the head.
fn collect(
    pipe: Option<impl Read + Send + 'static>,
    limit: usize,
) -> mpsc::Receiver<(Vec<u8>, bool)> {
    let (send, receive) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let (mut kept, mut cut, mut buffer) = (Vec::new(), false, [0; 8192]);
        let Some(mut pipe) = pipe else { return };
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let room = limit.saturating_sub(kept.len()).min(count);
                    kept.extend_from_slice(&buffer[..room]);
                    cut |= room < count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        // The receiver may have stopped waiting; then nobody wants the bytes.
        let _ = send.send((kept, cut));
    });
    receive
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(argv: &[&str], patience_ms: u64, limit: usize) -> Ended {
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]);
        run(&mut command, b"", Duration::from_millis(patience_ms), limit).unwrap()
    }

    #[test]
    fn output_is_bounded_and_marked() {
        let ended = ended(&["seq", "100000"], 5_000, 1000);
        assert!(ended.code == 0 && ended.cut && ended.stdout.len() == 1000);
    }

    #[test]
    fn the_deadline_holds() {
        let start = Instant::now();
        let ended = ended(&["sleep", "30"], 100, 10);
        assert!(ended.killed && ended.code == -9);
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = tool(&["ls", "/nowhere-at-all"], "").unwrap_err().to_string();
        assert!(error.contains("exit code 2") && error.contains("nowhere-at-all"), "{error}");
    }
}
