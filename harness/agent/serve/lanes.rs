//! What the lanes do: one arm per request.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::session::check_lease;
use super::{Agent, Work};
use crate::base64;
use crate::clock::remaining_ms;
use crate::daemons::{Daemons, hold};
use crate::exec::{self, SYSTEM_PATH};
use crate::failure::{Outcome, While};
use crate::files::Files;
use crate::heal;
use crate::protocol::{Body, FRAME_LIMIT, Failure, Fault, Reply};
use crate::reach;
use crate::reaper::Message;
use crate::{frame, probe, sshd};

/// Longest grace of an orderly stop.
const GRACE_MS: u64 = 120_000;

/// Longest patience with one target of a reachability probe.
const PATIENCE_MS: u64 = 10_000;

impl Agent {
    /// Carries out a request of a lane.
    pub(super) fn carry_out(self: &Arc<Self>, work: &Work) -> Outcome<Reply> {
        let request = &work.request;
        match &request.body {
            Body::Claim { .. } => self.claim(&request.body),
            Body::Renew { lease_ms } => self.renew(request, *lease_ms),
            Body::Inject(fault) => self.inject(work, fault),
            Body::Verify { fault } => {
                self.change(request, |held, _| held.faults.verify(*fault)).map(Reply::Fault)
            }
            Body::Heal { fault } => {
                self.change(request, |held, lock| held.faults.heal(lock, *fault)).map(Reply::Fault)
            }
            Body::HealAll => self.heal_all(work),
            Body::Sealed => self.change(request, |_, _| {
                self.sealed.store(true, Ordering::SeqCst);
                Ok(Reply::Done)
            }),
            Body::Bye => self.bye(work),
            Body::Start(spec) => self.change(request, |_, _| {
                // Under the lock: a controller that takes the node must find no late daemon.
                self.daemons(work)?.start(spec).map(Reply::Daemon)
            }),
            Body::Stop { daemon, grace_ms } => {
                let grace = Duration::from_millis((*grace_ms).min(GRACE_MS));
                self.daemons(work)?.stop(daemon, grace).map(Reply::Daemon)
            }
            Body::Probe => Ok(Reply::Probed(probe::families(self.home.network, self.mechanism))),
            Body::Sshd => sshd::limits().map(Reply::Sshd),
            Body::Install { argv, env } => self.install(work, argv, env),
            Body::Reset { .. } | Body::Put { .. } | Body::Get { .. } | Body::Digest { .. } => {
                self.files(work)
            }
            Body::Reach { targets, .. }
            | Body::Hold { targets, .. }
            | Body::Look { targets, .. } => {
                if targets.len() > reach::TARGETS {
                    let text = format!("{} targets; at most {}", targets.len(), reach::TARGETS);
                    return Err(Failure::refused(text));
                }
                reach_others(&request.body, targets)
            }
            Body::Hello | Body::Clock | Body::Status { .. } => self.answer(&request.body),
        }
    }

    fn inject(&self, work: &Work, fault: &Fault) -> Outcome<Reply> {
        check_lease(fault.lease_ms)?;
        self.change(&work.request, |held, lock| {
            if remaining_ms(held.claim.until_boottime_ns) == 0 {
                let text = "the lease of the claim has ended; renew it before new faults";
                return Err(Failure::refused(text));
            }
            if self.ending.load(Ordering::SeqCst) {
                return Err(Failure::refused("the agent is ending; no new faults"));
            }
            let choose = || probe::mechanism(self.mechanism);
            held.faults.inject(lock, fault, choose).map(Reply::Fault)
        })
    }

    fn heal_all(&self, work: &Work) -> Outcome<Reply> {
        self.change(&work.request, |held, lock| {
            let mut healed = held.faults.heal_all(lock)?;
            healed.extend(heal::everything(&self.home, lock, None)?);
            Ok(Reply::HealedAll(healed))
        })
    }

    /// Heals, gives the node back, and lets the lane end the agent after the reply.
    fn bye(&self, work: &Work) -> Outcome<Reply> {
        self.change(&work.request, |held, lock| {
            held.faults.heal_all(lock)?;
            self.ending.store(true, Ordering::SeqCst);
            held.claim.release(&self.home)?;
            // A reaper that is gone already has nothing left to do.
            let _ = held.reaper.send(&Message::Done);
            Ok(Reply::Done)
        })
    }

    fn daemons(&self, work: &Work) -> Outcome<Arc<Daemons>> {
        self.check_epoch(&work.request)?;
        let daemons = hold(&self.daemons).clone();
        daemons.ok_or_else(|| Failure::new("stale-epoch", "claim the node first"))
    }

    fn install(&self, work: &Work, argv: &[String], env: &[(String, String)]) -> Outcome<Reply> {
        self.check_epoch(&work.request)?;
        if self.sealed.load(Ordering::SeqCst) {
            return Err(Failure::refused("install: the set-up phase is over"));
        }
        let program = argv.first().ok_or_else(|| Failure::refused("install: no program"))?;
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_else(|_| SYSTEM_PATH.into());
        command.args(&argv[1..]).env_clear().env("PATH", path).current_dir(&self.home.root);
        command.envs(env.iter().map(|(key, value)| (key, value)));
        let patience = work.until.saturating_duration_since(Instant::now());
        let ended = exec::run(&mut command, b"", patience, FRAME_LIMIT)
            .during(format_args!("install: {program}"))?;
        if ended.killed {
            let text = format!("install: {program} was killed at its deadline");
            return Err(Failure::new("timeout", text));
        }
        let bytes = [ended.stdout, ended.stderr].concat();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(fit(ended.code, text, ended.cut))
    }

    fn files(&self, work: &Work) -> Outcome<Reply> {
        let files = Files::new(&self.home);
        match &work.request.body {
            Body::Reset { dir } => {
                self.check_epoch(&work.request)?;
                files.reset(dir).map(|()| Reply::Done)
            }
            Body::Put { path, offset, data, mode } => {
                self.check_epoch(&work.request)?;
                let bytes = base64::decode(data)
                    .ok_or_else(|| Failure::refused(format!("put {path}: not base64")))?;
                files.put(path, *offset, &bytes, *mode).map(|()| Reply::Done)
            }
            Body::Get { path, offset, length } => {
                let (bytes, size) = files.get(path, *offset, *length)?;
                Ok(Reply::Bytes { data: base64::encode(&bytes), size })
            }
            Body::Digest { path } => files.digest(path).map(Reply::Digest),
            other => Err(Failure::new("unsupported", format!("{other:?} is no file request"))),
        }
    }
}

fn reach_others(body: &Body, targets: &[SocketAddr]) -> Outcome<Reply> {
    let patience = |ms: u64| Duration::from_millis(ms.clamp(1, PATIENCE_MS));
    match body {
        Body::Reach { timeout_ms, .. } => {
            Ok(Reply::Reached(reach::probe(targets, patience(*timeout_ms))))
        }
        Body::Hold { fault, timeout_ms, .. } => {
            reach::hold(*fault, targets, patience(*timeout_ms)).map(|()| Reply::Done)
        }
        Body::Look { fault, services, timeout_ms, numbered, .. } => {
            let numbered = (*numbered).min(reach::NUMBERED);
            let patience = patience(*timeout_ms);
            Ok(Reply::Looks(reach::look(*fault, targets, services, patience, numbered)))
        }
        other => Err(Failure::new("unsupported", format!("{other:?} asks for nobody"))),
    }
}

/// Shortens output until its frame fits: escaping may make it six times as long.
fn fit(code: i32, mut output: String, mut cut: bool) -> Reply {
    const MARK: &str = "\n[output cut here]\n";
    loop {
        let text = if cut { format!("{output}{MARK}") } else { output.clone() };
        let reply = Reply::Output { code, output: text };
        // Room for the id and the braces around it.
        if frame::encode(&reply).is_ok_and(|bytes| bytes.len() + 64 < FRAME_LIMIT) {
            return reply;
        }
        cut = true;
        let mut end = output.len() * 3 / 4;
        while !output.is_char_boundary(end) {
            end -= 1;
        }
        output.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_grows_by_escaping_still_fits_and_is_marked() {
        let Reply::Output { output, .. } = fit(0, "\u{1}".repeat(1 << 20), false) else {
            panic!("not an output")
        };
        assert!(output.ends_with("[output cut here]\n") && output.len() > 100_000);
        assert_eq!(fit(3, "ok".into(), false), Reply::Output { code: 3, output: "ok".into() });
    }
}
