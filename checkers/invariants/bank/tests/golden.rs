//! Histories as Jepsen writes them, and what is said of them.

use std::path::Path;

use tribunal_history::History;
use tribunal_history::codec::{ReadOptions, read};

use crate::invariants::bank::{Bank, Opening, Options};
use crate::{Budget, Checker, ReasonClass, Report, Verdict};

fn edn(events: &str) -> History {
    read(events.as_bytes(), None, &ReadOptions::default()).expect("a bank").history
}

/// Two accounts of ten.
const OPTIONS: Options = Options {
    opening: Opening::Each(10),
    nothing_is_an_answer: false,
    total: None,
    negative: false,
    real_time: true,
};

/// One event per word: `0? 0=10,10 1:5? 1!` are an invoked read of process 0, its answer, an
/// invoked transfer of 5 from account 0 to 1 (`-5`: from 1 to 0), and its end ok; `x` fails, `~`
/// is unknown.
fn bank(words: &str) -> History {
    let mut text = String::new();
    for word in words.split_whitespace() {
        let (process, what) = word.split_at(1);
        let put =
            |kind: &str, rest: String| format!("{{:process {process} :type {kind} {rest}}}\n");
        let transfer = ":f :transfer".to_owned();
        text += &match (what, what.strip_prefix('='), what.strip_prefix(':')) {
            ("?", _, _) => put(":invoke", ":f :read".into()),
            ("!", _, _) => put(":ok", transfer),
            ("x", _, _) => put(":fail", transfer),
            ("~", _, _) => put(":info", transfer),
            (_, Some(found), _) => {
                let pairs: Vec<String> =
                    (0..).zip(found.split(',')).map(|(at, held)| format!("{at} {held}")).collect();
                put(":ok", format!(":f :read :value {{{}}}", pairs.join(" ")))
            }
            (_, _, Some(amount)) => {
                let amount: i64 = amount.parse().expect("an amount");
                let (from, to) = if amount < 0 { (1, 0) } else { (0, 1) };
                let amount = amount.abs();
                let value = format!("{{:from {from} :to {to} :amount {amount}}}");
                put(":invoke", format!(":f :transfer :value {value}"))
            }
            _ => panic!("{word}"),
        };
    }
    edn(&text)
}

fn check(words: &str, options: Options) -> Report {
    Bank::new(options).check(&bank(words), &Budget::unlimited()).expect("a bank")
}

/// The one finding: its kind and its sentence.
fn said(words: &str, options: Options) -> String {
    let report = check(words, options);
    assert_eq!(report.verdict, Verdict::Invalid, "{words}: {report:?}");
    let [anomaly] = &report.anomalies[..] else { panic!("{:?}", report.anomalies) };
    format!("{}: {}", anomaly.kind.0, anomaly.summary)
}

#[test]
fn a_bank_that_works_is_valid() {
    for words in [
        "0? 0=10,10 1:5 1! 0? 0=5,15",
        // Under way: in the read or not.
        "1:5 0? 0=10,10 1! 0? 0=5,15",
        "1:5 0? 0=5,15 1! 0? 0=5,15",
        // Unknown: whenever, or never.
        "1:5 1~ 0? 0=10,10 2:3 2! 0? 0=7,13 0? 0=2,18",
        "1:5 1~ 2:3 2! 0? 0=7,13",
        // Failed: never.
        "1:5 1x 2:3 2! 0? 0=7,13",
    ] {
        assert_eq!(check(words, OPTIONS).verdict, Verdict::Valid, "{words}");
    }
}

/// Each of these is right to a checker of sums alone.
#[test]
fn transfers_that_sums_do_not_see_are_found() {
    assert_eq!(
        said("1:5 1! 0? 0=10,10", OPTIONS),
        "unexplained-balances: p0 found 0: 10, 1: 10 where what was over leaves 0: 5, 1: 15; \
         nothing was under way; it would if p1's (0: -5, 1: 5) had not happened"
    );
    assert_eq!(
        said("1:5 1! 0? 0=0,20", OPTIONS),
        "unexplained-balances: p0 found 0: 0, 1: 20 where what was over leaves 0: 5, 1: 15; \
         nothing was under way; it would if p1's (0: -5, 1: 5) had happened twice"
    );
    assert_eq!(
        said("2:1 2! 1:5 1x 0? 0=4,16", OPTIONS),
        "unexplained-balances: p0 found 0: 4, 1: 16 where what was over leaves 0: 9, 1: 11; \
         nothing was under way; it would if p1's (0: -5, 1: 5) had not failed"
    );
    // Stale: it saw the transfer and then did not.
    let stale = said("1:5 0? 0=5,15 1! 2:3 2~ 0? 0=10,10", OPTIONS);
    assert!(stale.contains("the one transfer that may be in it does not make it up"), "{stale}");
    assert!(stale.ends_with("it would if p1's (0: -5, 1: 5) had not happened"), "{stale}");
}

#[test]
fn totals_negative_balances_and_missing_accounts_are_found() {
    assert_eq!(
        said("1:5 1! 0? 0=5,14", OPTIONS),
        "wrong-total: p0 found 19 in all accounts together, which hold 20"
    );
    let unknown = Options { opening: Opening::Unknown, ..OPTIONS };
    assert_eq!(
        said("0? 0=3,4 1:1 1! 0? 0=2,6", unknown),
        "wrong-total: p0 found 8 in all accounts together, which hold 7"
    );
    assert_eq!(
        said("1:11 1! 0? 0=-1,21", OPTIONS),
        "negative-balance: p0 found -1 in account 0, which cannot be below 0"
    );
    let negative = Options { negative: true, ..OPTIONS };
    assert_eq!(check("1:11 1! 0? 0=-1,21", negative).verdict, Verdict::Valid);
    // The total is right.
    assert_eq!(
        said("1:5 1! 0? 0=20", OPTIONS),
        "missing-account: p0 read every account and did not find 1"
    );
    assert_eq!(
        said("1:5 1! 0? 0=20,nil", OPTIONS),
        "missing-account: p0 found nil in account 1, which holds a number"
    );
}

#[test]
fn what_is_not_known_or_did_not_happen_is_unknown() {
    let unknown = Options { opening: Opening::Unknown, ..OPTIONS };
    for words in ["", "1:5 1!", "0? 0~"] {
        let report = check(words, unknown);
        assert_eq!(report.reason_class, Some(ReasonClass::NotExercised), "{words}");
    }
    let report = check("0? 0=10,10 1:5 1x", OPTIONS);
    let reason = "not exercised: transfer-succeeded 0 of 1";
    assert_eq!(report.reason.as_deref(), Some(reason));
    // A transfer is under way during every read: what was there before it nobody says.
    let report = check("1:5 0? 0=10,10 1!", unknown);
    assert_eq!(report.reason_class, Some(ReasonClass::Undecided));
    let totals = Options { real_time: false, ..unknown };
    assert_eq!(check("1:5 0? 0=10,10 1!", totals).verdict, Verdict::Valid);
    // Some read shows it, not the first.
    let words = "1:5 0? 0=10,10 1! 0? 0=5,15 1:2 1! 0? 0=5,15";
    assert!(said(words, unknown).starts_with("unexplained-balances"));
    // A budget that ends.
    let bank = Bank::new(OPTIONS);
    let history = self::bank("0? 0=10,10 1:5 1! 0? 0=5,15");
    let budget = Budget::unlimited().with_configurations(0);
    let report = bank.check(&history, &budget).expect("a bank");
    assert_eq!(report.reason_class, Some(ReasonClass::Undecided));
    let budget = Budget::unlimited();
    budget.cancel();
    let report = bank.check(&history, &budget).expect("a bank");
    assert_eq!(report.reason_class, Some(ReasonClass::Undecided));
}

#[test]
fn deposits_change_the_total() {
    let empty = Options { opening: Opening::Empty, nothing_is_an_answer: true, ..OPTIONS };
    let text = |total: i64| {
        edn(&format!(
            "{{:process 0 :type :invoke :f :txn :value [[:add 0 10] [:add 1 10]]}}\n\
             {{:process 0 :type :ok :f :txn :value [[:add 0 10 10] [:add 1 10 10]]}}\n\
             {{:process 0 :type :invoke :f :txn :value [[:add 0 7]]}}\n\
             {{:process 0 :type :info :f :txn :value [[:add 0 7]]}}\n\
             {{:process 1 :type :invoke :f :txn :value [[:r 0 nil] [:r 1 nil]]}}\n\
             {{:process 1 :type :ok :f :txn :value [[:r 0 {}] [:r 1 10]]}}\n",
            total - 10
        ))
    };
    let verdict = |total| {
        let report = Bank::new(empty).check(&text(total), &Budget::unlimited());
        report.expect("a bank").verdict
    };
    assert_eq!([20, 27, 21].map(verdict), [Verdict::Valid, Verdict::Valid, Verdict::Invalid]);
}

/// Nobody but the bank has these operations.
#[test]
fn what_is_no_bank_is_refused() {
    let history = edn("{:process 0 :type :invoke :f :txn :value [[:append 0 1]]}");
    let refused = Bank::new(OPTIONS).check(&history, &Budget::unlimited()).expect_err("a list");
    assert!(refused.to_string().contains("no transaction of a bank"), "{refused}");
}

/// Histories of others, with the verdict that stands beside them.
#[test]
fn histories_of_others_get_the_verdict_of_their_label() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/elle-cli");
    let Ok(table) = std::fs::read_to_string(folder.join("verdicts.tsv")) else {
        println!("skipped: no corpus at ../shared/corpus beside the repository");
        return;
    };
    let mut judged = 0;
    for row in table.lines().filter(|row| row.contains("invariants/bank\t")) {
        let columns: Vec<&str> = row.split('\t').collect();
        let bytes = std::fs::read(folder.join(columns[0])).expect("a file of the table");
        let history = read(&bytes, None, &ReadOptions::default()).expect("a bank").history;
        let unknown = Options { opening: Opening::Unknown, ..OPTIONS };
        let report = Bank::new(unknown).check(&history, &Budget::unlimited()).expect("a bank");
        assert_eq!(report.verdict.name(), columns[2], "{row}: {report:?}");
        judged += 1;
    }
    assert_eq!(judged, 3);
}
