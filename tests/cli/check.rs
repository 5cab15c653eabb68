//! `tribunal check`: verdicts, codes, what is written beside them.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tribunal_history::codec::native::{FrameEncoder, LogHeader};
use tribunal_history::codec::{self, Format, ReadOptions};
use tribunal_history::{Nanos, Observed, Op, Outcome, Process, RegisterOp, Value};

use crate::support::{INVALID, MALFORMED, VALID, code, file, path, stderr, stdout, tribunal};

#[test]
fn check_ends_with_the_code_of_its_verdict() {
    let dir = TempDir::new().expect("a scratch directory");
    let cases = [
        ("valid.edn", VALID, 0, "valid"),
        ("invalid.edn", INVALID, 1, "invalid"),
        ("empty.edn", "", 3, "unknown"),
    ];
    for (name, text, wanted, verdict) in cases {
        let history = file(&dir, name, text);
        let args = ["check", path(&history), "-m", "cas-register", "--format", "edn", "--json"];
        let output = tribunal(&args);
        assert_eq!(code(&output), wanted, "{name}: {}", stderr(&output));
        let json: serde_json::Value =
            serde_json::from_str(&stdout(&output)).expect("stdout is JSON and nothing else");
        assert_eq!(json["verdict"], verdict, "{name}");
        assert!(json["checks"].is_array(), "{name}");
    }
}

/// What stands beside a verdict never takes its place.
#[test]
fn an_anomaly_stays_one_whatever_could_not_be_written() {
    let dir = TempDir::new().expect("a scratch directory");
    let (good, bad) = (file(&dir, "good.edn", VALID), file(&dir, "bad.edn", INVALID));
    let nowhere = dir.path().join("missing/orders.json");
    let orders = |history: &Path| {
        let output = tribunal(&["check", path(history), "--orders", path(&nowhere)]);
        assert!(stderr(&output).contains("missing/orders.json"), "{}", stderr(&output));
        (code(&output), stdout(&output))
    };
    let (ended, told) = orders(&bad);
    assert_eq!(ended, 1, "{told}");
    assert!(told.contains("ANOMALY"), "{told}");
    let (ended, told) = orders(&good);
    assert_eq!(ended, 64, "a file that was asked for is missing: {told}");
    assert!(told.contains("PASS"), "{told}");
    for json in [&[][..], &["--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let status = Command::new(env!("CARGO_BIN_EXE_tribunal"))
            .args(["check", path(&bad)])
            .args(json)
            .stdout(full)
            .status()
            .expect("the binary starts");
        assert_eq!(status.code(), Some(1), "{json:?}");
    }
}

/// Limits decide whether a verdict is reached, so they belong to the command that repeats it.
#[test]
fn the_command_that_repeats_a_check_has_every_flag_that_decides() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "good.edn", VALID);
    let flags = ["--first", "--verify=false", "--time-limit", "5s", "--memory-limit", "1GiB"];
    let said = |flags: &[&str]| {
        let output = tribunal(&[&["check", path(&history)], flags].concat());
        let told = stdout(&output);
        let repro = told.lines().find(|line| line.contains("repro")).expect("a command");
        repro.split_once("good.edn").expect("the history").1.trim().to_owned()
    };
    assert_eq!(said(&[]), "");
    let wanted = "--time-limit 5s --memory-limit 1GiB --first --verify=false";
    assert_eq!(said(&flags), wanted);
}

/// Nobody measured what another's nemesis did: that says nothing about the operations.
#[test]
fn faults_that_a_foreign_history_names_make_no_pass_empty() {
    let dir = TempDir::new().expect("a scratch directory");
    let nemesis = "{:process :nemesis, :type :info, :f :start-partition, :value nil}\n";
    let history = file(&dir, "faults.edn", &format!("{nemesis}{VALID}{nemesis}"));
    let output = tribunal(&["check", path(&history), "-m", "cas-register"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

#[test]
fn levels_of_isolation_are_told_with_what_rules_them_out() {
    let dir = TempDir::new().expect("a scratch directory");
    let skew = "{:process 0, :type :invoke, :f :txn, :value [[:r :x nil] [:append :y 1]]}
{:process 1, :type :invoke, :f :txn, :value [[:r :y nil] [:append :x 1]]}
{:process 0, :type :ok, :f :txn, :value [[:r :x []] [:append :y 1]]}
{:process 1, :type :ok, :f :txn, :value [[:r :y []] [:append :x 1]]}
";
    let history = file(&dir, "skew.edn", skew);
    let judged = |level: &str| {
        let args = ["check", path(&history), "-m", "list-append", "-c", level, "--json"];
        let output = tribunal(&args);
        let json = serde_json::from_str(&stdout(&output)).expect("stdout is JSON");
        (code(&output), json)
    };
    let (code, json): (i32, serde_json::Value) = judged("serializable");
    assert_eq!((code, &json["findings"][0]["kind"]), (1, &"G2-item".into()));
    let levels = &json["checks"][0]["levels"];
    assert_eq!(levels["not"], serde_json::json!([["repeatable-read", "G2-item"]]));
    let holds = serde_json::json!(["strong-snapshot-isolation", "strong-read-committed"]);
    assert_eq!(levels["holds"][0], holds[0], "{levels}");
    assert_eq!(judged("snapshot-isolation").0, 0);
}

#[test]
fn a_malformed_history_names_its_place_and_hides_no_anomaly() {
    let dir = TempDir::new().expect("a scratch directory");
    let bad = file(&dir, "bad.edn", MALFORMED);
    let alone = tribunal(&["check", path(&bad), "-m", "cas-register"]);
    assert_eq!(code(&alone), 64);
    let words = stderr(&alone);
    assert!(words.contains("bad.edn:1"), "{words}");
    let invalid = file(&dir, "invalid.edn", INVALID);
    let both = tribunal(&["check", path(&bad), path(&invalid), "-m", "cas-register"]);
    assert_eq!(code(&both), 1, "an anomaly is never hidden: {}", stderr(&both));
}

#[test]
fn a_history_that_is_cut_short_is_never_called_valid() {
    let dir = TempDir::new().expect("a scratch directory");
    let written = |text: &str| {
        let options = ReadOptions::default();
        let read = codec::read(text.as_bytes(), Some(Format::Edn), &options).expect("a history");
        let mut log = Vec::new();
        codec::write(&read.history, Format::Native, &mut log).expect("memory takes it");
        log
    };
    let judged = |name: &str, bytes: &[u8]| {
        let history = dir.path().join(name);
        std::fs::write(&history, bytes).expect("scratch files can be written");
        let args = ["check", path(&history), "-m", "cas-register", "--dialect", "knossos"];
        let output = tribunal(&args);
        (code(&output), stdout(&output) + &stderr(&output))
    };
    let (valid, invalid) = (written(VALID), written(INVALID));
    assert_eq!(judged("whole.log", &valid).0, 0);
    assert_eq!(judged("invalid.log", &invalid).0, 1);
    // Without its last frame the log has no end, although no frame is damaged.
    for cut in (1..valid.len()).step_by(3) {
        let (code, words) = judged("cut.log", &valid[..cut]);
        assert!(matches!(code, 2 | 64), "cut at {cut}: {code}\n{words}");
        let said = ["torn", "no end", "header", "known format"];
        assert!(said.iter().any(|word| words.contains(word)), "cut at {cut}:\n{words}");
    }
    let mut flipped = valid.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    assert_eq!(judged("flipped.log", &flipped).0, 2);
}

#[test]
fn wrong_flags_of_check_are_said_once_and_say_what_there_is() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "valid.edn", VALID);
    for (flag, value, known) in [
        ("-m", "regsiter", "register, cas-register"),
        ("-m", "stats", "register, cas-register"),
        ("-c", "strict", "linearizable"),
        ("-c", "causal", "linearizable"),
        ("--format", "xml", "native, jsonl, edn, porcupine"),
        ("--dialect", "x", "tribunal, etcd, knossos"),
        ("--time-limit", "5", "5s"),
        ("--memory-limit", "5x", "KiB"),
    ] {
        let output = tribunal(&["check", path(&history), path(&history), flag, value]);
        let words = stderr(&output);
        assert_eq!((code(&output), words.lines().count()), (64, 1), "{flag} {value}: {words}");
        assert!(words.contains(flag) || words.contains(value), "{words}");
        assert!(words.contains(known), "{words}");
    }
}

#[test]
fn check_writes_a_page_where_asked_and_the_verdict_stands_where_it_cannot() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "bad.edn", INVALID);
    let page = dir.path().join("bad.html");
    let run = |page: &Path| {
        tribunal(&["check", path(&history), "-m", "cas-register", "--report", path(page)])
    };
    let output = run(&page);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains(path(&page)), "{}", stdout(&output));
    let text = std::fs::read_to_string(&page).expect("the page was written");
    assert!(text.contains("<svg class=\"proof\"") && text.contains("id=\"findings\""));
    assert!(!text.contains("id=\"environment\"") && !text.contains("id=\"faults\""));
    let output = run(&dir.path().join("no/such/place.html"));
    assert_eq!(code(&output), 1, "an anomaly is hidden by nothing");
    assert!(stderr(&output).contains("place.html"), "{}", stderr(&output));
    let two = tribunal(&["check", path(&history), path(&history), "--report", path(&page)]);
    assert_eq!(code(&two), 64);
    assert!(stderr(&two).contains("one input"), "{}", stderr(&two));
}

#[test]
fn a_directory_that_is_no_run_is_said_to_be_none() {
    let dir = TempDir::new().expect("a scratch directory");
    for command in [&["check"][..], &["report"]] {
        let output = tribunal(&[command, &[path(dir.path())]].concat());
        assert_eq!(code(&output), 64);
        assert!(stderr(&output).contains("is not a run"), "{}", stderr(&output));
    }
}

/// Believed, the late reply would make the last read stale.
#[test]
fn a_late_reply_is_told_and_changes_no_verdict() {
    let key = || Value::Int(0);
    let write = |value| Op::Register(RegisterOp::Write { key: key(), value: Value::Int(value) });
    let read = |value| Op::Register(RegisterOp::Read { key: key(), value });
    let mut log = FrameEncoder::new(&LogHeader::default());
    let mut bytes = log.header_bytes().to_vec();
    let mut add = |process, outcome, op: &Op, at| {
        let (process, from, to) = (Process(process), Nanos(at), Nanos(at + 5));
        log.invoke(process, None, None, &op.pending(), from).expect("fits");
        log.complete(process, outcome, Some(op), None, from, to).expect("fits");
    };
    add(0, Outcome::Ok, &write(1), 10);
    add(1, Outcome::Info, &write(2), 20);
    add(2, Outcome::Ok, &read(Observed::Present(Value::Int(1))), 40);
    log.late(Process(1), Outcome::Ok, Some(&write(2)), None, Nanos(30)).expect("fits");
    log.end(Nanos(60), "done").expect("fits");
    bytes.extend_from_slice(log.frame().expect("something"));

    let dir = TempDir::new().expect("a scratch directory");
    let history = dir.path().join("history.log");
    std::fs::write(&history, bytes).expect("scratch files can be written");
    let output = tribunal(&["check", path(&history), "-m", "register"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output) + &stderr(&output));
    let sentence = "1 operation was answered after its deadline; it stays info";
    assert!(stdout(&output).contains(sentence), "{}", stdout(&output));
    let output = tribunal(&["check", path(&history), "-m", "register", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("json");
    assert_eq!(json["late_replies"], serde_json::json!({ "ok": 1, "failed": 0 }));
}

#[test]
fn orders_and_settings_of_check_do_what_they_say() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "valid.edn", VALID);
    let orders = dir.path().join("orders.json");
    let args = ["check", path(&history), "--orders", path(&orders), "--engine", "search"];
    assert_eq!(code(&tribunal(&args)), 0);
    let text = std::fs::read_to_string(&orders).expect("the orders");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let order = json[0]["order"].as_array().expect("an order");
    let operations: Vec<u64> =
        order.iter().map(|step| step["operation"].as_u64().expect("a position")).collect();
    assert_eq!(operations, [0, 1]);
    for (model, option, known) in [
        ("semaphore", "permits", "NAME=VALUE"),
        ("semaphore", "permit=2", "permits"),
        ("semaphore", "permits=many", "permits=many"),
        ("mutex", "permits=2", "none"),
    ] {
        let output = tribunal(&["check", path(&history), "-m", model, "--option", option]);
        let words = stderr(&output);
        assert_eq!((code(&output), words.lines().count()), (64, 1), "{words}");
        assert!(words.contains(known), "{words}");
    }
    let output = tribunal(&["check", path(&history), "-m", "mutex", "--init", "1"]);
    assert_eq!(code(&output), 64, "{}", stderr(&output));
}

#[test]
fn where_nobody_reads_stderr_the_code_is_still_right() {
    let dir = TempDir::new().expect("a scratch directory");
    let invalid = file(&dir, "invalid.edn", INVALID);
    let nowhere = dir.path().join("nowhere.edn");
    for (input, expected) in [(&nowhere, 64), (&invalid, 1)] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let status = Command::new(env!("CARGO_BIN_EXE_tribunal"))
            .args(["check", path(input), "-m", "register"])
            .stdout(Stdio::null())
            .stderr(full)
            .status()
            .expect("the binary starts");
        assert_eq!(status.code(), Some(expected), "{}", input.display());
    }
}

/// A directory of logs of Cobra's clients is one history; the anomaly in it has its own code.
#[test]
fn logs_of_clients_of_cobra_are_a_history() {
    let dir = TempDir::new().expect("a scratch directory");
    let log = |name: &str, records: &[(u8, &[i64])]| {
        let mut bytes = Vec::new();
        for (kind, ints) in records {
            bytes.push(*kind);
            ints.iter().for_each(|int| bytes.extend(int.to_be_bytes()));
        }
        std::fs::write(dir.path().join(name), bytes).expect("scratch files can be written");
    };
    let check = |more: &[&str]| {
        tribunal(&[&["check", path(dir.path()), "-m", "rw-register", "-c"], more].concat())
    };
    // Writes 7 and 8 are of one transaction; another one sees 7, and of 8 nothing.
    log("T0.log", &[(b'S', &[1]), (b'W', &[7, 1, 0]), (b'W', &[8, 2, 0]), (b'C', &[1])]);
    let unwritten = 0xbebe_ebee;
    let reads: [(u8, &[i64]); 4] =
        [(b'S', &[2]), (b'R', &[1, 7, 1, 0]), (b'R', &[unwritten, unwritten, 2, 0]), (b'C', &[2])];
    log("T1.log", &reads);
    assert_eq!(code(&check(&["read-committed"])), 0);
    let output = check(&["read-atomic"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains("non-monotonic-view"), "{}", stdout(&output));

    log("T1.log", &reads[1..]);
    let output = check(&["read-atomic", "--format", "cobra"]);
    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("T1.log, byte 0: R outside"), "{}", stderr(&output));

    let copy = dir.path().join("copy.jsonl");
    log("T1.log", &reads);
    assert_eq!(code(&tribunal(&["convert", path(dir.path()), path(&copy)])), 0);
    let args = ["check", path(&copy), "-m", "rw-register", "-c", "read-atomic"];
    assert_eq!(code(&tribunal(&args)), 1);
    let output = tribunal(&["convert", path(&copy), path(&copy), "--to", "cobra"]);
    assert_eq!(code(&output), 64);
}
