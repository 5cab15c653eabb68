//! Witnesses of three formats, as text a person follows.

use tempfile::TempDir;
use tribunal_history::codec::{self, Format};

use crate::support::{code, path, stderr, stdout, tribunal};

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
    expect_test::expect_file!["../snapshots/witness-porcupine.txt"].assert_eq(&text);
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
    expect_test::expect_file!["../snapshots/witness-knossos.txt"].assert_eq(&text);
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
    expect_test::expect_file!["../snapshots/witness-native.txt"].assert_eq(&text);
}
