//! Cuts between two network namespaces, with real packets.

mod support;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use support::two::{OPEN, SECOND, SHUT, Two};
use support::{AGENT, Agent, Dir, Pair, RUN, kill, output, reaper_of, run, until};
use tribunal_agent::protocol::{Body, FaultKind, Flap, Reached, Reply};

#[test]
fn a_cut_drops_every_protocol_of_both_families_and_heals() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    assert_eq!(two.matrix(), [vec![OPEN; 2], vec![OPEN; 2]]);
    let peers = Pair::peers();
    let start = Instant::now();
    let bite = two.here.cut(1, 60_000, &peers, &peers);
    println!("cut injected and measured in {:?}", start.elapsed());
    assert!(bite.effective && bite.evidence.contains("4 of 4"), "{bite:?}");
    assert_eq!(two.matrix(), [vec![SHUT; 2], vec![SHUT; 2]]);
    let bite = two.here.verify(1);
    assert!(!bite.evidence.contains("dropped 0 packets in"), "{bite:?}");
    let healed = two.here.heal(1).unwrap();
    assert!(healed.evidence.contains("foreign rules equal"), "{healed:?}");
    assert_eq!(two.matrix(), [vec![OPEN; 2], vec![OPEN; 2]]);
    two.here.call(Body::Bye).unwrap();
    assert_eq!(two.tables(), "");
}

#[test]
fn a_one_way_cut_is_one_way() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    // What comes from there is dropped here; a datagram from here arrives, its answer does not.
    // An established flow is not needed: count datagrams that arrive over there.
    let bite = two.here.cut(1, 60_000, &[Pair::peers()[0]], &[]);
    assert!(bite.effective, "{bite:?}");
    let [_, back] = two.matrix();
    assert_eq!(back, [SHUT, OPEN], "IPv4 from there is cut, IPv6 is not");
    let count = "add table ip count; add chain ip count c { type filter hook input priority 0; }; \
                 add rule ip count c udp dport 9 counter";
    let inside = ["ip", "netns", "exec", &two.pair.there];
    assert!(run(&[&inside[..], &["nft", count]].concat()));
    two.here.cut(2, 60_000, &["198.18.77.99".parse().unwrap()], &[]);
    send_udp(&two.pair.here, "198.18.77.2:9", 5);
    let listed = output(&[&inside[..], &["nft", "list", "ruleset"]].concat());
    assert!(listed.contains("packets 5"), "{listed}");
}

fn send_udp(namespace: &str, to: &str, count: usize) {
    let netns = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    let to: SocketAddr = to.parse().unwrap();
    let sender = std::thread::spawn(move || {
        setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        for _ in 0..count {
            // ECONNREFUSED of an earlier datagram may be reported here; the next is sent anyway.
            while socket.send_to(b"x", to).is_err() {}
        }
    });
    sender.join().unwrap();
}

/// Whether the kernel over there gets any answer: a refused connection is one.
fn answers(namespace: &str, to: &str) -> bool {
    let netns = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    let to: SocketAddr = to.parse().unwrap();
    let asking = std::thread::spawn(move || {
        setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
        let answer = std::net::TcpStream::connect_timeout(&to, Duration::from_millis(150));
        match answer {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        }
    });
    asking.join().unwrap()
}

#[test]
fn the_control_path_is_never_cut_and_only_it() {
    // Over there is the controller; the probe port over here plays sshd.
    let pair_controller: IpAddr = "198.18.77.2".parse().unwrap();
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let ssh = two.over_here[0].port();
    let control = Pair::peers().map(|peer| SocketAddr::new(peer, ssh)).to_vec();
    two.here.claim("test", 60_000, control).unwrap();
    let all = Pair::peers();
    two.here.cut(1, 60_000, &all, &all);
    let back = two.there.reach(two.over_here.clone(), 300);
    let tcp_only = Reached { tcp: true, udp: false };
    assert_eq!(back, [tcp_only, tcp_only], "ssh stays, everything else of {pair_controller} not");
    assert_eq!(two.here.reach(two.over_there.clone(), 300), [SHUT, SHUT]);
}

#[test]
fn rules_of_others_are_byte_identical_after() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    two.pair.nft(
        "table ip filter {
           chain INPUT {
             type filter hook input priority 0; policy accept;
             ip saddr 198.18.77.2 tcp dport 9999 counter accept
           }
         }
         table inet kube {
           set pods {
             type ipv4_addr
             flags timeout
             timeout 1h
             elements = { 10.1.2.3, 10.1.2.4 timeout 2h }
           }
           chain svc {
             type nat hook prerouting priority -100;
             ip daddr @pods counter accept
           }
         }
         table inet tribunal_of_somebody {
           chain x {
           }
         }
",
    );
    // What is left of the time of somebody's elements runs on by itself.
    let expiring = |text: String| {
        let mut words = text.split(' ').peekable();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            if word == "expires" {
                words.next();
            } else {
                kept.push(word);
            }
        }
        kept.join(" ")
    };
    let before = expiring(two.pair.ruleset());
    let peers = Pair::peers();
    for fault in 1..=5 {
        two.here.cut(fault, 60_000, &peers, &peers);
        two.here.call(Body::Renew { lease_ms: 60_000 }).unwrap();
    }
    for fault in 1..=5 {
        let healed = two.here.heal(fault).unwrap();
        assert!(healed.evidence.contains("foreign rules equal"), "{healed:?}");
    }
    // And the comparison can fail: somebody changes a rule while we are at it.
    two.here.cut(6, 60_000, &peers, &peers);
    two.pair.nft("add rule ip filter INPUT tcp dport 1 drop");
    let healed = two.here.heal(6).unwrap();
    assert!(healed.evidence.contains("foreign rules changed"), "{healed:?}");
    two.pair.nft("flush chain ip filter INPUT");
    two.pair.nft("add rule ip filter INPUT ip saddr 198.18.77.2 tcp dport 9999 counter accept");
    two.here.call(Body::Bye).unwrap();
    assert_eq!(expiring(two.pair.ruleset()), before);
}

/// Sends datagrams from there as fast as they go and counts those that arrive here.
fn leaks(pair: &Pair, while_cut: impl FnOnce()) -> (u64, u64) {
    let (sent, arrived) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let ready = Arc::new(Barrier::new(3));
    let receiver = {
        let (arrived, stop, ready) = (Arc::clone(&arrived), Arc::clone(&stop), Arc::clone(&ready));
        let netns = std::fs::File::open(format!("/run/netns/{}", pair.here)).unwrap();
        std::thread::spawn(move || {
            setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
            let socket = std::net::UdpSocket::bind("198.18.77.1:7000").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            ready.wait();
            while !stop.load(Ordering::Relaxed) {
                if socket.recv(&mut [0; 16]).is_ok() {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    let sender = {
        let (sent, stop, ready) = (Arc::clone(&sent), Arc::clone(&stop), Arc::clone(&ready));
        let netns = std::fs::File::open(format!("/run/netns/{}", pair.there)).unwrap();
        std::thread::spawn(move || {
            setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
            let socket = std::net::UdpSocket::bind("198.18.77.2:7001").unwrap();
            ready.wait();
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    if socket.send_to(b"leak?", "198.18.77.1:7000").is_ok() {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        })
    };
    ready.wait();
    while_cut();
    stop.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    receiver.join().unwrap();
    (sent.load(Ordering::Relaxed), arrived.load(Ordering::Relaxed))
}

#[test]
fn renewals_let_no_packet_through() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    two.here.cut(1, 1_500, &peers, &peers);
    let here = &mut two.here;
    let (sent, arrived) = leaks(&two.pair, || {
        let start = Instant::now();
        // R2 asks for 10^6 datagrams: about 15 s.
        let seconds = std::env::var("TRIBUNAL_SECONDS").ok().and_then(|text| text.parse().ok());
        while start.elapsed() < SECOND * seconds.unwrap_or(4) {
            std::thread::sleep(Duration::from_millis(40));
            here.call(Body::Renew { lease_ms: 1_500 }).unwrap();
        }
    });
    println!("{sent} datagrams sent while cut and renewed, {arrived} arrived");
    assert!(sent > 10_000, "only {sent} sent: this tells nothing");
    assert_eq!(arrived, 0);
    two.here.heal(1).unwrap();
    let (sent, arrived) = leaks(&two.pair, || std::thread::sleep(SECOND / 2));
    assert!(arrived > sent / 2, "the counter works: {arrived} of {sent}");
}

#[test]
fn two_cuts_of_one_peer_open_with_the_last() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    two.here.cut(1, 60_000, &peers, &[]);
    two.here.cut(2, 60_000, &peers[..1], &[]);
    two.here.heal(1).unwrap();
    let [_, back] = two.matrix();
    assert_eq!(back, [SHUT, OPEN]);
    two.here.heal(2).unwrap();
    assert_eq!(two.matrix(), [vec![OPEN; 2], vec![OPEN; 2]]);
}

#[test]
fn a_killed_agent_leaves_no_table_after_the_lease() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    two.here.cut(1, 1_000, &peers, &peers);
    let start = Instant::now();
    two.here.kill_agent();
    assert!(two.tables().contains(RUN));
    until("open again", SECOND * 2, || {
        two.there.reach(vec![two.over_here[0]], 100);
        two.tables().is_empty()
    });
    println!("no table {:?} after kill -9 of the agent, lease 1 s", start.elapsed());
    assert!(start.elapsed() >= Duration::from_millis(900), "deadlines stand");
    assert_eq!(two.dir.records(), 0, "{}", two.dir.reaper_log());
}

#[test]
fn without_agent_and_reaper_the_kernel_ends_the_cut() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    let reaper = reaper_of(two.here.child.id()).expect("a reaper");
    two.here.cut(1, 1_500, &peers, &peers);
    let start = Instant::now();
    kill(reaper, "STOP");
    two.here.kill_agent();
    kill(reaper, "KILL");
    assert!(!answers(&two.pair.there, "198.18.77.1:1"), "ended with the agent, not with its lease");
    until("the kernel opens it", SECOND * 3, || answers(&two.pair.there, "198.18.77.1:1"));
    println!("open {:?} after kill -9 of agent and reaper, lease 1.5 s", start.elapsed());
    assert!(answers(&two.pair.there, "[fd54::1]:1"));
    assert_eq!(two.dir.records(), 1, "the record waits for the next claim");
    assert!(two.tables().contains(RUN));
    // The next claim cleans up.
    let mut next = Agent::start(&two.dir, Some(&two.pair.here));
    let healed = next.claim_run("00000002", "next", 60_000, vec![], true).unwrap();
    assert!(healed.iter().any(|line| line.contains("opened 4 directed cuts")), "{healed:?}");
    assert_eq!((two.dir.records(), two.tables().as_str()), (0, ""));
}

#[test]
fn a_hung_up_controller_leaves_no_cut() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    two.here.cut(1, 60_000, &peers, &peers);
    let start = Instant::now();
    two.here.hang_up();
    until("no table", SECOND * 4, || two.tables().is_empty());
    println!("no table {:?} after the channel's end", start.elapsed());
    assert!(start.elapsed() > SECOND * 2, "no grace for a controller that comes back");
    assert_eq!(two.dir.records(), 0);
}

#[test]
fn an_expired_lease_removes_the_table_under_a_living_agent() {
    let Some(mut two) = Two::new(1_200, vec![], &[]) else { return };
    let peers = Pair::peers();
    two.here.cut(1, 600, &peers, &peers);
    until("no table", SECOND * 3, || two.tables().is_empty());
    assert!(!two.here.verify(1).effective);
    two.here.call(Body::Renew { lease_ms: 60_000 }).unwrap();
    assert!(two.here.cut(2, 60_000, &peers, &peers).effective, "the table is loaded again");
}

#[test]
fn a_flapping_cut_opens_and_closes_under_one_lease() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let [four, _] = Pair::peers();
    let flap = Some(Flap { period_ms: 600, duty_pct: 50 });
    let kind = FaultKind::partition(vec![four], vec![four], flap);
    assert!(two.here.inject(1, 3_000, kind).unwrap().effective);
    let mut seen = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2_500) {
        let udp = two.there.reach(vec![two.over_here[0]], 40)[0].udp;
        if seen.last() != Some(&udp) {
            seen.push(udp);
        }
    }
    println!("open and shut: {seen:?}");
    assert!((6..=11).contains(&seen.len()), "{seen:?}");
    assert!(two.here.verify(1).effective);
    until("the lease's end", SECOND * 3, || two.dir.records() == 0);
    let at = two.over_here[0];
    for _ in 0..10 {
        assert_eq!(two.there.reach(vec![at], 200), [OPEN], "toggled after its lease");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_sabotaged_cut_does_not_count() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    assert!(two.here.cut(1, 60_000, &peers, &peers).effective);
    two.pair.nft(&format!("flush chain inet tribunal_{RUN} t_out"));
    assert!(!two.here.verify(1).effective, "no drop rule, yet in force");
    two.here.heal(1).unwrap();
    two.here.cut(2, 60_000, &peers, &[]);
    two.pair.nft(&format!("delete element inet tribunal_{RUN} in4 {{ 198.18.77.2 }}"));
    assert!(!two.here.verify(2).effective, "no element, yet in force");
}

#[test]
fn tables_that_only_nft_can_read_are_no_obstacle() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    two.here.call(Body::Bye).unwrap();
    for (family, rule) in
        [("ip", "tcp dport { 9, 10 } counter drop"), ("ip6", "udp dport 77 reject")]
    {
        two.pair.nft(&format!("add table {family} filter"));
        let hook = "{ type filter hook input priority 0; policy accept; }";
        two.pair.nft(&format!("add chain {family} filter INPUT {hook}"));
        two.pair.nft(&format!("add rule {family} filter INPUT {rule}"));
    }
    let before = two.pair.ruleset();
    let mut next = Agent::start(&two.dir, Some(&two.pair.here));
    next.claim_run("00000002", "next", 60_000, vec![], true).unwrap();
    let peers = Pair::peers();
    assert!(next.cut(1, 60_000, &peers, &peers).effective);
    assert!(next.heal(1).unwrap().evidence.contains("foreign rules equal"));
    next.call(Body::Bye).unwrap();
    assert_eq!(two.pair.ruleset(), before);
}

#[test]
fn the_fallbacks_cut_heal_and_leave_nothing() {
    for mechanism in ["iptables+ipset", "iptables"] {
        let more = ["--mechanism", mechanism];
        let Some(mut two) = Two::new(60_000, vec![], &more) else { return };
        let namespace = two.pair.here.clone();
        let inside = ["ip", "netns", "exec", &namespace];
        if !run(&[&inside[..], &["iptables", "-I", "INPUT", "-j", "ACCEPT"]].concat()) {
            eprintln!("skipped: no iptables here");
            return;
        }
        let saved = |tool: &str| {
            let text = output(&[&inside[..], &[tool]].concat());
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| line.split(" [").next().unwrap().to_string()).collect::<Vec<_>>()
        };
        let before = saved("iptables-save");
        let peers = Pair::peers();
        let bite = two.here.cut(1, 2_000, &peers, &peers);
        assert!(bite.effective && bite.evidence.starts_with(mechanism), "{bite:?}");
        assert_eq!(two.matrix(), [vec![SHUT; 2], vec![SHUT; 2]], "{mechanism}");
        two.here.cut(2, 2_000, &peers[..1], &[]);
        two.here.call(Body::Renew { lease_ms: 60_000 }).unwrap();
        let healed = two.here.heal(1).unwrap();
        assert!(healed.evidence.contains("foreign rules equal"), "{healed:?}");
        assert_eq!(two.matrix()[1], [SHUT, OPEN], "{mechanism}: the second cut stands");
        two.here.kill_agent();
        let mut next = Agent::start_with(&two.dir, Some(&two.pair.here), &more);
        next.claim_run("00000002", "next", 60_000, vec![], true).unwrap();
        assert_eq!(saved("iptables-save"), before, "{mechanism}");
        let sets = output(&[&inside[..], &["ipset", "list", "-n"]].concat());
        assert_eq!(sets, "", "{mechanism}");
    }
}

#[test]
fn a_fallback_without_agent_ends_by_the_reaper() {
    let Some(mut two) = Two::new(60_000, vec![], &["--mechanism", "iptables"]) else { return };
    let peers = Pair::peers();
    two.here.cut(1, 1_000, &peers, &peers);
    two.here.kill_agent();
    let inside = ["ip", "netns", "exec", &two.pair.here, "iptables", "-S"];
    assert!(output(&inside).contains("TRB_IN"));
    until("no chain of ours", SECOND * 3, || !output(&inside).contains("TRB_"));
}

#[test]
fn every_family_is_tried_and_says_why_not() {
    let dir = Dir::new();
    let mut agent = Agent::start(&dir, None);
    let Reply::Probed(rows) = agent.call(Body::Probe).unwrap() else { panic!("no probe") };
    let families: Vec<&str> = rows.iter().map(|row| row.family.as_str()).collect();
    let kinds = tribunal_agent::kinds::all().map(|kind| kind.name);
    let links = tribunal_agent::links::all().map(|link| link.about.name);
    assert_eq!(families, links.chain(kinds).collect::<Vec<_>>());
    assert_eq!(families[0], "partition");
    let kinds = &rows[tribunal_agent::links::all().count()..];
    assert!(kinds[0].unavailable.is_none() && kinds[1].unavailable.is_none(), "{rows:?}");
    if nix::unistd::geteuid().is_root() {
        let expected = Some("nft").filter(|_| run(&["nft", "--version"]));
        assert!(expected.is_none_or(|name| rows[0].mechanism == name), "{rows:?}");
    } else {
        assert!(rows[0].unavailable.as_ref().unwrap().contains("needs root"), "{rows:?}");
    }
    assert!(!AGENT.is_empty());
}
