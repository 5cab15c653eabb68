//! Kinds of anomaly of transactions, sessions and banks, found by their checkers in small
//! histories, as the terminal, the data and the page tell them: `snapshots/kinds/KIND.txt`.

use std::collections::BTreeSet;

use expect_test::expect_file;
use tribunal_checkers::invariants::{Bank, BankOptions, Opening};
use tribunal_checkers::txn::ListAppend;
use tribunal_checkers::weak::RwRegister;
use tribunal_checkers::{Budget, Checker, Consistency as C};
use tribunal_history::codec::{self, ReadOptions};
use tribunal_history::{
    Builder, History, Nanos, NodeId, Observed, Op, Outcome, Process, RegisterOp, Value, drawn,
};
use tribunal_results::{HumanOptions, RunInfo, RunReport, assemble, html, human};

/// A level, and a history that breaks it. One line of a drawing per process.
type Case = (C, &'static [&'static str]);

/// Lists.
const LISTS: [Case; 29] = [
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
    (C::StrongSessionSerializable, &["|-[r(x)=[] a(y)=1]-|", "|-[a(x)=1]-| |-[r(y)=[]]-|"]),
    (
        C::StrictSerializable,
        &["|-[r(x)=[] a(y)=1]------------|", "|-[a(x)=1]-|", "               |-[r(y)=[]]-|"],
    ),
];

/// Registers.
const REGISTERS: [Case; 28] = [
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
    (C::StrongSessionSerializable, &["|-[w(x)=1]-| |-[r(y)=nil]-|", "|-[w(y)=1]-| |-[r(x)=nil]-|"]),
    (C::Pram, &["|-[w(x)=1]-| |-[r(x)=2]-| |-[r(x)=1]-|", "|-[w(x)=2]-|"]),
    (
        C::StrongSessionMonotonicAtomicView,
        &["|-[w(x)=1]-| |-[w(x)=2 w(y)=1]-|", "|-[r(y)=1 r(x)=1]-|"],
    ),
    (C::StrongSessionSerializable, &["|-[r(x)=nil w(y)=1]-|", "|-[w(x)=1]-| |-[r(y)=nil]-|"]),
    (
        C::StrictSerializable,
        &["|-[r(x)=nil w(y)=1]------------|", "|-[w(x)=1]-|", "               |-[r(y)=nil]-|"],
    ),
    (C::Sequential, &["|-[w(x)=1]-| |-[r(y)=nil]-|", "|-[w(y)=1]-| |-[r(x)=nil]-|"]),
];

/// A transaction that reads by a predicate, if any, and writes: range, what was found, writes.
type Scan = (&'static str, &'static str, &'static str);

/// Transactions that read by predicates, all at once.
const PREDICATES: [(C, &[Scan]); 4] = [
    // Each looks whether there is anything, and adds something else.
    (C::Serializable, &[("keys", "[]", "[:w 1 5]"), ("keys", "[]", "[:w 2 6]")]),
    // Each looks whether there is anything, and adds the same.
    (C::SnapshotIsolation, &[("keys", "[]", "[:w 1 5]"), ("keys", "[]", "[:w 1 6]")]),
    // Two are seen in opposite order.
    (
        C::SnapshotIsolation,
        &[
            ("", "", "[:w 1 5]"),
            ("", "", "[:w 2 6]"),
            ("keys 0..4", "[[1 5]]", ""),
            ("keys 0..4", "[[2 6]]", ""),
        ],
    ),
    (C::ReadUncommitted, &[("", "", "[:w 7 5]"), ("keys 0..4", "[[7 5]]", "")]),
];

/// As Jepsen writes it; before the answer is there, nothing is found.
fn scan((range, found, writes): Scan, answered: bool) -> String {
    let found = if answered { found } else { "nil" };
    match range {
        "" => format!("[{writes}]"),
        range => format!("[[:rp \"{range}\" {found}] {writes}]"),
    }
}

/// All are asked before one is answered.
fn predicates(scans: &[Scan]) -> History {
    let events = [(":invoke", false), (":ok", true)].into_iter().flat_map(|(kind, answered)| {
        scans.iter().enumerate().map(move |(process, it)| {
            let value = scan(*it, answered);
            format!("{{:type {kind} :process {process} :f :txn :value {value}}}\n")
        })
    });
    let read = codec::read(events.collect::<String>().as_bytes(), None, &ReadOptions::default());
    read.expect("transactions").history
}

/// Banks, as Jepsen writes them.
const BANKS: [&[&str]; 5] = [
    // A deposit is not needed: accounts hold ten at first.
    &["0 :transfer {:from 0 :to 1 :amount 5}", "1 :read {0 5 1 14}"],
    &["0 :transfer {:from 0 :to 1 :amount 5}", "1 :read {0 10 1 10}"],
    &["0 :transfer {:from 0 :to 1 :amount 11}", "1 :read {0 -1 1 21}"],
    &["0 :transfer {:from 0 :to 1 :amount 5}", "1 :read {0 5}"],
    &["0 :transfer {:from 0 :to 1 :amount 5}", "1 :read {0 \"five\" 1 15}"],
];

/// Single reads and writes by sessions that roam: process, node, what it did.
const SESSIONS: [(C, &[&str]); 3] = [
    (C::ReadYourWrites, &["0 0 w1", "0 1 rnil"]),
    (C::MonotonicReads, &["1 0 w1", "0 0 r1", "0 2 rnil"]),
    (C::Causal, &["1 0 w1", "1 0 w2", "0 0 r2", "0 2 r1"]),
];

/// Each operation is over before the next one begins.
fn session(asked: &[&str]) -> History {
    let mut builder = Builder::as_given();
    for (at, line) in (0..).zip(asked) {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("process, node and operation");
        let (process, node, op) = (word(), word(), word());
        let (key, value) = (Value::Int(7), op[1..].parse().ok());
        let op = Op::Register(match (op.starts_with('w'), value) {
            (true, value) => RegisterOp::Write { key, value: Value::Int(value.expect("a number")) },
            (false, Some(value)) => {
                RegisterOp::Read { key, value: Observed::Present(Value::Int(value)) }
            }
            (false, None) => RegisterOp::Read { key, value: Observed::Absent },
        });
        let process = Process(process.parse().expect("a process"));
        let node = NodeId(node.parse().expect("a node"));
        builder
            .invoke(Nanos(2 * at), process, None, Some(node), &op.pending())
            .expect("a question");
        let answered = builder.complete(Nanos(2 * at + 1), process, Outcome::Ok, Some(&op), None);
        answered.expect("an answer");
    }
    builder.finish()
}

/// Each operation is over before the next one begins.
fn bank(lines: &[&str]) -> History {
    let events = lines.iter().map(|line| {
        let (process, rest) = line.split_once(' ').expect("a process");
        let (f, value) = rest.split_once(' ').expect("what it did");
        let asked = if f == ":read" { "nil" } else { value };
        format!(
            "{{:type :invoke :process {process} :f {f} :value {asked}}}\n\
             {{:type :ok :process {process} :f {f} :value {value}}}\n"
        )
    });
    let text: String = events.collect();
    let read = codec::read(text.as_bytes(), None, &ReadOptions::default());
    read.expect("a bank").history
}

fn history(lines: &[&str]) -> History {
    let lines = lines.iter().enumerate().map(|(at, line)| format!("p{at} {line}\n"));
    drawn::parse(&lines.collect::<String>()).expect("a drawing")
}

/// `case` names the file, `name` the level that the history breaks.
fn told(
    case: &str,
    (name, checker): (&str, &dyn Checker),
    history: &History,
    lines: &[&str],
) -> BTreeSet<String> {
    let answer = checker.check(history, &Budget::unlimited());
    let mut info = RunInfo::default();
    info.plan.id = "drawn".to_owned();
    let report = assemble(&info, history, &[(name.into(), answer)]);
    assert!(!report.findings.is_empty(), "{lines:?} keep {name}");
    let first = report.findings[0].kind.clone();
    let path = format!("snapshots/kinds/{case}-{first}.txt");
    expect_file![path].assert_eq(&everything(&report, history, lines));
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
        let checker = ListAppend::new(level);
        kinds.extend(told(&case, (level.name(), &checker), &history(lines), lines));
    }
    for (at, (level, lines)) in REGISTERS.into_iter().enumerate() {
        let case = format!("register-{at:02}");
        let checker = RwRegister::new(level);
        kinds.extend(told(&case, (level.name(), &checker), &history(lines), lines));
    }
    for (at, (level, scans)) in PREDICATES.into_iter().enumerate() {
        let case = format!("predicate-{at:02}");
        let checker = RwRegister::new(level);
        let lines: Vec<String> = scans.iter().map(|it| scan(*it, true)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        kinds.extend(told(&case, (level.name(), &checker), &predicates(scans), &lines));
    }
    for (at, lines) in BANKS.into_iter().enumerate() {
        let checker = Bank::new(BankOptions { opening: Opening::Each(10), ..Default::default() });
        let case = format!("bank-{at:02}");
        kinds.extend(told(&case, ("bank", &checker), &bank(lines), lines));
    }
    for (at, (level, asked)) in SESSIONS.into_iter().enumerate() {
        let case = format!("session-{at:02}");
        let checker = RwRegister::new(level);
        kinds.extend(told(&case, (level.name(), &checker), &session(asked), asked));
    }
    let kinds: Vec<String> = kinds.into_iter().collect();
    expect_test::expect![[r#"
        CyclicCF
        CyclicCO
        CyclicHB
        G-nonadjacent
        G-nonadjacent-predicate
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
        G2
        G2-item
        G2-item-process
        G2-item-realtime
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
        missing-account
        monotonic-reads-violation
        monotonic-writes-violation
        negative-balance
        non-monotonic-view
        non-monotonic-view-process
        non-prefix
        non-prefix-process
        non-repeatable-read
        pram-violation
        read-your-writes-violation
        thin-air-read
        unexplained-balances
        writes-follow-reads-violation
        wrong-total"#]]
    .assert_eq(&kinds.join("\n"));
}
