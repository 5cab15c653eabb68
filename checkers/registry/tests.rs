//! Every entry builds what it says, and refuses what it does not have.

use tribunal_history::{
    Builder, CounterOp, ErrorClass, History, IdOp, LockOp, Mop, Nanos, Observed, Op, Outcome,
    Process, QueueOp, RegisterOp, SetOp, TxnOp, Value,
};

use super::{CHECKERS, MODELS, Parameters, find};
use crate::linearizable::{Engines, Options};
use crate::testing::drawn;
use crate::{Budget, CheckError, Consistency, ReasonClass, Verdict};

#[test]
fn every_checker_but_vacuity_calls_the_empty_history_not_exercised() {
    for entry in MODELS.iter().chain(CHECKERS) {
        let checker = entry.build(&Parameters::tribunal()).expect("a default promise");
        let report = checker.check(&drawn(""), &Budget::unlimited()).expect("a history");
        if entry.name == "vacuity" {
            assert_eq!(report.verdict, Verdict::Valid, "no fault was planned");
            continue;
        }
        assert_eq!(report.verdict, Verdict::Unknown, "{}", entry.name);
        assert_eq!(report.reason_class, Some(ReasonClass::NotExercised), "{}", entry.name);
    }
}

#[test]
fn unknown_names_and_promises_say_what_there_is() {
    let error = find("regsiter").expect_err("a typo").to_string();
    let expected = "no model or checker is called `regsiter`; there are: register, ";
    assert!(error.starts_with(expected) && error.ends_with("stats, vacuity"), "{error}");
    let parameters = Parameters { level: Some(Consistency::Causal), ..Parameters::tribunal() };
    let error = find("register").expect("a name").build(&parameters).err().expect("no checker");
    let expected = "model `register` cannot be judged for `causal`; it can for: linearizable";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn settings_and_initial_values_a_model_cannot_have_are_refused() {
    let said = |name: &str, setting: Option<(&str, &str)>, initial: i64| {
        let settings = setting.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = settings.into_iter().collect();
        let initial = if initial == 0 { Value::Nil } else { Value::Int(initial) };
        let parameters = Parameters { settings, initial, ..Parameters::tribunal() };
        let built = find(name).expect("a name").build(&parameters);
        built.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(said("semaphore", Some(("permits", "3")), 0), "");
    let expected = "model `semaphore`: permits=-3 is not possible";
    assert_eq!(said("semaphore", Some(("permits", "-3")), 0), expected);
    let expected = "model `semaphore` has no setting `permit`; it has: permits";
    assert_eq!(said("semaphore", Some(("permit", "3")), 0), expected);
    let expected = "model `stack` has no setting `permits`; it has: none";
    assert_eq!(said("stack", Some(("permits", "3")), 0), expected);
    let expected = "model `mutex`: it has no initial value, but 3 was given";
    assert_eq!(said("mutex", None, 3), expected);
    assert_eq!(said("pn-counter", None, 3), "");
}

/// One completed operation of every kind there is, except where two differ in an argument only.
fn every_operation() -> Vec<Op> {
    let (key, value) = (Value::Int(0), Value::Int(3));
    let (seen, yes) = (Observed::Present(value.clone()), Observed::Present(true));
    let all = Observed::Present(vec![value.clone()]);
    let key = || key.clone();
    let register = [
        RegisterOp::Read { key: key(), value: seen.clone() },
        RegisterOp::Write { key: key(), value: value.clone() },
        RegisterOp::Cas { key: key(), from: Value::Int(1), to: value.clone() },
        RegisterOp::Append { key: key(), value: Value::text("a") },
    ];
    let mops = [
        Mop::Read { key: key(), value: seen.clone() },
        Mop::Write { key: key(), value: value.clone() },
        Mop::Append { key: key(), element: value.clone() },
        Mop::ReadList { key: key(), elements: all.clone() },
        Mop::Add { key: key(), delta: 1, value: Observed::Present(1) },
    ];
    let set = [
        SetOp::Add { key: key(), element: value.clone(), added: yes },
        SetOp::Remove { key: key(), element: value.clone(), removed: yes },
        SetOp::Contains { key: key(), element: value.clone(), found: yes },
        SetOp::Read { key: key(), elements: all },
    ];
    let counter = [
        CounterOp::Add { key: key(), delta: 1, value: Observed::Pending },
        CounterOp::Add { key: key(), delta: -1, value: Observed::Pending },
        CounterOp::Read { key: key(), value: Observed::Present(0) },
    ];
    let queue = [
        QueueOp::Enqueue { key: key(), value: value.clone() },
        QueueOp::Dequeue { key: key(), value: seen.clone() },
        QueueOp::Peek { key: key(), value: seen.clone() },
    ];
    let lock = [
        LockOp::Acquire { key: key(), permits: 1, token: Observed::Pending },
        LockOp::Release { key: key(), permits: 1, token: Observed::Pending },
    ];
    let txns = mops.map(|mop| Op::Txn(TxnOp { mops: vec![mop] }));
    let id = Op::Id(IdOp::Generate { key: key(), id: seen });
    (register.map(Op::Register).into_iter().chain(txns))
        .chain(set.map(Op::Set).into_iter().chain(counter.map(Op::Counter)))
        .chain(queue.map(Op::Queue).into_iter().chain(lock.map(Op::Lock)).chain([id]))
        .collect()
}

/// One operation after another one, that ends so.
fn in_a_row(ops: [&Op; 2], last: Outcome) -> History {
    let (mut builder, process) = (Builder::as_given(), Process(0));
    for (at, (op, outcome)) in (0..).zip(ops.into_iter().zip([Outcome::Ok, last])) {
        let (from, to) = (Nanos(2 * at), Nanos(2 * at + 1));
        builder.invoke(from, process, None, None, &op.pending()).expect("well-formed");
        let answered = outcome == Outcome::Ok;
        let (op, error) = (answered.then_some(op), (!answered).then_some(&ErrorClass::TIMEOUT));
        builder.complete(to, process, outcome, op, error).expect("well-formed");
    }
    builder.finish()
}

/// Also where a fast path could make sense of it.
#[test]
fn an_operation_a_model_does_not_have_is_refused_by_every_engine_verified_or_not() {
    let every = every_operation();
    let pairs = || every.iter().flat_map(|one| every.iter().map(move |other| [one, other]));
    let ends = [Outcome::Ok, Outcome::Fail, Outcome::Info];
    let cases = || pairs().flat_map(|pair| ends.map(|last| (pair, last)));
    let (mut refused, mut judged) = (0, 0);
    for (entry, (pair, last)) in
        MODELS.iter().flat_map(|entry| cases().map(move |case| (entry, case)))
    {
        let history = in_a_row(pair, last);
        let said = |engines, verify| {
            let options = Options { engines, verify, ..Options::default() };
            let parameters = Parameters { options, ..Parameters::tribunal() };
            let checker = entry.build(&parameters).expect("a default promise");
            match checker.check(&history, &Budget::unlimited()) {
                Ok(report) => Some(report.verdict),
                Err(CheckError::Unsupported { .. }) => None,
                Err(error) => panic!("{} of {pair:?} {last:?}: {error}", entry.name),
            }
        };
        let expected = said(Engines::Search, true);
        // The weak ones read single reads and writes of registers as transactions.
        let foreign = pair.iter().any(|op| Some(op.family()) != entry.family);
        if foreign && entry.levels == [Consistency::Linearizable] {
            assert_eq!(expected, None, "{} of {pair:?} {last:?}", entry.name);
        }
        for verify in [true, false] {
            assert_eq!(
                said(Engines::Auto, verify),
                expected,
                "{} of {pair:?} {last:?}",
                entry.name
            );
        }
        refused += u32::from(expected.is_none());
        judged += u32::from(expected.is_some());
    }
    assert!(refused > 500 && judged > 50, "{refused} refused, {judged} judged");
}
