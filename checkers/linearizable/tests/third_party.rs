//! Histories of others with known verdicts, beside the repository: every row our models cover.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tribunal_history::codec::{ReadOptions, read};
use tribunal_history::{History, Value};

use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::portfolio::Order;
use crate::linearizable::portfolio::decide_by;
use crate::linearizable::rules::Rules;
use crate::linearizable::tests::prepare;
use crate::linearizable::{CasRegister, Dialect, Engines, Kv, Linearizable, Options};
use crate::{Anomaly, Budget, Checker, Evidence, ReasonClass, Verdict};

struct Row {
    path: PathBuf,
    model: String,
    expected: String,
    anomaly: String,
    dialect: Dialect,
}

/// Every row of every `verdicts.tsv`; `None`, aloud, without the corpus.
fn rows() -> Option<Vec<Row>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !root.is_dir() {
        println!("skipped: no corpus at {}", root.display());
        return None;
    }
    let folders = [
        ("porcupine", Dialect::ETCD),
        ("knossos", Dialect::KNOSSOS),
        ("elle-cli", Dialect::KNOSSOS),
    ];
    let mut rows = Vec::new();
    for (folder, dialect) in folders {
        let folder = root.join(folder);
        let table = std::fs::read_to_string(folder.join("verdicts.tsv")).expect("a verdict table");
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [file, model, expected, anomaly, ..] = columns[..] else { panic!("row {line}") };
            rows.push(Row {
                path: folder.join(file),
                model: model.to_owned(),
                expected: expected.to_owned(),
                anomaly: anomaly.to_owned(),
                dialect,
            });
        }
    }
    Some(rows)
}

fn initial(row: &Row) -> Option<Value> {
    match row.model.strip_prefix("linearizable/cas-register init=")? {
        "nil" => Some(Value::Nil),
        int => Some(Value::Int(int.parse().expect("an integer"))),
    }
}

fn history(row: &Row) -> History {
    let bytes = std::fs::read(&row.path).expect("a readable history");
    let options = ReadOptions { independent: Some(false), ..ReadOptions::default() };
    let name = row.path.display();
    read(&bytes, None, &options).unwrap_or_else(|error| panic!("{name}: {error}")).history
}

/// The operation that `first failing op index 14 (process 21 reads 2)...` names: `p21 read 2 `.
fn first_failing(anomaly: &str) -> String {
    let Some((_, words)) = anomaly.split_once("(process ") else { return String::new() };
    let (process, read) = words.split_once(" reads ").expect("a read");
    let value = read.split_once(')').expect("a value").0;
    format!("p{process} read {value} ")
}

/// Verdicts, certificates, the same again on several threads, and where it says so the operation.
#[test]
fn every_row_of_a_register_has_its_verdict() {
    let Some(rows) = rows() else { return };
    let (mut judged, mut skipped) = (0, BTreeMap::<String, u64>::new());
    for row in &rows {
        let Some(initial) = initial(row) else {
            *skipped.entry(format!("no model {}", row.model)).or_default() += 1;
            continue;
        };
        let name = row.path.display();
        let history = history(row);
        let checker = Linearizable::new(CasRegister { initial }, row.dialect);
        let check = |threads| {
            let budget = Budget::unlimited().with_threads(threads);
            checker.check(&history, &budget).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let report = check(1);
        judged += 1;
        if row.expected == "none" {
            assert_eq!(report.reason_class, Some(ReasonClass::NotExercised), "{name}");
            continue;
        }
        assert_eq!(report.verdict.name(), row.expected, "{name}: {report:?}");
        assert_eq!(report.cost.certificates_verified, 1, "{name}: {report:?}");
        assert_eq!(check(2), report, "{name}");
        if report.verdict == Verdict::Invalid {
            assert!(report.anomalies[0].minimal, "{name}: {report:?}");
            // The labels name the earliest operation; a fast path names the fewest that clash.
            let options = Options { engines: Engines::Search, ..Options::default() };
            let searched = checker.clone().with_options(options);
            let searched = searched.check(&history, &Budget::unlimited()).expect("searched");
            let summary = &searched.anomalies[0].summary;
            assert!(summary.starts_with(&first_failing(&row.anomaly)), "{name}: {summary}");
        }
    }
    println!("{judged} rows judged; skipped: {skipped:?}");
    assert_eq!(judged + skipped.values().sum::<u64>(), rows.len() as u64);
}

fn size(anomaly: &Anomaly) -> usize {
    match &anomaly.evidence {
        Evidence::Counterexample { operations, .. } => operations.len(),
        other => panic!("{other:?}"),
    }
}

/// Each key alone, whatever the label says of partitions: those are found.
#[test]
fn every_row_of_a_key_value_log_has_its_verdict() {
    let Some(rows) = rows() else { return };
    let of_texts = rows.iter().filter(|row| row.model.starts_with("linearizable/append-kv"));
    for row in of_texts {
        let (name, history) = (row.path.display(), history(row));
        for engines in [Engines::Auto, Engines::Search] {
            let options = Options { engines, ..Options::default() };
            let checker = Linearizable::new(Kv { initial: "".into() }, row.dialect);
            let report = checker.with_options(options).check(&history, &Budget::unlimited());
            let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(report.verdict.name(), row.expected, "{name}: {report:?}");
            let cost = &report.cost;
            let sizes: Vec<usize> = report.anomalies.iter().map(size).collect();
            println!("{name}: {:?}, evidence of {sizes:?} operations", cost.engines);
            assert!(report.anomalies.iter().all(|found| found.minimal), "{name}: {report:?}");
            let fast = cost.engines.iter().all(|(engine, _)| *engine == "texts");
            assert_eq!(fast, engines == Engines::Auto, "{name}: {:?}", cost.engines);
        }
    }
}

#[test]
fn each_engine_alone_has_the_verdicts_too() {
    let Some(rows) = rows() else { return };
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    for row in &rows {
        let (Some(initial), true) = (initial(row), row.expected != "none") else { continue };
        let (model, history) = (CasRegister { initial }, history(row));
        for component in components(&model, &history) {
            let problem =
                prepare(&model, &history, &component, row.dialect).expect("a register history");
            for order in [Order::Depth, Order::Breadth] {
                let rules = Rules::default();
                let decision = decide_by(&model, &problem, &ledger, u64::MAX, rules, Some(order));
                let valid = matches!(decision.found, Found::Linearization(_));
                let name = row.path.display();
                assert_eq!(valid, row.expected == "valid", "{name} {order:?}");
            }
        }
    }
}

/// A wrong dialect is silent, so this shows that it matters: Knossos' histories read as etcd's.
#[test]
fn the_dialect_decides() {
    let Some(rows) = rows() else { return };
    let (mut wrong, mut all) = (0, 0);
    for row in rows.iter().filter(|row| row.dialect == Dialect::KNOSSOS) {
        let Some(initial) = initial(row) else { continue };
        let checker = Linearizable::new(CasRegister { initial }, Dialect::ETCD);
        let report = checker.check(&history(row), &Budget::unlimited()).expect("a history");
        all += 1;
        wrong += u64::from(report.verdict.name() != row.expected);
    }
    println!("{wrong} of {all} verdicts are wrong with the other dialect");
    assert!(2 * wrong > all);
}
