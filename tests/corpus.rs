//! Histories of other people, with verdicts that are known: the program must agree with each.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Labels of one folder: file, initial value where the model has one, expected verdict.
fn labels(folder: &Path, wanted: &str) -> Vec<(PathBuf, String, String)> {
    let path = folder.join("verdicts.tsv");
    let text = std::fs::read_to_string(&path).expect("a folder of the corpus has its verdicts");
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().expect("file, model and verdict").to_string();
        let (file, model, expected) = (folder.join(next()), next(), next());
        if let Some(init) = model.strip_prefix(wanted) {
            rows.push((file, init.to_string(), expected));
        }
    }
    rows
}

/// What `tribunal check` says, with its exit code. The format is found by the program.
fn judge(file: &Path, model: &str, more: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_tribunal"))
        .arg("check")
        .arg(file)
        .args(["-m", model, "--json"])
        .args(more)
        .output()
        .expect("the binary starts");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(json["checks"].is_array(), "{}", file.display());
    let verdict = json["verdict"].as_str().expect("a verdict").to_string();
    (verdict, output.status.code())
}

/// Nothing ever succeeded in these two: valid, and yet the exit code says that it means nothing.
const NOTHING_SUCCEEDED: [&str; 2] =
    ["mongodb-v0-ack-rollback-9.edn", "mongodb-v0-ack-rollback-10.edn"];

#[test]
fn every_cas_register_of_the_corpus_gets_its_verdict() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !corpus.is_dir() {
        println!("skipped: the corpus {} is missing", corpus.display());
        return;
    }
    for folder in ["porcupine", "knossos", "elle-cli"] {
        let rows = labels(&corpus.join(folder), "linearizable/cas-register init=");
        assert!(!rows.is_empty(), "{folder} has registers");
        for (file, init, expected) in rows {
            let hollow = NOTHING_SUCCEEDED.iter().any(|name| file.ends_with(name));
            let wanted = match (expected.as_str(), hollow) {
                ("valid", true) => ("valid", 3),
                ("valid", false) => ("valid", 0),
                ("invalid", _) => ("invalid", 1),
                ("none", _) => ("unknown", 3),
                (other, _) => panic!("{}: unknown label {other:?}", file.display()),
            };
            for more in [&[][..], &["--init", &init]] {
                let (verdict, code) = judge(&file, "cas-register", more);
                let got = (verdict.as_str(), code.expect("it was not killed"));
                assert_eq!(got, wanted, "{} {more:?}", file.display());
            }
        }
    }
}

/// Whether a label says that keys are judged apart or together: they are found.
#[test]
fn every_key_value_log_of_the_corpus_gets_its_verdict() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !corpus.is_dir() {
        println!("skipped: the corpus {} is missing", corpus.display());
        return;
    }
    let rows = labels(&corpus.join("porcupine"), "linearizable/append-kv ");
    assert!(rows.len() >= 4, "{} rows", rows.len());
    for (file, _, expected) in rows {
        let code = i32::from(expected == "invalid");
        for more in [&[][..], &["--engine", "search", "--first", "--verify=false"]] {
            let got = judge(&file, "kv", more);
            assert_eq!(got, (expected.clone(), Some(code)), "{} {more:?}", file.display());
        }
    }
}

#[test]
fn every_list_of_transactions_of_the_corpus_gets_its_verdict_at_every_level() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !corpus.is_dir() {
        println!("skipped: the corpus {} is missing", corpus.display());
        return;
    }
    let of = |folder| labels(&corpus.join(folder), "txn/list-append:");
    let rows = [of("elle"), of("elle-cli")].concat();
    assert!(rows.len() >= 13, "{} rows", rows.len());
    for (file, level, expected) in rows {
        let code = i32::from(expected == "invalid");
        let got = judge(&file, "list-append", &["-c", &level]);
        assert_eq!(got, (expected, Some(code)), "{} {level}", file.display());
    }
}

/// The names that the labels have for what is judged over sessions.
const WITH_SESSIONS: [(&str, &str); 3] = [
    ("read-committed with sessions", "strong-session-monotonic-atomic-view"),
    ("read-atomic with sessions", "strong-session-read-atomic"),
    ("causal with sessions", "causal"),
];

#[test]
fn every_transaction_on_registers_of_the_corpus_gets_its_verdict_at_every_level() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !corpus.is_dir() {
        println!("skipped: the corpus {} is missing", corpus.display());
        return;
    }
    let of = |folder| labels(&corpus.join(folder), "txn/rw-register:");
    let rows = [of("awdit"), of("polysi"), of("elle-cli")].concat();
    let mut decided = 0;
    for (file, label, expected) in rows {
        let named = WITH_SESSIONS.iter().find(|(name, _)| *name == label);
        let level = named.map_or(label.as_str(), |(_, level)| *level);
        let (got, code) = judge(&file, "rw-register", &["-c", level]);
        let code_wanted = i32::from(expected == "invalid");
        assert_eq!((got, code), (expected, Some(code_wanted)), "{} {label}", file.display());
        decided += 1;
    }
    println!("{decided} rows decided");
    assert!(decided >= 93, "{decided} rows");
}
