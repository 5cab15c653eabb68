//! Times of day bent for programs that are not ours: a static one in Go, a virtual machine.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, SystemTime};

use support::{Agent, Dir, RUN, output, until};
use tribunal_agent::protocol::{DaemonState, FaultKind};

const SECOND: Duration = Duration::from_secs(1);

fn fault(kind: &str, parameter: &str, value: i64) -> FaultKind {
    let parameters = BTreeMap::from([(parameter.to_owned(), value)]);
    FaultKind::Daemon { kind: kind.into(), daemon: "db".into(), parameters }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs_f64()
}

/// An hour ahead, an hour behind, half as fast again, and true after each; the program goes on.
/// `tells` is how far it is ahead, and how exactly it says so, in seconds.
fn sees_it(agent: &mut Agent, (tells, exact): (&dyn Fn() -> Option<f64>, f64)) {
    let ahead = |wanted: f64| {
        until("the time wanted", SECOND * 10, || {
            tells().is_some_and(|seen| (seen - wanted).abs() <= exact)
        });
    };
    until("the program", SECOND * 30, || tells().is_some());
    let before = agent.status("db");
    assert!(matches!(before, DaemonState::Running(_)), "{before:?}");
    ahead(0.0);
    for (id, hours) in [(1, 1), (2, -1)] {
        let bite = agent.inject(id, 60_000, fault("skew", "offset_ms", hours * 3_600_000)).unwrap();
        assert!(bite.effective, "{bite:?}");
        ahead(hours as f64 * 3_600.0);
        agent.heal(id).unwrap();
        ahead(0.0);
    }
    agent.inject(3, 60_000, fault("drift", "ppm", 500_000)).unwrap();
    std::thread::sleep(SECOND * 6);
    let seen = tells().expect("it tells");
    assert!(seen >= 3.0 - exact && seen <= 5.0, "after six seconds and a half as many: {seen}");
    agent.heal(3).unwrap();
    ahead(0.0);
    assert_eq!(agent.status("db"), before, "the same process");
}

/// Ports that nobody has at this moment.
fn ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    held.each_ref().map(|socket| socket.local_addr().expect("an address").port())
}

/// Go reads the time without any library; every answer over HTTP has it, in whole seconds.
#[test]
fn a_static_program_in_go_sees_it() {
    if !Path::new("/usr/bin/etcd").exists() {
        println!("skipped: no /usr/bin/etcd (cargo xtask setup installs it)");
        return;
    }
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let [client, peer] = ports();
    let clients = format!("http://127.0.0.1:{client}");
    let peers = format!("http://127.0.0.1:{peer}");
    let data = dir.sub("etcd");
    let cluster = format!("default={peers}");
    agent.start_daemon(
        "db",
        &[
            "/usr/bin/etcd",
            "--data-dir",
            &data,
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            &clients,
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
            "--initial-cluster",
            &cluster,
        ],
    );
    let tells = || {
        let mut stream = TcpStream::connect(("127.0.0.1", client)).ok()?;
        stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let date = text.lines().find_map(|line| line.strip_prefix("Date: "))?;
        let seconds = output(&["date", "-u", "-d", date, "+%s"]);
        Some(seconds.trim().parse::<f64>().ok()? - now())
    };
    sees_it(&mut agent, (&tells, 1.5));
}

/// Two threads ask for the time and for nothing else: undoing must not wait until neither does.
const TELL: &str = "public class Tell { public static void main(String[] a) throws Exception { \
                    for (int i = 0; i < 2; i++) { Thread t = new Thread(() -> { \
                    while (true) { System.currentTimeMillis(); } }); \
                    t.setDaemon(true); t.start(); } \
                    while (true) { System.out.println(System.currentTimeMillis()); \
                    System.out.flush(); Thread.sleep(20); } } }";

/// A machine with some twenty threads, and code that it compiles as it goes.
#[test]
fn a_virtual_machine_sees_it() {
    if !Path::new("/usr/bin/java").exists() {
        println!("skipped: no /usr/bin/java");
        return;
    }
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let source = format!("{}/Tell.java", dir.root());
    fs::write(&source, TELL).expect("a source");
    agent.start_daemon("db", &["/usr/bin/java", &source]);
    let log = format!("{}/{RUN}/db.log", dir.root());
    // What is printed last is as old as the pause between two lines.
    let tells = || {
        let text = fs::read_to_string(&log).ok()?;
        let whole = &text[..text.rfind('\n')?];
        Some(whole.lines().last()?.parse::<f64>().ok()? / 1e3 - now())
    };
    sees_it(&mut agent, (&tells, 0.5));
}
