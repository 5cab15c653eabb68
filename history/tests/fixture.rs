//! Writes the fixture of the native format, and checks that the writer still writes the same.

use tribunal_history::codec::native::{FrameEncoder, LogHeader, Spread};
use tribunal_history::{
    CounterOp, ErrorClass, FaultEdge, FaultEvent, IdOp, LockOp, Mark, Mop, Nanos, NodeId, Observed,
    Op, Outcome, Process, QueueOp, RegisterOp, Session, SetOp, TxnOp, Value,
};

/// One of everything.
fn every_kind() -> Vec<u8> {
    let header = LogHeader {
        run_id: "fixture".to_owned(),
        wall_start_ns: 1_795_240_035_000_000_000,
        boot_id: "boot".to_owned(),
    };
    let mut log = FrameEncoder::new(&header);
    let mut file = log.header_bytes().to_vec();
    let nodes = vec!["n1".to_owned(), "n2".to_owned()];
    let (kind, detail) = ("partition".to_owned(), "{\"verified\":true}".to_owned());
    let edge = FaultEdge::Injected;
    let fault = FaultEvent { time: Nanos(40), fault: 1, edge, kind, nodes, detail };
    let read = |value| Op::Register(RegisterOp::Read { key: Value::Int(1), value });
    let cas = Op::Register(RegisterOp::Cas {
        key: Value::text("k"),
        from: Value::Int(-3),
        to: Value::Int(i64::MAX),
    });
    let txn = |value, elements, matches| {
        let predicate = "v > 1".into();
        let write = Mop::Write { key: Value::Int(70), value: Value::Nil };
        let append = Mop::Append { key: Value::text("l"), element: Value::unparsed(b"\xff") };
        let read = Mop::Read { key: Value::Int(5), value };
        let list = Mop::ReadList { key: Value::text("l"), elements };
        let found = Mop::ReadPredicate { predicate, matches };
        Op::Txn(TxnOp { mops: vec![write, append, read, list, found] })
    };
    let asked = txn(Observed::Pending, Observed::Pending, Observed::Pending);
    let answered = txn(
        Observed::Present(Value::Int(8192)),
        Observed::Present(vec![Value::Int(1), Value::text("l")]),
        Observed::Present(vec![(Value::Int(1), Value::Int(2))]),
    );
    let put = |log: &mut FrameEncoder, file: &mut Vec<u8>| {
        file.extend_from_slice(log.frame().expect("records"));
    };
    log.meta("{\"seed\":7}").expect("fits");
    log.mark(&Mark { time: Nanos(0), name: "main".to_owned() }).expect("fits");
    log.invoke(Process(0), None, Some(NodeId(0)), &read(Observed::Pending), Nanos(10))
        .expect("fits");
    log.invoke(Process(1), Some(Session(9)), None, &cas, Nanos(11)).expect("fits");
    log.invoke(Process(2), None, None, &asked, Nanos(12)).expect("fits");
    put(&mut log, &mut file);
    log.complete(
        Process(0),
        Outcome::Ok,
        Some(&read(Observed::Absent)),
        None,
        Nanos(20),
        Nanos(30),
    )
    .expect("fits");
    log.fault(&fault).expect("fits");
    let mismatch = Some(&ErrorClass::MISMATCH);
    log.complete(Process(1), Outcome::Fail, None, mismatch, Nanos(21), Nanos(50)).expect("fits");
    log.complete(Process(2), Outcome::Ok, Some(&answered), None, Nanos(22), Nanos(60))
        .expect("fits");
    put(&mut log, &mut file);
    log.invoke(Process(0), None, None, &read(Observed::Pending), Nanos(70)).expect("fits");
    let timeout = Some(&ErrorClass::TIMEOUT);
    log.complete(Process(0), Outcome::Info, None, timeout, Nanos(71), Nanos(5_000_000_000))
        .expect("fits");
    let late = read(Observed::Present(Value::Int(4)));
    log.late(Process(0), Outcome::Ok, Some(&late), None, Nanos(6_000_000_000)).expect("fits");
    log.note(Nanos(6_000_000_001), "a note").expect("fits");
    log.sample(Nanos(6_000_000_002), "{}").expect("fits");
    let write = Op::Register(RegisterOp::Write { key: Value::Int(2), value: Value::Int(63) });
    log.invoke(Process(3), None, Some(NodeId(4)), &write, Nanos(6_000_000_003)).expect("fits");
    for (op, time) in every_object().iter().zip((6_000_000_004..).step_by(2)) {
        log.invoke(Process(4), None, None, &op.pending(), Nanos(time)).expect("fits");
        let (sent, answered) = (Nanos(time), Nanos(time + 1));
        log.complete(Process(4), Outcome::Ok, Some(op), None, sent, answered).expect("fits");
    }
    // What 2.1 added: nodes that need not be said, and times of a slow database, sent after the
    // last event and before it.
    log.spread(Spread::new(5, 3).expect("clients and nodes")).expect("fits");
    let (asked, answered) = (read(Observed::Pending), read(Observed::Absent));
    for (process, node, time) in [(5, Some(NodeId(0)), 6_000_000_100), (6, None, 6_000_000_200)] {
        log.invoke(Process(process), None, node, &asked, Nanos(time)).expect("fits");
    }
    for (process, sent, time) in
        [(5, 6_000_100_000, 6_090_000_000), (6, 6_080_000_000, 6_094_000_000)]
    {
        let (sent, time) = (Nanos(sent), Nanos(time));
        log.complete(Process(process), Outcome::Ok, Some(&answered), None, sent, time)
            .expect("fits");
    }
    log.end(Nanos(7_000_000_000), "time").expect("fits");
    put(&mut log, &mut file);
    file
}

/// What 1.1 added: an answered operation of each kind on one object.
fn every_object() -> Vec<Op> {
    let key = || Value::text("o");
    let (element, yes) = (Value::text("e"), Observed::Present(true));
    vec![
        Op::Register(RegisterOp::Append { key: key(), value: Value::text("x 1 y") }),
        Op::Set(SetOp::Add { key: key(), element: element.clone(), added: yes }),
        Op::Set(SetOp::Remove { key: key(), element, removed: Observed::Pending }),
        Op::Set(SetOp::Contains {
            key: key(),
            element: Value::Int(-1),
            found: Observed::Present(false),
        }),
        Op::Set(SetOp::Read {
            key: key(),
            elements: Observed::Present(vec![Value::Int(1), Value::Nil]),
        }),
        Op::Set(SetOp::Read { key: key(), elements: Observed::Absent }),
        Op::Counter(CounterOp::Add { key: key(), delta: -5, value: Observed::Present(7) }),
        Op::Counter(CounterOp::Add { key: key(), delta: i64::MIN, value: Observed::Pending }),
        Op::Counter(CounterOp::Read { key: key(), value: Observed::Present(7) }),
        Op::Queue(QueueOp::Enqueue { key: key(), value: Value::Int(3) }),
        Op::Queue(QueueOp::Dequeue { key: key(), value: Observed::Present(Value::Int(3)) }),
        Op::Queue(QueueOp::Peek { key: key(), value: Observed::Absent }),
        Op::Lock(LockOp::Acquire { key: key(), permits: 2, token: Observed::Present(33) }),
        Op::Lock(LockOp::Release { key: key(), permits: 2, token: Observed::Present(33) }),
        Op::Lock(LockOp::Release { key: key(), permits: 1, token: Observed::Pending }),
        Op::Id(IdOp::Generate { key: key(), id: Observed::Present(Value::text("i-1")) }),
    ]
}

/// Fails when the bytes on disk change: that needs a new minor version at least, and a new file.
/// `WRITE_FIXTURE=1` creates a missing one.
#[test]
fn the_written_bytes_do_not_drift() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/history-2.1.log");
    if std::env::var_os("WRITE_FIXTURE").is_some() && !std::path::Path::new(path).exists() {
        std::fs::write(path, every_kind()).expect("write the fixture");
    }
    let fixture = std::fs::read(path).expect("the committed fixture");
    assert!(fixture == every_kind(), "the native format changed; raise the version");
}
