//! Thousands of seeded simulations: the clean server keeps every promise under every fault, and
//! each planted bug is found. `TRIBUNAL_SIM_SEEDS=2000 cargo test --release` for the full number.

use tribunal_servers::bugs::{Bug, BugSet};
use tribunal_servers::sim::{
    Ask, Choice, Judgement, Outcome, Package, Record, Shape, SimConfig, What, judge, run,
};

fn seeds(default: u64) -> u64 {
    std::env::var("TRIBUNAL_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn package(what: What, hold: (u64, u64), recover: (u64, u64)) -> Package {
    Package { what, hold, recover }
}

/// Every fault at once, faster than any real schedule, on a network that loses and repeats.
fn storm(seed: u64) -> SimConfig {
    let shapes = vec![Shape::Halves, Shape::One, Shape::Ring, Shape::OneWay, Shape::Primaries];
    let choices = vec![Choice::One, Choice::Minority, Choice::Primaries];
    let drastic = vec![Choice::Majority, Choice::All, Choice::Primaries];
    SimConfig {
        seed,
        nodes: [3, 5, 5, 4][(seed % 4) as usize],
        length_ms: 8000,
        delay_ms: (1, 15),
        lose_and_repeat: (20, 20),
        snapshot_every: [20, 50, 1000][(seed % 3) as usize],
        faults: vec![
            package(What::Partition(shapes), (200, 1500), (200, 1500)),
            package(What::Kill(choices.clone()), (50, 1000), (300, 2000)),
            package(What::Pause(choices), (100, 1500), (300, 2000)),
            package(What::PowerCut(drastic), (50, 600), (1000, 4000)),
        ],
        ..SimConfig::default()
    }
}

#[test]
fn a_clean_cluster_is_linearizable_under_every_fault() {
    let (mut done, mut terms, mut installed, mut changes) = (0, 0, 0, [0, 0]);
    for seed in 0..seeds(150) {
        let finished = run(&storm(seed));
        assert_eq!(judge(&finished.records, true), Judgement::Linearizable, "seed {seed}");
        assert!(finished.converged, "seed {seed}: replicas differ after the quiet time");
        done += finished.records.iter().filter(|r| r.outcome == Outcome::Ok).count();
        let changed = |r: &&Record| matches!(r.ask, Ask::Change { .. });
        for record in finished.records.iter().filter(changed) {
            changes[0] += u64::from(record.outcome == Outcome::Ok);
            changes[1] += u64::from(record.outcome == Outcome::Mismatch);
        }
        terms += finished.last_term;
        installed += finished.installed;
    }
    println!(
        "{} seeds: {done} ok, {terms} terms, {installed} snapshots, changes {changes:?}",
        seeds(150)
    );
    assert!(done as u64 > 100 * seeds(150), "too little happened: {done} operations");
    assert!(changes.iter().all(|n| *n > 2 * seeds(150)), "too few transactions: {changes:?}");
    assert!(terms > 5 * seeds(150), "too few elections: {terms}");
    assert!(installed > seeds(150) / 4, "too few snapshots taken over: {installed}");
}

#[test]
fn equal_seeds_give_equal_histories() {
    for seed in 0..4 {
        assert_eq!(run(&storm(seed)).records, run(&storm(seed)).records);
    }
    assert_ne!(run(&storm(0)).records, run(&storm(4)).records);
}

/// A run in which a bug is to be found: the pace of a real schedule, 40 clients.
fn hunt(bug: Option<Bug>, seed: u64, faults: Vec<Package>, length_ms: u64) -> SimConfig {
    SimConfig {
        seed,
        bugs: BugSet::from_iter(bug),
        clients_per_node: 8,
        think_ms: 30,
        keys: 10,
        length_ms,
        faults,
        ..SimConfig::default()
    }
}

/// Faults and length, in virtual milliseconds, that find a bug.
fn faults_for(bug: Bug) -> (Vec<Package>, u64) {
    let alone = package(What::Partition(vec![Shape::Primaries]), (1500, 2500), (1500, 2500));
    let halves = package(What::Partition(vec![Shape::Halves]), (2000, 4000), (1000, 2000));
    let kills = package(What::Kill(vec![Choice::All]), (300, 1000), (2000, 4000));
    match bug {
        Bug::StaleRead | Bug::TornTxn | Bug::NoReadValidation | Bug::NoRangeValidation => {
            (Vec::new(), 10_000)
        }
        Bug::LostWrite => (vec![alone], 20_000),
        Bug::DirtyCas => (vec![alone], 60_000),
        Bug::NoFsyncVote => (vec![halves, kills], 60_000),
    }
}

fn found(bug: Option<Bug>, faults: &[Package], length_ms: u64, seeds: u64) -> u64 {
    let invalid = |seed: &u64| {
        let finished = run(&hunt(bug, *seed, faults.to_vec(), length_ms));
        // As in most real dialects: a failed compare-and-set asserts nothing.
        matches!(judge(&finished.records, false), Judgement::Violated(_))
    };
    (1000..1000 + seeds).filter(invalid).count() as u64
}

fn is_found(bug: Bug) {
    let seeds = seeds(2).min(20);
    let (faults, length_ms) = faults_for(bug);
    let with = found(Some(bug), &faults, length_ms, seeds);
    println!("{}: found in {with} of {seeds}", bug.name());
    assert!(with * 20 >= seeds * 19, "{} found in {with} of {seeds}", bug.name());
    assert_eq!(found(None, &faults, length_ms, 1), 0, "a clean server under the same faults");
}

#[test]
fn stale_read_is_found_without_faults() {
    is_found(Bug::StaleRead);
}

#[test]
fn lost_write_is_found_when_leaders_are_cut_off() {
    is_found(Bug::LostWrite);
}

#[test]
fn no_fsync_vote_is_found_when_all_restart_during_a_partition() {
    is_found(Bug::NoFsyncVote);
}

#[test]
fn dirty_cas_is_found_when_leaders_are_cut_off() {
    is_found(Bug::DirtyCas);
}

#[test]
fn torn_txn_is_found_without_faults() {
    is_found(Bug::TornTxn);
}

#[test]
fn no_read_validation_is_found_without_faults() {
    is_found(Bug::NoReadValidation);
}

#[test]
fn no_range_validation_is_found_without_faults() {
    is_found(Bug::NoRangeValidation);
}
