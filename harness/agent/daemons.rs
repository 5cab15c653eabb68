//! Daemons: started as data, identified by pid and start time, ended with everything they began.
//!
//! A daemon leads a session of its own, so it outlives the agent and is found again by another
//! one. Nothing is ever found by name or command line.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::exec::{self, SYSTEM_PATH};
use crate::failure::{Outcome, While};
use crate::files::Files;
use crate::home::{Home, boot_id, check_daemon_name, write_durably};
use crate::proc::{self, Stat};
use crate::protocol::{DaemonSpec, DaemonState, Failure, Identity};
use crate::sys;

/// Most daemons of one run on one node.
const DAEMONS: usize = 64;

/// Longest wait for killed processes to be gone. A process in the kernel (state D) may need it.
const DEATH: Duration = Duration::from_secs(10);

/// What is on the disk about one daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    spec: DaemonSpec,
    identity: Option<Identity>,
    /// `false` after an orderly stop: healing a kill must not bring it back.
    wanted: bool,
    boot_id: String,
}

/// Exit code of a child of ours, once it has one.
#[derive(Default)]
struct Exit {
    code: Mutex<Option<i32>>,
    known: Condvar,
}

/// The daemons of one run.
pub(crate) struct Daemons {
    home: Home,
    directory: PathBuf,
    children: Mutex<BTreeMap<(i32, u64), Arc<Exit>>>,
    starting: Mutex<()>,
}

impl Daemons {
    /// Of a run; finds what earlier agents started.
    pub(crate) fn new(home: &Home, run: &str) -> Daemons {
        Daemons {
            home: home.clone(),
            directory: home.run(run).join("daemons"),
            children: Mutex::default(),
            starting: Mutex::default(),
        }
    }

    /// Starts it and answers with its identity. One that already runs by the same description is
    /// left alone, so a repeated request does not start two.
    pub(crate) fn start(&self, spec: &DaemonSpec) -> Outcome<DaemonState> {
        check_daemon_name(&spec.name)?;
        let _one = hold(&self.starting);
        let former = self.entry(&spec.name)?;
        if former.is_none() && self.names()?.len() >= DAEMONS {
            return Err(Failure::refused(format!("{DAEMONS} daemons exist; stop one first")));
        }
        if let Some(Entry { identity: Some(identity), spec: former, .. }) = &former {
            let state = self.observe(*identity);
            match state {
                DaemonState::Running(_) | DaemonState::Paused(_) if former == spec => {
                    return Ok(state);
                }
                DaemonState::Running(_) | DaemonState::Paused(_) => {
                    return Err(Failure::refused(format!(
                        "daemon {} runs as pid {} by another description; stop it first",
                        spec.name, identity.pid
                    )));
                }
                DaemonState::Absent | DaemonState::Exited { .. } => {}
            }
            // Children of a daemon that died hold its ports and locks.
            self.end(*identity, &spec.name)?;
        }
        self.spawn(spec)
    }

    /// SIGTERM to the first process, SIGKILL to what is left after the grace.
    pub(crate) fn stop(&self, name: &str, grace: Duration) -> Outcome<DaemonState> {
        let mut entry = self.known(name)?;
        entry.wanted = false;
        self.write(&entry)?;
        let Some(identity) = entry.identity else { return Ok(DaemonState::Absent) };
        self.end_in_order(identity, name, grace)?;
        Ok(self.observe(identity))
    }

    /// The same to a daemon that is to come back.
    pub(crate) fn terminate(&self, name: &str, grace: Duration) -> Outcome<()> {
        self.end_in_order(self.identity(name)?, name, grace)
    }

    fn end_in_order(&self, identity: Identity, name: &str, grace: Duration) -> Outcome<()> {
        if proc::signal(identity, Signal::SIGTERM).during(format_args!("stop {name}"))? {
            // A paused process would see the request only after it is continued.
            for member in self.members(identity)? {
                proc::signal(member.identity, Signal::SIGCONT).during("continue")?;
            }
        }
        let start = Instant::now();
        while start.elapsed() < grace && !self.members(identity)?.is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        self.end(identity, name).map(drop)
    }

    /// How it ended, if it did and that is known.
    pub(crate) fn exit_of(&self, name: &str) -> Outcome<Option<i32>> {
        Ok(match self.observe(self.identity(name)?) {
            DaemonState::Exited { code, .. } => code,
            DaemonState::Absent | DaemonState::Running(_) | DaemonState::Paused(_) => None,
        })
    }

    /// SIGKILL to every process of it; returns when all are gone.
    pub(crate) fn kill(&self, name: &str) -> Outcome<(Identity, usize)> {
        let identity = self.identity(name)?;
        let killed = self.end(identity, name)?;
        Ok((identity, killed))
    }

    /// Starts it again after a kill: `None` when it was stopped on purpose or runs already.
    pub(crate) fn restart(&self, name: &str, was: Identity) -> Outcome<Option<Identity>> {
        let entry = self.known(name)?;
        let gone = entry.identity.is_none_or(|identity| !is_alive(identity));
        if !entry.wanted || !gone || is_alive(was) {
            return Ok(None);
        }
        match self.start(&entry.spec)? {
            DaemonState::Running(identity) | DaemonState::Paused(identity) => Ok(Some(identity)),
            DaemonState::Absent => Ok(None),
            DaemonState::Exited { code, .. } => Err(Failure::io(format!(
                "restart {name}: ended at once with code {code:?}; see its log {}",
                entry.spec.log
            ))),
        }
    }

    /// SIGSTOP to every process, repeated until a look finds all of them in state T and no new
    /// one: a process may fork between the look and the signal.
    pub(crate) fn pause(&self, name: &str) -> Outcome<Vec<Identity>> {
        let identity = self.identity(name)?;
        let start = Instant::now();
        loop {
            let members = self.members(identity)?;
            if members.is_empty() {
                return Err(Failure::refused(format!("pause {name}: it is not running")));
            }
            if members.iter().all(|stat| stat.state == 'T') {
                return Ok(members.iter().map(|stat| stat.identity).collect());
            }
            for member in members.iter().filter(|stat| stat.state != 'T') {
                proc::signal(member.identity, Signal::SIGSTOP).during("pause")?;
            }
            if start.elapsed() > DEATH {
                return Err(Failure::new("timeout", format!("pause {name}: not all in state T")));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGCONT to these processes and to every process of the daemon; returns when none is
    /// stopped any more.
    pub(crate) fn resume(&self, name: &str, processes: &[Identity]) -> Outcome<usize> {
        let start = Instant::now();
        let mut continued = 0;
        loop {
            let mut stopped: Vec<Identity> = processes
                .iter()
                .copied()
                .filter(|identity| state(*identity) == Some('T'))
                .collect();
            if let Some(Entry { identity: Some(identity), .. }) = self.entry(name)? {
                let members = self.members(identity)?;
                let members = members.iter().filter(|stat| stat.state == 'T');
                stopped.extend(members.map(|stat| stat.identity));
            }
            stopped.sort_by_key(|identity| identity.pid);
            stopped.dedup();
            if stopped.is_empty() {
                return Ok(continued);
            }
            for identity in &stopped {
                continued +=
                    usize::from(proc::signal(*identity, Signal::SIGCONT).during("resume")?);
            }
            if start.elapsed() > DEATH {
                return Err(Failure::new("timeout", format!("resume {name}: still in state T")));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What it is doing.
    pub(crate) fn status(&self, name: &str) -> Outcome<DaemonState> {
        check_daemon_name(name)?;
        let identity = self.entry(name)?.and_then(|entry| entry.identity);
        Ok(identity.map_or(DaemonState::Absent, |identity| self.observe(identity)))
    }

    /// Who it is, if it was ever started.
    pub(crate) fn identity(&self, name: &str) -> Outcome<Identity> {
        self.known(name)?
            .identity
            .ok_or_else(|| Failure::not_found(format!("daemon {name} was never started")))
    }

    /// Living processes of a daemon.
    pub(crate) fn living(&self, name: &str) -> Outcome<Vec<Stat>> {
        self.members(self.identity(name)?)
    }

    /// Ends every daemon, also those that an undo would bring back; says what was running.
    pub(crate) fn end_all(&self) -> Outcome<Vec<String>> {
        let mut ended = Vec::new();
        for name in self.names()? {
            let Some(identity) = self.known(&name)?.identity else { continue };
            let alive = self.members(identity)?.len();
            self.stop(&name, Duration::from_secs(2))?;
            if alive > 0 {
                ended.push(format!(
                    "stopped daemon {name}, {alive} processes of pid {}",
                    identity.pid
                ));
            }
        }
        Ok(ended)
    }

    fn spawn(&self, spec: &DaemonSpec) -> Outcome<DaemonState> {
        let name = &spec.name;
        let program = spec.argv.first().ok_or_else(|| {
            Failure::refused(format!("start {name}: no program; give at least one argument"))
        })?;
        let files = Files::new(&self.home);
        let directory = files.directory(&spec.dir)?;
        let log = files.append(&spec.log)?;
        let errors = log.try_clone().during("duplicate log")?;
        // On the disk before the process: an agent that dies here leaves a name that can be
        // started again, never a process that nobody knows to have been wanted.
        let mut entry =
            Entry { spec: spec.clone(), identity: None, wanted: true, boot_id: boot_id() };
        self.write(&entry)?;
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_else(|_| SYSTEM_PATH.into());
        command.args(&spec.argv[1..]).env_clear().env("PATH", path).current_dir(directory);
        command.envs(spec.env.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::from(log)).stderr(Stdio::from(errors));
        let mut child = sys::own_session(&mut command)
            .spawn()
            .during(format_args!("start {name}: {program}"))?;
        // Nobody has waited for the child yet, so the number is still its own.
        let stat = proc::stat(child.id() as i32)
            .ok_or_else(|| Failure::io(format!("start {name}: no /proc entry of its process")))?;
        let identity = stat.identity;
        let exit = Arc::new(Exit::default());
        {
            let mut children = hold(&self.children);
            // Keep what is alive; forget exits of long ago when the table is full.
            if children.len() >= 4 * DAEMONS {
                children.retain(|(pid, start), _| {
                    proc::stat_of(Identity { pid: *pid, start: *start }).is_some()
                });
            }
            children.insert((identity.pid, identity.start), Arc::clone(&exit));
        }
        thread::spawn(move || {
            if let Ok(status) = child.wait() {
                *hold(&exit.code) = Some(exec::code(status));
                exit.known.notify_all();
            }
        });
        entry.identity = Some(identity);
        self.write(&entry)?;
        Ok(self.observe(identity))
    }

    /// SIGKILL until nothing is left; the number of processes that were.
    fn end(&self, identity: Identity, name: &str) -> Outcome<usize> {
        let (start, mut seen) = (Instant::now(), std::collections::BTreeSet::new());
        loop {
            let members = self.members(identity)?;
            if members.is_empty() {
                return Ok(seen.len());
            }
            for member in &members {
                seen.insert(member.identity.pid);
                proc::signal(member.identity, Signal::SIGKILL).during("kill")?;
            }
            if start.elapsed() > DEATH {
                let pids: Vec<i32> = members.iter().map(|stat| stat.identity.pid).collect();
                let text = format!("kill {name}: processes {pids:?} do not die");
                return Err(Failure::new("timeout", text));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn observe(&self, identity: Identity) -> DaemonState {
        match proc::stat_of(identity).filter(Stat::lives) {
            Some(stat) if matches!(stat.state, 'T' | 't') => DaemonState::Paused(identity),
            Some(_) => DaemonState::Running(identity),
            None => DaemonState::Exited { identity, code: self.exit_code(identity) },
        }
    }

    /// Of a child of ours the code is there a moment after its death; of others it never is.
    fn exit_code(&self, identity: Identity) -> Option<i32> {
        let exit = hold(&self.children).get(&(identity.pid, identity.start)).cloned()?;
        let patience = Duration::from_secs(1);
        let code = hold(&exit.code);
        let waited = exit.known.wait_timeout_while(code, patience, |code| code.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn members(&self, identity: Identity) -> Outcome<Vec<Stat>> {
        proc::members(identity).during("list processes")
    }

    fn known(&self, name: &str) -> Outcome<Entry> {
        check_daemon_name(name)?;
        self.entry(name)?
            .ok_or_else(|| Failure::not_found(format!("daemon {name} was never started")))
    }

    fn entry(&self, name: &str) -> Outcome<Option<Entry>> {
        let path = self.path(name);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.during(format_args!("read {}", path.display()))?,
        };
        let mut entry: Entry = serde_json::from_slice(&text)
            .map_err(|error| Failure::io(format!("{}: {error}", path.display())))?;
        if entry.boot_id != boot_id() {
            // Pids and start times count from boot: after one they name nobody.
            entry.identity = None;
        }
        Ok(Some(entry))
    }

    fn names(&self) -> Outcome<Vec<String>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.during("list daemons")?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.during("list daemons")?.file_name();
            names.extend(
                name.to_str().and_then(|name| name.strip_suffix(".json")).map(String::from),
            );
        }
        names.sort();
        Ok(names)
    }

    fn write(&self, entry: &Entry) -> Outcome<()> {
        fs::create_dir_all(&self.directory).during("make daemon directory")?;
        let text = serde_json::to_vec(entry).map_err(|error| Failure::io(error.to_string()))?;
        let name = &entry.spec.name;
        write_durably(&self.path(name), &text).during(format_args!("remember daemon {name}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }
}

/// A thread that panicked while holding it left no half-made value: each is set in one step.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_alive(identity: Identity) -> bool {
    proc::stat_of(identity).is_some_and(|stat| stat.lives())
}

fn state(identity: Identity) -> Option<char> {
    proc::stat_of(identity).map(|stat| stat.state)
}
