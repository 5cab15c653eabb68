//! Who may change the node: a lock, an epoch and a lease.
//!
//! The lock is held only while something is changed. The epoch makes the order of claims a fact
//! on the disk: an agent compares it under the lock before each change, so the agent of a
//! controller that was replaced, however late it wakes, changes nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::clock::{boottime_ns, in_ms, remaining_ms};
use crate::failure::{Outcome, While};
use crate::home::{Home, boot_id, write_durably};
use crate::protocol::Failure;

/// Longest wait for another changer of the node.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Held by whoever changes the node.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its drop")] Flock<File>);

impl Lock {
    /// Waits for the lock, not for ever.
    pub(crate) fn take(home: &Home) -> Outcome<Lock> {
        let path = home.volatile.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let mut file = open.during(format_args!("open {}", path.display()))?;
        let start = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Lock(lock)),
                Err((back, nix::errno::Errno::EAGAIN)) if start.elapsed() < LOCK_PATIENCE => {
                    file = back;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err((_, error)) => {
                    return Err(Failure::new(
                        "timeout",
                        format!(
                            "lock {}: {error}; another agent is changing this node, try again",
                            path.display()
                        ),
                    ));
                }
            }
        }
    }
}

/// The holder of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) epoch: u64,
    pub(crate) run: String,
    pub(crate) controller: String,
    pub(crate) until_boottime_ns: u64,
    boot_id: String,
}

impl Claim {
    /// Takes the node: raises the epoch and writes down who holds it. `Ok(.., true)`: the caller
    /// held it before and comes back, so the faults of its run stay.
    pub(crate) fn take(
        home: &Home,
        _held: &Lock,
        run: &str,
        controller: &str,
        lease_ms: u64,
        force: bool,
    ) -> Outcome<(Claim, bool)> {
        let former = Claim::current(home)?;
        let mut again = false;
        if let Some(former) = former {
            again = former.run == run && former.controller == controller;
            if !again && !force {
                let ms = remaining_ms(former.until_boottime_ns);
                return Err(Failure::new(
                    "claimed",
                    format!(
                        "node is held by controller {} (run {}, epoch {}) for another {ms} ms",
                        former.controller, former.run, former.epoch
                    ),
                ));
            }
        }
        let epoch = epoch(home)? + 1;
        write_durably(&home.root.join("epoch"), format!("{epoch}\n").as_bytes())
            .during("write epoch")?;
        let claim = Claim {
            epoch,
            run: run.into(),
            controller: controller.into(),
            until_boottime_ns: in_ms(lease_ms),
            boot_id: boot_id(),
        };
        claim.write(home)?;
        Ok((claim, again))
    }

    /// The claim that lives now, if any.
    pub(crate) fn current(home: &Home) -> Outcome<Option<Claim>> {
        let path = home.volatile.join("claim.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.during(format_args!("read {}", path.display()))?,
        };
        let claim: Claim = serde_json::from_slice(&text)
            .map_err(|error| Failure::io(format!("{}: {error}", path.display())))?;
        let lives = claim.boot_id == boot_id() && claim.until_boottime_ns > boottime_ns();
        Ok(lives.then_some(claim))
    }

    /// Moves the end of the lease.
    pub(crate) fn renew(&mut self, home: &Home, lease_ms: u64) -> Outcome<()> {
        self.until_boottime_ns = in_ms(lease_ms);
        self.write(home)
    }

    /// Gives the node back, unless somebody else has it by now.
    pub(crate) fn release(&self, home: &Home) -> Outcome<()> {
        if epoch(home)? != self.epoch {
            return Ok(());
        }
        crate::home::remove_durably(&home.volatile.join("claim.json")).during("release claim")
    }

    fn write(&self, home: &Home) -> Outcome<()> {
        let text = serde_json::to_vec(self).map_err(|error| Failure::io(error.to_string()))?;
        write_durably(&home.volatile.join("claim.json"), &text).during("write claim")
    }
}

/// Number of the last claim; 0 before the first. An unreadable one is an error: taking it for 0
/// would let a stale controller back in.
pub(crate) fn epoch(home: &Home) -> Outcome<u64> {
    let path = home.root.join("epoch");
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Failure::io(format!("read {}: {error}", path.display()))),
        Ok(text) => text.trim().parse().map_err(|error| {
            Failure::io(format!("{}: {error}; remove it to begin at 0", path.display()))
        }),
    }
}

/// Raises the epoch over whatever lives, so that every controller must claim anew.
pub(crate) fn raise(home: &Home, _held: &Lock) -> Outcome<u64> {
    let epoch = epoch(home)? + 1;
    write_durably(&home.root.join("epoch"), format!("{epoch}\n").as_bytes())
        .during("write epoch")?;
    crate::home::remove_durably(&home.volatile.join("claim.json")).during("drop claim")?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dir;

    fn home() -> (Dir, Home) {
        let dir = Dir::new();
        let home = Home::open(&dir.sub("root"), &dir.sub("run")).unwrap();
        (dir, home)
    }

    fn take(home: &Home, who: &str, lease_ms: u64, force: bool) -> Outcome<(Claim, bool)> {
        let lock = Lock::take(home)?;
        Claim::take(home, &lock, "0000abcd", who, lease_ms, force)
    }

    #[test]
    fn a_second_controller_waits_for_the_lease() {
        let (_dir, home) = home();
        let (first, again) = take(&home, "one", 60, false).unwrap();
        assert!(!again && first.epoch == 1);
        let refused = take(&home, "two", 60, false).unwrap_err();
        assert_eq!(refused.code, "claimed");
        assert!(refused.message.contains("controller one"), "{}", refused.message);
        std::thread::sleep(Duration::from_millis(70));
        assert_eq!(take(&home, "two", 60, false).unwrap().0.epoch, 2);
    }

    #[test]
    fn the_holder_may_come_back_and_force_wins() {
        let (_dir, home) = home();
        take(&home, "one", 60_000, false).unwrap();
        let (back, again) = take(&home, "one", 60_000, false).unwrap();
        assert!(again && back.epoch == 2);
        let (forced, again) = take(&home, "two", 60_000, true).unwrap();
        assert!(!again && forced.epoch == 3);
        back.release(&home).unwrap();
        assert!(Claim::current(&home).unwrap().is_some(), "a stale holder released another's");
        forced.release(&home).unwrap();
        assert_eq!(Claim::current(&home).unwrap(), None);
    }

    #[test]
    fn a_damaged_epoch_is_not_zero() {
        let (_dir, home) = home();
        fs::write(home.root.join("epoch"), "seven").unwrap();
        assert!(take(&home, "one", 60, false).is_err());
    }
}
