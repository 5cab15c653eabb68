//! Golden histories: one file each in `checkers/corpus/`. Adding a case adds a file, never code.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tribunal_history::Value;
use tribunal_history::codec::{Format, ReadOptions, read as read_history};

use crate::registry::{Parameters, find};
use crate::testing::drawn;
use crate::{Budget, Evidence, ReasonClass, Report, Verdict};

struct Case {
    name: String,
    settings: BTreeMap<String, String>,
    drawing: String,
}

fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let entries = std::fs::read_dir(&folder).expect("the corpus folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths.iter().map(read).collect()
}

fn read(path: &PathBuf) -> Case {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("a readable case");
    let (head, drawing) = text.split_once("---\n").unwrap_or_else(|| panic!("{name}: no ---"));
    let setting = |line: &str| {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
        (key.to_owned(), value.to_owned())
    };
    let lines = head.lines().filter(|line| !line.starts_with('#'));
    Case { settings: lines.map(setting).collect(), drawing: drawing.to_owned(), name }
}

fn judge(case: &Case) -> Report {
    let setting = |key: &str| case.settings.get(key).map(String::as_str);
    let dialect = setting("dialect").unwrap_or("tribunal");
    let parameters = Parameters {
        dialect: crate::linearizable::Dialect::named(dialect).expect("a dialect"),
        settings: setting("option")
            .and_then(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
        initial: match setting("init").unwrap_or("0") {
            "nil" => Value::Nil,
            int => Value::Int(int.parse().expect("nil or an integer")),
        },
        ..Parameters::tribunal()
    };
    let model = find(setting("model").unwrap_or("cas-register")).expect("a model");
    let checker = model.build(&parameters).expect("a promise it has");
    let history = match setting("format") {
        None => drawn(&case.drawing),
        Some(format) => {
            let options = ReadOptions { family: model.family, ..ReadOptions::default() };
            let read = read_history(case.drawing.as_bytes(), Format::from_name(format), &options);
            read.unwrap_or_else(|error| panic!("{}: {error}", case.name)).history
        }
    };
    checker.check(&history, &Budget::unlimited()).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

/// What the report says under the name of a setting.
fn found(report: &Report, setting: &str) -> String {
    let first = || report.anomalies.first().expect("a finding");
    match setting {
        "expect" => match (report.verdict, report.reason_class) {
            (Verdict::Unknown, Some(ReasonClass::NotExercised)) => "not-exercised".into(),
            (verdict, _) => verdict.name().into(),
        },
        "summary" => first().summary.clone(),
        "kind" => first().kind.0.into(),
        "operations" => match &first().evidence {
            Evidence::Counterexample { operations, .. } => operations.len().to_string(),
            other => panic!("{other:?}"),
        },
        "subjects" => {
            let subjects = report.anomalies.iter().map(|anomaly| anomaly.subject.clone());
            subjects.map(Option::unwrap_or_default).collect::<Vec<_>>().join(" ")
        }
        other => panic!("unknown setting {other}"),
    }
}

#[test]
fn every_golden_history_has_its_verdict() {
    let cases = cases();
    assert!(cases.len() >= 25, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let report = judge(case);
        for (setting, expected) in &case.settings {
            if ["model", "dialect", "init", "format", "option"].contains(&setting.as_str()) {
                continue;
            }
            let found = found(&report, setting);
            if found != *expected {
                wrong.push(format!("{}: {setting}: {expected}; found {found}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} golden histories", cases.len());
}
