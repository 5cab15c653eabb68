//! What makes events a history, in which order they stand, and what they cost in memory.

use super::{Builder, Code, History, HistoryError, MopView, OpIndex, Outcome};
use crate::{
    CounterOp, ErrorClass, EventId, F, FaultEdge, FaultEvent, IdOp, Kind, LockOp, Mark, Mop, Nanos,
    NodeId, Observed, Op, Process, QueueOp, RegisterOp, Session, SetOp, TxnOp, Value,
};

const P0: Process = Process(0);
const P1: Process = Process(1);

fn read(value: Observed<i64>) -> Op {
    Op::Register(RegisterOp::Read { key: Value::Int(7), value: value.map(Value::Int) })
}

fn write(value: i64) -> Op {
    Op::Register(RegisterOp::Write { key: Value::Int(7), value: Value::Int(value) })
}

fn asked(builder: &mut Builder, time: u64, process: Process, op: &Op) -> OpIndex {
    builder.invoke(Nanos(time), process, None, None, op).expect("a well-formed invocation")
}

fn done(builder: &mut Builder, time: u64, process: Process, outcome: Outcome) {
    builder.complete(Nanos(time), process, outcome, None, None).expect("a well-formed completion");
}

/// Invocations and completions in rank order, as (operation, is completion).
fn order(history: &History) -> Vec<(u32, bool)> {
    let owner = |id| {
        let (operation, completion) = history.owner(EventId(id));
        (operation.index().0, completion)
    };
    (0..history.event_count()).map(owner).collect()
}

#[test]
fn a_process_has_one_operation_at_a_time() {
    let mut builder = Builder::as_given();
    asked(&mut builder, 0, P0, &write(1));
    asked(&mut builder, 0, P1, &write(2));
    let second = builder.invoke(Nanos(5), P0, None, None, &write(3));
    let error = HistoryError::OpenOperation { process: P0, first: 0, second: 2 };
    assert_eq!(second, Err(error.clone()));
    assert_eq!(error.to_string(), "p0 invoked at event 2 while its invocation at event 0 is open");
}

#[test]
fn an_info_retires_its_process() {
    let mut builder = Builder::as_given();
    asked(&mut builder, 0, P0, &write(1));
    done(&mut builder, 1, P0, Outcome::Info);
    let again = builder.invoke(Nanos(2), P0, None, None, &write(2));
    assert_eq!(again, Err(HistoryError::Retired { process: P0, first: 1, second: 2 }));
    let late = builder.complete(Nanos(3), P0, Outcome::Ok, None, None);
    assert_eq!(late, Err(HistoryError::NoInvocation { process: P0, event: 2 }));
}

#[test]
fn ok_and_fail_do_not_retire() {
    let mut builder = Builder::by_time();
    for (round, outcome) in [Outcome::Ok, Outcome::Fail, Outcome::Ok].into_iter().enumerate() {
        asked(&mut builder, 10 * round as u64 + 1, P0, &write(1));
        done(&mut builder, 10 * round as u64 + 2, P0, outcome);
    }
    assert_eq!(builder.finish().len(), 3);
}

#[test]
fn a_completion_needs_an_invocation() {
    let mut builder = Builder::as_given();
    let error = HistoryError::NoInvocation { process: P0, event: 0 };
    let outcome = builder.complete(Nanos(0), P0, Outcome::Ok, None, None);
    assert_eq!(outcome, Err(error.clone()));
    assert_eq!(builder.sent(P0, Nanos(0)), Err(error));
}

#[test]
fn to_end_is_not_to_stay_open() {
    let mut builder = Builder::as_given();
    asked(&mut builder, 0, P0, &write(1));
    let ended = builder.complete(Nanos(1), P0, Outcome::Open, None, None);
    assert_eq!(ended, Err(HistoryError::OpenCompletion { process: P0, event: 1 }));
}

#[test]
fn an_answer_is_its_question_filled_in() {
    for outcome in [Outcome::Ok, Outcome::Fail, Outcome::Info] {
        let mut builder = Builder::as_given();
        asked(&mut builder, 0, P0, &write(1));
        let other = builder.complete(Nanos(1), P0, outcome, Some(&write(2)), None);
        let error = other.expect_err("another question").to_string();
        assert_eq!(error, "event 1 answers `write 7 := 2` but event 0 asked `write 7 := 1`");
    }
    let txn = |element, seen| {
        let append = Mop::Append { key: Value::Int(1), element: Value::Int(element) };
        let read = Mop::ReadList { key: Value::Int(1), elements: seen };
        Op::Txn(TxnOp { mops: vec![append, read] })
    };
    let seen = Observed::Present(vec![Value::Int(3)]);
    let mut builder = Builder::as_given();
    asked(&mut builder, 0, P0, &txn(3, Observed::Pending));
    let other = txn(4, seen.clone());
    assert!(builder.complete(Nanos(1), P0, Outcome::Ok, Some(&other), None).is_err());
    let answer = txn(3, seen);
    builder.complete(Nanos(1), P0, Outcome::Ok, Some(&answer), None).expect("the answer");
    let history = builder.finish();
    assert_eq!(history.event(EventId(1)).op, answer);
    assert_eq!(history.event(EventId(0)).op, answer.pending());
}

#[test]
fn only_ok_observes() {
    let mut builder = Builder::as_given();
    asked(&mut builder, 0, P0, &read(Observed::Present(9)));
    let seen = read(Observed::Present(1));
    let error = Some(&ErrorClass::TIMEOUT);
    builder.complete(Nanos(1), P0, Outcome::Info, Some(&seen), error).expect("well-formed");
    let history = builder.finish();
    assert_eq!(history.event(EventId(0)).op, read(Observed::Pending));
    assert_eq!(history.event(EventId(1)).op, read(Observed::Pending));
    assert_eq!(history.event(EventId(1)).kind, Kind::Info);
    assert_eq!(history.event(EventId(1)).error, Some(ErrorClass::TIMEOUT));
}

#[test]
fn time_does_not_run_backwards_within_a_process() {
    let mut builder = Builder::by_time();
    asked(&mut builder, 10, P0, &write(1));
    let error = builder.complete(Nanos(9), P0, Outcome::Ok, None, None);
    let expected = HistoryError::TimeBackwards { event: 1, time: Nanos(9), before: Nanos(10) };
    assert_eq!(error, Err(expected));
    assert!(builder.sent(P0, Nanos(9)).is_err());
    done(&mut builder, 20, P0, Outcome::Ok);
    // Equal would rank the second invocation before the first completion.
    assert!(builder.invoke(Nanos(20), P0, None, None, &write(2)).is_err());
    assert!(builder.invoke(Nanos(21), P0, None, None, &write(2)).is_ok());
    // Other processes may be recorded later than they acted.
    assert!(builder.invoke(Nanos(1), P1, None, None, &write(3)).is_ok());
}

/// The counterexample of [`Builder::by_time`]: were the completion ranked first, this read of 0
/// would be forced after the write of 1, and a correct register called broken.
#[test]
fn equal_stamps_are_concurrent() {
    let mut builder = Builder::by_time();
    asked(&mut builder, 0, P0, &write(1));
    done(&mut builder, 5, P0, Outcome::Ok);
    asked(&mut builder, 5, P1, &read(Observed::Pending));
    done(&mut builder, 9, P1, Outcome::Ok);
    assert_eq!(order(&builder.finish()), [(0, false), (1, false), (0, true), (1, true)]);

    let mut builder = Builder::as_given();
    asked(&mut builder, 0, P0, &write(1));
    done(&mut builder, 5, P0, Outcome::Ok);
    asked(&mut builder, 5, P1, &read(Observed::Pending));
    assert_eq!(order(&builder.finish()), [(0, false), (0, true), (1, false)]);
}

#[test]
fn an_operation_of_no_duration_starts_before_it_ends() {
    let mut builder = Builder::by_time();
    asked(&mut builder, 5, P0, &write(1));
    done(&mut builder, 5, P0, Outcome::Ok);
    asked(&mut builder, 5, P1, &write(2));
    done(&mut builder, 5, P1, Outcome::Ok);
    assert_eq!(order(&builder.finish()), [(0, false), (1, false), (0, true), (1, true)]);
}

#[test]
fn events_recorded_out_of_order_are_ranked_by_time() {
    let mut builder = Builder::by_time();
    asked(&mut builder, 100, P0, &write(1));
    asked(&mut builder, 50, P1, &write(2));
    done(&mut builder, 70, P1, Outcome::Ok);
    builder.sent(P0, Nanos(120)).expect("later than recorded");
    done(&mut builder, 130, P0, Outcome::Ok);
    let history = builder.finish();
    assert_eq!(order(&history), [(1, false), (1, true), (0, false), (0, true)]);
    let first = history.operation(OpIndex(0));
    assert_eq!((first.call(), first.ret()), (EventId(2), Some(EventId(3))));
    assert_eq!((first.invoked_at(), first.completed_at()), (Nanos(120), Nanos(130)));
    assert_eq!(history.end(), Nanos(130));
}

#[test]
fn a_history_keeps_what_it_was_told() {
    let fault = FaultEvent {
        time: Nanos(900),
        fault: 0,
        edge: FaultEdge::Injected,
        kind: "kill".to_owned(),
        nodes: vec!["n1".to_owned()],
        detail: String::new(),
    };
    let mark = Mark { time: Nanos(1), name: "main".to_owned() };
    let mut builder = Builder::by_time();
    builder.fault(fault.clone());
    builder.mark(mark.clone());
    let (session, node) = (Some(Session(3)), Some(NodeId(2)));
    builder.invoke(Nanos(1), P0, session, node, &write(-1)).expect("well-formed");
    assert_eq!(builder.open_op(P0), Some(write(-1)));
    let long = u64::from(u32::MAX) + 10;
    done(&mut builder, long, P0, Outcome::Ok);
    assert_eq!(builder.open_op(P0), None);
    asked(&mut builder, 2, P1, &write(1 << 40));
    let history = builder.finish();
    let (first, second) = (history.operation(OpIndex(0)), history.operation(OpIndex(1)));
    assert_eq!((first.session(), first.node()), (Session(3), node));
    assert_eq!((second.session(), second.node()), (Session(1), None));
    assert_eq!(first.completed_at(), Nanos(long));
    assert_eq!((second.outcome(), second.ret()), (Outcome::Open, None));
    assert_eq!(history.value(first.a()), Value::Int(-1));
    assert_eq!(history.code(&Value::Int(1 << 40)), Some(second.a()));
    assert_eq!(history.code(&Value::text("absent")), None);
    assert_eq!((history.faults(), history.marks()), (&[fault][..], &[mark][..]));
    let events: Vec<_> = history.events().collect();
    let faults = history.faults().to_vec();
    let copy = History::new(events.clone(), faults).expect("its own events");
    assert_eq!(copy.events().collect::<Vec<_>>(), events);
}

#[test]
fn events_given_in_order_still_have_sane_times() {
    let mut builder = Builder::as_given();
    asked(&mut builder, 9, P0, &write(1));
    done(&mut builder, 9, P0, Outcome::Ok);
    let mut events: Vec<_> = builder.finish().events().collect();
    events[1].time = Nanos(8);
    let error = HistoryError::TimeBackwards { event: 1, time: Nanos(8), before: Nanos(9) };
    assert_eq!(History::new(events, Vec::new()).err(), Some(error));
}

#[test]
fn error_classes_beyond_254_share_a_name() {
    let mut builder = Builder::as_given();
    for process in 0..300 {
        asked(&mut builder, 0, Process(process), &write(1));
        let error = ErrorClass::new(format!("class-{process}"));
        builder
            .complete(Nanos(1), Process(process), Outcome::Fail, None, Some(&error))
            .expect("well-formed");
    }
    let history = builder.finish();
    let class = |at| history.operation(OpIndex(at)).error();
    assert_eq!(class(253), Some(ErrorClass::new("class-253")));
    assert_eq!(class(254), Some(ErrorClass::new("other")));
}

fn bytes<T>(column: &Vec<T>) -> usize {
    column.capacity() * size_of::<T>()
}

/// Every column of a history, as allocated. The rank index (8 bytes per operation) is built only
/// for those who ask for events by rank, and is not counted.
fn column_bytes(history: &History) -> usize {
    let History { tag, key, a, b, process, node, error, call, ret, times, .. } = history;
    let small = bytes(tag) + bytes(error) + bytes(node);
    let times = bytes(&times.invoked) + bytes(&times.duration);
    small + bytes(key) + bytes(a) + bytes(b) + bytes(process) + bytes(call) + bytes(ret) + times
}

#[test]
fn a_register_operation_costs_at_most_forty_bytes() {
    const COUNT: usize = 10_000;
    let mut builder = Builder::by_time();
    for i in 0..COUNT {
        let process = Process(i as u32 % 10);
        asked(&mut builder, 10 * i as u64 + 1, process, &write(i as i64));
        done(&mut builder, 10 * i as u64 + 2, process, Outcome::Ok);
    }
    let history = builder.finish();
    let (mops, lists) = history.arena.mop_bytes();
    let total = column_bytes(&history) + mops + lists;
    assert!(total <= 40 * COUNT, "{:.1} bytes per operation", total as f64 / COUNT as f64);
    assert_eq!(history.arena.value_count(), 0, "small integers need no table");
}

#[test]
fn a_micro_operation_costs_at_most_sixteen_bytes_beside_its_list() {
    const COUNT: usize = 10_000;
    let mut builder = Builder::by_time();
    for i in 0..COUNT {
        let seen = Observed::Present(vec![Value::Int(1), Value::Int(2), Value::Int(3)]);
        let mops = vec![
            Mop::Append { key: Value::Int(1), element: Value::Int(i as i64) },
            Mop::ReadList { key: Value::Int(1), elements: seen },
        ];
        let op = Op::Txn(TxnOp { mops });
        asked(&mut builder, 10 * i as u64 + 1, P0, &op);
        builder.complete(Nanos(10 * i as u64 + 2), P0, Outcome::Ok, Some(&op), None).expect("ok");
    }
    let history = builder.finish();
    let (mops, lists) = history.arena.mop_bytes();
    assert!(mops <= 16 * 2 * COUNT, "{:.1} bytes each", mops as f64 / (2 * COUNT) as f64);
    assert_eq!(lists, 4 * 3 * COUNT);
    assert!(column_bytes(&history) <= 40 * COUNT);
}

/// One answered operation of each kind that is about one object.
fn one_of_each() -> Vec<Op> {
    let key = || Value::text("k");
    let big = i64::MAX - 3;
    let yes = Observed::Present(true);
    let elements = Observed::Present(vec![Value::Int(2), Value::text("e"), Value::Int(2)]);
    vec![
        read(Observed::Present(-4)),
        write(9),
        Op::Register(RegisterOp::Cas { key: key(), from: Value::Int(-1), to: Value::Nil }),
        Op::Register(RegisterOp::Append { key: key(), value: Value::text("x 1 y") }),
        Op::Set(SetOp::Add { key: key(), element: Value::text("e"), added: yes }),
        Op::Set(SetOp::Add { key: key(), element: Value::Int(1), added: Observed::Pending }),
        Op::Set(SetOp::Remove { key: key(), element: Value::Int(7), removed: Observed::Absent }),
        Op::Set(SetOp::Contains {
            key: key(),
            element: Value::Int(-7),
            found: Observed::Present(false),
        }),
        Op::Set(SetOp::Read { key: key(), elements }),
        Op::Set(SetOp::Read { key: key(), elements: Observed::Present(Vec::new()) }),
        Op::Set(SetOp::Read { key: key(), elements: Observed::Absent }),
        Op::Counter(CounterOp::Add { key: key(), delta: -big, value: Observed::Present(big) }),
        Op::Counter(CounterOp::Read { key: key(), value: Observed::Present(-1) }),
        Op::Queue(QueueOp::Enqueue { key: key(), value: Value::Int(5) }),
        Op::Queue(QueueOp::Dequeue { key: key(), value: Observed::Present(Value::Int(5)) }),
        Op::Queue(QueueOp::Peek { key: key(), value: Observed::Absent }),
        Op::Lock(LockOp::Acquire { key: key(), permits: 2, token: Observed::Present(33) }),
        Op::Lock(LockOp::Release { key: key(), permits: -2, token: Observed::Present(33) }),
        Op::Lock(LockOp::Release { key: key(), permits: 1, token: Observed::Pending }),
        Op::Id(IdOp::Generate { key: key(), id: Observed::Present(Value::text("i")) }),
    ]
}

#[test]
fn every_operation_comes_back_as_asked_and_as_answered() {
    let mut builder = Builder::as_given();
    let ops = one_of_each();
    for op in &ops {
        asked(&mut builder, 1, P0, &op.pending());
        assert_eq!(builder.open_op(P0), Some(op.pending()));
        builder.complete(Nanos(2), P0, Outcome::Ok, Some(op), None).expect("an answer");
    }
    let history = builder.finish();
    for (operation, op) in history.operations().zip(&ops) {
        assert_eq!(&operation.op(), op);
        assert_eq!((operation.f(), operation.op().family()), (op.f(), op.f().family()));
        assert_eq!(history.event(operation.call()).op, op.pending(), "{op}");
        assert_eq!(history.value(operation.key()), *op.key().expect("one object"));
    }
    for f in F::ALL {
        assert!(f == F::Txn || ops.iter().any(|op| op.f() == f), "{} is missing", f.name());
    }
}

#[test]
fn every_operation_refuses_the_answer_to_another_question() {
    let ops = one_of_each();
    for op in &ops {
        for other in ops.iter().filter(|other| other.pending() != op.pending()) {
            for outcome in [Outcome::Ok, Outcome::Fail] {
                let mut builder = Builder::as_given();
                asked(&mut builder, 1, P0, op);
                let answered = builder.complete(Nanos(2), P0, outcome, Some(other), None);
                assert!(answered.is_err(), "`{op}` answered by `{other}`");
            }
            assert!(!other.answers(op));
        }
        assert_eq!(op.clone().on_key(&Value::Int(1)).key(), Some(&Value::Int(1)));
    }
}

#[test]
fn what_a_checker_needs_is_read_without_an_operation_of_its_own() {
    let mut builder = Builder::as_given();
    for op in one_of_each() {
        asked(&mut builder, 1, P0, &op);
        builder.complete(Nanos(2), P0, Outcome::Ok, Some(&op), None).expect("an answer");
    }
    let history = builder.finish();
    for operation in history.operations() {
        match operation.op() {
            Op::Set(SetOp::Add { element, added: told, .. })
            | Op::Set(SetOp::Remove { element, removed: told, .. })
            | Op::Set(SetOp::Contains { element, found: told, .. }) => {
                assert_eq!((history.value(operation.a()), operation.told()), (element, told));
            }
            Op::Set(SetOp::Read { elements, .. }) => {
                let values = |codes: &[_]| codes.iter().map(|code| history.value(*code)).collect();
                assert_eq!(operation.elements().map(values), elements);
            }
            Op::Counter(CounterOp::Add { delta, value, .. }) => {
                assert_eq!(operation.int_a(), Some(delta));
                assert_eq!(operation.int_b(), value.present().copied());
            }
            Op::Counter(CounterOp::Read { value, .. }) => {
                assert_eq!(operation.int_a(), value.present().copied());
            }
            Op::Lock(LockOp::Acquire { permits, token, .. })
            | Op::Lock(LockOp::Release { permits, token, .. }) => {
                assert_eq!(operation.int_a(), Some(permits));
                assert_eq!(operation.int_b(), token.present().copied());
            }
            Op::Register(_) | Op::Queue(_) | Op::Id(_) | Op::Txn(_) => {
                assert_eq!((operation.told(), operation.elements()), Default::default());
            }
        }
    }
    assert_eq!(history.int(Code::PENDING), None);
    assert_eq!(history.int(Code::ABSENT), None);
    for operation in history.operations() {
        let code = operation.key();
        let key = history.value(code);
        let text = if let Value::Text(text) = &key { Some(&**text) } else { None };
        assert_eq!(history.text(code), text);
    }
    assert_eq!(history.text(Code(7)), None);
    assert_eq!(history.text(Code::PENDING), None);
    assert_eq!(history.text(Code::ABSENT), None);
}

#[test]
fn an_operation_of_any_family_costs_at_most_forty_bytes_beside_its_list() {
    const COUNT: usize = 10_000;
    for op in one_of_each() {
        let mut builder = Builder::by_time();
        for i in 0..COUNT {
            let process = Process(i as u32 % 10);
            asked(&mut builder, 10 * i as u64 + 1, process, &op);
            let time = Nanos(10 * i as u64 + 2);
            builder.complete(time, process, Outcome::Ok, Some(&op), None).expect("an answer");
        }
        let history = builder.finish();
        assert!(column_bytes(&history) <= 40 * COUNT, "{op}");
        let (mops, lists) = history.arena.mop_bytes();
        let elements = match &op {
            Op::Set(SetOp::Read { elements: Observed::Present(elements), .. }) => elements.len(),
            _ => 0,
        };
        assert_eq!((mops, lists), (0, 4 * elements * COUNT), "{op}");
        assert!(history.arena.value_count() <= 4, "{op}");
    }
}

/// A micro-operation of a view, owned.
fn owned(history: &History, view: MopView<'_>) -> Mop {
    let value = |code: Code| history.value(code);
    match view {
        MopView::Read { key, value: seen } => Mop::Read { key: value(key), value: seen.map(value) },
        MopView::Write { key, value: written } => {
            Mop::Write { key: value(key), value: value(written) }
        }
        MopView::Append { key, element } => {
            Mop::Append { key: value(key), element: value(element) }
        }
        MopView::ReadList { key, elements } => {
            let elements = elements.map(|codes| codes.iter().map(|code| value(*code)).collect());
            Mop::ReadList { key: value(key), elements }
        }
        MopView::Add { key, delta, value: seen } => {
            Mop::Add { key: value(key), delta, value: seen }
        }
        MopView::ReadPredicate { predicate, matches } => {
            let predicate = history.text(predicate).expect("a predicate is text").into();
            let pair = |pair: &[Code; 2]| (value(pair[0]), value(pair[1]));
            let matches = matches.map(|pairs| pairs.iter().map(pair).collect());
            Mop::ReadPredicate { predicate, matches }
        }
    }
}

#[test]
fn views_of_micro_operations_say_what_the_operation_says() {
    let (key, far) = (|| Value::text("k"), || Value::Int(-1));
    let mut mops = vec![
        Mop::Write { key: key(), value: far() },
        Mop::Append { key: Value::Int(1), element: Value::Nil },
    ];
    for value in [Observed::Pending, Observed::Absent, Observed::Present(far())] {
        mops.push(Mop::Read { key: key(), value: value.clone() });
        let elements = value.clone().map(|value| vec![value, Value::Int(3)]);
        mops.push(Mop::ReadList { key: key(), elements });
        let matches = value.map(|value| vec![(key(), value), (far(), key())]);
        mops.push(Mop::ReadPredicate { predicate: "true".into(), matches });
    }
    for value in [Observed::Pending, Observed::Absent, Observed::Present(-1)] {
        mops.push(Mop::Add { key: key(), delta: i64::MIN, value });
    }
    let op = Op::Txn(TxnOp { mops });
    for outcome in [Outcome::Ok, Outcome::Info, Outcome::Fail] {
        let mut builder = Builder::as_given();
        asked(&mut builder, 0, P0, &write(1));
        asked(&mut builder, 0, P1, &op);
        builder.complete(Nanos(1), P1, outcome, Some(&op), None).expect("an answer");
        let history = builder.finish();
        let (single, txn) = (history.operation(OpIndex(0)), history.operation(OpIndex(1)));
        assert_eq!(single.mops().len(), 0);
        let views: Vec<Mop> = txn.mops().map(|view| owned(&history, view)).collect();
        assert_eq!(Op::Txn(TxnOp { mops: views }), txn.op(), "{outcome:?}");
    }
}
