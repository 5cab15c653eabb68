//! Daemons, kill, pause, claims and the channel, against a real agent process.

mod support;

use std::fs;
use std::time::Duration;

use support::{AGENT, Agent, Dir, RUN, kill, output, reaper_of, spec, start_of, state_of, until};
use tribunal_agent::protocol::{Body, DaemonState, FaultKind, Identity, Reply};

const SECOND: Duration = Duration::from_secs(1);

fn kill_fault(daemon: &str) -> FaultKind {
    FaultKind::daemon("kill", daemon)
}

fn pause_fault(daemon: &str) -> FaultKind {
    FaultKind::daemon("pause", daemon)
}

fn running(state: DaemonState) -> Identity {
    match state {
        DaemonState::Running(identity) => identity,
        other => panic!("{other:?}"),
    }
}

/// A daemon with a child and a grandchild, so that killing the first process alone shows.
const FAMILY: [&str; 3] = ["sh", "-c", "sleep 1000 & (sleep 1001 & wait) & wait"];

fn session(leader: Identity) -> Vec<i32> {
    let mut pids = Vec::new();
    for line in output(&["ps", "-e", "-o", "pid=,sid=,stat="]).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[1] == leader.pid.to_string() && !words[2].starts_with('Z') {
            pids.push(words[0].parse().unwrap());
        }
    }
    pids
}

#[test]
fn a_kill_takes_every_process_and_healing_starts_a_new_one() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let first = agent.start_daemon("db", &FAMILY);
    until("the family", SECOND * 5, || session(first).len() == 4);
    let bite = agent.inject(1, 60_000, kill_fault("db")).unwrap();
    assert!(bite.effective, "{bite:?}");
    assert_eq!(session(first), Vec::<i32>::new());
    assert_eq!(agent.status("db"), DaemonState::Exited { identity: first, code: Some(-9) });
    assert_eq!(dir.records(), 1);
    assert!(agent.verify(1).effective);
    let healed = agent.heal(1).unwrap();
    assert!(healed.effective && healed.evidence.contains("started db again"), "{healed:?}");
    let second = running(agent.status("db"));
    assert!(second.pid != first.pid && second.start >= first.start);
    assert_eq!(dir.records(), 0);
    // Healing again finds nothing and starts nothing.
    assert!(agent.heal(1).unwrap().evidence.contains("nothing to heal"));
    assert_eq!(running(agent.status("db")), second);
    assert!(!agent.verify(1).effective, "a healed fault must not count as in force");
}

#[test]
fn a_pause_stops_every_process_and_healing_continues_them() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let leader = agent.start_daemon("db", &FAMILY);
    until("the family", SECOND * 5, || session(leader).len() == 4);
    let bite = agent.inject(1, 60_000, pause_fault("db")).unwrap();
    assert!(bite.effective && bite.evidence.contains("4 of 4"), "{bite:?}");
    for pid in session(leader) {
        assert_eq!(state_of(pid), Some('T'));
    }
    assert_eq!(agent.status("db"), DaemonState::Paused(leader));
    // Somebody else continues one: the fault must not count as in force any more.
    kill(session(leader)[2], "CONT");
    until("one runs", SECOND, || !agent.verify(1).effective);
    agent.heal(1).unwrap();
    for pid in session(leader) {
        assert_ne!(state_of(pid), Some('T'));
    }
    assert_eq!(agent.status("db"), DaemonState::Running(leader));
}

#[test]
fn an_orderly_stop_is_not_undone_by_healing_a_kill() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 60_000, kill_fault("db")).unwrap();
    agent.call(Body::Stop { daemon: "db".into(), grace_ms: 100 }).unwrap();
    agent.heal(1).unwrap();
    assert!(matches!(agent.status("db"), DaemonState::Exited { .. }));
}

#[test]
fn a_stop_is_orderly_first_and_certain_at_last() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let polite =
        agent.start_daemon("polite", &["sh", "-c", "trap 'exit 7' TERM; sleep 100 & wait"]);
    std::thread::sleep(Duration::from_millis(200));
    let stop = |daemon: &str| Body::Stop { daemon: daemon.into(), grace_ms: 300 };
    let state = agent.call(stop("polite")).unwrap();
    let exited = DaemonState::Exited { identity: polite, code: Some(7) };
    assert_eq!(state, Reply::Daemon(exited));
    assert_eq!(session(polite), Vec::<i32>::new(), "its child outlived the stop");
    let deaf = agent.start_daemon("deaf", &["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
    std::thread::sleep(Duration::from_millis(200));
    let state = agent.call(stop("deaf")).unwrap();
    let exited = DaemonState::Exited { identity: deaf, code: Some(-9) };
    assert_eq!(state, Reply::Daemon(exited));
}

#[test]
fn arguments_arrive_as_they_were_sent() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let canary = dir.sub("canary");
    let mut arguments: Vec<String> = [
        "a|id",
        "~root",
        "#c",
        "a'b",
        "!x",
        "$(touch C)",
        "`touch C`",
        "; touch C",
        "& touch C",
        "> C",
        "-rf",
        "",
        " ",
        "\n",
        "\t",
        "\\",
        "\"",
        "*",
        "?",
        "{a,b}",
        "%n%s",
        "ä€𝄞",
        "\u{7f}",
    ]
    .map(|text| text.replace('C', &canary))
    .to_vec();
    let mut state = 0x1234_5678_9abc_def1_u64;
    while arguments.len() < 1000 {
        let mut text = String::new();
        for _ in 0..state % 30 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Every byte of ASCII but zero, and now and then a letter of several bytes.
            let letter = char::from_u32(1 + (state >> 20) as u32 % 0x3000)
                .filter(|_| state.is_multiple_of(7));
            text.push(letter.unwrap_or(char::from(1 + (state >> 8) as u8 % 127)));
        }
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        arguments.push(text);
    }
    let mut expected = Vec::new();
    for argument in &arguments {
        expected.extend_from_slice(argument.as_bytes());
        expected.push(0);
    }
    let mut spec = spec("echo", &["printf", "%s\\0"]);
    spec.argv.extend(arguments);
    agent.call(Body::Start(spec)).unwrap();
    until("the end", SECOND * 5, || matches!(agent.status("echo"), DaemonState::Exited { .. }));
    let log = fs::read(dir.0.join(format!("root/{RUN}/echo.log"))).unwrap();
    assert_eq!(log, expected);
    assert!(!std::path::Path::new(&canary).exists(), "something was executed");
}

#[test]
fn hostile_names_and_paths_are_refused() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    for name in ["../x", "a/b", "", ".hidden", "a b", "x\0y", "$(id)"] {
        let mut hostile = spec("x", &["true"]);
        hostile.name = name.into();
        assert_eq!(agent.call(Body::Start(hostile)).unwrap_err().code, "refused", "{name:?}");
    }
    for path in ["/etc/tribunal-canary", "../../canary", "a/../../../canary"] {
        let put = Body::Put { path: path.into(), offset: 0, data: "AAAA".into(), mode: 0o644 };
        assert_eq!(agent.call(put).unwrap_err().code, "refused", "{path}");
        let mut hostile = spec("x", &["true"]);
        hostile.log = path.into();
        assert!(agent.call(Body::Start(hostile)).is_err(), "log {path}");
        let mut hostile = spec("x", &["true"]);
        hostile.dir = path.into();
        assert!(agent.call(Body::Start(hostile)).is_err(), "dir {path}");
    }
    for run in ["../../ab", "ABCDEF01", "", "x; nft f"] {
        assert_eq!(agent.claim_run(run, "t", 1000, vec![], false).unwrap_err().code, "refused");
    }
    assert!(!std::path::Path::new("/etc/tribunal-canary").exists());
}

#[test]
fn a_repeated_request_is_answered_and_not_repeated() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let marker = dir.sub("marker");
    let argv = ["sh", "-c", "echo once >> \"$1\"", "sh", &marker].map(String::from).to_vec();
    let body = Body::Install { argv, env: vec![] };
    agent.send(77, body.clone());
    let first = agent.receive().unwrap();
    agent.send(77, body);
    assert_eq!(agent.receive().unwrap(), first);
    assert_eq!(fs::read_to_string(&marker).unwrap(), "once\n");
}

#[test]
fn installation_ends_with_the_set_up_and_is_bounded() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let install = |argv: &[&str]| Body::Install {
        argv: argv.iter().map(|text| text.to_string()).collect(),
        env: vec![],
    };
    match agent.call(install(&["seq", "1", "1000000"])).unwrap() {
        Reply::Output { code: 0, output } => {
            assert!(output.starts_with("1\n2\n") && output.ends_with("[output cut here]\n"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(agent.call(install(&["no-such-program"])).unwrap_err().code, "io");
    agent.call(Body::Sealed).unwrap();
    assert_eq!(agent.call(install(&["true"])).unwrap_err().code, "refused");
}

#[test]
fn two_controllers_do_not_share_a_node() {
    let dir = Dir::new();
    let mut first = Agent::claimed(&dir, None, 800);
    let daemon = first.start_daemon("db", &["sleep", "1000"]);
    let mut second = Agent::start(&dir, None);
    let refused = second.claim("second", 60_000, vec![]).unwrap_err();
    assert_eq!(refused.code, "claimed");
    assert!(refused.message.contains("controller test"), "{}", refused.message);
    std::thread::sleep(Duration::from_millis(900));
    second.claim("second", 60_000, vec![]).unwrap();
    // The first one wakes late: nothing it asks for happens.
    for body in [
        Body::Renew { lease_ms: 60_000 },
        Body::Inject(tribunal_agent::protocol::Fault {
            id: 1,
            lease_ms: 1000,
            kind: kill_fault("db"),
        }),
        Body::Start(spec("other", &["sleep", "1000"])),
        Body::HealAll,
        Body::Put { path: "x".into(), offset: 0, data: String::new(), mode: 0o644 },
        Body::Bye,
    ] {
        assert_eq!(first.call(body).unwrap_err().code, "stale-epoch");
    }
    assert_eq!(start_of(daemon.pid), Some(daemon.start));
    let forced = first.claim_run(RUN, "third", 1000, vec![], true);
    assert!(forced.is_ok());
    assert_eq!(second.call(Body::Renew { lease_ms: 1 }).unwrap_err().code, "stale-epoch");
}

#[test]
fn of_controllers_that_race_one_wins() {
    let dir = Dir::new();
    for round in 0..20 {
        let winners: Vec<bool> = std::thread::scope(|scope| {
            let racers: Vec<_> = ["one", "two", "three"]
                .map(|who| {
                    let mut agent = Agent::start(&dir, None);
                    scope.spawn(move || agent.claim(who, 60_000, vec![]).map(|_| agent))
                })
                .into_iter()
                .collect();
            let results: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
            results
                .into_iter()
                .map(|result| match result {
                    Ok(mut agent) => agent.call(Body::Bye).is_ok(),
                    Err(failure) => {
                        assert_eq!(failure.code, "claimed");
                        false
                    }
                })
                .collect()
        });
        let count = winners.iter().filter(|won| **won).count();
        assert_eq!(count, 1, "round {round}: {winners:?}");
    }
}

#[test]
fn a_node_without_a_network_of_its_own_is_never_cut() {
    let dir = Dir::new();
    let mut agent = Agent::start_with(&dir, None, &["--no-network"]);
    agent.claim("test", 60_000, vec![]).unwrap();
    let from = vec!["127.0.0.9".parse().unwrap()];
    let cut = FaultKind::partition(from, vec![], None);
    assert_eq!(agent.inject(1, 60_000, cut).unwrap_err().code, "unsupported");
    assert_eq!(dir.records(), 0);
    let Reply::Probed(rows) = agent.call(Body::Probe).unwrap() else { panic!("no probe") };
    let (links, kinds) = rows.split_at(tribunal_agent::links::all().count());
    assert!(links.iter().all(|row| row.unavailable.is_some()) && kinds[0].unavailable.is_none());
}

#[test]
fn without_rights_processes_are_faulted_and_cuts_are_refused_with_the_reason() {
    let dir = Dir::new();
    let Some(mut agent) = Agent::start_as_nobody(&dir) else { return };
    let Reply::Probed(rows) = agent.call(Body::Probe).unwrap() else { panic!("no probe") };
    assert!(rows[0].unavailable.as_ref().unwrap().contains("needs root"), "{rows:?}");
    let healed = agent.claim("test", 60_000, vec![]).unwrap();
    assert_eq!(healed, ["firewall not looked at: no CAP_NET_ADMIN"]);
    let from = vec!["198.18.77.2".parse().unwrap()];
    let cut = FaultKind::partition(from, vec![], None);
    assert_eq!(agent.inject(1, 60_000, cut).unwrap_err().code, "unsupported");
    agent.start_daemon("db", &["sleep", "1000"]);
    assert!(agent.inject(2, 60_000, kill_fault("db")).unwrap().effective);
    agent.heal(2).unwrap();
    running(agent.status("db"));
    agent.call(Body::Bye).unwrap();
}

#[test]
fn the_next_run_finds_no_daemon_of_the_last() {
    let dir = Dir::new();
    let mut first = Agent::claimed(&dir, None, 60_000);
    let old = first.start_daemon("db", &FAMILY);
    first.call(Body::Bye).unwrap();
    assert!(first.child.wait().unwrap().success());
    assert_eq!(start_of(old.pid), Some(old.start), "Bye leaves daemons running");
    let mut second = Agent::start(&dir, None);
    let healed = second.claim_run("00000002", "next", 60_000, vec![], false).unwrap();
    assert!(healed.iter().any(|line| line.contains("stopped daemon db")), "{healed:?}");
    assert_eq!(session(old), Vec::<i32>::new());
}

#[test]
fn a_hung_up_controller_leaves_no_fault_after_the_grace() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("paused", &["sleep", "1000"]);
    agent.start_daemon("killed", &["sleep", "1000"]);
    agent.inject(1, 60_000, pause_fault("paused")).unwrap();
    agent.inject(2, 60_000, kill_fault("killed")).unwrap();
    agent.hang_up();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(state_of(paused.pid), Some('T'), "no grace for a controller that comes back");
    until("the agent's end", SECOND * 4, || agent.child.try_wait().unwrap().is_some());
    assert_ne!(state_of(paused.pid), Some('T'));
    assert_eq!(dir.records(), 0);
    let mut next = Agent::claimed(&dir, None, 60_000);
    running(next.status("killed"));
}

#[test]
fn a_controller_that_comes_back_in_time_finds_its_faults() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 60_000, pause_fault("db")).unwrap();
    agent.hang_up();
    std::thread::sleep(Duration::from_millis(300));
    let mut back = Agent::claimed(&dir, None, 60_000);
    until("the old agent's end", SECOND * 2, || agent.child.try_wait().unwrap().is_some());
    std::thread::sleep(SECOND * 4);
    assert_eq!(state_of(paused.pid), Some('T'), "the old agent undid what is the new one's");
    assert!(back.verify(1).effective);
    back.heal(1).unwrap();
    assert_ne!(state_of(paused.pid), Some('T'));
}

#[test]
fn the_reaper_undoes_what_a_killed_agent_left() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("paused", &["sleep", "1000"]);
    let killed = agent.start_daemon("killed", &["sleep", "1000"]);
    agent.inject(1, 4_000, pause_fault("paused")).unwrap();
    agent.inject(2, 4_000, kill_fault("killed")).unwrap();
    let reaper = reaper_of(agent.child.id()).expect("a reaper");
    agent.kill_agent();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(state_of(paused.pid), Some('T'), "deadlines stand when the agent dies");
    until("records gone", SECOND * 8, || dir.records() == 0);
    assert_ne!(state_of(paused.pid), Some('T'));
    until("reaper gone", SECOND * 2, || {
        state_of(reaper).is_none_or(|state| matches!(state, 'Z' | 'X'))
    });
    let log = dir.reaper_log();
    assert!(log.contains("started killed again"), "{log}");
    let mut next = Agent::claimed(&dir, None, 60_000);
    assert_eq!(next.claim("other", 1, vec![]).unwrap_err().code, "claimed");
    assert_ne!(running(next.status("killed")), killed);
}

#[test]
fn a_lease_that_nobody_renews_ends_while_the_channel_is_open() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 500, pause_fault("db")).unwrap();
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(state_of(paused.pid), Some('T'), "a renewed lease ended");
        agent.call(Body::Renew { lease_ms: 600 }).unwrap();
    }
    until("the end of the lease", SECOND * 2, || state_of(paused.pid) != Some('T'));
    until("record gone", SECOND, || dir.records() == 0);
    assert!(!agent.verify(1).effective);
    let late = agent.inject(2, 500, pause_fault("db"));
    assert_eq!(late.unwrap_err().code, "refused", "a fault without a living claim");
}

#[test]
fn a_stopped_agent_does_not_keep_a_fault() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 500, pause_fault("db")).unwrap();
    kill(agent.child.id() as i32, "STOP");
    until("the end of the lease", SECOND * 2, || state_of(paused.pid) != Some('T'));
    until("record gone", SECOND, || dir.records() == 0);
    kill(agent.child.id() as i32, "CONT");
    assert!(!agent.verify(1).effective);
}

#[test]
fn an_agent_without_its_reaper_heals_and_gets_another() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 60_000, pause_fault("db")).unwrap();
    let reaper = reaper_of(agent.child.id()).expect("a reaper");
    kill(reaper, "KILL");
    until("healed", SECOND * 2, || state_of(paused.pid) != Some('T'));
    until("another reaper", SECOND * 2, || {
        reaper_of(agent.child.id()).is_some_and(|other| other != reaper)
    });
    until("a new fault", SECOND * 2, || agent.inject(2, 60_000, pause_fault("db")).is_ok());
    agent.heal(2).unwrap();
}

#[test]
fn a_term_signal_undoes_at_once() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 60_000, pause_fault("db")).unwrap();
    kill(agent.child.id() as i32, "TERM");
    let took = until("the end", SECOND * 2, || agent.child.try_wait().unwrap().is_some());
    assert!(took < SECOND, "{took:?}");
    assert_ne!(state_of(paused.pid), Some('T'));
    assert_eq!(dir.records(), 0);
}

#[test]
fn healing_by_hand_needs_the_records_only() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let paused = agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 60_000, pause_fault("db")).unwrap();
    let reaper = reaper_of(agent.child.id()).expect("a reaper");
    kill(reaper, "STOP");
    agent.kill_agent();
    kill(reaper, "KILL");
    assert_eq!(state_of(paused.pid), Some('T'));
    let arguments = ["heal", "--root", &dir.root(), "--volatile", &dir.sub("run")];
    let argv = [&[AGENT][..], &arguments].concat();
    assert_eq!(output(&argv), "", "healed under a living claim without --force");
    assert_eq!(state_of(paused.pid), Some('T'));
    let said = output(&[&argv[..], &["--force"]].concat());
    assert!(said.contains("continued 1 processes of db"), "{said}");
    assert_ne!(state_of(paused.pid), Some('T'));
    assert_eq!(dir.records(), 0);
    let again = output(&[&argv[..], &["--force"]].concat());
    let nothing = ["healed: 0 things undone", "firewall not looked at"];
    assert!(nothing.iter().any(|words| again.contains(words)), "{again}");
}

#[test]
fn a_garbled_channel_ends_the_agent_and_a_strange_request_does_not() {
    let dir = Dir::new();
    let mut agent = Agent::claimed(&dir, None, 60_000);
    let strange = serde_json::json!({"id": 9, "epoch": 1, "deadline_ms": 1, "body": "dance"});
    agent.send_bytes(&tribunal_agent::frame::encode(&strange).unwrap());
    let response = agent.receive().unwrap();
    assert_eq!((response.id, response.result.unwrap_err().code.as_str()), (9, "unsupported"));
    let paused = agent.start_daemon("db", &["sleep", "1000"]);
    agent.inject(1, 60_000, pause_fault("db")).unwrap();
    agent.send_bytes(&[0xff; 64]);
    until("the agent's end", SECOND * 5, || agent.child.try_wait().unwrap().is_some());
    assert_ne!(state_of(paused.pid), Some('T'));
}
