//! Faults on the link between two network namespaces, with real packets.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::two::{SECOND, Two};
use support::{Pair, RUN, until};
use tribunal_agent::links;
use tribunal_agent::protocol::{Body, Line, Look};

/// Nothing is done to the link, and a connection was kept.
const OPEN: Look = Look {
    fresh: Line::Open,
    held: Line::Open,
    service: Line::Open,
    small: true,
    large: true,
    numbered: 0,
    lost: 0,
};

/// The same where none was kept, or the kept one was reset in the meantime.
fn open(held: Line) -> Look {
    Look { held, ..OPEN }
}

/// The port that a kind about ports is to meet.
fn ports(link: &links::Link, port: u16) -> Vec<u16> {
    match link.met {
        links::Met::Peers => vec![],
        links::Met::PeersAtPorts | links::Met::Clients => vec![port],
    }
}

#[test]
fn at_a_port_only_tcp_to_it_is_lost() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    two.hold();
    let (port, peers) = (two.over_here[0].port(), Pair::peers());
    for (id, kind) in [(1, "clients"), (2, "peer-ports")] {
        two.here.meet_at(id, 60_000, kind, &peers[..1], &[port, 7], &[]).unwrap();
        let lost = Look { fresh: Line::Silent, held: Line::Silent, service: Line::Silent, ..OPEN };
        assert_eq!(two.looks(0), [[OPEN; 2], [lost, OPEN]], "{kind}: IPv4 from there");
        let bite = two.here.verify(id);
        assert!(bite.effective && bite.evidence.contains("2 of 2"), "{bite:?}");
        two.here.heal(id).unwrap();
        let again = || two.there.look(1, two.over_here.clone(), 0) == [OPEN; 2];
        until("what was sent meanwhile", SECOND * 5, again);
        two.here.meet_at(id, 60_000, kind, &peers, &[port + 1], &[]).unwrap();
        assert_eq!(two.looks(0), [[OPEN; 2]; 2], "{kind}: another port");
        two.here.heal(id).unwrap();
        let refused = two.here.meet(id, 60_000, kind, &peers, &[]).unwrap_err();
        assert_eq!(refused.message, format!("{kind} needs ports"));
    }
    let refused = two.here.meet_at(3, 60_000, "reset", &peers, &[port], &[]).unwrap_err();
    assert_eq!(refused.message, "reset has no ports");
}

#[test]
fn a_reset_ends_connections_of_both_families_and_nothing_else() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    two.hold();
    assert_eq!(two.looks(0), [vec![OPEN; 2], vec![OPEN; 2]]);
    let injected = two.here.meet(1, 60_000, "reset", &Pair::peers(), &[]).unwrap();
    assert!(injected.evidence.contains("2 of 2 links of reset in force"), "{injected:?}");
    assert!(injected.effective && !two.here.verify(1).effective, "no packet, no bite");
    let reset = Look { fresh: Line::Reset, held: Line::Reset, service: Line::Reset, ..OPEN };
    assert_eq!(two.looks(0), [vec![reset; 2], vec![reset; 2]], "whoever asks, at once");
    let bite = two.here.verify(1);
    assert!(bite.effective, "{bite:?}");
    let healed = two.here.heal(1).unwrap();
    assert!(healed.evidence.contains("opened 2 links of reset"), "{healed:?}");
    assert!(healed.evidence.contains("foreign rules equal"), "{healed:?}");
    assert_eq!(two.looks(0), [vec![open(Line::Reset); 2], vec![open(Line::Reset); 2]]);
    two.here.call(Body::Bye).unwrap();
    assert_eq!(two.tables(), "");
}

#[test]
fn a_reset_of_one_family_leaves_the_other() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    two.hold();
    two.here.meet(1, 60_000, "reset", &Pair::peers()[1..], &[]).unwrap();
    let reset = Look { fresh: Line::Reset, held: Line::Reset, service: Line::Reset, ..OPEN };
    assert_eq!(two.looks(0), [[OPEN, reset], [OPEN, reset]]);
}

#[test]
fn without_new_connections_those_that_there_are_go_on() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    two.hold();
    two.here.meet(1, 60_000, "new-connections", &Pair::peers(), &[]).unwrap();
    let lost = Look { fresh: Line::Silent, service: Line::Silent, ..OPEN };
    assert_eq!(two.looks(0), [[OPEN; 2], [lost; 2]], "over there cannot connect, over here can");
    let bite = two.here.verify(1);
    assert!(bite.effective, "{bite:?}");
    two.here.heal(1).unwrap();
    assert_eq!(two.looks(0), [[OPEN; 2]; 2]);
}

#[test]
fn of_large_packets_only_the_large_are_lost() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    two.hold();
    two.here.meet(1, 60_000, "large-packets", &Pair::peers()[..1], &[]).unwrap();
    let lost = Look { large: false, ..OPEN };
    assert_eq!(two.looks(0), [[OPEN; 2], [lost, OPEN]], "IPv4 from there, and nothing else");
    two.here.meet(2, 60_000, "large-packets", &Pair::peers()[1..], &[]).unwrap();
    assert_eq!(two.looks(0), [[OPEN; 2], [lost; 2]]);
    let bite = two.here.verify(2);
    assert!(bite.effective, "{bite:?}");
    two.here.heal(1).unwrap();
    two.here.heal(2).unwrap();
    assert_eq!(two.looks(0), [[OPEN; 2]; 2]);
}

#[test]
fn what_is_lost_agrees_with_the_probability() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let loss = links::all().find(|link| link.about.name == "loss").unwrap();
    let peers = Pair::peers();
    two.here.meet(1, 60_000, "loss", &peers[..1], &[("percent", 30)]).unwrap();
    two.here.meet(2, 60_000, "loss", &peers[1..], &[("percent", 70)]).unwrap();
    let parameters = |percent| [("percent".to_string(), percent)].into();
    let agrees = |seen: &Look, percent, hit| (loss.differs)(hit, seen, &parameters(percent));
    let (out, back) =
        (links::Hit { out: true, back: false }, links::Hit { out: false, back: true });
    let [here, there] = two.looks(loss.numbered);
    println!("lost of {}: {} and {}", loss.numbered, there[0].lost, there[1].lost);
    assert_eq!([agrees(&there[0], 30, out), agrees(&there[1], 70, out)], [None, None]);
    assert_eq!([agrees(&here[0], 30, back), agrees(&here[1], 70, back)], [None, None]);
    assert!(agrees(&there[0], 70, out).is_some() && agrees(&there[1], 30, out).is_some());
    let bite = two.here.verify(1);
    assert!(bite.effective, "{bite:?}");
    two.here.call(Body::Renew { lease_ms: 60_000 }).unwrap();
    let refused = two.here.meet(3, 60_000, "loss", &peers, &[("percent", 31)]).unwrap_err();
    assert!(refused.message.contains("is under way with {\"percent\": 30}"), "{refused:?}");
    two.here.meet(4, 60_000, "loss", &peers[..1], &[("percent", 30)]).unwrap();
    two.here.heal(1).unwrap();
    let [_, there] = two.looks(loss.numbered);
    assert_eq!(agrees(&there[0], 30, out), None, "the other one stands");
    two.here.heal(4).unwrap();
    two.here.heal(2).unwrap();
    let whole = Look { numbered: loss.numbered, ..open(Line::Untried) };
    assert_eq!(two.looks(loss.numbered), [[whole; 2]; 2]);
}

#[test]
fn the_control_path_meets_no_fault_on_links() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    // The probe port over here plays sshd, and over there is the controller.
    let ssh = two.over_here[0].port();
    let control = Pair::peers().map(|peer| SocketAddr::new(peer, ssh)).to_vec();
    two.here.claim("test", 60_000, control).unwrap();
    two.hold();
    for (id, link) in links::all().enumerate() {
        let hardest = link.about.parameters.iter().map(|known| (known.name, known.possible.1));
        let hardest: Vec<_> = hardest.collect();
        let kind = link.about.name;
        let (id, ports) = (10 + id as u32, ports(link, ssh));
        two.here.meet_at(id, 60_000, kind, &Pair::peers(), &ports, &hardest).unwrap();
    }
    for seen in two.there.look(1, two.over_here.clone(), 0) {
        assert_eq!((seen.fresh, seen.held), (Line::Open, Line::Open), "ssh goes on: {seen:?}");
        assert!(!seen.small && !seen.large, "and nothing else: {seen:?}");
    }
}

#[test]
fn every_kind_without_its_rule_or_its_element_does_not_count() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    for (at, link) in links::all().enumerate() {
        let (id, kind) = (10 * (at as u32 + 1), link.about.name);
        let usual = link.about.parameters.iter().map(|known| (known.name, known.usual.1));
        let usual: Vec<_> = usual.collect();
        let ports = ports(link, two.over_here[0].port());
        let bite = two.here.meet_at(id, 60_000, kind, &peers, &ports, &usual).unwrap();
        assert!(bite.effective, "{kind}: {bite:?}");
        two.pair.nft(&format!("flush chain inet tribunal_{RUN} t_in"));
        two.looks(100);
        assert!(!two.here.verify(id).effective, "{kind}: no rule, yet in force");
        two.here.heal(id).unwrap();
        // The table is loaded anew by whoever finds it gone.
        two.pair.nft(&format!("delete table inet tribunal_{RUN}"));
        two.here.meet_at(id + 1, 60_000, kind, &peers, &ports, &usual).unwrap();
        two.looks(100);
        assert!(two.here.verify(id + 1).effective, "{kind}");
        let table = format!("table inet tribunal_{RUN}");
        let listed = two.pair.ruleset();
        let set = listed.lines().map(str::trim).skip_while(|line| !line.starts_with(&table));
        let (mut what, mut name) = (String::new(), String::new());
        for line in set {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                [found @ ("set" | "map"), set, "{"] => (what, name) = (found.into(), set.into()),
                ["elements", ..] if !name.starts_with("ctl") => {
                    two.pair.nft(&format!("flush {what} inet tribunal_{RUN} {name}"));
                }
                _ => {}
            }
        }
        two.looks(100);
        assert!(!two.here.verify(id + 1).effective, "{kind}: no element, yet in force");
        two.here.heal(id + 1).unwrap();
    }
}

#[test]
fn every_kind_ends_with_its_lease_and_is_renewed_without_a_gap() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    for (at, link) in links::all().enumerate() {
        let (id, kind) = (1 + at as u32, link.about.name);
        let usual = link.about.parameters.iter().map(|known| (known.name, known.usual.0));
        let usual: Vec<_> = usual.collect();
        let ports = ports(link, two.over_here[0].port());
        two.here.meet_at(id, 700, kind, &Pair::peers(), &ports, &usual).unwrap();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(350));
            two.here.call(Body::Renew { lease_ms: 700 }).unwrap();
            let renewed = two.here.verify(id).evidence;
            assert!(renewed.contains("2 of 2"), "{kind}: {renewed}");
        }
        until(&format!("the end of {kind}"), SECOND * 3, || two.dir.records() == 0);
        let way = two.there.look(9, two.over_here.clone(), 100);
        let all = Look { numbered: 100, ..open(Line::Untried) };
        assert_eq!(way, [all; 2], "{kind}");
        two.here.call(Body::Renew { lease_ms: 60_000 }).unwrap();
    }
}

#[test]
fn a_parameter_that_no_kind_has_is_refused() {
    let Some(mut two) = Two::new(60_000, vec![], &[]) else { return };
    let peers = Pair::peers();
    let refused = two.here.meet(1, 60_000, "reset", &peers, &[("percent", 5)]).unwrap_err();
    assert_eq!(refused.message, "reset has no parameter \"percent\"");
    let unknown = two.here.meet(1, 60_000, "earthquake", &peers, &[]).unwrap_err();
    assert!(unknown.message.contains("no fault \"earthquake\" on links"), "{unknown:?}");
}

#[test]
fn what_only_nft_does_is_refused_elsewhere() {
    let more = ["--mechanism", "iptables"];
    let Some(mut two) = Two::new(60_000, vec![], &more) else { return };
    let refused = two.here.meet(1, 60_000, "reset", &Pair::peers(), &[]).unwrap_err();
    assert_eq!(refused.code, "unsupported");
    assert!(refused.message.starts_with("reset needs nft"), "{refused:?}");
}
