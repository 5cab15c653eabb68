//! Real clusters on this machine: namespaces, sshd, agents.
//!
//! Root is needed for most; without it, or without the agent's binary, a test says `skipped:`.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use support::{Scratch, block_on, equipped, spawn_owner};
use tribunal_agent::protocol::{Body, Reply};
use tribunal_harness::cluster::{Claim, Cluster, Provider, Step, UpOptions};
use tribunal_harness::control::Secret;
use tribunal_harness::control::local::{LocalCluster, lab};
use tribunal_harness::daemon::{Daemon, DaemonSpec, DaemonState, Ports};

const PATIENCE: Duration = Duration::from_secs(10);

fn claim(controller: &str) -> Claim {
    Claim {
        run: "0badcafe".into(),
        controller: controller.into(),
        lease: Duration::from_secs(6),
        force: false,
    }
}

/// A daemon that every machine with local nodes has: another sshd, on the data network.
fn server(node: &tribunal_harness::cluster::Node, argv0: &str) -> Daemon {
    let info = &node.info;
    let argv = match argv0 {
        "sshd" => vec![
            "/usr/sbin/sshd".into(),
            "-D".into(),
            "-e".into(),
            "-f".into(),
            "/dev/null".into(),
            "-h".into(),
            "/etc/tribunal/host_key".into(),
            "-o".into(),
            format!("ListenAddress={}:2345", info.address),
        ],
        other => vec![other.to_owned()],
    };
    let spec = DaemonSpec {
        name: "server".into(),
        argv,
        env: Vec::new(),
        dir: info.dir.clone(),
        log: format!("{}/server.log", info.dir),
    };
    Daemon { spec, ready_port: 2345, peer_ports: vec![2346], data: Vec::new() }
}

#[test]
fn three_local_nodes_from_nothing_to_nothing() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let start = Instant::now();
    let cluster =
        Cluster::up(&Provider::Local(3), &UpOptions::new(scratch.path("c")).unwrap()).unwrap();
    println!("three nodes with agents after {:?}", start.elapsed());
    let names: Vec<&str> = cluster.hellos.iter().map(|hello| hello.hostname.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    assert_eq!(cluster.nodes[2].info.address.to_string(), "198.18.7.13");
    assert!(scratch.inhabitants().len() >= 6, "no processes in the nodes?");

    let healed = block_on(cluster.claim(&claim("test"), PATIENCE)).unwrap();
    assert_eq!(healed.len(), 3);
    files(&cluster, &scratch);
    isolation(&cluster);
    daemons(&cluster);

    let start = Instant::now();
    assert_eq!(cluster.close(PATIENCE), Vec::<String>::new());
    println!("closed within {:?}", start.elapsed());
    assert_eq!(scratch.inhabitants(), Vec::<i32>::new());
    assert!(!scratch.path("c/nodes").exists() && !scratch.path("c/id_ed25519").exists());
    for name in ["br-data", "br-ctl", "n1-d", "n1-c", "ctrl-d", "ctl0"] {
        assert!(!Path::new("/sys/class/net").join(name).exists(), "{name} in the root namespace");
    }
}

fn files(cluster: &Cluster, scratch: &Scratch) {
    let node = &cluster.nodes[0];
    let (local, back) = (scratch.path("20MB"), scratch.path("back"));
    let bytes: Vec<u8> =
        (0..20_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&local, &bytes).unwrap();
    let remote = format!("{}/bin/twenty", node.info.dir);
    let start = Instant::now();
    let busy = node.clone();
    let (from, to) = (local.clone(), remote.clone());
    let transfer =
        std::thread::spawn(move || block_on(busy.install_file(&from, &to, 0o755)).unwrap());
    // D6: what is asked meanwhile never waits for the transfer.
    let (mut asked, mut slowest) = (0, Duration::ZERO);
    while !transfer.is_finished() {
        let start = Instant::now();
        block_on(node.call(Body::Clock, PATIENCE)).unwrap();
        slowest = slowest.max(start.elapsed());
        asked += 1;
    }
    assert!(transfer.join().unwrap());
    println!("20 MiB after {:?}; {asked} requests, slowest {slowest:?}", start.elapsed());
    assert!(asked > 10 && slowest < Duration::from_millis(500), "{asked}, {slowest:?}");
    assert!(!block_on(node.install_file(&local, &remote, 0o755)).unwrap(), "sent twice");
    block_on(node.fetch_file(&remote, &back)).unwrap();
    assert!(fs::read(&back).unwrap() == bytes);
    let error = block_on(node.fetch_file("/no/such", &back)).unwrap_err().to_string();
    assert!(error.contains("n1") && error.contains("no such file"), "{error}");
}

/// C9: what would reach through the node into this machine is refused.
fn isolation(cluster: &Cluster) {
    let before = fs::read_to_string("/proc/sys/vm/swappiness").unwrap();
    for argv in [
        &["date", "-s", "2001-01-01"][..],
        &["mknod", "/root/device", "c", "1", "3"],
        &["cp", "/etc/hostname", "/proc/sys/vm/swappiness"],
    ] {
        let body =
            Body::Install { argv: argv.iter().map(|w| (*w).into()).collect(), env: Vec::new() };
        match block_on(cluster.nodes[1].call(body, PATIENCE)).unwrap() {
            Reply::Output { code, output } => {
                assert_ne!(code, 0, "{argv:?} was carried out: {output}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read_to_string("/proc/sys/vm/swappiness").unwrap(), before);
}

fn daemons(cluster: &Cluster) {
    let node = &cluster.nodes[1];
    let daemon = server(node, "sshd");
    assert_eq!(node.link.ports(), Ports::default());
    let identity = block_on(cluster.start_daemon(node, &daemon, PATIENCE)).unwrap();
    let (clients, peers) = ([2345].into(), [2346].into());
    assert_eq!(node.link.ports(), Ports { clients, peers });
    assert_eq!(block_on(node.status("server")).unwrap(), DaemonState::Running(identity));
    block_on(node.stop("server", Duration::from_secs(2))).unwrap();
    let state = block_on(node.status("server")).unwrap();
    assert!(!matches!(state, DaemonState::Running(_)), "{state:?}");
    let start = Instant::now();
    let dead = server(node, "/bin/false");
    let error = block_on(cluster.start_daemon(node, &dead, PATIENCE)).unwrap_err().to_string();
    assert!(error.contains("start server on n2: it ended with code 1"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "waited for a dead daemon");
}

#[test]
fn two_clusters_at_once_have_equal_addresses_and_never_meet() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let up = |name: &str| {
        Cluster::up(&Provider::Local(2), &UpOptions::new(scratch.path(name)).unwrap()).unwrap()
    };
    let (one, two) = (up("one"), up("two"));
    assert_eq!(one.nodes[0].info.address, two.nodes[0].info.address);
    for (cluster, mark) in [(&one, "first"), (&two, "second")] {
        let local = scratch.path(mark);
        fs::write(&local, mark).unwrap();
        for node in &cluster.nodes {
            let remote = format!("{}/mark", node.info.dir);
            block_on(node.install_file(&local, &remote, 0o600)).unwrap();
        }
    }
    for (cluster, mark) in [(&one, "first"), (&two, "second")] {
        let back = scratch.path("mark");
        let node = &cluster.nodes[1];
        block_on(node.fetch_file(&format!("{}/mark", node.info.dir), &back)).unwrap();
        assert_eq!(fs::read_to_string(back).unwrap(), mark);
    }
    assert!(one.close(PATIENCE).is_empty());
    let clock = block_on(two.nodes[1].call(Body::Clock, PATIENCE)).unwrap();
    assert!(matches!(clock, Reply::Clock(_)), "the other cluster died: {clock:?}");
    assert!(two.close(PATIENCE).is_empty());
}

#[test]
fn a_wrong_host_key_stops_before_any_authentication() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let options = UpOptions::new(scratch.path("run")).unwrap();
    let mut nodes = LocalCluster::up(1, &scratch.path("c"), &options.agent, false).unwrap();
    let host = nodes.inventory().hosts.remove(0);
    // The controller's own public key stands for "a key that this host does not have".
    let other = fs::read_to_string(scratch.path("c/id_ed25519.pub")).unwrap();
    let inventory = scratch.path("swapped.toml");
    let text = format!(
        "[[node]]\nname = \"n1\"\naddress = \"{}\"\ncontrol_address = \"{}\"\nkey = \"{}\"\n\
         netns = \"{}\"\nhost_key = \"{}\"\n",
        host.address.unwrap(),
        host.control,
        host.key.unwrap().display(),
        host.netns.unwrap().display(),
        other.trim(),
    );
    fs::write(&inventory, &text).unwrap();
    // First the sshd must listen, or the refusal would be one of TCP.
    let open = text.lines().filter(|line| !line.starts_with("host_key")).collect::<Vec<_>>();
    let trusting = scratch.path("trusting.toml");
    fs::write(&trusting, format!("host_keys = \"tofu\"\n{}\n", open.join("\n"))).unwrap();
    let cluster = Cluster::up(&Provider::Inventory(trusting.clone()), &options).unwrap();
    assert!(cluster.close(PATIENCE).is_empty());
    let lock = fs::read_to_string(scratch.path("trusting.hosts.lock")).unwrap();
    assert!(lock.starts_with("198.18.8.11 ssh-ed25519 "), "{lock}");

    let log = scratch.path("c/n1.log");
    let before = fs::read_to_string(&log).unwrap().len();
    let error = Cluster::up(&Provider::Inventory(inventory), &options).unwrap_err();
    assert_eq!(error.step(), Some(Step::HostKey));
    let text = error.to_string();
    assert!(text.matches("SHA256:").count() == 2 && text.contains("n1"), "{text}");
    std::thread::sleep(Duration::from_millis(300));
    let said = fs::read_to_string(&log).unwrap().split_off(before);
    // sshd names the user of a connection from the first attempt on.
    assert!(said.contains("[preauth]"), "sshd noticed nothing: {said}");
    assert!(!said.contains("user root") && !said.contains("Accepted"), "{said}");

    // The same with trust on first use: the key of the lock file is replaced.
    fs::write(scratch.path("trusting.hosts.lock"), format!("198.18.8.11 {other}")).unwrap();
    let error = Cluster::up(&Provider::Inventory(trusting), &options).unwrap_err();
    assert_eq!(error.step(), Some(Step::HostKey));
    assert!(error.to_string().contains("trusting.hosts.lock:1"), "{error}");
    assert!(nodes.down().is_empty());
}

#[test]
fn a_second_controller_is_refused_while_the_first_one_lives() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let inventory = scratch.path("lab.toml");
    let Some(keeper) = spawn_owner("lab", &scratch) else { return };
    support::wait_for("the inventory", PATIENCE, || inventory.exists());
    let provider = Provider::Inventory(inventory.clone());
    let up =
        |name: &str| Cluster::up(&provider, &UpOptions::new(scratch.path(name)).unwrap()).unwrap();
    let (first, second) = (up("first"), up("second"));
    block_on(first.claim(&claim("controller one"), PATIENCE)).unwrap();
    let error = block_on(second.claim(&claim("controller two"), PATIENCE)).unwrap_err();
    assert_eq!(error.step(), Some(Step::Claim));
    assert!(error.to_string().contains("controller one"), "{error}");
    drop(second);
    // A refused controller that leaves must not have released the claim of the first.
    let third = up("third");
    let error = block_on(third.claim(&claim("controller three"), PATIENCE)).unwrap_err();
    assert!(error.to_string().contains("controller one"), "{error}");
    drop(third);
    assert!(first.close(PATIENCE).is_empty());
    let fourth = up("fourth");
    block_on(fourth.claim(&claim("controller four"), PATIENCE)).unwrap();
    assert!(fourth.close(PATIENCE).is_empty());

    lab::down(&inventory).unwrap();
    assert!(!inventory.exists());
    assert_eq!(scratch.inhabitants(), Vec::<i32>::new());
    keeper.end();
}

#[test]
fn leases_hold_while_the_controller_lives_and_end_when_it_is_killed() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let Some(keeper) = spawn_owner("lab", &scratch) else { return };
    support::wait_for("the inventory", PATIENCE, || scratch.path("lab.toml").exists());
    let Some(controller) = spawn_owner("controller", &scratch) else { return };
    support::wait_for("the fault", PATIENCE, || scratch.path("paused").exists());
    let state = || scratch.state_of("sleep");
    support::wait_for("state T", PATIENCE, || state() == Some('T'));
    // Longer than the lease: only renewals can keep it.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(state(), Some('T'), "the lease was not renewed");
    controller.kill_9();
    let start = Instant::now();
    support::wait_for("the healing", Duration::from_secs(4), || state() != Some('T'));
    println!("healed {:?} after SIGKILL of the controller", start.elapsed());
    lab::down(&scratch.path("lab.toml")).unwrap();
    assert_eq!(scratch.inhabitants(), Vec::<i32>::new());
    keeper.end();
}

#[test]
fn kill_9_of_the_owner_leaves_nothing() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let Some(owner) = spawn_owner("owned", &scratch) else { return };
    support::wait_for("the cluster", PATIENCE, || scratch.path("ready").exists());
    assert!(scratch.inhabitants().len() >= 4, "no processes in the nodes?");
    owner.kill_9();
    let start = Instant::now();
    support::wait_for("nothing", Duration::from_secs(1), || scratch.inhabitants().is_empty());
    println!("nothing left {:?} after SIGKILL", start.elapsed());
}

#[test]
fn a_node_that_dies_is_lost_and_the_others_go_on() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let options = UpOptions::new(scratch.path("c")).unwrap();
    let cluster = Cluster::up(&Provider::Local(3), &options).unwrap();
    support::kill_first_of("n2", &scratch.path("c"));
    support::wait_for("the loss", PATIENCE, || cluster.lost().len() == 1);
    assert_eq!(cluster.lost()[0].0, "n2");
    let answers = block_on(cluster.ask_all(|_| Body::Clock, PATIENCE));
    let fine: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(fine, [true, false, true]);
    let error = answers[1].as_ref().unwrap_err().to_string();
    assert!(error.starts_with("n2: read the clocks: connection to the agent lost"), "{error}");
    assert_eq!(cluster.close(PATIENCE), Vec::<String>::new());
    assert_eq!(scratch.inhabitants(), Vec::<i32>::new());
}

#[test]
fn a_missing_node_is_reported_and_enough_others_go_on() {
    if !equipped() {
        return;
    }
    let scratch = Scratch::new();
    let mut options = UpOptions::new(scratch.path("run")).unwrap();
    let mut nodes = LocalCluster::up(2, &scratch.path("c"), &options.agent, false).unwrap();
    nodes.await_login(PATIENCE).unwrap();
    let hosts = nodes.inventory().hosts;
    let mut text = format!(
        "known_hosts = \"{}\"\n[defaults]\nkey = \"{}\"\nnetns = \"{}\"\n",
        scratch.path("c/known_hosts").display(),
        hosts[0].key.as_ref().unwrap().display(),
        hosts[0].netns.as_ref().unwrap().display(),
    );
    for host in [&hosts[0].control, "198.18.8.99", &hosts[1].control] {
        text += &format!("[[node]]\nname = \"at-{host}\"\ncontrol_address = \"{host}\"\n");
    }
    let inventory = scratch.path("three.toml");
    fs::write(&inventory, text).unwrap();
    let provider = Provider::Inventory(inventory);
    options.deadlines.connect = Duration::from_secs(2);
    let start = Instant::now();
    let error = Cluster::up(&provider, &options).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(error.to_string().starts_with("node at-198.18.8.99: connect: "), "{error}");

    options.min_nodes = Some(2);
    let cluster = Cluster::up(&provider, &options).unwrap();
    assert_eq!(cluster.unavailable.len(), 1);
    let names: Vec<&str> = cluster.nodes.iter().map(|node| node.info.name.as_str()).collect();
    assert_eq!(names, ["at-198.18.8.11", "at-198.18.8.12"]);
    // Nobody said which address is for data: the one we came in by is the node's own.
    assert_eq!(cluster.nodes[1].info.address.to_string(), "198.18.8.12");
    assert_eq!(cluster.close(PATIENCE), Vec::<String>::new());
    assert!(nodes.down().is_empty());
}

#[test]
fn a_password_lets_us_in_and_is_never_shown() {
    if !equipped() {
        return;
    }
    // Of "correct horse", by `openssl passwd -6 -salt tribunal`.
    let hash = concat!(
        "$6$tribunal$r0A1ZwJEiaQE9CwUIApKvemsDNrgulbDPr3U9TSZ3hPMpSh0",
        "AVK/31w5Oa/ZWhlirXv9IM8ZIZA5V4BfiWA8M."
    );
    let scratch = Scratch::new();
    let mut options = UpOptions::new(scratch.path("c")).unwrap();
    let cluster = Cluster::up(&Provider::Local(1), &options).unwrap();
    block_on(cluster.claim(&claim("test"), PATIENCE)).unwrap();
    let node = &cluster.nodes[0];
    let argv = ["usermod", "-p", hash, "root"].map(String::from).to_vec();
    let reply = block_on(node.call(Body::Install { argv, env: Vec::new() }, PATIENCE)).unwrap();
    assert!(matches!(reply, Reply::Output { code: 0, .. }), "{reply:?}");
    let mut daemon = server(node, "sshd");
    let more = ["-o", "PermitRootLogin=yes", "-o", "Subsystem=sftp internal-sftp"];
    daemon.spec.argv.extend(more.map(String::from));
    block_on(cluster.start_daemon(node, &daemon, PATIENCE)).unwrap();

    let inventory = scratch.path("password.toml");
    let network = cluster.network();
    let netns = network.path().unwrap();
    let text = format!(
        "host_keys = \"tofu\"\n[[node]]\nname = \"n1\"\naddress = \"198.18.7.11\"\nport = 2345\n\
         netns = \"{netns}\"\n",
    );
    fs::write(&inventory, text).unwrap();
    let provider = Provider::Inventory(inventory);
    options.password = Some(Secret::new("wrong battery"));
    let error = Cluster::up(&provider, &options).unwrap_err();
    assert_eq!(error.step(), Some(Step::Login));
    let shown = format!("{error} {error:?} {options:?}");
    assert!(shown.contains("password: ") && !shown.contains("battery"), "{shown}");
    options.password = Some(Secret::new("correct horse"));
    let second = Cluster::up(&provider, &options).unwrap();
    assert_eq!(second.hellos[0].hostname, "n1");
    assert!(second.close(PATIENCE).is_empty());
    assert_eq!(cluster.close(PATIENCE), Vec::<String>::new());
}

#[test]
fn processes_need_no_privilege() {
    if support::agent_is_missing() {
        return;
    }
    let scratch = Scratch::new();
    let options = UpOptions::new(scratch.path("c")).unwrap();
    let cluster = Cluster::up(&Provider::Processes(3), &options).unwrap();
    let address = |cluster: &Cluster, node: usize| cluster.nodes[node].info.address.to_string();
    assert!(address(&cluster, 1).starts_with("127.0."), "{}", address(&cluster, 1));
    let beside = UpOptions::new(scratch.path("beside")).unwrap();
    let other = Cluster::up(&Provider::Processes(1), &beside).unwrap();
    assert_ne!(address(&cluster, 0), address(&other, 0), "no cluster is at another's addresses");
    assert_eq!(other.close(PATIENCE), Vec::<String>::new());
    block_on(cluster.claim(&claim("test"), PATIENCE)).unwrap();
    let local = scratch.path("file");
    fs::write(&local, vec![7_u8; 3 << 20]).unwrap();
    let remote = format!("{}/file", cluster.nodes[0].info.dir);
    assert!(block_on(cluster.nodes[0].install_file(&local, &remote, 0o640)).unwrap());
    assert!(!block_on(cluster.nodes[0].install_file(&local, &remote, 0o640)).unwrap());
    let back = scratch.path("back");
    block_on(cluster.nodes[0].fetch_file(&remote, &back)).unwrap();
    assert_eq!(fs::read(&back).unwrap(), vec![7_u8; 3 << 20]);
    let sleep = DaemonSpec {
        name: "sleeper".into(),
        argv: vec!["/bin/sleep".into(), "1000".into()],
        env: Vec::new(),
        dir: cluster.nodes[2].info.dir.clone(),
        log: format!("{}/log", cluster.nodes[2].info.dir),
    };
    let state = block_on(cluster.nodes[2].start(&sleep)).unwrap();
    let DaemonState::Running(identity) = state else { panic!("{state:?}") };
    assert!(Path::new(&format!("/proc/{}", identity.pid)).exists());
    assert_eq!(cluster.close(PATIENCE), Vec::<String>::new());
    support::wait_for("the sleeper's end", PATIENCE, || {
        !Path::new(&format!("/proc/{}", identity.pid)).exists()
    });
}

#[test]
fn an_unreachable_node_is_named_and_may_be_missing() {
    if support::agent_is_missing() {
        return;
    }
    let scratch = Scratch::new();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let provider: Provider = format!("127.0.0.1:{port}").parse().unwrap();
    let options = UpOptions::new(scratch.path("c")).unwrap();
    let start = Instant::now();
    let error = Cluster::up(&provider, &options).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(error.step(), Some(Step::Connect));
    let text = error.to_string();
    assert!(text.contains(&format!("node 127.0.0.1:{port}: connect: ")), "{text}");
    assert!(text.contains("refused") && text.contains("check that sshd runs"), "{text}");
}
