//! Owns a cluster until it is told, or made, to end: the subject of tests with SIGKILL.
//!
//! `cluster_owner owned DIR` holds an owned cluster; `cluster_owner lab DIR` is a keeper whose
//! inventory is `DIR/lab.toml`; `cluster_owner controller DIR` pauses a daemon on a node of that
//! lab under a lease of two seconds, and then renews and waits.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use tribunal_agent::protocol::{Body, DaemonSpec, Fault, FaultKind, Reply};
use tribunal_harness::cluster::{Claim, Cluster, Provider, UpOptions};
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
        ["controller", dir] => hurt(Path::new(dir)),
        _other => Err("usage: cluster_owner owned|lab|controller DIR".into()),
    }
}

fn hurt(dir: &Path) -> Result<(), Box<dyn Error>> {
    let provider = Provider::Inventory(dir.join("lab.toml"));
    let cluster = Cluster::up(&provider, &UpOptions::new(dir.join("controller"))?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let claim = Claim {
        run: "0badcafe".into(),
        controller: "the controller that dies".into(),
        lease: Duration::from_secs(2),
        force: false,
    };
    let patience = Duration::from_secs(10);
    runtime.block_on(cluster.claim(&claim, patience))?;
    let node = &cluster.nodes[1];
    let daemon = "sleeper".to_owned();
    let spec = DaemonSpec {
        name: daemon.clone(),
        argv: vec!["/bin/sleep".into(), "1000".into()],
        env: Vec::new(),
        dir: node.info.dir.clone(),
        log: format!("{}/log", node.info.dir),
    };
    runtime.block_on(node.start(&spec))?;
    let fault = Fault { id: 1, lease_ms: 2000, kind: FaultKind::daemon("pause", &daemon) };
    let reply = runtime.block_on(node.call(Body::Inject(fault), patience))?;
    let Reply::Fault(measured) = reply else { return Err(format!("{reply:?}").into()) };
    std::fs::write(dir.join("paused"), measured.evidence)?;
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}
