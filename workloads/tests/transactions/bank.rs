//! Transfers between accounts.

use std::collections::VecDeque;

use tribunal_checkers::{ReasonClass, Verdict};
use tribunal_harness::generator::{Machine, register_machine};
use tribunal_history::{ErrorClass, Mop, Observed, Op, Outcome, TxnOp, Value};

use crate::common::{Load, build, judged, simulate, stale, steps};

const BANK: Load<'static> = Load("bank", &[]);

#[test]
fn a_correct_database_is_valid() {
    for seed in 0..10 {
        let history = simulate(BANK, register_machine, seed);
        assert!(history.len() > 1_000, "{} transactions", history.len());
        for (name, report) in judged(&history, BANK) {
            assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {name}: {report:?}");
        }
        let failed = history.operations().filter(|op| op.outcome() == Outcome::Fail);
        let insufficient = failed.filter_map(|op| op.error()).filter(|e| e.0 == "insufficient");
        assert!(insufficient.count() > 20, "no balance was ever too low");
    }
}

/// The kinds of what the bank's checker finds.
fn found(load: Load<'_>, machine: fn() -> Machine, seed: u64) -> Vec<&'static str> {
    let (name, report) = judged(&simulate(load, machine, seed), load).remove(0);
    assert_eq!((name.as_str(), report.verdict), ("bank", Verdict::Invalid), "seed {seed}");
    report.anomalies.iter().map(|anomaly| anomaly.kind.0).collect()
}

#[test]
fn a_stale_read_is_found_and_is_no_matter_of_totals() {
    for seed in 0..5 {
        // Also one from before the deposit, which does not add up.
        assert!(found(BANK, stale, seed).contains(&"unexplained-balances"));
        let weaker = Load("bank", &[("real-time", "false")]);
        let (name, report) = judged(&simulate(BANK, stale, seed), weaker).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("bank", Verdict::Valid), "{seed}");
    }
}

fn mops(op: &Op) -> &[Mop] {
    match op {
        Op::Txn(txn) => &txn.mops,
        other => panic!("{other}"),
    }
}

fn is_transfer(op: &Op) -> bool {
    mops(op).len() == 2 && op.writes()
}

/// Shows the second half of every tenth transfer a while late.
fn torn() -> Machine {
    let (mut machine, mut late, mut transfers) = (register_machine(), VecDeque::new(), 0u64);
    Box::new(move |node, op: &Op| {
        if late.len() > 3
            && let Some(half) = late.pop_front()
        {
            machine(node, &half)?;
        }
        transfers += u64::from(is_transfer(op));
        if is_transfer(op) && transfers.is_multiple_of(10) {
            let [first, second] = mops(op) else { unreachable!("two") };
            let one = |mop: &Mop| Op::Txn(TxnOp { mops: vec![mop.clone()] });
            late.push_back(one(second));
            machine(node, &one(first))?;
            return Ok(op.clone());
        }
        machine(node, op)
    })
}

/// Does every tenth transfer twice, or not at all, or although it says that it failed.
fn miscounting(times: usize, says: Result<(), &'static str>) -> Machine {
    let (mut machine, mut transfers) = (register_machine(), 0u64);
    Box::new(move |node, op: &Op| {
        transfers += u64::from(is_transfer(op));
        if !is_transfer(op) || !transfers.is_multiple_of(10) {
            return machine(node, op);
        }
        for _ in 0..times {
            machine(node, op)?;
        }
        // What it says of the balances would tell.
        says.map(|()| op.pending()).map_err(ErrorClass::new)
    })
}

/// Adds to what it read some time before, as a database that does not look for conflicts.
fn losing_updates() -> Machine {
    let (mut machine, mut transfers) = (register_machine(), 0u64);
    let mut before: Vec<(Value, i64)> = Vec::new();
    Box::new(move |node, op: &Op| {
        if let Ok(Op::Txn(read)) = &machine(node, op)
            && !op.writes()
        {
            let balance = |mop: &Mop| match mop {
                Mop::Read { key, value: Observed::Present(Value::Int(balance)) } => {
                    Some((key.clone(), *balance))
                }
                _ => None,
            };
            before = read.mops.iter().filter_map(balance).collect();
            return Ok(Op::Txn(read.clone()));
        }
        transfers += 1;
        if !is_transfer(op) || !transfers.is_multiple_of(10) {
            return Ok(op.pending());
        }
        let write = |mop: &Mop| match mop {
            Mop::Add { key, delta, .. } => {
                let balance = before.iter().find(|(other, _)| other == key)?.1;
                Some(Mop::Write { key: key.clone(), value: Value::Int((balance + delta).max(0)) })
            }
            _ => None,
        };
        let mops = mops(op).iter().filter_map(write).collect();
        machine(node, &Op::Txn(TxnOp { mops }))?;
        Ok(op.pending())
    })
}

/// What is found, and a database that does it.
type Wrong = (&'static str, fn() -> Machine);

#[test]
fn what_a_database_does_wrong_to_a_bank_is_found() {
    let wrong: [Wrong; 5] = [
        ("wrong-total", torn),
        ("wrong-total", losing_updates),
        ("unexplained-balances", || miscounting(2, Ok(()))),
        ("unexplained-balances", || miscounting(0, Ok(()))),
        ("unexplained-balances", || miscounting(1, Err("conflict"))),
    ];
    for (kind, machine) in wrong {
        for seed in 0..3 {
            let found = found(BANK, machine, seed);
            assert!(found.contains(&kind), "seed {seed}: {found:?}, not {kind}");
        }
    }
}

#[test]
fn a_bank_without_a_deposit_is_unknown() {
    let nothing: fn() -> Machine = || {
        let mut machine = register_machine();
        Box::new(move |node, op: &Op| match op.writes() {
            true => Err(ErrorClass::new("no")),
            false => machine(node, op),
        })
    };
    let (_, report) = judged(&simulate(BANK, nothing, 1), BANK).remove(0);
    assert_eq!(report.reason_class, Some(ReasonClass::NotExercised), "{report:?}");
}

#[test]
fn the_load_has_the_shape_it_is_for() {
    let options = [("accounts", "3"), ("balance", "7"), ("max-amount", "2")];
    let all = steps(&simulate(Load("bank", &options), register_machine, 1));
    let (mut deposits, mut transfers, mut reads) = (0, 0, 0);
    for mops in &all {
        match &mops[..] {
            [Mop::Add { key: from, delta: less, .. }, Mop::Add { key: to, delta: more, .. }] => {
                assert!(from != to && *less == -more && (1..=2).contains(more), "{mops:?}");
                transfers += 1;
            }
            [Mop::Add { delta: 7, .. }, Mop::Add { .. }, Mop::Add { .. }] => deposits += 1,
            [Mop::Read { .. }, Mop::Read { .. }, Mop::Read { .. }] => reads += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((1..4).contains(&deposits) && transfers > 500 && reads > 500, "{deposits}");
}

#[test]
fn options_are_checked() {
    let complains = |k: &str, v: &str| build(Load("bank", &[(k, v)])).err().unwrap_or_default();
    for (option, value) in [
        ("accounts", "1"),
        ("accounts", "65"),
        ("balance", "0"),
        ("max-amount", "9999999999999"),
        ("real-time", "maybe"),
        ("level", "serializable"),
    ] {
        assert_ne!(complains(option, value), "", "{option}={value}");
    }
    for (option, value) in [("accounts", "64"), ("real-time", "false"), ("balance", "1")] {
        assert_eq!(complains(option, value), "", "{option}={value}");
    }
}
