//! The etcd target against real servers of Debian's package on loopback addresses.

use std::process::Command;
use std::time::Duration;

use super::common::{Servers, ask, read, registers_work, transactions_work, write};
use tribunal_harness::client::ClientError;
use tribunal_harness::target::Target;
use tribunal_history::{Observed, Value};
use tribunal_targets::etcd::Etcd;

const PROGRAM: &str = "/usr/bin/etcd";

fn absent() -> bool {
    let absent = !std::path::Path::new(PROGRAM).exists();
    if absent {
        println!("skipped: {PROGRAM} is not installed (apt-get install etcd-server)");
    }
    absent
}

fn etcd(options: &[(&str, &str)]) -> Etcd {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Etcd::new(&options.collect()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node() {
    if absent() {
        return;
    }
    let target = etcd(&[("snapshot-count", "10")]);
    let servers = Servers::start(&target, 1, 41, None);
    target.ready(&servers.nodes).await.unwrap();
    registers_work(&target, &servers).await;
    let mut client = target.connect(&servers.nodes[0]).await.unwrap();
    // Somebody else's value: seen as it is, for the checker to accuse.
    let put = Command::new("curl")
        .args(["-s", "-d", r#"{"key":"bm9pbnQ=","value":"aGVsbG8="}"#])
        .arg("http://127.0.0.41:2379/v3/kv/put")
        .output();
    if put.is_ok_and(|put| put.status.success()) {
        let seen = read(&mut *client, "noint").await.unwrap();
        assert_eq!(seen, Observed::Present(Value::Unparsed(b"hello".as_slice().into())));
    }
    let error = ask(&mut *client, write("", 1)).await.unwrap_err();
    assert!(matches!(error, ClientError::Definite { .. }), "an empty key is refused: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_lose_their_leader() {
    if absent() {
        return;
    }
    let target = etcd(&[("heartbeat-ms", "100"), ("election-ms", "1000")]);
    let stale = etcd(&[("serializable", "true")]);
    let mut servers = Servers::start(&target, 3, 42, None);
    target.ready(&servers.nodes).await.unwrap();
    registers_work(&target, &servers).await;
    transactions_work(&target, &servers).await;
    let primaries = target.primaries(&servers.nodes).await;
    assert_eq!(primaries.len(), 1, "{primaries:?}");
    let leader = usize::from(primaries[0].0);
    let (a, b) = ((leader + 1) % 3, (leader + 2) % 3);

    // Without a majority a linearizable read has no answer; a serializable one does.
    servers.kill(leader);
    servers.kill(a);
    let mut fresh = target.connect(&servers.nodes[b]).await.unwrap();
    assert!(read(&mut *fresh, "k0").await.is_err());
    let mut local = stale.connect(&servers.nodes[b]).await.unwrap();
    assert_eq!(read(&mut *local, "k0").await.unwrap(), Observed::Present(Value::Int(9)));
    let mut writer = target.connect(&servers.nodes[b]).await.unwrap();
    let error = ask(&mut *writer, write("k0", 10)).await.unwrap_err();
    assert!(matches!(error, ClientError::Indefinite { .. }), "{error}");
    assert!(target.primaries(&servers.nodes).await.is_empty());
    let gone = target.connect(&servers.nodes[a]).await;
    if let Ok(mut client) = gone {
        let error = read(&mut *client, "k0").await.unwrap_err();
        assert!(matches!(error, ClientError::Definite { .. }), "{error}");
    }

    servers.restart(leader);
    servers.restart(a);
    tokio::time::timeout(Duration::from_secs(60), target.ready(&servers.nodes))
        .await
        .unwrap()
        .unwrap();
    let mut client = target.connect(&servers.nodes[a]).await.unwrap();
    assert_eq!(read(&mut *client, "k1").await.unwrap(), Observed::Present(Value::Int(9)));
}
