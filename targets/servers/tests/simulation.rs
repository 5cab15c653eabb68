//! Thousands of seeded simulations: the clean server keeps every promise under every fault, and
//! each planted bug is found. `TRIBUNAL_SIM_SEEDS=2000 cargo test --release` for the full number.

use tribunal_servers::sim::{
    Choice, Judgement, Outcome, Package, Shape, SimConfig, What, judge, run,
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
    let (mut done, mut terms, mut installed) = (0, 0, 0);
    for seed in 0..seeds(150) {
        let finished = run(&storm(seed));
        assert_eq!(judge(&finished.records, true), Judgement::Linearizable, "seed {seed}");
        assert!(finished.converged, "seed {seed}: replicas differ after the quiet time");
        done += finished.records.iter().filter(|r| r.outcome == Outcome::Ok).count();
        terms += finished.last_term;
        installed += finished.installed;
    }
    println!("{} seeds: {done} ok, {terms} terms, {installed} snapshots", seeds(150));
    assert!(done as u64 > 100 * seeds(150), "too little happened: {done} operations");
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
