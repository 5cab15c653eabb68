//! The launcher makes a node that looks like a server and cannot reach into the host.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{AGENT, Dir, run, unique, until};
use tribunal_agent::launch::LaunchPlan;

const SECOND: Duration = Duration::from_secs(1);

struct Namespace(String);

impl Namespace {
    /// `None`, said aloud, where this cannot be tested.
    fn new() -> Option<Namespace> {
        let name = format!("tbn-{}", unique());
        if !run(&["ip", "netns", "add", &name]) {
            eprintln!("skipped: no right to make network namespaces");
            return None;
        }
        assert!(run(&["ip", "-n", &name, "link", "set", "lo", "up"]));
        Some(Namespace(name))
    }

    fn path(&self) -> String {
        format!("/run/netns/{}", self.0)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run(&["ip", "netns", "del", &self.0]);
    }
}

/// Launches and waits for `ready`; the lines said until then.
fn launch(plan: &LaunchPlan, log: &str) -> (Child, Vec<String>) {
    let log = fs::File::create(log).unwrap();
    let mut command = Command::new(AGENT);
    command.arg("node").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().unwrap();
    let text = serde_json::to_vec(plan).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // To the end of stdout: it comes with the exec or with the failure.
    let lines: Vec<String> = lines.map(Result::unwrap).collect();
    (child, lines)
}

fn pid_in(lines: &[String]) -> i32 {
    lines.iter().find_map(|line| line.strip_prefix("pid ")).unwrap().parse().unwrap()
}

/// A program as PID 1 that writes what it sees to a file of the node's own and then stays.
fn witness(script: &str) -> Vec<String> {
    let script =
        format!("cd /var/lib/tribunal; ({script}) > seen 2>&1; echo end >> seen; exec sleep 1000");
    ["/bin/sh", "-c", &script].map(String::from).to_vec()
}

fn seen(dir: &Dir) -> String {
    let path = dir.0.join("upper-own/var/lib/tribunal/seen");
    until("the witness", SECOND * 10, || {
        fs::read_to_string(&path).is_ok_and(|text| text.ends_with("end\n"))
    });
    fs::read_to_string(path).unwrap()
}

fn plan(dir: &Dir, namespace: &Namespace) -> LaunchPlan {
    let state = dir.0.display().to_string();
    LaunchPlan::new("n7", &namespace.path(), &state, "/etc/none")
}

#[test]
fn a_node_is_itself_and_does_not_reach_into_the_host() {
    let Some(namespace) = Namespace::new() else { return };
    let dir = Dir::new();
    let hidden = dir.sub("hidden");
    fs::create_dir(&hidden).unwrap();
    fs::write(format!("{hidden}/key"), "secret").unwrap();
    let mut plan = plan(&dir, &namespace).file("/etc/hosts", 0o644, "198.18.7.17 n7\n");
    plan.mask.push(hidden.clone());
    plan.exec = witness(&format!(
        "echo pid $$; hostname; cat /etc/hostname /etc/hosts; ls -A {hidden} /root /tmp; \
         date -s '+1 hour'; mknod /tmp/null c 1 3; echo 1 > /proc/sys/vm/drop_caches; \
         echo 0 > /proc/sys/net/ipv4/tcp_syncookies && echo net is ours; umount /proc/sys; \
         ls /dev; grep CapBnd /proc/self/status; echo kept > /etc/tribunal-was-here; \
         ls /sys/class/net; ps -e | wc -l"
    ));
    let syncookies = fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").unwrap();
    let (mut child, lines) = launch(&plan, &dir.sub("log"));
    assert_eq!(lines.last().map(String::as_str), Some("ready"), "{lines:?}");
    let seen = seen(&dir);
    let has = |text: &str| assert!(seen.contains(text), "no {text:?} in:\n{seen}");
    has("pid 1\nn7\nn7\n198.18.7.17 n7\n");
    has("cannot set date: Operation not permitted");
    has("mknod: /tmp/null: Operation not permitted");
    has("drop_caches: Read-only file system");
    has("net is ours");
    has("umount: /proc/sys: target is busy");
    for absent in ["secret", "key\n", "vda", "sda", "loop"] {
        assert!(!seen.contains(absent), "{absent:?} in:\n{seen}");
    }
    let bounding = seen.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    let bounding = u64::from_str_radix(bounding.trim(), 16).unwrap();
    assert_eq!(bounding & (1 << 25 | 1 << 16 | 1 << 22 | 1 << 17 | 1 << 27), 0);
    assert_ne!(bounding & 1 << 12, 0, "NET_ADMIN is kept for the faults");
    assert!(!fs::exists("/etc/tribunal-was-here").unwrap(), "written through to the host");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").unwrap(), syncookies);
    // A power cut: from outside, by pid, and the launcher says how its node ended.
    support::kill(pid_in(&lines), "KILL");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    // The next start finds the upper layer and the node's own directory.
    plan.exec = witness("cat /etc/tribunal-was-here");
    fs::remove_file(dir.0.join("upper-own/var/lib/tribunal/seen")).unwrap();
    let start = Instant::now();
    let (mut child, lines) = launch(&plan, &dir.sub("log"));
    println!("started again in {:?}", start.elapsed());
    assert_eq!(self::seen(&dir), "kept\nend\n");
    support::kill(pid_in(&lines), "KILL");
    child.wait().unwrap();
}

#[test]
fn a_node_dies_with_its_launcher() {
    let Some(namespace) = Namespace::new() else { return };
    let dir = Dir::new();
    let mut plan = plan(&dir, &namespace);
    plan.exec = witness("true");
    let (mut child, lines) = launch(&plan, &dir.sub("log"));
    let pid = pid_in(&lines);
    assert!(support::start_of(pid).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    until("the node's end", SECOND * 2, || {
        support::state_of(pid).is_none_or(|state| matches!(state, 'Z' | 'X'))
    });
}

#[test]
fn an_error_names_node_step_and_cause() {
    let Some(namespace) = Namespace::new() else { return };
    let dir = Dir::new();
    let failing = |change: &dyn Fn(&mut LaunchPlan), expected: &str| {
        let mut plan = plan(&dir, &namespace);
        change(&mut plan);
        let (mut child, lines) = launch(&plan, &dir.sub("log"));
        let last = lines.iter().find(|line| line.starts_with("error ")).cloned();
        let last = last.unwrap_or_else(|| panic!("no error in {lines:?}"));
        assert!(last.starts_with("error node n7: ") && last.contains(expected), "{last}");
        assert_eq!(child.wait().unwrap().code(), Some(1));
    };
    failing(
        &|plan| plan.netns = "/run/netns/none".into(),
        "enter network namespace: /run/netns/none",
    );
    failing(&|plan| plan.lower = vec!["/no/such/image".into()], "mount overlay: ");
    failing(&|plan| plan.exec = vec!["/no/program".into()], "find program: /no/program");
    failing(&|plan| plan.upper = "relative".into(), "check plan: path \"relative\"");
    failing(&|plan| plan.upper += "/../../x", "check plan: ");
    failing(&|plan| plan.upper += ",lowerdir=/etc", "check plan: ");
}
