//! Processes as `/proc` shows them, and signals that cannot hit a later owner of a pid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::AsFd;

use nix::sys::signal::Signal;

use crate::protocol::Identity;
use crate::sys;

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) identity: Identity,
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) session: i32,
}

impl Stat {
    /// A zombie runs nothing; only its number is left.
    pub(crate) fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Of the process that has this number now.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Of this very process, not of a later one with its number.
pub(crate) fn stat_of(identity: Identity) -> Option<Stat> {
    stat(identity.pid).filter(|stat| stat.identity == identity)
}

/// The name in parentheses may hold anything, parentheses and blanks too: count from the last.
fn parse(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(' ')?;
    let fields: Vec<&str> = rest[rest.rfind(')')? + 1..].split_whitespace().collect();
    Some(Stat {
        identity: Identity { pid: pid.parse().ok()?, start: fields.get(19)?.parse().ok()? },
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
    })
}

/// Living processes of the daemon whose first process began a session: the session, and all
/// descendants of it that are still attached to it by parenthood.
///
/// A pid is not given out again while a session of that number exists, so members found while no
/// process has the leader's number are the daemon's. If another process has the number by now,
/// the session is that process's and nothing of the daemon is left in it.
pub(crate) fn members(leader: Identity) -> io::Result<Vec<Stat>> {
    if stat(leader.pid).is_some_and(|stat| stat.identity != leader) {
        return Ok(Vec::new());
    }
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<i32>().ok());
        if let Some(stat) = pid.and_then(stat) {
            all.insert(stat.identity.pid, stat);
        }
    }
    let mut found: BTreeSet<i32> = all
        .values()
        .filter(|stat| stat.session == leader.pid && stat.identity.start >= leader.start)
        .map(|stat| stat.identity.pid)
        .collect();
    loop {
        let before = found.len();
        let children = all.values().filter(|stat| found.contains(&stat.parent));
        let children: Vec<i32> = children.map(|stat| stat.identity.pid).collect();
        found.extend(children);
        if found.len() == before {
            break;
        }
    }
    let me = std::process::id() as i32;
    let living = all.into_values().filter(|stat| {
        found.contains(&stat.identity.pid) && stat.lives() && stat.identity.pid != me
    });
    Ok(living.collect())
}

/// Numbers of its open files.
///
/// # Errors
/// The process is gone, or may not be looked at.
pub(crate) fn open_files(identity: Identity) -> io::Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", identity.pid))? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    match stat_of(identity) {
        Some(_) => Ok(numbers),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Sends a signal to this very process. `false`: it is gone.
pub(crate) fn signal(identity: Identity, signal: Signal) -> io::Result<bool> {
    let pidfd = match sys::pidfd_open(identity.pid) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
        other => other?,
    };
    // The pidfd holds whoever has the number now; compare before the signal, not after.
    if stat_of(identity).is_none() {
        return Ok(false);
    }
    match sys::pidfd_signal(pidfd.as_fd(), signal) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        other => other.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_process_name_does_not_shift_the_fields() {
        let line = "7 (a) R 9 (b) 1) S 1 7 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        let stat = parse(line).unwrap();
        assert_eq!(stat.identity, Identity { pid: 7, start: 4242 });
        assert_eq!((stat.state, stat.parent, stat.session), ('S', 1, 6));
        for bad in ["", "7", "7 (x", "7 (x) S", "x (y) S 1 2 3"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_signal_for_a_former_owner_of_the_pid_is_not_sent() {
        let me = stat(std::process::id() as i32).unwrap().identity;
        let former = Identity { start: me.start - 1, ..me };
        assert!(!signal(former, Signal::SIGKILL).unwrap());
    }
}
