//! Owns a cluster until it is told, or made, to end: the subject of tests with SIGKILL.
//!
//! `cluster_owner owned DIR` holds an owned cluster; `cluster_owner lab DIR` is a keeper whose
//! inventory is `DIR/lab.toml`.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use tribunal_harness::cluster::{Cluster, Provider, UpOptions};
use tribunal_harness::control::AgentBinary;
use tribunal_harness::control::local::lab;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["owned", dir] => {
            let dir = Path::new(dir);
            let options = UpOptions::new(dir.join("c"))?;
            let _cluster = Cluster::up(&Provider::Local(2), &options)?;
            std::fs::write(dir.join("ready"), "")?;
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        ["lab", dir] => {
            let dir = Path::new(dir);
            let agent = AgentBinary::find()?;
            Ok(lab::keep(3, &dir.join("lab"), &dir.join("lab.toml"), &agent)?)
        }
        _other => Err("usage: cluster_owner owned|lab DIR".into()),
    }
}
