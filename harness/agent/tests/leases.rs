//! Goals R1 and R18 in small: deaths at random moments, random rules of others.
//!
//! `TRIBUNAL_ROUNDS=1000` makes them as long as the goals demand.

mod support;

use std::time::{Duration, Instant};

use support::{Agent, Dir, Pair, kill, output, reaper_of, state_of, until};
use tribunal_agent::protocol::{Body, Fault, FaultKind};

const SECOND: Duration = Duration::from_secs(1);

fn rounds(usual: u64) -> u64 {
    std::env::var("TRIBUNAL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn noise(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[derive(Clone, Copy, Debug)]
enum Death {
    /// The controller is gone: its channel ends.
    Controller,
    Agent,
    /// Both processes on the node; the next claim undoes what the kernel does not.
    Both,
    Reaper,
}

#[test]
fn no_death_at_any_moment_leaves_a_fault() {
    let mut state = 0x5eed_5eed_5eed_5eed;
    for round in 0..rounds(8) {
        let Some(pair) = Pair::new() else { return };
        let death =
            [Death::Controller, Death::Agent, Death::Both, Death::Reaper][(round % 4) as usize];
        let pause = Duration::from_micros(noise(&mut state) % 150_000);
        let said = format!("round {round}: {death:?} after {pause:?}");
        one_death(&pair, death, pause, &said);
    }
}

fn one_death(pair: &Pair, death: Death, pause: Duration, said: &str) {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, Some(&pair.here), 60_000);
    let paused = agent.start_daemon("paused", &["sleep", "1000"]);
    agent.start_daemon("killed", &["sleep", "1000"]);
    let reaper = reaper_of(agent.child.id()).expect("a reaper");
    let (from, to) = (Pair::peers().to_vec(), Pair::peers().to_vec());
    let kinds = [
        FaultKind::daemon("pause", "paused"),
        FaultKind::partition(from, to, None),
        FaultKind::daemon("kill", "killed"),
    ];
    for (id, kind) in kinds.into_iter().enumerate() {
        let fault = Fault { id: id as u32, lease_ms: 1_000, kind };
        agent.send(100 + id as u64, Body::Inject(fault));
    }
    std::thread::sleep(pause);
    match death {
        Death::Controller => agent.hang_up(),
        Death::Agent => agent.kill_agent(),
        Death::Both => {
            kill(reaper, "STOP");
            agent.kill_agent();
            kill(reaper, "KILL");
        }
        Death::Reaper => kill(reaper, "KILL"),
    }
    let start = Instant::now();
    if matches!(death, Death::Both) {
        // The kernel ends the cut; the rest waits for the next claim.
        let elements = || {
            let inside = ["ip", "netns", "exec", &pair.here, "nft", "list", "ruleset"];
            output(&inside).contains("elements")
        };
        until(&format!("{said}: no element"), SECOND * 3, || !elements());
        let mut next = Agent::start(&dir, Some(&pair.here));
        next.claim_run("00000002", "next", 60_000, vec![], true).unwrap();
    }
    // Lease 1 s + 2 s, or the grace of 3 s + 1 s.
    until(&format!("{said}: no record"), SECOND * 4, || {
        start.elapsed() > SECOND && dir.records() == 0
    });
    until(&format!("{said}: no table"), SECOND, || {
        !pair.ruleset().contains("tribunal_") || matches!(death, Death::Reaper)
    });
    assert_ne!(state_of(paused.pid), Some('T'), "{said}");
    println!("{said}: clean after {:?}", start.elapsed());
    // With its reaper dead the agent lives on; healed, it may go by Bye.
    if matches!(death, Death::Reaper) {
        drop(agent);
        until(&format!("{said}: no table"), SECOND * 4, || !pair.ruleset().contains("tribunal_"));
    }
}

#[test]
fn random_rules_of_others_survive() {
    let Some(pair) = Pair::new() else { return };
    let dir = Dir::new();
    let mut state = 0xf00d_f00d_f00d_f00d;
    for round in 0..rounds(12) {
        let script = foreign_rules(&mut state);
        pair.nft(&format!("flush ruleset\n{script}"));
        let before = pair.ruleset();
        let run = format!("{round:08x}");
        let mut agent = Agent::start(&dir, Some(&pair.here));
        agent.claim_run(&run, "test", 60_000, vec![], true).unwrap();
        let peers = Pair::peers();
        assert!(agent.cut(1, 60_000, &peers, &peers).effective, "round {round}:\n{script}");
        agent.call(Body::Renew { lease_ms: 60_000 }).unwrap();
        let healed = agent.heal(1).unwrap();
        assert!(healed.evidence.contains("foreign rules equal"), "round {round}: {healed:?}");
        agent.call(Body::Bye).unwrap();
        assert_eq!(pair.ruleset(), before, "round {round}");
    }
}

/// Something like what kube-proxy, docker and a careful administrator leave behind.
fn foreign_rules(state: &mut u64) -> String {
    let mut script = String::new();
    for table in 0..1 + noise(state) % 4 {
        let family = ["ip", "ip6", "inet"][(noise(state) % 3) as usize];
        let name = format!("t{table}_{:x}", noise(state) % 0xffff);
        script += &format!("add table {family} {name}\n");
        for chain in 0..1 + noise(state) % 5 {
            let priority = noise(state) % 400;
            let hook = ["input", "output", "forward"][(noise(state) % 3) as usize];
            let base = format!("{{ type filter hook {hook} priority {priority}; policy accept; }}");
            let base = if noise(state).is_multiple_of(2) { base } else { String::new() };
            script += &format!("add chain {family} {name} c{chain} {base}\n");
            for _ in 0..noise(state) % 8 {
                let port = 1024 + noise(state) % 60_000;
                let rule = match noise(state) % 4 {
                    0 => format!("tcp dport {port} counter accept"),
                    1 => format!("udp sport {port} counter return comment \"KUBE {port}\""),
                    2 => format!("meta mark {port} counter"),
                    _ => format!("ct state established,related counter accept comment \"x{port}\""),
                };
                script += &format!("add rule {family} {name} c{chain} {rule}\n");
            }
        }
    }
    script
}
