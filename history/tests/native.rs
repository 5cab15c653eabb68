//! The native log: sizes, recovery, and what it refuses.

mod common;

use tribunal_history::codec::CodecError;
use tribunal_history::codec::native::{
    FrameEncoder, HEADER_LEN, LogFile, LogHeader, SEGMENT_EVENTS, Spread, read_log,
};
use tribunal_history::{
    ErrorClass, Event, FaultEdge, FaultEvent, Mark, Mop, Nanos, NodeId, Observed, Op, OpIndex,
    Outcome, Process, Session, TxnOp, Value,
};

use common::{Random, cas, read, write};

fn events(log: &LogFile) -> Vec<Event> {
    log.history.events().collect()
}

fn with_frame(records: impl FnOnce(&mut FrameEncoder)) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(&LogHeader::default());
    records(&mut encoder);
    let mut file = encoder.header_bytes().to_vec();
    file.extend_from_slice(encoder.frame().expect("records"));
    file
}

/// A frame of arbitrary records, with a correct checksum.
fn with_body(body: &[u8]) -> Vec<u8> {
    let mut file = FrameEncoder::new(&LogHeader::default()).header_bytes().to_vec();
    let page = u32::from_le_bytes(*file.last_chunk().expect("a page"));
    let length = [body.len() as u8 | 0x80, (body.len() >> 7) as u8];
    assert!(body.len() < 1 << 14);
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(page, &length), body);
    file.extend_from_slice(&length);
    file.extend_from_slice(&sum.to_le_bytes());
    file.extend_from_slice(body);
    file
}

#[test]
fn a_register_event_costs_at_most_twelve_bytes() {
    for per_frame in [1, 10, 100] {
        let count = 200_000;
        let bytes = common::log(count, per_frame).len() - HEADER_LEN;
        let each = bytes as f64 / count as f64;
        println!("{per_frame} events per frame: {each:.2} bytes per event");
        assert!(each <= 12.0, "{each:.2} bytes per event at {per_frame} events per frame");
    }
}

#[test]
fn so_does_one_of_a_slow_database() {
    for pace in [10_000, 50_000, 200_000] {
        let each = common::slow(4_000, pace) as f64 / 8_000.0;
        println!("an operation every {pace} us: {each:.2} bytes per event");
        assert!(each <= 12.0, "{each:.2} bytes per event at an operation every {pace} us");
    }
}

#[test]
fn everything_written_is_read() {
    let count = u64::from(SEGMENT_EVENTS) * 2 + 77;
    let log = read_log(&common::log(count, 13)).expect("intact");
    assert_eq!(u64::from(log.history.event_count()), count);
    assert_eq!(log.header.run_id, "2026-11-21T05-47-15");
    assert_eq!(log.meta.as_deref(), Some("{\"suite\":\"quickstart\"}"));
    assert_eq!(log.ended.as_deref(), Some("time"));
    assert_eq!(log.history.end(), Nanos(u64::MAX / 2));
    assert_eq!((log.torn, log.skipped), (None, 0));
}

#[test]
fn the_framing_does_not_change_the_events() {
    let one = read_log(&common::log(5_000, 1)).expect("intact");
    let many = read_log(&common::log(5_000, 777)).expect("intact");
    assert_eq!(events(&one), events(&many));
}

#[test]
fn every_kind_of_record_survives() {
    let fault = FaultEvent {
        time: Nanos(5),
        fault: 3,
        edge: FaultEdge::HealFailed,
        kind: "partition".to_owned(),
        nodes: vec!["n1".to_owned(), "n3".to_owned()],
        detail: "{\"why\":\"é\"}".to_owned(),
    };
    let mark = Mark { time: Nanos(6), name: "quiet".to_owned() };
    let text = |text: &str| Value::text(text);
    let asked = Op::Txn(TxnOp {
        mops: vec![
            Mop::Read { key: text("x"), value: Observed::Pending },
            Mop::Write { key: text("x"), value: Value::Int(i64::MIN) },
            Mop::Append { key: Value::Nil, element: text(&"long".repeat(100)) },
            Mop::ReadList { key: Value::Int(-1), elements: Observed::Pending },
            Mop::ReadList { key: Value::Int(-2), elements: Observed::Pending },
            Mop::ReadPredicate { predicate: "v > 1".into(), matches: Observed::Pending },
        ],
    });
    let answered = Op::Txn(TxnOp {
        mops: vec![
            Mop::Read { key: text("x"), value: Observed::Absent },
            Mop::Write { key: text("x"), value: Value::Int(i64::MIN) },
            Mop::Append { key: Value::Nil, element: text(&"long".repeat(100)) },
            Mop::ReadList { key: Value::Int(-1), elements: Observed::Absent },
            Mop::ReadList {
                key: Value::Int(-2),
                elements: Observed::Present(vec![text("x"), Value::unparsed(b"\xff\0")]),
            },
            Mop::ReadPredicate {
                predicate: "v > 1".into(),
                matches: Observed::Present(vec![(Value::Int(1), Value::Int(i64::MAX))]),
            },
        ],
    });
    let file = with_frame(|log| {
        log.fault(&fault).expect("fits");
        log.mark(&mark).expect("fits");
        log.note(Nanos(7), "a note").expect("fits");
        log.sample(Nanos(8), "{}").expect("fits");
        log.invoke(Process(7), Some(Session(2)), Some(NodeId(4)), &asked, Nanos(9)).expect("fits");
        log.complete(Process(7), Outcome::Ok, Some(&answered), None, Nanos(12), Nanos(20))
            .expect("fits");
        log.invoke(Process(8), None, None, &cas(1, 2, 3), Nanos(13)).expect("fits");
        log.late(Process(8), Outcome::Ok, Some(&answered), None, Nanos(30)).expect("fits");
        let mismatch = Some(&ErrorClass::MISMATCH);
        log.late(Process(8), Outcome::Fail, None, mismatch, Nanos(31)).expect("fits");
    });
    let log = read_log(&file).expect("intact");
    assert_eq!(log.history.faults(), [fault]);
    assert_eq!(log.history.marks(), [mark]);
    assert_eq!(log.notes, [(Nanos(7), "a note".to_owned())]);
    assert_eq!(log.samples, [(Nanos(8), "{}".to_owned())]);
    assert_eq!(log.late[0].op.as_ref(), Some(&answered));
    assert_eq!(log.late[0].error, None);
    assert_eq!((log.late[1].outcome, log.late[1].op.as_ref()), (Outcome::Fail, None));
    assert_eq!(log.late[1].error, Some(ErrorClass::MISMATCH));
    let first = log.history.operations().next().expect("two operations");
    assert_eq!(first.op(), answered);
    assert_eq!((first.session(), first.node()), (Session(2), Some(NodeId(4))));
    assert_eq!((first.invoked_at(), first.completed_at()), (Nanos(12), Nanos(20)));
    let second = log.history.operations().last().expect("two operations");
    assert_eq!((second.outcome(), second.op()), (Outcome::Open, cas(1, 2, 3)));
    assert_eq!(log.ended, None);
}

#[test]
fn the_interval_of_an_ok_operation_starts_when_it_was_sent() {
    let file = with_frame(|log| {
        log.invoke(Process(0), None, None, &write(0, 1), Nanos(10)).expect("fits");
        log.invoke(Process(1), None, None, &write(0, 2), Nanos(11)).expect("fits");
        log.complete(Process(0), Outcome::Ok, None, None, Nanos(30), Nanos(40)).expect("fits");
        // A clock that went backwards is not believed: the dispatch time stays.
        log.complete(Process(1), Outcome::Ok, None, None, Nanos(99), Nanos(40)).expect("fits");
    });
    let log = read_log(&file).expect("intact");
    let sent: Vec<_> = log.history.operations().map(|op| op.invoked_at()).collect();
    assert_eq!(sent, [Nanos(30), Nanos(11)]);
}

/// With and without the usual node of each process, and with none.
#[test]
fn a_process_is_on_the_node_it_is_written_with() {
    let spreads =
        [None, Spread::new(1, 1), Spread::new(10, 5), Spread::new(7, 3), Spread::new(2, 9)];
    let nodes = [None, Some(NodeId(0)), Some(NodeId(2)), Some(NodeId(u16::MAX - 1))];
    let mut lengths = Vec::new();
    for spread in spreads {
        let mut written = Vec::new();
        let file = with_frame(|log| {
            if let Some(spread) = spread {
                log.spread(spread).expect("fits");
            }
            for process in 0..100 {
                let node = nodes[process as usize % nodes.len()];
                let op = write(0, 1);
                log.invoke(Process(process), None, node, &op, Nanos(10)).expect("fits");
                written.push(node);
            }
        });
        let log = read_log(&file).expect("intact");
        let read: Vec<_> = log.history.operations().map(|op| op.node()).collect();
        assert_eq!(read, written, "{spread:?}");
        lengths.push(file.len());
    }
    let usual = with_frame(|log| {
        log.spread(Spread::new(10, 5).expect("clients")).expect("fits");
        for process in 0..100 {
            let node = Some(NodeId((process % 5) as u16));
            log.invoke(Process(process), None, node, &write(0, 1), Nanos(10)).expect("fits");
        }
    });
    assert!(usual.len() + 70 < lengths[0], "a byte less for each: {} {lengths:?}", usual.len());
    for body in [[0x05, 0, 5], [0x05, 5, 0]] {
        let error = read_log(&with_body(&body)).expect_err("nobody, or nowhere").to_string();
        assert!(error.contains("no clients, or no nodes"), "{error}");
    }
}

/// Any prefix: no panic, and exactly the events of the whole frames are kept.
#[test]
fn any_prefix_keeps_the_frames_it_holds() {
    let file = common::log(400, 7);
    let whole = events(&read_log(&file).expect("intact"));
    let mut last = 0;
    for length in 0..file.len() {
        let read = read_log(&file[..length]);
        if length < HEADER_LEN {
            assert!(matches!(read, Err(CodecError::Native { .. })), "{length} bytes");
            continue;
        }
        let log = read.expect("a torn tail is not an error");
        let kept = log.torn.as_ref().map(|torn| (torn.at_byte, torn.kept_events));
        if let Some((at, events)) = kept {
            assert!(at <= length as u64 && events == log.history.event_count());
        }
        let kept = log.history.event_count();
        assert!(
            kept.is_multiple_of(7) || kept == whole.len() as u32,
            "{kept} is not a whole frame"
        );
        assert!(kept >= last, "a longer prefix keeps no less");
        last = kept;
        assert_eq!(log.ended.is_some(), length == file.len());
    }
}

/// Any flipped bit: no panic; damage in a frame is found, and what precedes it kept.
#[test]
fn any_flipped_bit_is_noticed() {
    let file = common::log(300, 7);
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        match read_log(&damaged) {
            Err(_) => assert!(at < HEADER_LEN, "byte {at} is in a frame: it must be torn"),
            Ok(log) => {
                let torn = log.torn.expect("damage is reported");
                assert!(torn.at_byte <= at as u64, "torn at {} by byte {at}", torn.at_byte);
                let prefix = read_log(&file[..torn.at_byte as usize]).expect("intact so far");
                assert_eq!(prefix.history.event_count(), torn.kept_events);
            }
        }
    }
}

/// Each frame is intact by itself: it is the one before that tells.
#[test]
fn a_frame_that_is_missing_or_in_another_place_is_noticed() {
    let mut encoder = FrameEncoder::new(&LogHeader::default());
    let page = encoder.header_bytes().to_vec();
    let mut frames = Vec::new();
    for time in 1..=3 {
        encoder.note(Nanos(time), "note").expect("fits");
        frames.push(encoder.frame().expect("a record").to_vec());
    }
    let notes = |order: &[usize]| {
        let frames = order.iter().map(|at| frames[*at].as_slice());
        let log = read_log(&std::iter::once(&page[..]).chain(frames).collect::<Vec<_>>().concat())
            .expect("a torn log is readable");
        (log.notes.len(), log.torn.is_some())
    };
    assert_eq!(notes(&[0, 1, 2]), (3, false));
    assert_eq!(notes(&[0, 2]), (1, true));
    assert_eq!(notes(&[1, 0, 2]), (0, true));
    assert_eq!(notes(&[0, 0, 1]), (1, true));
}

/// A full disk: the frame is lost, and what fits afterwards follows the one before.
#[test]
fn a_frame_that_was_not_written_leaves_no_gap() {
    let mut encoder = FrameEncoder::new(&LogHeader::default());
    let mut file = encoder.header_bytes().to_vec();
    for (time, written) in [(1, true), (2, false), (3, false), (4, true), (5, true)] {
        encoder.note(Nanos(time), "note").expect("fits");
        let frame = encoder.frame().expect("a record").to_vec();
        match written {
            true => file.extend_from_slice(&frame),
            false => encoder.not_written(),
        }
        assert_eq!(encoder.bytes_written(), file.len() as u64);
    }
    encoder.end(Nanos(6), "time").expect("fits");
    file.extend_from_slice(encoder.frame().expect("a record"));
    let log = read_log(&file).expect("readable");
    let times: Vec<u64> = log.notes.iter().map(|(time, _)| time.0).collect();
    assert_eq!((times, log.torn, log.ended.is_some()), (vec![1, 4, 5], None, true));
}

/// With the checksum made right again, nonsense reaches the record parser.
#[test]
fn nonsense_behind_a_good_checksum_never_panics() {
    let mut random = Random(42);
    let template = common::log(60, 60);
    let body = &template[HEADER_LEN + 6..];
    let (mut errors, mut read) = (0, 0);
    for _ in 0..60_000 {
        let mut body: Vec<u8> = match random.below(2) {
            0 => (0..1 + random.below(60)).map(|_| random.next() as u8).collect(),
            _ => body[..1 + random.below(body.len() as u64 - 1) as usize].to_vec(),
        };
        for _ in 0..random.below(4) {
            let at = random.below(body.len() as u64) as usize;
            body[at] = random.next() as u8;
        }
        match read_log(&with_body(&body)) {
            Ok(_) => read += 1,
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 1_000 && read > 100, "{errors} errors, {read} read");
}

#[test]
fn reserved_zeros_are_not_damage() {
    let mut file = common::log(20, 5);
    file.resize(file.len() + 100_000, 0);
    let log = read_log(&file).expect("intact");
    assert_eq!((log.history.event_count(), log.torn), (20, None));
    let last = file.len() - 1;
    file[last] = 1;
    let torn = read_log(&file).expect("readable").torn.expect("a byte after the zeros");
    assert_eq!(torn.kept_events, 20);
}

#[test]
fn what_is_not_a_log_is_named() {
    let message = |bytes: &[u8]| read_log(bytes).expect_err("not a log").to_string();
    assert_eq!(
        message(b"{:index 0}"),
        "byte 0: not a tribunal history log: it does not start with TRIBHIST"
    );
    let mut newer = common::log(5, 5);
    newer[8] = 3;
    assert_eq!(
        message(&newer),
        "byte 8: format version 3 is newer than 2, the newest this program reads; \
         use the release that wrote it"
    );
    let file = with_frame(|log| {
        log.invoke(Process(0), None, None, &write(0, 1), Nanos(10)).expect("fits");
        log.invoke(Process(0), None, None, &write(0, 2), Nanos(11)).expect("fits");
    });
    assert_eq!(
        message(&file),
        "byte 4104: p0 invoked at event 1 while its invocation at event 0 is open"
    );
    let file = with_frame(|log| {
        log.invoke(Process(0), None, None, &write(0, 1), Nanos(10)).expect("fits");
        let answer = read(0, Observed::Absent);
        log.complete(Process(0), Outcome::Ok, Some(&answer), None, Nanos(11), Nanos(12))
            .expect("fits");
    });
    assert_eq!(message(&file), "byte 4106: an answer of form 1 does not fit `write 0 := 1`");
}

#[test]
fn a_newer_minor_version_is_skipped_where_it_may_be() {
    let log = read_log(&with_body(&[0xf0, 3, 0, 0, 0, 1, 2, 3])).expect("advisory");
    assert_eq!(log.skipped, 1);
    // A fault edge that is not known yet: shown by nobody, missed by no verdict.
    let log = read_log(&with_body(&[0x83, 3, 0, 0, 0, 1, 0, 99])).expect("advisory");
    assert_eq!((log.skipped, log.history.faults().len()), (1, 0));
    let error = read_log(&with_body(&[0x10, 3])).expect_err("essential").to_string();
    assert_eq!(error, "byte 4102: record type 0x10 is unknown; a newer release wrote this log");
}

#[test]
fn a_record_over_the_limit_is_refused_and_leaves_no_trace() {
    let mut encoder = FrameEncoder::new(&LogHeader::default());
    let huge = Op::Txn(TxnOp {
        mops: vec![Mop::Append { key: Value::Int(0), element: Value::text("x".repeat(17 << 20)) }],
    });
    let refused = encoder.invoke(Process(0), None, None, &huge, Nanos(1));
    assert!(matches!(refused, Err(CodecError::RecordTooLong { .. })));
    assert!(encoder.frame().is_none());
    encoder.invoke(Process(0), None, None, &write(0, 1), Nanos(1)).expect("fits");
    encoder.note(Nanos(2), &"é".repeat(9 << 20)).expect("cut");
    let mut file = encoder.header_bytes().to_vec();
    file.extend_from_slice(encoder.frame().expect("a frame"));
    assert_eq!(read_log(&file).expect("intact").history.len(), 1);
}

/// Times of text formats are what somebody wrote.
#[test]
fn an_operation_as_long_as_time_itself_is_written_and_read() {
    let op = read(1, Observed::Absent);
    let mut log = FrameEncoder::new(&LogHeader::default());
    let mut file = log.header_bytes().to_vec();
    let (start, end) = (Nanos(0), Nanos(u64::MAX));
    log.in_given_order().expect("fits");
    log.invoke(Process(0), None, None, &op.pending(), start).expect("fits");
    log.complete(Process(0), Outcome::Ok, Some(&op), None, start, end).expect("fits");
    file.extend_from_slice(log.frame().expect("records"));
    let history = read_log(&file).expect("readable").history;
    let operation = history.operation(OpIndex(0));
    assert_eq!((operation.invoked_at(), operation.completed_at()), (start, end));
}
