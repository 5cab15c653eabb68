//! Every kind of anomaly of transactions and sessions, found by its checker in a drawn history, as
//! the terminal, the data and the page tell it: `snapshots/kinds/KIND.txt`.

use std::collections::BTreeSet;

use expect_test::expect_file;
use tribunal_checkers::txn::ListAppend;
use tribunal_checkers::weak::RwRegister;
use tribunal_checkers::{Budget, Checker, Consistency as C};
use tribunal_history::{History, drawn};
use tribunal_results::{HumanOptions, RunInfo, RunReport, assemble, html, human};

/// A level, and a history that breaks it. One line of a drawing per process.
type Case = (C, &'static [&'static str]);

/// Lists.
const LISTS: [Case; 27] = [
    (
        C::StrictSerializable,
        &["|-[a(x)=1 a(y)=1]-|", "|-[a(x)=2 a(y)=2]-|", "|-[r(x)=[1 2] r(y)=[2 1]]-|"],
    ),
    (C::StrictSerializable, &["|-[a(x)=1]-x", "|-[a(x)=2]-|", "              |-[r(x)=[1 2]]-|"]),
    (
        C::StrictSerializable,
        &["|-[a(x)=1 a(x)=2]-|", "|-[r(x)=[1]]-|", "                     |-[r(x)=[1 2]]-|"],
    ),
    (C::StrictSerializable, &["|-[a(x)=1 r(y)=[1]]-|", "|-[a(y)=1 r(x)=[1]]-|"]),
    (C::StrictSerializable, &["|-[a(x)=1 a(y)=1]-|", "|-[r(x)=[1] r(y)=[]]-|"]),
    (C::ReadAtomic, &["|-[a(x)=1 a(y)=1]-|", "|-[r(y)=[] r(x)=[1]]-|"]),
    (C::MonotonicAtomicView, &["|-[a(x)=1 a(y)=1]-|", "|-[r(x)=[1] r(y)=[]]-|"]),
    (
        C::StrictSerializable,
        &["|-[r(x)=[] a(x)=1]-|", "|-[r(x)=[] a(x)=2]-|", "                     |-[r(x)=[1 2]]-|"],
    ),
    (
        C::StrictSerializable,
        &["|-[a(x)=1]-|", "|-[a(y)=1]-|", "|-[r(x)=[1] r(y)=[]]-|", "|-[r(x)=[] r(y)=[1]]-|"],
    ),
    (
        C::Prefix,
        &["|-[a(x)=1]-|", "|-[a(y)=1]-|", "|-[r(x)=[1] r(y)=[]]-|", "|-[r(x)=[] r(y)=[1]]-|"],
    ),
    (C::StrictSerializable, &["|-[r(x)=[] a(y)=1]-|", "|-[r(y)=[] a(x)=1]-|"]),
    (C::StrictSerializable, &["|-[a(x)=1]-|  |-[r(x)=[]]-|"]),
    (C::StrictSerializable, &["|-[a(x)=1]-|", "                |-[r(x)=[]]-|"]),
    (
        C::StrictSerializable,
        &[
            "|-[a(x)=1]-|",
            "               |-[a(x)=2]-|",
            "                             |-[r(x)=[2 1]]-|",
        ],
    ),
    (C::StrictSerializable, &["|-[a(x)=1]-| |-[a(x)=2]-|", "|-[r(x)=[1 2]]-|", "|-[r(x)=[2]]-|"]),
    (C::StrictSerializable, &["|-[a(x)=1]-| |-[r(x)=[1 1]]-|"]),
    (C::StrictSerializable, &["|-[r(x)=[7]]-|"]),
    (C::StrictSerializable, &["|-[a(x)=1 r(x)=[]]-|"]),
    (C::StrictSerializable, &["|-[r(x)=[] r(x)=[1]]-|", "|-[a(x)=1]-|"]),
    (C::StrictSerializable, &["|-[r(x)=[1] a(x)=1]-|"]),
    (C::StrictSerializable, &["|-[a(x)=1]-| |-[a(x)=2]-|", "|-[r(x)=[2 1]]-|"]),
    (C::StrictSerializable, &["|-[r(x)=[1]]-| |-[a(x)=1]-|"]),
    (C::StrictSerializable, &["               |-[a(x)=1]-|", "|-[r(x)=[1]]-|"]),
    (C::StrongSessionReadAtomic, &["|-[a(x)=1]-|  |-[r(x)=[]]-|"]),
    (C::StrongSessionPrefix, &["|-[a(x)=1]-|  |-[r(x)=[]]-|"]),
    (C::StrongSessionSerializable, &["|-[a(x)=1]-| |-[r(y)=[]]-|", "|-[a(y)=1]-| |-[r(x)=[]]-|"]),
    (
        C::StrictSerializable,
        &["|-[a(x)=1]-|  |-[r(y)=[]]-------|", "                 |-[a(y)=1]-| |-[r(x)=[]]-|"],
    ),
];

/// Registers.
const REGISTERS: [Case; 22] = [
    (C::Causal, &["|-[w(x)=1]-x", "|-[r(x)=1]-|"]),
    (C::Causal, &["|-[w(x)=1 w(x)=2]-|", "|-[r(x)=1]-|"]),
    (C::Causal, &["|-[w(x)=1 r(y)=1]-|", "|-[w(y)=1 r(x)=1]-|"]),
    (C::Causal, &["|-[w(x)=5]-|  |-[r(x)=nil]-|"]),
    (C::Causal, &["|-[w(x)=1]-|  |-[r(x)=2]-|", "|-[w(x)=2]-|  |-[r(x)=1]-|"]),
    (
        C::Causal,
        &[
            "|-[w(x)=1]-|",
            "              |-[r(x)=1 w(x)=2]-|  |-[w(y)=1]-|",
            "                                                  |-[r(y)=1]-| |-[r(x)=1]-|",
        ],
    ),
    (C::ReadAtomic, &["|-[w(x)=1 w(y)=1]-|", "                      |-[r(y)=nil r(x)=1]-|"]),
    (
        C::CausalMemory,
        &[
            "|-[w(z)=1]-| |-[w(x)=1]-| |-[w(y)=1]-|",
            "|-[w(x)=2]-| |-[r(z)=nil]-|              |-[r(y)=1]-| |-[r(x)=2]-|",
        ],
    ),
    (
        C::CausalMemory,
        &["|-[w(x)=1]-|", "|-[w(x)=2]-|", "              |-[r(x)=1]-| |-[r(x)=2]-| |-[r(x)=1]-|"],
    ),
    (C::ReadYourWrites, &["|-[w(x)=1]-| |-[r(x)=nil]-|"]),
    (C::MonotonicReads, &["|-[w(x)=1]-|", "              |-[r(x)=1]-| |-[r(x)=nil]-|"]),
    (
        C::MonotonicWrites,
        &["|-[w(x)=1]-| |-[w(y)=1]-|", "                            |-[r(y)=1]-| |-[r(x)=nil]-|"],
    ),
    (
        C::WritesFollowReads,
        &[
            "|-[w(x)=1]-|",
            "              |-[r(x)=1]-| |-[w(y)=1]-|",
            "                                          |-[r(y)=1]-| |-[r(x)=nil]-|",
        ],
    ),
    (C::Pram, &["|-[w(x)=1]-| |-[r(x)=nil]-|"]),
    (C::Serializable, &["|-[r(x)=nil w(y)=1]-|", "|-[r(y)=nil w(x)=1]-|"]),
    (C::SnapshotIsolation, &["|-[r(x)=nil w(x)=1]-|", "|-[r(x)=nil w(x)=2]-|"]),
    (
        C::Prefix,
        &["|-[w(x)=1]-|", "|-[w(y)=1]-|", "|-[r(x)=1 r(y)=nil]-|", "|-[r(x)=nil r(y)=1]-|"],
    ),
    (C::WritesFollowReads, &["|-[r(x)=1 w(x)=2]-|", "|-[r(x)=2 w(x)=1]-|"]),
    (
        C::Pram,
        &["|-[w(x)=1]-| |-[w(x)=2]-|", "                          |-[r(x)=2]-| |-[r(x)=1]-|"],
    ),
    (C::Causal, &["|-[r(x)=3]-|"]),
    (C::ReadAtomic, &["|-[w(x)=1 r(x)=nil]-|"]),
    (C::StrictSerializable, &["|-[w(x)=1]-|", "                |-[r(x)=nil]-|"]),
];

fn history(lines: &[&str]) -> History {
    let lines = lines.iter().enumerate().map(|(at, line)| format!("p{at} {line}\n"));
    drawn::parse(&lines.collect::<String>()).expect("a drawing")
}

/// `case` names the file, `name` the level that the history breaks.
fn told(case: &str, name: &str, checker: &dyn Checker, lines: &[&str]) -> BTreeSet<String> {
    let history = history(lines);
    let answer = checker.check(&history, &Budget::unlimited());
    let mut info = RunInfo::default();
    info.plan.id = "drawn".to_owned();
    let report = assemble(&info, &history, &[(name.into(), answer)]);
    assert!(!report.findings.is_empty(), "{lines:?} keep {name}");
    let first = report.findings[0].kind.clone();
    let path = format!("snapshots/kinds/{case}-{first}.txt");
    expect_file![path].assert_eq(&everything(&report, &history, lines));
    report.findings.into_iter().map(|finding| finding.kind).collect()
}

/// The history, then the three outputs of its findings.
fn everything(report: &RunReport, history: &History, lines: &[&str]) -> String {
    let terminal = human(report, &HumanOptions::default());
    let data = report.findings.iter().map(|finding| {
        let line = serde_json::to_string(finding).expect("a finding is data");
        line + "\n"
    });
    let data: String = data.collect();
    let page = html(report, history).text;
    let articles: String = page
        .split("<article")
        .skip(1)
        .map(|part| {
            format!("<article{}</article>\n", part.split("</article>").next().unwrap_or(""))
        })
        .collect();
    let drawing = lines.join("\n");
    format!("{drawing}\n\n== terminal\n{terminal}\n== data\n{data}\n== page\n{articles}")
}

#[test]
fn every_kind_is_told_in_every_output() {
    let mut kinds = BTreeSet::new();
    for (at, (level, lines)) in LISTS.into_iter().enumerate() {
        let case = format!("list-{at:02}");
        kinds.extend(told(&case, level.name(), &ListAppend::new(level), lines));
    }
    for (at, (level, lines)) in REGISTERS.into_iter().enumerate() {
        let case = format!("register-{at:02}");
        kinds.extend(told(&case, level.name(), &RwRegister::new(level), lines));
    }
    let kinds: Vec<String> = kinds.into_iter().collect();
    expect_test::expect![[r#"
        CyclicCF
        CyclicCO
        CyclicHB
        G-nonadjacent
        G-nonadjacent-process
        G-nonadjacent-realtime
        G-single
        G-single-process
        G-single-realtime
        G0
        G0-process
        G0-realtime
        G1a
        G1b
        G1c
        G1c-process
        G1c-realtime
        G2-item
        WriteCOInitRead
        WriteCORead
        WriteHBInitRead
        dirty-update
        duplicate-elements
        fractured-read
        fractured-read-process
        future-read
        incompatible-order
        internal
        lost-update
        monotonic-reads-violation
        monotonic-writes-violation
        non-monotonic-view
        non-prefix
        non-prefix-process
        non-repeatable-read
        read-your-writes-violation
        thin-air-read
        writes-follow-reads-violation"#]]
    .assert_eq(&kinds.join("\n"));
}
