//! Figures C1 to C3 of local clusters: nodes up, nodes down, requests on a held connection.
//!
//! `cargo bench -p tribunal-harness --bench cluster`; root, and the agent of the same profile
//! (`cargo build --release -p tribunal-agent`, found in `target/release`, or `TRIBUNAL_AGENT`).

use std::error::Error;
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use tribunal_agent::protocol::Body;
use tribunal_harness::cluster::{Cluster, Provider, UpOptions};
use tribunal_harness::control::local::LocalCluster;

const ROUNDS: usize = 20;
const REQUESTS: usize = 1000;
const NODES: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` runs this too; there it only has to build.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        println!("skipped: not root");
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let options = match UpOptions::new(scratch.path().join("c")) {
        Ok(options) => options,
        Err(error) => {
            println!("skipped: {error}");
            return Ok(());
        }
    };
    let mut samples: [Vec<Duration>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut nodes = LocalCluster::up(NODES, &options.state, &options.agent, false)?;
        samples[0].push(start.elapsed());
        nodes.await_login(Duration::from_secs(20))?;
        samples[1].push(start.elapsed());
        let start = Instant::now();
        if let Some(stuck) = nodes.down().first() {
            return Err(stuck.clone().into());
        }
        samples[2].push(start.elapsed());

        let start = Instant::now();
        let cluster = Cluster::up(&Provider::Local(NODES), &options)?;
        samples[3].push(start.elapsed());
        let start = Instant::now();
        if let Some(stuck) = cluster.close(Duration::from_secs(5)).first() {
            return Err(stuck.clone().into());
        }
        samples[4].push(start.elapsed());
    }
    let names = [
        "five nodes launched",
        "five nodes up (key login on all)",
        "five nodes down",
        "five nodes up with agents",
        "five nodes closed with agents",
    ];
    for (name, samples) in names.into_iter().zip(samples) {
        print(name, samples);
    }
    print("agent request on a held connection", requests(&options)?);
    Ok(())
}

fn requests(options: &UpOptions) -> Result<Vec<Duration>, Box<dyn Error>> {
    let cluster = Cluster::up(&Provider::Local(1), options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut samples = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let start = Instant::now();
        runtime.block_on(cluster.nodes[0].call(Body::Clock, Duration::from_secs(5)))?;
        samples.push(start.elapsed());
    }
    Ok(samples)
}

fn print(name: &str, mut samples: Vec<Duration>) {
    samples.sort();
    let at = |percent: usize| samples[(samples.len() * percent / 100).min(samples.len() - 1)];
    println!("{name:<36} median {:>10.3?}  p99 {:>10.3?}  of {}", at(50), at(99), samples.len());
}
