//! A run judges its own database and no other: what else serves where it would, and what the
//! database holds that nobody of the run wrote.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

use crate::support::{Running, named, servers, text};
use crate::{json, scratch};

/// One of these tests at a time: what one of them does to etcd's port concerns the other.
static ETCD: Mutex<()> = Mutex::new(());

/// Address of the first node of a run on processes, once its plan is written.
fn first_address(run: &Path) -> Option<String> {
    let plan: Json = serde_json::from_slice(&fs::read(run.join("plan.json")).ok()?).ok()?;
    plan["nodes"][0]["address"].as_str().map(str::to_owned)
}

fn args<'a>(target: &'a str, run: &'a Path, seed: &'a str) -> Vec<&'a str> {
    let on = ["run", "--target", target, "--nodes", "processes:3", "--nemesis", "none"];
    let how = ["--rate", "100", "--time", "4s", "--seed", seed, "--out", text(run)];
    on.into_iter().chain(how).collect()
}

#[test]
fn two_runs_at_once_are_two_clusters() {
    if !servers() {
        return;
    }
    let dir = scratch();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    let first = Running::start(dir.path(), &args("raftkv", &one, "1"));
    let second = Running::start(dir.path(), &args("raftkv", &other, "2"));
    let (first, second) = (first.end(), second.end());
    assert_eq!(first.code(), 0, "{}", first.words());
    assert_eq!(second.code(), 0, "{}", second.words());
    assert_ne!(first_address(&one), first_address(&other), "they share no address");
}

#[test]
fn a_port_that_is_taken_is_refused_with_the_name_of_who_has_it() {
    if !servers() {
        return;
    }
    let _alone = ETCD.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = scratch();
    // On every address: whichever block of them the run takes.
    let listener = TcpListener::bind("0.0.0.0:2379").expect("etcd's port is free here");
    let ended = Running::start(dir.path(), &args("etcd", &dir.path().join("run"), "1")).end();
    drop(listener);
    assert_eq!(ended.code(), 69, "{}", ended.words());
    let who = format!("process {} (", std::process::id());
    let words = &ended.stderr;
    assert!(words.contains(":2379 is served by ") && words.contains(&who), "{words}");
}

#[test]
fn a_value_that_nobody_of_the_run_wrote_and_cannot_be_read_is_an_anomaly() {
    if !servers() || !Path::new("/usr/bin/etcd").exists() {
        println!("skipped: no etcd here");
        return;
    }
    let _alone = ETCD.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = scratch();
    let run = dir.path().join("run");
    let mut running = Running::start(dir.path(), &args("etcd", &run, "1"));
    let history = run.join("history.log");
    running.until("history", || fs::metadata(&history).is_ok_and(|file| file.len() > 6_000));
    let node = first_address(&run).expect("the plan has addresses");
    let address: SocketAddr = format!("{node}:2379").parse().expect("an address");
    // Keys are taken in order; base64 of `#b0` to `#b5`, and of `banana<b>`. A write of the run may
    // come before its next read, so once may not be enough.
    running.until("a read of what nobody wrote", || {
        for key in ["I2Iw", "I2Ix", "I2Iy", "I2Iz", "I2I0", "I2I1"] {
            put(address, key, "YmFuYW5hPGI+");
        }
        let recorded = fs::read(&history).unwrap_or_default();
        recorded.windows(6).any(|bytes| bytes == b"banana")
    });
    let ended = running.end();
    assert_eq!(ended.code(), 1, "{}", ended.words());
    let verdicts = json(&run.join("verdicts.json"));
    assert!(verdicts.to_string().contains("unparseable-reply"), "{verdicts}");
    assert!(ended.stdout.contains("banana<b>"), "{}", ended.words());
    let page = fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(page.contains("banana") && !page.contains("banana<b>"), "it is escaped");
}

#[test]
fn a_database_that_ended_by_itself_is_named_with_the_end_of_its_log() {
    if !servers() {
        return;
    }
    let dir = scratch();
    let run = dir.path().join("run");
    let mut running = Running::start(dir.path(), &args("raftkv", &run, "1"));
    let history = run.join("history.log");
    running.until("history", || fs::metadata(&history).is_ok_and(|file| file.len() > 6_000));
    let servers = named(dir.path(), "tribunal-targetd");
    assert_eq!(servers.len(), 3, "a server for each node");
    for server in servers {
        kill(Pid::from_raw(server), Signal::SIGKILL).expect("it runs");
    }
    let ended = running.end();
    assert_eq!(ended.code(), 69, "{}", ended.words());
    for node in ["n1", "n2", "n3"] {
        let words =
            format!("raftkv on {node} was ended by signal 9 and does not run after healing; ");
        assert!(ended.stdout.contains(&words), "{}", ended.words());
    }
    let verdicts = json(&run.join("verdicts.json"));
    assert_eq!(verdicts["failures"].as_array().map(Vec::len), Some(3), "{verdicts}");
}

/// One write past our clients, through etcd's gateway.
fn put(address: SocketAddr, key: &str, value: &str) {
    let body = format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}");
    let mut stream = TcpStream::connect(address).expect("etcd serves");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let head = "POST /v3/kv/put HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).expect("it listens");
    let mut reply = String::new();
    let _ = stream.read_to_string(&mut reply);
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
}
