//! Limits are kept, and say how far the search had come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tribunal_history::{
    Builder, Code, CounterOp as Recorded, History, Mop, Nanos, Observed, Op, Operation, Outcome,
    Process, RegisterOp, SetOp, TxnOp, Value,
};

use super::cas_register;
use super::generate::{Act, Answer, Question, Random, Shape, history, valid};
use crate::linearizable::{
    Counter, CounterOp, Dialect, Engines, FromHistory, Interpreted, Kv, Linearizable, List, Model,
    MultiRegister, Options, Register, Set, Steps, Which, judge,
};
use crate::{Budget, CheckError, Checker, ReasonClass, Report, Spent, Verdict};

/// Many crashed writes and cas of few values; before them 99 is written and overwritten, and a
/// late read returns it: nothing short of a search refutes that.
fn hard(ops: usize) -> Vec<Act> {
    let shape = Shape { ops, clients: 8, keys: 1, values: 5, crash_percent: 15 };
    let mut acts = valid(&mut Random(3), shape);
    let late = acts.iter_mut().rev().find(|act| matches!(act.answer, Answer::Found(_)));
    late.expect("a read").answer = Answer::Found(99);
    for act in &mut acts {
        act.from += 10;
        act.to = act.to.saturating_add(10);
    }
    let write = |value, from| Act {
        process: 900,
        key: 0,
        question: Question::Write(value),
        answer: Answer::Done,
        from,
        to: from + 1,
    };
    acts.extend([write(99, 0), write(0, 2)]);
    acts
}

/// Without the refutations that need no search.
fn searching() -> Linearizable<crate::linearizable::CasRegister> {
    cas_register(0).with_options(Options { quick: false, ..Options::default() })
}

#[test]
fn a_small_memory_ends_in_unknown_with_progress() {
    let history = history(&hard(2_000));
    for bytes in [1_000, 30_000, 200_000, 1_000_000] {
        let budget = Budget::unlimited().with_bytes(bytes);
        let report = searching().check(&history, &budget).expect("a register history");
        assert_eq!(report.verdict, Verdict::Unknown);
        assert_eq!(report.reason_class, Some(ReasonClass::Undecided));
        assert_eq!(report.cost.spent, Some(Spent::Memory));
        let reason = report.reason.expect("a reason");
        assert!(reason.starts_with("key 0: memory budget spent with "), "{reason}");
        assert!(reason.ends_with("; 0 of 1 keys decided"), "{reason}");
        let over = report.cost.peak_bytes.saturating_sub(bytes);
        assert!(over <= bytes / 20, "{over} bytes over the cap of {bytes}");
        assert!(reason.contains(" KiB held"), "{reason}");
    }
}

/// Texts are most of what a problem of texts is: those of the operations, and those of states.
#[test]
fn long_texts_are_on_the_account() {
    const TEXT: usize = 10 << 10;
    const OPERATIONS: u64 = 2_000;
    let mut builder = Builder::as_given();
    let mut held = Value::Nil;
    for at in 0..OPERATIONS {
        let key = Value::Nil;
        let (asked, told) = if at % 2 == 0 {
            held = Value::text(format!("{at:0TEXT$}"));
            let put = RegisterOp::Write { key, value: held.clone() };
            (put.clone(), put)
        } else {
            let read = |value| RegisterOp::Read { key: key.clone(), value };
            (read(Observed::Pending), read(Observed::Present(held.clone())))
        };
        let (time, told) = (Nanos(at), Op::Register(told));
        builder.invoke(time, Process(0), None, None, &Op::Register(asked)).expect("in order");
        builder.complete(time, Process(0), Outcome::Ok, Some(&told), None).expect("in order");
    }
    let history = builder.finish();
    let searching = Options { engines: Engines::Search, ..Options::default() };
    for cap in [4 << 20, 16 << 20] {
        let laid_out = |report: Result<Report, CheckError>| {
            let report = report.expect("a history of texts");
            assert_eq!(
                (report.verdict, report.cost.spent),
                (Verdict::Unknown, Some(Spent::Memory))
            );
            let reason = report.reason.expect("a reason");
            let (_, rest) = reason.split_once("budget spent with ").expect("how far it came");
            let (number, _) = rest.split_once(" of ").expect("of how many");
            number.parse::<usize>().expect("a number")
        };
        let budget = Budget::unlimited().with_bytes(cap as u64);
        let (model, other) = (Kv { initial: "".into() }, Register { initial: Value::Nil });
        let dialect = Dialect::TRIBUNAL;
        for laid_out in [
            laid_out(judge(&model, &history, dialect, &budget, searching)),
            laid_out(judge(&other, &history, dialect, &budget, searching)),
        ] {
            let texts = laid_out * TEXT;
            assert!(texts <= cap + cap / 20 && texts * 10 > cap * 9, "{texts} bytes of {cap}");
        }
    }
}

/// A transaction makes as many parts of a state anew as it writes, and each of twelve that crashed
/// may or may not have happened.
#[test]
fn states_of_many_writes_are_on_the_account() {
    const WRITES: i64 = 200;
    let (mut builder, key) = (Builder::as_given(), |client: i64, at: i64| client * WRITES + at);
    let read = |key: i64, value: Observed<Value>| Mop::Read { key: Value::Int(key), value };
    let one = || Observed::Present(Value::Int(1));
    for client in 0..12 {
        let write = |at| Mop::Write { key: Value::Int(key(client, at)), value: Value::Int(1) };
        let op = Op::Txn(TxnOp { mops: (0..WRITES).map(write).collect() });
        let (time, process) = (Nanos(client as u64), Process(client as u32));
        builder.invoke(time, process, None, None, &op).expect("in order");
        builder.complete(time, process, Outcome::Info, Some(&op), None).expect("in order");
    }
    // Half of the first, and something of each other one.
    let half = [read(key(0, 0), one()), read(key(0, 1), Observed::Absent)];
    let others = (1..12).map(|client| read(key(client, 0), one()));
    let op = Op::Txn(TxnOp { mops: half.into_iter().chain(others).collect() });
    let (time, process) = (Nanos(20), Process(20));
    builder.invoke(time, process, None, None, &op.pending()).expect("in order");
    builder.complete(time, process, Outcome::Ok, Some(&op), None).expect("in order");
    let history = builder.finish();
    let model = MultiRegister { initial: Value::Nil };
    let options = Options { quick: false, ..Options::default() };
    let judged = |budget: Budget| {
        let report = judge(&model, &history, Dialect::TRIBUNAL, &budget, options);
        report.expect("transactions")
    };
    assert_eq!(judged(Budget::unlimited()).verdict, Verdict::Invalid);
    const BYTES: u64 = 2 << 20;
    let report = judged(Budget::unlimited().with_bytes(BYTES));
    assert_eq!(report.cost.spent, Some(Spent::Memory), "{:?}", report.reason);
    let most = BYTES / (WRITES as u64 * 32);
    assert!(report.cost.configurations < most, "{} states", report.cost.configurations);
}

#[test]
fn a_count_of_configurations_is_a_limit_too() {
    let history = history(&hard(400));
    let budget = Budget::unlimited().with_configurations(100);
    let report = searching().check(&history, &budget).expect("a register history");
    assert_eq!(report.cost.spent, Some(Spent::Configurations));
    assert!(report.cost.configurations <= 102, "{}", report.cost.configurations);
}

/// A counter that raises the flag at one of its steps, and counts those that are asked for.
struct Raising {
    counter: Counter,
    flag: Budget,
    at: u64,
    steps: AtomicU64,
}

impl Model for Raising {
    type State = i128;
    type Op = CounterOp;

    fn initial(&self) -> i128 {
        self.counter.initial()
    }

    fn step(&self, state: &i128, op: &CounterOp) -> Steps<i128> {
        if self.steps.fetch_add(1, Ordering::Relaxed) == self.at {
            self.flag.cancel();
        }
        self.counter.step(state, op)
    }

    fn is_pure(&self, op: &CounterOp) -> bool {
        self.counter.is_pure(op)
    }

    fn refusal(&self, state: &i128, op: &CounterOp) -> String {
        self.counter.refusal(state, op)
    }
}

impl FromHistory for Raising {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<CounterOp>, String> {
        self.counter.interpret(operation, dialect)
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        self.counter.keys(operation, keys);
    }
}

/// Additions of different powers of two have a state of its own for each subset, so that every
/// configuration asks for steps: they are what a clock would measure, for one may take as long as a
/// transaction has steps.
#[test]
fn a_raised_flag_stops_the_search_within_a_few_configurations() {
    const ADDITIONS: u64 = 25;
    let mut builder = Builder::as_given();
    let key = || Value::Nil;
    for at in 0..ADDITIONS {
        let (time, process) = (Nanos(at), Process(at as u32));
        let op = Recorded::Add { key: key(), delta: 1 << at, value: Observed::Pending };
        let op = Op::Counter(op);
        builder.invoke(time, process, None, None, &op).expect("in order");
        builder.complete(time, process, Outcome::Info, Some(&op), None).expect("in order");
    }
    let read = Op::Counter(Recorded::Read { key: key(), value: Observed::Present(-1) });
    let (time, process) = (Nanos(ADDITIONS), Process(ADDITIONS as u32));
    builder.invoke(time, process, None, None, &read.pending()).expect("in order");
    builder.complete(time, process, Outcome::Ok, Some(&read), None).expect("in order");
    let history = builder.finish();
    for at in [0, 1_000, 100_000, 1_000_000] {
        let flag = Budget::unlimited();
        let (budget, steps) = (flag.clone(), AtomicU64::new(0));
        let counter = Counter { initial: 0, shrinks: true };
        let model = Raising { counter, flag, at, steps };
        let options = Options { quick: false, ..Options::default() };
        let report = judge(&model, &history, Dialect::TRIBUNAL, &budget, options);
        let report = report.expect("a counter");
        assert_eq!(report.cost.spent, Some(Spent::Time));
        let reason = report.reason.expect("a reason");
        assert!(at < 100_000 || reason.contains("multiplied by"), "{reason}");
        let late = model.steps.into_inner() - at;
        println!("{late} steps after the flag: {reason}");
        assert!(late <= 4 * (ADDITIONS + 1), "{late} steps after the flag was raised");
    }
}

#[test]
fn the_first_bad_key_may_be_enough() {
    let act =
        |key, process, question, answer, from, to| Act { process, key, question, answer, from, to };
    let acts: Vec<Act> = (0..6)
        .map(|key| {
            let found = Answer::Found(key % 2);
            act(key, key as u32, Question::Read, found, 2 * key as u32, 2 * key as u32 + 1)
        })
        .collect();
    let history = history(&acts);
    let options = Options { which: Which::First, ..Options::default() };
    for threads in [1, 4] {
        let budget = Budget::unlimited().with_threads(threads);
        let subjects = |checker: Linearizable<_>| {
            let report = checker.check(&history, &budget).expect("a register history");
            let subject = report.anomalies.into_iter().map(|anomaly| anomaly.subject);
            subject.map(Option::unwrap_or_default).collect::<Vec<_>>()
        };
        assert_eq!(subjects(cas_register(0)), ["1", "3", "5"]);
        assert_eq!(subjects(cas_register(0).with_options(options)), ["1"]);
    }
}

/// A fast path says how far it came, as a search does.
#[test]
fn a_fast_path_that_ends_early_says_how_far_it_came() {
    let mut builder = Builder::as_given();
    for at in 0..100_000_u64 {
        let append = Mop::Append { key: Value::Nil, element: Value::Int(at as i64) };
        let (time, op) = (Nanos(at), Op::Txn(TxnOp { mops: vec![append] }));
        builder.invoke(time, Process(0), None, None, &op.pending()).expect("in order");
        builder.complete(time, Process(0), Outcome::Ok, Some(&op), None).expect("in order");
    }
    let history = builder.finish();
    let budget = Budget::unlimited().with_bytes(1_500_000);
    let (dialect, options) = (Dialect::TRIBUNAL, Options::default());
    let report = judge(&List, &history, dialect, &budget, options).expect("a list");
    assert_eq!((report.verdict, report.cost.spent), (Verdict::Unknown, Some(Spent::Memory)));
    let reason = report.reason.expect("a reason");
    assert!(reason.contains("of 100000 operations passed, "), "{reason}");
    let nothing = ["with 0 of", " 0 KiB held"];
    assert!(!nothing.iter().any(|nothing| reason.contains(nothing)), "{reason}");
}

/// Crashed additions that are all seen, and with them one of 99, which nobody ever added.
fn crowded(additions: u32) -> History {
    let mut builder = Builder::as_given();
    let key = || Value::Nil;
    for at in 0..additions {
        let (time, element) = (Nanos(u64::from(at)), Value::Int(100 + i64::from(at)));
        let op = Op::Set(SetOp::Add { key: key(), element, added: Observed::Pending });
        builder.invoke(time, Process(at), None, None, &op).expect("in order");
        builder.complete(time, Process(at), Outcome::Info, Some(&op), None).expect("in order");
    }
    let all = (0..i64::from(additions)).map(|at| 100 + at).chain([99]);
    let elements = Observed::Present(all.map(Value::Int).collect());
    let (time, read) = (Nanos(u64::from(additions)), Op::Set(SetOp::Read { key: key(), elements }));
    builder.invoke(time, Process(additions), None, None, &read.pending()).expect("in order");
    builder.complete(time, Process(additions), Outcome::Ok, Some(&read), None).expect("in order");
    builder.finish()
}

/// A search that takes all the memory there is does not keep it from what needs next to none.
#[test]
fn what_needs_no_search_is_tried_where_memory_ends_one() {
    let (model, dialect, history) = (Set { shrinks: true }, Dialect::TRIBUNAL, crowded(60));
    let budget = Budget::unlimited().with_bytes(4 << 20);
    let judged = |quick| {
        let options = Options { quick, ..Options::default() };
        judge(&model, &history, dialect, &budget, options).expect("a set")
    };
    let searched = judged(false);
    assert_eq!((searched.verdict, searched.cost.spent), (Verdict::Unknown, Some(Spent::Memory)));
    let report = judged(true);
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reason);
    let half = (4 << 20) / 2;
    assert!(report.cost.peak_bytes <= half, "{} bytes held", report.cost.peak_bytes);
}

/// Nor does one that would take all the time: of a long history it is asked after them.
#[test]
fn of_a_long_history_what_needs_no_search_is_tried_first() {
    let mut builder = Builder::as_given();
    let key = || Value::Nil;
    let mut at_once = |at: u64, op: SetOp| {
        let (time, op) = (Nanos(at), Op::Set(op));
        builder.invoke(time, Process(0), None, None, &op.pending()).expect("in order");
        builder.complete(time, Process(0), Outcome::Ok, Some(&op), None).expect("in order");
    };
    let additions = 9_000;
    for at in 0..additions {
        let element = Value::Int(at as i64);
        at_once(at, SetOp::Add { key: key(), element, added: Observed::Pending });
    }
    let elements = Observed::Present((0..=additions as i64).map(Value::Int).collect());
    at_once(additions, SetOp::Read { key: key(), elements });
    let (model, dialect, budget) = (Set { shrinks: false }, Dialect::TRIBUNAL, Budget::unlimited());
    let history = builder.finish();
    let report = judge(&model, &history, dialect, &budget, Options::default()).expect("a set");
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.cost.certificates_verified, 1);
    assert!(report.cost.configurations < 100, "{} configurations", report.cost.configurations);
}

/// Millions of small things are held when the flag is raised; nobody waits until they are free.
#[test]
fn a_raised_flag_does_not_wait_for_what_is_held() {
    let history = crowded(60);
    // A machine that is busy with something else may be late by itself, but not every time.
    let late = (0..4).map(|_| late_with_much_held(&history)).min().expect("four times");
    assert!(late < Duration::from_millis(150), "{late:?}");
}

fn late_with_much_held(history: &History) -> Duration {
    let budget = Budget::unlimited();
    let flag = budget.clone();
    let raised = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1_500));
        flag.cancel();
        Instant::now()
    });
    let (model, dialect) = (Set { shrinks: true }, Dialect::TRIBUNAL);
    let options = Options { quick: false, ..Options::default() };
    let report = judge(&model, history, dialect, &budget, options).expect("a set");
    let late = raised.join().expect("the flag").elapsed();
    println!("{late:?} late with {} bytes held", report.cost.peak_bytes);
    assert_eq!(report.cost.spent, Some(Spent::Time));
    late
}
