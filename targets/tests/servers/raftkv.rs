//! The raftkv target against real servers on loopback addresses.

use std::path::PathBuf;

use super::common::{Servers, ask, read, registers_work, transactions_work, write};
use tribunal_harness::client::ClientError;
use tribunal_harness::target::Target;
use tribunal_history::{Observed, Value};
use tribunal_targets::raftkv::{BINARY_VARIABLE, Raftkv};

/// The server's program, as an installed target would find it.
fn program() -> Option<String> {
    let named = std::env::var_os(BINARY_VARIABLE).map(PathBuf::from);
    let beside = std::env::current_exe().unwrap();
    let beside = beside.ancestors().nth(2).map(|dir| dir.join("tribunal-targetd"));
    let found = named.or(beside).filter(|path| path.is_file());
    if found.is_none() {
        println!("skipped: no tribunal-targetd; run cargo build -p tribunal-servers first");
    }
    found.map(|path| path.to_str().unwrap().into())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_lose_their_leader() {
    let Some(program) = program() else { return };
    let target = Raftkv::new(&[("snapshot-every".into(), "20".into())].into()).unwrap();
    let mut servers = Servers::start(&target, 3, 51, Some(&program));
    target.ready(&servers.nodes).await.unwrap();
    registers_work(&target, &servers).await;
    transactions_work(&target, &servers).await;
    let primaries = target.primaries(&servers.nodes).await;
    assert_eq!(primaries.len(), 1, "{primaries:?}");
    let leader = usize::from(primaries[0].0);
    let (a, b) = ((leader + 1) % 3, (leader + 2) % 3);

    servers.kill(leader);
    let mut gone = target.connect(&servers.nodes[leader]).await.unwrap();
    let error = read(&mut *gone, "k0").await.unwrap_err();
    assert!(matches!(error, ClientError::Definite { .. }), "{error}");
    target.ready(&[servers.nodes[a].clone(), servers.nodes[b].clone()]).await.unwrap();
    servers.restart(leader);
    target.ready(&servers.nodes).await.unwrap();
    let mut client = target.connect(&servers.nodes[leader]).await.unwrap();
    assert_eq!(read(&mut *client, "k0").await.unwrap(), Observed::Present(Value::Int(9)));

    // A paused server has the request: nobody knows what becomes of it.
    servers.signal(a, "-STOP");
    let mut client = target.connect(&servers.nodes[a]).await.unwrap();
    let error = ask(&mut *client, write("k0", 10)).await.unwrap_err();
    assert!(matches!(error, ClientError::Indefinite { .. }), "{error}");
    servers.signal(a, "-CONT");
    target.ready(&servers.nodes).await.unwrap();
}
