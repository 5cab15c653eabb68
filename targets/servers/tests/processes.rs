//! raftkv as real processes on loopback addresses: kill, pause, restart, catch-up by snapshot.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

struct Group {
    ports: Vec<(u16, u16)>,
    children: Vec<Option<Child>>,
    dir: tempfile::TempDir,
    extra: Vec<String>,
    bugs: bool,
}

impl Group {
    fn start(nodes: usize, extra: &[&str], bugs: bool) -> Group {
        // Both listeners of a pair are open while the next is asked for, so all ports differ.
        let held: Vec<(TcpListener, TcpListener)> =
            (0..nodes).map(|i| (free(i), free(i))).collect();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let ports = held.iter().map(|(a, b)| (port(a), port(b))).collect();
        drop(held);
        let mut group = Group {
            ports,
            children: (0..nodes).map(|_| None).collect(),
            dir: tempfile::tempdir().unwrap(),
            extra: extra.iter().map(|&text| text.into()).collect(),
            bugs,
        };
        (0..nodes).for_each(|node| group.run(node));
        group
    }

    fn address(node: usize, port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 31 + node as u8], port))
    }

    fn run(&mut self, node: usize) {
        let peers: Vec<String> = (self.ports.iter().enumerate())
            .map(|(i, (_, peer))| format!("n{}={}", i + 1, Group::address(i, *peer)))
            .collect();
        let (client, peer) = self.ports[node];
        let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal-targetd"));
        command.args(["--role", "raftkv", "--node", &format!("n{}", node + 1)]);
        command.args(["--peers", &peers.join(",")]);
        command.args(["--listen", &Group::address(node, client).to_string()]);
        command.args(["--peer-listen", &Group::address(node, peer).to_string()]);
        command.arg("--data").arg(self.data(node)).args(&self.extra);
        command.env_remove("TRIBUNAL_ALLOW_BUGS");
        if self.bugs {
            command.env("TRIBUNAL_ALLOW_BUGS", "1");
        }
        self.children[node] = Some(command.stdin(Stdio::null()).spawn().unwrap());
    }

    fn data(&self, node: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("n{}", node + 1))
    }

    /// SIGKILL, and the wait for the end.
    fn kill(&mut self, node: usize) {
        let mut child = self.children[node].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn signal(&self, node: usize, name: &str) {
        let pid = self.children[node].as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn ask(&self, node: usize, path: &str, body: &Value) -> Option<Value> {
        let address = Group::address(node, self.ports[node].0);
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let body = body.to_string();
        let method = if path == "/status" { "GET" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        serde_json::from_str(reply.split_once("\r\n\r\n")?.1).ok()
    }

    fn put(&self, node: usize, key: &str, value: i64) -> bool {
        let body = json!({"key": key, "value": value});
        self.ask(node, "/kv/put", &body).is_some_and(|reply| reply["ok"] == true)
    }

    /// A linearizable read, tried until the cluster answers.
    fn get(&self, node: usize, key: &str) -> Value {
        eventually(&format!("read of {key} through n{}", node + 1), || {
            let reply = self.ask(node, "/kv/get", &json!({"key": key}))?;
            (reply["ok"] == true).then(|| reply["value"].clone())
        })
    }

    fn status(&self, node: usize) -> Option<Value> {
        self.ask(node, "/status", &Value::Null)
    }

    fn leader(&self, among: &[usize]) -> usize {
        eventually("a leader", || {
            let leads = |node: &&usize| {
                self.status(**node).is_some_and(|status| status["role"] == "leader")
            };
            among.iter().find(leads).copied()
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free(node: usize) -> TcpListener {
    TcpListener::bind(Group::address(node, 0)).unwrap()
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: nothing within 20 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn three_processes_survive_kill_pause_and_restart() {
    let mut group = Group::start(3, &[], false);
    for node in 0..3 {
        eventually("first write", || group.put(node, &format!("k{node}"), 1).then_some(()));
    }
    let leader = group.leader(&[0, 1, 2]);
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    let cas = |node, from: Value, to| {
        let body = json!({"key": "c", "from": from, "to": to});
        group.ask(node, "/kv/cas", &body).unwrap()
    };
    assert_eq!(cas(others[0], Value::Null, 5)["ok"], true);
    let refused = cas(others[1], json!(4), 6);
    assert_eq!((&refused["error"], &refused["definite"]), (&json!("mismatch"), &json!(true)));

    transactions_work(&group, &others);

    group.kill(leader);
    eventually("write after the kill", || group.put(others[0], "killed", 7).then_some(()));
    group.run(leader);
    assert_eq!(group.get(leader, "killed"), 7);

    let leader = group.leader(&[0, 1, 2]);
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    group.signal(leader, "-STOP");
    eventually("write beside the paused", || group.put(others[0], "paused", 8).then_some(()));
    group.signal(leader, "-CONT");
    assert_eq!(group.get(leader, "paused"), 8, "no stale read after the pause");

    (0..3).for_each(|node| group.kill(node));
    (0..3).for_each(|node| group.run(node));
    let expected = [("k0", 1), ("k1", 1), ("k2", 1), ("c", 5), ("killed", 7), ("paused", 8)];
    for (key, value) in expected {
        assert_eq!(group.get(1, key), value, "{key}");
    }
    assert_eq!(group.get(2, "never"), Value::Null);
}

/// Reads with revisions, then a change that holds while they do.
fn transactions_work(group: &Group, nodes: &[usize]) {
    let (keys, steps) = (["a", "b"], [json!({"get": {"key": "a"}}), json!({"get": {"key": "b"}})]);
    let look = || eventually("look", || group.ask(nodes[0], "/kv/txn", &json!({"steps": steps})));
    let change = |seen: &Value, value: Value| {
        let compare: Vec<Value> = (0..2)
            .map(|i| json!({"key": keys[i], "revision": seen["seen"][i]["revision"]}))
            .collect();
        let puts: Vec<Value> =
            keys.map(|key| json!({"put": {"key": key, "value": value}})).to_vec();
        group.ask(nodes[1], "/kv/txn", &json!({"compare": compare, "steps": puts})).unwrap()
    };
    let first = look();
    assert_eq!(first["seen"][0], json!({"value": null, "revision": 0}));
    assert_eq!(change(&first, json!([1, 2])), json!({"ok": true, "seen": []}));
    let second = look();
    assert_eq!(second["seen"][0]["value"], json!([1, 2]));
    assert_eq!(second["seen"][0], second["seen"][1], "one revision for both");
    let refused = change(&first, json!(7));
    let expected = json!({"ok": false, "error": "conflict", "definite": true});
    assert_eq!(refused, expected);
    assert_eq!(look(), second);
    let long = json!({"steps": vec![json!({"get": {"key": "a"}}); 129]});
    assert_eq!(group.ask(nodes[0], "/kv/txn", &long).unwrap()["error"], "too-long");
}

#[test]
fn a_lagging_follower_takes_over_a_snapshot() {
    let mut group = Group::start(3, &["--snapshot-every", "50"], false);
    eventually("first write", || group.put(0, "k", 0).then_some(()));
    let leader = group.leader(&[0, 1, 2]);
    let lagging = (leader + 1) % 3;
    group.kill(lagging);
    for value in 1..=300 {
        eventually("write", || group.put(leader, "k", value).then_some(()));
    }
    assert!(size(&group.data(leader).join("raft.wal")) < 60 * 100, "the log is compacted");
    group.run(lagging);
    let status = eventually("catching up", || {
        let status = group.status(lagging)?;
        (status["applied"].as_u64()? >= 300).then_some(status)
    });
    assert_eq!(status["installed"], 1, "{status}");
    assert_eq!(group.get(lagging, "k"), 300);
}

#[test]
fn bugs_need_permission_and_show_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_tribunal-targetd"))
        .env_remove("TRIBUNAL_ALLOW_BUGS")
        .args(["--role", "raftkv", "--node", "n1", "--peers", "n1=127.0.0.31:1"])
        .args(["--listen", "127.0.0.31:0", "--peer-listen", "127.0.0.31:0"])
        .args(["--bug", "stale-read", "--data"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("TRIBUNAL_ALLOW_BUGS=1"));
    let group = Group::start(1, &["--bug", "stale-read", "--bug", "dirty-cas"], true);
    let status = eventually("status", || group.status(0));
    assert_eq!(status["bugs"], json!(["stale-read", "dirty-cas"]));
    assert_eq!(status["node"], "n1");
}
