//! Times of day bent for one process: seen by it, and by nobody else.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use support::{AGENT, Agent, Dir, RUN, kill, output, start_of, state_of, until};
use tribunal_agent::protocol::FaultKind;

const SECOND: Duration = Duration::from_secs(1);

fn fault(kind: &str, parameters: &[(&str, i64)]) -> FaultKind {
    let parameters = parameters.iter().map(|(name, value)| (name.to_string(), *value));
    let parameters: BTreeMap<String, i64> = parameters.collect();
    FaultKind::Daemon { kind: kind.into(), daemon: "db".into(), parameters }
}

/// A daemon that tells how far its clocks are ahead of the kernel's.
struct Teller {
    log: String,
}

impl Teller {
    fn start(dir: &Dir, agent: &mut Agent) -> (Teller, i32) {
        let identity = agent.start_daemon("db", &[AGENT, "tell-time"]);
        let teller = Teller { log: format!("{}/{RUN}/db.log", dir.root()) };
        until("the first word", SECOND * 5, || !teller.lines().is_empty());
        (teller, identity.pid)
    }

    /// Time of day and monotonic clock, seconds ahead.
    fn lines(&self) -> Vec<(f64, f64)> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.lines().filter_map(|line| line.split_once(' '));
        whole.filter_map(|(day, mono)| Some((day.parse().ok()?, mono.parse().ok()?))).collect()
    }

    fn last(&self) -> f64 {
        self.lines().last().map_or(f64::NAN, |line| line.0)
    }

    fn comes_to(&self, wanted: f64) {
        until("the time wanted", SECOND * 5, || (self.last() - wanted).abs() < 0.1);
    }

    fn keeps_monotonic_time(&self) {
        assert!(self.lines().iter().all(|line| line.1.abs() < 0.5), "a monotonic clock jumped");
    }
}

#[test]
fn a_skew_is_seen_by_its_process_alone_and_undone_exactly() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let (teller, pid) = Teller::start(&dir, &mut agent);
    let start = start_of(pid);
    teller.comes_to(0.0);
    for (id, offset_ms) in [(1, 3_600_000), (2, -3_600_500), (3, 1), (4, 9_999_999_999)] {
        let bite = agent.inject(id, 60_000, fault("skew", &[("offset_ms", offset_ms)])).unwrap();
        assert!(bite.effective && bite.evidence.contains("1 of 1"), "{bite:?}");
        teller.comes_to(offset_ms as f64 / 1e3);
        let (here, began) = (SystemTime::now(), std::time::Instant::now());
        assert!(agent.verify(id).effective);
        let passed = here.elapsed().expect("our own clock goes on");
        assert!(passed.abs_diff(began.elapsed()) < SECOND, "our own clock is bent");
        let healed = agent.heal(id).unwrap();
        assert!(healed.evidence.contains("true time for 1 processes"), "{healed:?}");
        teller.comes_to(0.0);
        assert!(!agent.verify(id).effective);
    }
    teller.keeps_monotonic_time();
    assert_eq!(start_of(pid), start, "it is still the same process");
    assert_eq!(dir.records(), 0);
}

#[test]
fn a_drift_grows_and_is_gone_when_healed() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let (teller, _) = Teller::start(&dir, &mut agent);
    for (id, ppm, sign) in [(1, 500_000, 1.0), (2, -500_000, -1.0)] {
        agent.inject(id, 60_000, fault("drift", &[("ppm", ppm)])).unwrap();
        let began = std::time::Instant::now();
        std::thread::sleep(SECOND);
        let (seen, passed) = (teller.last() * sign, began.elapsed().as_secs_f64());
        assert!(seen > 0.4 && seen < 0.5 * passed + 0.2, "{seen} s ahead after {passed} s");
        agent.heal(id).unwrap();
        teller.comes_to(0.0);
    }
    teller.keeps_monotonic_time();
}

/// Leaders are drawn when a fault happens, so that two may be asked for one process.
#[test]
fn a_time_is_bent_by_one_fault_at_a_time() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let (teller, _) = Teller::start(&dir, &mut agent);
    agent.inject(1, 60_000, fault("skew", &[("offset_ms", 60_000)])).unwrap();
    for (id, other) in [
        (2, fault("skew", &[("offset_ms", -60_000)])),
        (3, fault("drift", &[("ppm", 1_000)])),
        (4, fault("strobe", &[("offset_ms", 5_000), ("period_ms", 60)])),
    ] {
        let refused = agent.inject(id, 60_000, other).unwrap_err();
        assert_eq!(refused.code, "refused");
        assert!(refused.message.contains("another fault has bent it"), "{refused:?}");
    }
    assert_eq!(dir.records(), 1);
    assert!(agent.verify(1).effective);
    teller.comes_to(60.0);
    agent.heal(1).unwrap();
    teller.comes_to(0.0);
}

#[test]
fn a_strobe_goes_to_and_fro() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let (teller, _) = Teller::start(&dir, &mut agent);
    let strobe = fault("strobe", &[("offset_ms", 5_000), ("period_ms", 60)]);
    let bite = agent.inject(1, 60_000, strobe).unwrap();
    assert!(!bite.effective, "a strobe that has not turned is a skew: {bite:?}");
    until("the first turn", SECOND * 5, || agent.verify(1).effective);
    until("three turns", SECOND * 5, || {
        let signs: Vec<bool> = teller
            .lines()
            .iter()
            .filter(|line| line.0.abs() > 4.0)
            .map(|line| line.0 > 0.0)
            .collect();
        signs.windows(2).filter(|pair| pair[0] != pair[1]).count() >= 3
    });
    assert!(agent.verify(1).effective);
    agent.heal(1).unwrap();
    teller.comes_to(0.0);
    std::thread::sleep(Duration::from_millis(300));
    teller.comes_to(0.0);
}

#[test]
fn a_bent_time_ends_with_its_lease_when_the_agent_dies() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let (teller, _) = Teller::start(&dir, &mut agent);
    agent.inject(1, 1_500, fault("skew", &[("offset_ms", 60_000)])).unwrap();
    teller.comes_to(60.0);
    agent.kill_agent();
    until("records gone", SECOND * 5, || dir.records() == 0);
    teller.comes_to(0.0);
}

/// Of a family that is changed hundreds of times nobody dies, and a paused one stays paused.
#[test]
fn processes_survive_many_changes() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let family = format!("{AGENT} tell-time & {AGENT} tell-time >/dev/null & wait");
    let leader = agent.start_daemon("db", &["sh", "-c", &family]);
    let session = leader.pid.to_string();
    until("the family", SECOND * 5, || {
        let all = output(&["ps", "-e", "-o", "sid=,args="]);
        let ours = all.lines().filter(|line| line.trim().starts_with(&format!("{session} ")));
        ours.filter(|line| line.contains("tell-time")).count() == 3
    });
    for id in 1..=60 {
        let skew = fault("skew", &[("offset_ms", 1_000 * i64::from(id))]);
        let bite = agent.inject(id, 60_000, skew).unwrap();
        assert!(bite.effective && bite.evidence.contains("3 of 3"), "{bite:?}");
        agent.heal(id).unwrap();
    }
    kill(leader.pid, "STOP");
    until("paused", SECOND, || state_of(leader.pid) == Some('T'));
    agent.inject(99, 60_000, fault("skew", &[("offset_ms", 1_000)])).unwrap();
    assert_eq!(state_of(leader.pid), Some('T'));
    agent.heal(99).unwrap();
    assert_eq!(state_of(leader.pid), Some('T'));
    kill(leader.pid, "CONT");
    until("running", SECOND, || state_of(leader.pid) != Some('T'));
    assert_eq!(start_of(leader.pid), Some(leader.start));
}
