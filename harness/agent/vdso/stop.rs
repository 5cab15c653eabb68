//! All threads of a process, stopped until this value goes.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Each thread, with the signal that was about to be delivered to it.
pub(super) struct Stopped {
    threads: BTreeMap<i32, Option<Signal>>,
}

impl Stopped {
    /// Stops threads until none is found that runs: new ones may be born meanwhile.
    ///
    /// # Errors
    /// No such process, no right to trace it, or somebody else traces it.
    pub(super) fn all(pid: i32) -> io::Result<Stopped> {
        let mut stopped = Stopped { threads: BTreeMap::new() };
        loop {
            let mut fresh = false;
            for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
                let name = entry?.file_name();
                let thread = name.to_str().and_then(|name| name.parse::<i32>().ok());
                let thread = thread.filter(|thread| !stopped.threads.contains_key(thread));
                fresh |= thread.map_or(Ok(false), |thread| stopped.stop(thread))?;
            }
            if !fresh {
                break;
            }
        }
        match stopped.threads.is_empty() {
            true => Err(io::Error::other("no thread of it could be stopped")),
            false => Ok(stopped),
        }
    }

    /// `false`: the thread is gone.
    fn stop(&mut self, thread: i32) -> io::Result<bool> {
        let pid = Pid::from_raw(thread);
        match ptrace::seize(pid, ptrace::Options::empty()) {
            Err(Errno::ESRCH) => return Ok(false),
            Err(error) => {
                let why = format!("trace thread {thread}: {error}; needs CAP_SYS_PTRACE");
                return Err(io::Error::other(why));
            }
            Ok(()) => {}
        }
        // From here on the guard lets go of it, whatever fails.
        self.threads.insert(thread, None);
        match ptrace::interrupt(pid) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
        loop {
            match waitpid(pid, Some(WaitPidFlag::__WALL)) {
                Err(Errno::EINTR) => {}
                // A signal came first. It is delivered when the thread goes on.
                Ok(WaitStatus::Stopped(_, signal)) => {
                    self.threads.insert(thread, Some(signal));
                    return Ok(true);
                }
                Ok(WaitStatus::PtraceEvent(..)) => return Ok(true),
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
                | Err(Errno::ECHILD | Errno::ESRCH) => {
                    self.threads.remove(&thread);
                    return Ok(false);
                }
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What each thread does next.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn instructions(&self) -> io::Result<Vec<u64>> {
        let mut all = Vec::new();
        for thread in self.threads.keys() {
            match ptrace::getregs(Pid::from_raw(*thread)) {
                Ok(registers) => all.push(registers.rip),
                // Killed meanwhile: it does nothing next.
                Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn instructions(&self) -> io::Result<Vec<u64>> {
        Err(io::Error::other("only known for x86-64"))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for (thread, signal) in &self.threads {
            // One that is gone needs nothing; the kernel lets go of the others with this process.
            let _ = ptrace::detach(Pid::from_raw(*thread), *signal);
        }
    }
}
