//! Faults on the processes of a daemon that are neither kill nor pause, on real processes.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use support::{Agent, Dir, RUN, reaper_of, until};
use tribunal_agent::protocol::{Body, DaemonState, FaultKind, Identity, Probed, Reply};

const SECOND: Duration = Duration::from_secs(1);

fn fault(kind: &str, daemon: &str, parameter: (&str, i64)) -> FaultKind {
    let parameters = BTreeMap::from([(parameter.0.to_owned(), parameter.1)]);
    FaultKind::Daemon { kind: kind.into(), daemon: daemon.into(), parameters }
}

fn running(state: DaemonState) -> Option<Identity> {
    match state {
        DaemonState::Running(identity) => Some(identity),
        DaemonState::Absent | DaemonState::Paused(_) | DaemonState::Exited { .. } => None,
    }
}

/// Waits until the daemon has said that it listens to signals.
fn is_ready(dir: &Dir) {
    let log = format!("{}/{RUN}/db.log", dir.root());
    until("the daemon", SECOND * 5, || fs::read_to_string(&log).is_ok_and(|text| !text.is_empty()));
}

#[test]
fn a_stop_lets_a_daemon_end_in_order_and_healing_starts_it_again() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let orderly = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
    let first = agent.start_daemon("db", &["sh", "-c", orderly]);
    is_ready(&dir);
    let bite = agent.inject(1, 60_000, fault("stop", "db", ("grace_ms", 3000))).unwrap();
    assert!(bite.effective && bite.evidence.contains("ended with code 7"), "{bite:?}");
    assert_eq!(agent.status("db"), DaemonState::Exited { identity: first, code: Some(7) });
    let healed = agent.heal(1).unwrap();
    assert!(healed.evidence.contains("started db again"), "{healed:?}");
    assert_ne!(running(agent.status("db")).expect("it runs"), first);
}

#[test]
fn a_daemon_that_is_deaf_to_a_stop_is_killed() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
    agent.start_daemon("db", &["sh", "-c", deaf]);
    is_ready(&dir);
    let bite = agent.inject(1, 60_000, fault("stop", "db", ("grace_ms", 200))).unwrap();
    assert!(bite.effective && bite.evidence.contains("killed after 200 ms"), "{bite:?}");
    agent.heal(1).unwrap();
    assert!(running(agent.status("db")).is_some());
}

#[test]
fn a_storm_starts_and_kills_until_it_is_healed() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let first = agent.start_daemon("db", &["sleep", "1000"]);
    let bite = agent.inject(1, 60_000, fault("storm", "db", ("period_ms", 60))).unwrap();
    assert!(!bite.effective, "a storm that has only killed is none: {bite:?}");
    until("the first start", SECOND * 5, || agent.verify(1).effective);
    let mut seen = vec![first];
    until("four lives", SECOND * 5, || {
        if let Some(identity) = running(agent.status("db"))
            && !seen.contains(&identity)
        {
            seen.push(identity);
        }
        seen.len() > 4
    });
    assert!(agent.verify(1).effective);
    agent.heal(1).unwrap();
    let last = running(agent.status("db")).expect("it runs");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(running(agent.status("db")), Some(last), "the storm is over");
    assert_eq!(dir.records(), 0);
}

#[test]
fn a_storm_ends_with_its_lease_when_the_agent_dies() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 1_000, fault("storm", "db", ("period_ms", 60_000))).unwrap();
    reaper_of(agent.child.id()).expect("a reaper");
    agent.kill_agent();
    until("records gone", SECOND * 5, || dir.records() == 0);
    until("the reaper's word", SECOND, || dir.reaper_log().contains("started db again"));
    let mut next = Agent::claimed(&dir, None, 60_000);
    assert!(running(next.status("db")).is_some());
}

/// Opens two files at once, ten times a second, and says whether that went well. Its programs need
/// one file to be loaded.
const OPENS: &str = "while :; do if (exec 3</dev/null 4</dev/null) 2>/dev/null; then echo open; \
                     else echo refused; fi; sleep 0.1; done";

#[test]
fn a_daemon_without_files_is_refused_more_and_gets_them_back() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    agent.start_daemon("db", &["sh", "-c", OPENS]);
    let log = format!("{}/{RUN}/db.log", dir.root());
    let said = move |word: &str| {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.lines().filter(|line| *line == word).count()
    };
    until("it opens", SECOND * 5, || said("open") > 1);
    assert_eq!(said("refused"), 0);
    let bite = agent.inject(1, 60_000, fault("files", "db", ("spare", 1))).unwrap();
    assert!(bite.effective, "{bite:?}");
    until("it is refused", SECOND * 5, || said("refused") > 2);
    let healed = agent.heal(1).unwrap();
    assert!(healed.evidence.contains("restored the limit of files"), "{healed:?}");
    let before = said("open");
    until("it opens again", SECOND * 5, || said("open") > before + 2);
}

#[test]
fn what_cannot_be_done_is_refused_and_leaves_no_record() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    agent.start_daemon("db", &["sleep", "1000"]);
    for (kind, words) in [
        (fault("storm", "db", ("period_ms", 1)), "period_ms is 1; 50 to 60000 are possible"),
        (fault("storm", "db", ("period", 100)), "no parameter \"period\""),
        (FaultKind::daemon("storm", "db"), "period_ms is missing"),
        (FaultKind::daemon("burn", "db"), "no fault \"burn\"; there are kill, pause"),
        (FaultKind::daemon("kill", "nobody"), "nobody was never started"),
    ] {
        let refused = agent.inject(1, 60_000, kind).unwrap_err();
        assert!(refused.message.contains(words), "{refused:?}");
        assert_eq!(dir.records(), 0);
    }
    assert!(running(agent.status("db")).is_some());
}

#[test]
fn every_kind_is_tried_where_it_can_be() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let Reply::Probed(probed) = agent.call(Body::Probe).unwrap() else { panic!("no probe") };
    for kind in tribunal_agent::kinds::all() {
        let found: Vec<&Probed> = probed.iter().filter(|row| row.family == kind.name).collect();
        assert_eq!(found.len(), 1, "{probed:?}");
        assert_eq!(found[0].unavailable, None, "{probed:?}");
        assert!(!found[0].mechanism.is_empty());
    }
}
