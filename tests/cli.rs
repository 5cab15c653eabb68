//! The program as its users meet it: exit codes, streams, and errors that say what to do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tribunal_history::codec::native::{FrameEncoder, LogHeader};
use tribunal_history::codec::{self, Format, ReadOptions};
use tribunal_history::{Nanos, Observed, Op, Outcome, Process, RegisterOp, Value};

fn tribunal(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tribunal"))
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("scratch files can be written");
    path
}

fn path(path: &Path) -> &str {
    path.to_str().expect("scratch paths are text")
}

const VALID: &str = "{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}
";

const INVALID: &str = "{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 2}
";

const MALFORMED: &str = "{:process 0, :type :ok, :f :write, :value 1}\n";

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

/// One frame with one block that is stored as it is (RFC 8878, 3.1.1).
fn zstd(text: &str) -> Vec<u8> {
    let size = u8::try_from(text.len()).expect("a short text");
    let block = (u32::from(size) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, size], &block[..3], text.as_bytes()].concat()
}

#[test]
fn packed_histories_are_judged_and_torn_ones_say_what_to_do() {
    let dir = TempDir::new().expect("a scratch directory");
    let packed = zstd(INVALID);
    let (whole, torn) = (dir.path().join("whole.edn.zst"), dir.path().join("torn.edn.zst"));
    std::fs::write(&whole, &packed).expect("scratch files can be written");
    std::fs::write(&torn, &packed[..packed.len() - 9]).expect("scratch files can be written");
    assert_eq!(code(&tribunal(&["check", path(&whole)])), 1);
    let output = tribunal(&["check", path(&torn)]);
    assert_eq!(code(&output), 64, "what is left is valid, and judged by nobody");
    let wanted = format!("{}: packed with zstd, and damaged or cut short", path(&torn));
    assert!(stderr(&output).contains(&wanted), "{}", stderr(&output));
    assert!(stderr(&output).contains("copy it again"), "{}", stderr(&output));
    let output = tribunal(&["check", path(&whole), "--memory-limit", "100"]);
    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("unpacks to more than 100 bytes"), "{}", stderr(&output));
}

#[test]
fn the_same_events_mean_the_same_as_edn_and_as_json() {
    let dir = TempDir::new().expect("a scratch directory");
    let edn = VALID.replace(":f :read, :value 1", ":f :read, :value nil");
    let json = edn.replace(":process", "\"process\":").replace(":type :", "\"type\": \"");
    let json = json.replace(":f :", "\"f\": \"").replace("nil", "null");
    let json = json.replace(":value", "\"value\":").replace("invoke,", "invoke\",");
    let json = json.replace("ok,", "ok\",").replace("write,", "write\",");
    let json = json.replace("read,", "read\",");
    for (name, text) in [("nil.edn", &edn), ("nil.json", &json)] {
        let output = tribunal(&["check", path(&file(&dir, name, text)), "--json"]);
        assert_eq!(code(&output), 0, "{text}{}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("\"dialect\": \"knossos\""), "{}", stdout(&output));
    }
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

#[test]
fn usage_errors_end_with_64_and_help_with_0() {
    for args in [
        &["frobnicate"][..],
        &["run", "--colour"],
        &["run"],
        &["run", "--target", "nope"],
        &["run", "--target", "raftkv", "--workload", "nope"],
        &["run", "--target", "raftkv", "--nemesis", "quake"],
        &["run", "--target", "raftkv", "--time", "30"],
        &["run", "--target", "raftkv", "--time", "0s"],
        &["run", "--target", "raftkv", "--nodes", "local:0"],
        &["run", "no-such-suite.toml"],
        &["check", "no-such-file"],
        &["check", "Cargo.toml", "-m", "nope"],
        &["report", "no-such-run"],
        &["check", "latest", "--runs-dir", "no-such-directory"],
        &["down", "no-such-inventory.toml"],
    ] {
        let output = tribunal(args);
        assert_eq!(code(&output), 64, "{args:?}: {}{}", stdout(&output), stderr(&output));
        assert!(!stderr(&output).is_empty(), "{args:?} says why");
    }
    assert_eq!(code(&tribunal(&["--help"])), 0);
    assert_eq!(code(&tribunal(&["--version"])), 0);
}

#[test]
fn what_a_suite_says_wrongly_is_named_with_its_place() {
    let dir = TempDir::new().expect("a scratch directory");
    let head = "schema = 1\n[target]\nname = \"raftkv\"\n";
    for (text, place) in [
        ("[load]\nrate = -3\n", "s.toml:5:8"),
        ("[load]\nconcurrency = \"x\"\n", "s.toml:5:15"),
        ("[load]\nconcurrency = \"3689348814741910324n\"\n", "s.toml:5:15"),
        ("[load]\ntime = \"0s\"\n", "s.toml:5:8"),
        ("[check]\nlive = \"on\"\n", "s.toml:5:8"),
        ("bugs = [\"nope\"]\n", "s.toml:4:9"),
        ("options = { nope = 1 }\n", "s.toml:4:20"),
        ("[workload]\nname = \"nope\"\n", "s.toml:5:8"),
        ("[workload]\nname = \"register\"\noptions = { nope = 1 }\n", "s.toml:6:20"),
    ] {
        let suite = file(&dir, "s.toml", &format!("{head}{text}"));
        for command in ["plan", "run"] {
            let output = tribunal(&[command, path(&suite)]);
            let words = stderr(&output);
            assert_eq!(code(&output), 64, "{command} {text}: {words}{}", stdout(&output));
            assert!(words.contains(place), "{command} {text}: {words}");
        }
    }
    let output = tribunal(&["plan", "--target", "nope", "--nodes", "local:3"]);
    assert_eq!(code(&output), 64, "{}", stdout(&output));
}

#[test]
fn a_run_that_cannot_begin_leaves_no_directory() {
    let dir = TempDir::new().expect("a scratch directory");
    let runs = dir.path().join("runs");
    let suite = &["run", "suites/quickstart.toml", "--runs-dir", path(&runs)];
    for (flags, wanted) in
        [(&["--time", "100ms"][..], 64), (&["--nodes", "127.0.0.1:1", "--nemesis", "none"], 69)]
    {
        let output = tribunal(&[suite, flags].concat());
        assert_eq!(code(&output), wanted, "{flags:?}: {}", stderr(&output));
        let left = std::fs::read_dir(&runs).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{flags:?} left something below {}", runs.display());
    }
}

#[test]
fn a_wrong_suite_key_is_named_with_its_place() {
    let dir = TempDir::new().expect("a scratch directory");
    let suite = file(&dir, "s.toml", "schema = 1\n[load]\nconcurency = 3\n");
    let output = tribunal(&["run", path(&suite)]);
    assert_eq!(code(&output), 64);
    let words = stderr(&output);
    assert!(words.contains("s.toml:3:1") && words.contains("concurency"), "{words}");
}

#[test]
fn a_plan_is_the_same_bytes_each_time() {
    let plan = |seed: &str| {
        let args = ["plan", "suites/quickstart.toml", "--seed", seed, "--time", "12s", "--json"];
        let output = tribunal(&args);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        output.stdout
    };
    assert_eq!(plan("7"), plan("7"));
    assert_ne!(plan("7"), plan("8"));
}

#[test]
fn every_suite_that_ships_can_be_planned() {
    let listed = stdout(&tribunal(&["list", "suites"]));
    assert!(listed.contains("suites/negative/raftkv-lost-write.toml"), "{listed}");
    for suite in listed.lines() {
        let output = tribunal(&["plan", suite, "--seed", "1"]);
        assert_eq!(code(&output), 0, "{suite}: {}", stderr(&output));
        assert!(stdout(&output).contains("F0 "), "{suite} plans no fault");
    }
}

#[test]
fn an_unreachable_node_is_infrastructure() {
    let output = tribunal(&[
        "run",
        "--target",
        "raftkv",
        "--nodes",
        "127.0.0.1:1,127.0.0.1:2",
        "--time",
        "1s",
    ]);
    assert_eq!(code(&output), 69, "{}", stderr(&output));
    assert!(stderr(&output).contains("127.0.0.1"), "{}", stderr(&output));
}

#[test]
fn everything_can_be_listed() {
    let output = tribunal(&["list"]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    for name in ["raftkv", "etcd", "register", "partition", "kill", "pause", "linearizable"] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
}

/// The text of a check, without the names of scratch files and of what is said on stderr.
fn told(format: &str, name: &str, history: &[u8], args: &[&str]) -> String {
    let dir = TempDir::new().expect("a scratch directory");
    let history_path = dir.path().join(name);
    std::fs::write(&history_path, history).expect("scratch files can be written");
    let output = tribunal(&[&["check", path(&history_path), "--format", format], args].concat());
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    stdout(&output).replace(path(dir.path()), "DIR")
}

#[test]
fn the_witness_of_a_porcupine_log_can_be_followed() {
    let log = "INFO  jepsen.util - 0\t:invoke\t:write\t1\n\
               INFO  jepsen.util - 0\t:ok\t:write\t1\n\
               INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]\n\
               INFO  jepsen.util - 2\t:invoke\t:read\tnil\n\
               INFO  jepsen.util - 1\t:info\t:cas\t:timed-out\n\
               INFO  jepsen.util - 2\t:ok\t:read\t2\n\
               INFO  jepsen.util - 2\t:invoke\t:read\tnil\n\
               INFO  jepsen.util - 2\t:ok\t:read\t1\n";
    let text = told("porcupine", "etcd.log", log.as_bytes(), &[]);
    expect_test::expect_file!["snapshots/witness-porcupine.txt"].assert_eq(&text);
}

#[test]
fn the_witness_of_a_knossos_history_can_be_followed() {
    let edn = "{:process 0, :type :invoke, :f :acquire, :value nil}
{:process 1, :type :invoke, :f :acquire, :value nil}
{:process 0, :type :ok, :f :acquire, :value nil}
{:process 0, :type :invoke, :f :release, :value nil}
{:process 0, :type :ok, :f :release, :value nil}
{:process 2, :type :invoke, :f :acquire, :value nil}
{:process 1, :type :ok, :f :acquire, :value nil}
{:process 2, :type :ok, :f :acquire, :value nil}
";
    let text = told("edn", "mutex.edn", edn.as_bytes(), &["-m", "mutex"]);
    expect_test::expect_file!["snapshots/witness-knossos.txt"].assert_eq(&text);
}

#[test]
fn the_witness_of_a_native_log_can_be_followed() {
    let drawing = "
        p0 |--w1--|         |--w2--?
        p1            |--r1--|  |--r2--|
        p2                                |--r1--|";
    let history = tribunal_history::drawn::parse(drawing).expect("a drawing");
    let events = history.events().map(|mut event| {
        event.time = tribunal_history::Nanos::from_millis(event.time.0);
        event
    });
    let history = tribunal_history::History::new(events, Vec::new()).expect("a history");
    let mut log = Vec::new();
    codec::write(&history, Format::Native, &mut log).expect("memory takes it");
    let text = told("native", "history.log", &log, &["-m", "register"]);
    expect_test::expect_file!["snapshots/witness-native.txt"].assert_eq(&text);
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
fn convert_says_what_is_lost_and_leaves_nothing_half_done() {
    let dir = TempDir::new().expect("a scratch directory");
    let text = "w 0 1\n=====\nr 0 1\n-----\nr 1 0\n";
    let sessions = file(&dir, "sessions.txt", text);
    let edn = dir.path().join("sessions.edn");
    let output = tribunal(&["convert", path(&sessions), path(&edn)]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).ends_with("sessions.edn: 3 operations as edn\n"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).contains("the format has no times"), "{}", stderr(&output));
    assert!(stderr(&output).contains("lost in edn: 1 order that is none"), "{}", stderr(&output));
    // And back, whatever the endings say.
    let back = dir.path().join("back.edn");
    let args = ["convert", path(&edn), path(&back), "--from", "edn", "--to", "awdit"];
    assert_eq!(code(&tribunal(&args)), 0);
    assert_eq!(std::fs::read_to_string(&back).expect("written"), text);
    let refused = [
        (vec![path(&edn), "x.porcupine"], "says no format; name one with --to"),
        (
            vec![path(&edn), "x.edn", "--to", "nonsense"],
            "--to \"nonsense\" is not known; there are",
        ),
        (vec![path(&edn), "x.log", "--from", "polysi"], "sessions.edn:1:1:"),
        (vec!["no-such-file", "x.edn"], "no-such-file"),
    ];
    for (args, part) in refused {
        let output = tribunal(&[&["convert"], &args[..]].concat());
        assert_eq!(code(&output), 64, "{args:?}");
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
    let register = file(&dir, "valid.edn", VALID);
    let out = dir.path().join("out.json");
    let output = tribunal(&["convert", path(&register), path(&out), "--to", "dbcop"]);
    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("not the value nil"), "{}", stderr(&output));
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a directory").collect();
    assert_eq!(left.len(), 4, "{left:?}");
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

#[test]
fn a_compare_and_set_that_timed_out_asserts_nothing_in_any_format() {
    let dir = TempDir::new().expect("a scratch directory");
    for class in ["timeout", "no-leader"] {
        let failed = format!("\"op\":{CAS},\"error\":\"{class}\"}}");
        let text = format!(
            "{{\"schema\":\"tribunal.history\",\"schema_version\":1}}\n\
             {{\"id\":0,\"time\":1,\"process\":0,\"kind\":\"invoke\",\"op\":{WRITE}}}\n\
             {{\"id\":1,\"time\":5,\"process\":0,\"kind\":\"ok\",\"op\":{WRITE}}}\n\
             {{\"id\":2,\"time\":6,\"process\":1,\"kind\":\"invoke\",\"op\":{CAS}}}\n\
             {{\"id\":3,\"time\":7,\"process\":1,\"kind\":\"fail\",{failed}\n"
        );
        let told = file(&dir, &format!("{class}.jsonl"), &text);
        let log = dir.path().join(format!("{class}.log"));
        let converted = tribunal(&["convert", path(&told), path(&log), "--to", "porcupine"]);
        assert_eq!(code(&converted), 0, "{}", stderr(&converted));
        for history in [&told, &log] {
            let checked = tribunal(&["check", path(history), "-m", "cas-register"]);
            assert_eq!(code(&checked), 0, "{}", stdout(&checked));
        }
    }
}

#[test]
fn a_copy_never_takes_the_place_of_what_was_recorded() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "h.edn", "{:process 0, :type :invoke, :f :read, :value nil}\n");
    let before = std::fs::read(&history).expect("it is there");
    let link = dir.path().join("link.edn");
    std::os::unix::fs::symlink(&history, &link).expect("a link");
    for output in [&history, &link] {
        let converted = tribunal(&["convert", path(&history), path(output)]);
        assert_eq!(code(&converted), 64, "{}", stdout(&converted));
        assert!(stderr(&converted).contains("is the input too"), "{}", stderr(&converted));
    }
    assert_eq!(std::fs::read(&history).expect("it is there"), before);
}

#[test]
fn what_stands_in_a_directory_is_not_the_place_of_a_run() {
    let dir = TempDir::new().expect("a scratch directory");
    for name in ["suite.toml", "plan.json", "history.log", ".report.html.tmp", "logs", "notes"] {
        let out = dir.path().join(format!("with {name}"));
        std::fs::create_dir(&out).expect("a directory");
        std::fs::write(out.join(name), "mine").expect("a file");
        let run = ["run", "--target", "raftkv", "--nodes", "127.0.0.9", "--out", path(&out)];
        let refused = tribunal(&run);
        assert_eq!(code(&refused), 64, "{}", stderr(&refused));
        assert!(stderr(&refused).contains(&format!("there is {name};")), "{name}");
        assert_eq!(std::fs::read_to_string(out.join(name)).expect("it stays"), "mine");
        assert_eq!(std::fs::read_dir(&out).expect("a directory").count(), 1);
    }
    for link in ["history.log", "cluster"] {
        let out = dir.path().join(format!("linked {link}"));
        std::fs::create_dir(&out).expect("a directory");
        std::os::unix::fs::symlink("nowhere", out.join(link)).expect("a link");
        let refused =
            tribunal(&["run", "--target", "raftkv", "--nodes", "127.0.0.9", "--out", path(&out)]);
        assert_eq!(code(&refused), 64, "{}", stderr(&refused));
        assert!(out.join(link).is_symlink(), "it stays");
    }
    let nowhere = dir.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &nowhere).expect("a link");
    let run = ["run", "--target", "raftkv", "--nodes", "127.0.0.9", "--out", path(&nowhere)];
    let refused = tribunal(&run);
    assert_eq!(code(&refused), 64, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("is no directory; name one"), "{}", stderr(&refused));
}

#[test]
fn a_flag_is_blamed_for_what_it_says_and_the_suite_for_the_rest() {
    let dir = TempDir::new().expect("a scratch directory");
    let suite = "schema = 1\n[target]\nname = \"raftkv\"\noptions = { bogus = 1 }\n\
                 [workload]\nname = \"register\"\n[load]\nconcurrency = 0\n";
    let bad = file(&dir, "bad.toml", suite);
    let good = suite.replace("{ bogus = 1 }", "{}").replace("= 0", "= 3");
    let good = file(&dir, "good.toml", &good);
    let said = |suite: &std::path::Path, flags: &[&str]| {
        let refused = tribunal(&[&["plan", path(suite)], flags].concat());
        assert_eq!(code(&refused), 64, "{flags:?}: {}", stdout(&refused));
        stderr(&refused).replace(path(dir.path()), "")
    };
    assert!(said(&bad, &[]).contains("/bad.toml:4:"), "{}", said(&bad, &[]));
    for flags in
        [&["--concurrency", "0"][..], &["--bug", "nope"], &["-o", "foo=1"], &["-w", "values=odd"]]
    {
        let said = said(&good, flags);
        assert!(!said.contains("good.toml:"), "{flags:?}: {said}");
    }
}

#[test]
fn what_is_no_file_is_written_and_never_replaced() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "h.edn", "{:process 0, :type :invoke, :f :read, :value nil}\n");
    let (link, real) = (dir.path().join("link.jsonl"), dir.path().join("real.jsonl"));
    std::fs::write(&real, "old").expect("a file");
    std::os::unix::fs::symlink("real.jsonl", &link).expect("a link");
    let converted = tribunal(&["convert", path(&history), path(&link)]);
    assert_eq!(code(&converted), 0, "{}", stderr(&converted));
    assert!(link.is_symlink());
    assert!(std::fs::read_to_string(&real).expect("it is there").contains("tribunal.history"));
    for (device, expected) in [("/dev/null", 0), ("/dev/full", 69)] {
        let mut command = Command::new("/usr/bin/unshare");
        // What goes wrong here goes wrong in a mount of its own.
        let script = "mount -t tmpfs tmpfs /mnt && mknod /mnt/it c 1 $1 && shift && \
                      { \"$@\"; code=$?; test -c /mnt/it && exit $code; }";
        let minor = if device == "/dev/null" { "3" } else { "7" };
        command.args(["-m", "sh", "-c", script, "sh", minor, env!("CARGO_BIN_EXE_tribunal")]);
        command.args(["convert", path(&history), "/mnt/it", "--to", "jsonl"]);
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let ended = command.output().expect("it starts");
        assert_eq!(code(&ended), expected, "{device}: {}", stderr(&ended));
    }
}

/// Before anything starts, and without a trace.
#[test]
fn a_path_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = TempDir::new().expect("a scratch directory");
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    for words in [
        &["up", "--nodes", "local:1", "--dir"][..],
        &["run", "--target", "raftkv", "--nodes", "processes:3", "--out"],
        &["check", "-m", "register"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
        let output = command.args(words).arg(odd).current_dir(dir.path()).output();
        let output = output.expect("the binary starts");
        assert_eq!(code(&output), 64, "{words:?}");
        assert!(stderr(&output).contains("is not UTF-8; rename it"), "{}", stderr(&output));
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "{words:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_says_what_to_do() {
    let dir = TempDir::new().expect("a scratch directory");
    let file = file(&dir, "file", "mine");
    let below = file.join("below");
    for words in [
        &["up", "--nodes", "local:1", "--dir", path(&below)][..],
        &["run", "--target", "raftkv", "--nodes", "processes:3", "--out", path(&below)],
    ] {
        let output = tribunal(words);
        assert_eq!(code(&output), 64, "{}", stderr(&output));
        let advice = "name a directory that can be made";
        assert!(stderr(&output).contains(advice), "{}", stderr(&output));
    }
}

#[test]
fn lists_are_data_where_asked() {
    let listed = tribunal(&["list", "--json"]);
    assert_eq!(code(&listed), 0, "{}", stderr(&listed));
    let lists: serde_json::Value = serde_json::from_str(&stdout(&listed)).expect("json");
    let named = |list: &str, name: &str| {
        lists[list].as_array().is_some_and(|all| all.iter().any(|it| it["name"] == name))
    };
    assert!(named("targets", "raftkv") && named("workloads", "append") && named("faults", "kill"));
    let dir = TempDir::new().expect("a scratch directory");
    let runs = tribunal(&["--runs-dir", path(dir.path()), "list", "runs", "--json"]);
    assert_eq!(stdout(&runs).trim(), "[]");
}

#[test]
fn what_nil_means_goes_with_a_history_into_other_formats() {
    let dir = TempDir::new().expect("a scratch directory");
    let nil = r#"{"f":"read","key":null,"value":null}"#;
    let text = format!(
        "{{\"schema\":\"tribunal.history\",\"schema_version\":1}}\n\
         {{\"id\":0,\"time\":1,\"process\":0,\"kind\":\"invoke\",\"op\":{WRITE}}}\n\
         {{\"id\":1,\"time\":5,\"process\":0,\"kind\":\"ok\",\"op\":{WRITE}}}\n\
         {{\"id\":2,\"time\":6,\"process\":1,\"kind\":\"invoke\",\"op\":{nil}}}\n\
         {{\"id\":3,\"time\":7,\"process\":1,\"kind\":\"ok\",\"op\":{nil}}}\n"
    );
    let ours = file(&dir, "ours.jsonl", &text);
    let jepsen = "{:process 0, :type :invoke, :f :write, :value 1}
        {:process 0, :type :ok, :f :write, :value 1}
        {:process 1, :type :invoke, :f :read, :value nil}
        {:process 1, :type :ok, :f :read, :value nil}";
    let theirs = file(&dir, "theirs.edn", jepsen);
    // In ours a read of nil saw nothing; in Jepsen's it asserts nothing.
    for (history, expected) in [(&ours, 1), (&theirs, 0)] {
        for ending in ["edn", "jsonl", "log"] {
            let other = dir.path().join(format!("other.{ending}"));
            let back = dir.path().join("back.jsonl");
            for (from, to) in [(history, &other), (&other, &back)] {
                let converted = tribunal(&["convert", path(from), path(to)]);
                assert_eq!(code(&converted), 0, "{}", stderr(&converted));
                let checked = tribunal(&["check", path(to), "-m", "register"]);
                assert_eq!(code(&checked), expected, "{ending}: {}", stdout(&checked));
            }
        }
        let log = dir.path().join("porcupine");
        let to = ["convert", path(history), path(&log), "--to", "porcupine"];
        let converted = tribunal(&to);
        let says = stderr(&converted).contains("--dialect knossos");
        assert_eq!(says, expected == 0, "{}", stderr(&converted));
    }
}

const WRITE: &str = r#"{"f":"write","key":null,"value":1}"#;
const CAS: &str = r#"{"f":"cas","key":null,"from":1,"to":2}"#;
