//! Streams of events that look like a run, and equality of what was read.

use tribunal_history::codec::native::{FrameEncoder, Spread};
use tribunal_history::{
    ErrorClass, Nanos, NodeId, Observed, Op, Outcome, Process, RegisterOp, Value,
};

/// A small deterministic generator: tests must not depend on a random number crate's stream.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

pub(crate) fn read(key: i64, value: Observed<Value>) -> Op {
    Op::Register(RegisterOp::Read { key: Value::Int(key), value })
}

pub(crate) fn write(key: i64, value: i64) -> Op {
    Op::Register(RegisterOp::Write { key: Value::Int(key), value: Value::Int(value) })
}

pub(crate) fn cas(key: i64, from: i64, to: i64) -> Op {
    let (key, from, to) = (Value::Int(key), Value::Int(from), Value::Int(to));
    Op::Register(RegisterOp::Cas { key, from, to })
}

/// 100 slots, latencies of about 100 us, 50 keys, unique written values, five nodes, a few
/// infos and fails. Calls `turn` after every `per_frame` events.
pub(crate) fn realistic(
    encoder: &mut FrameEncoder,
    events: u64,
    per_frame: u64,
    mut turn: impl FnMut(&mut FrameEncoder),
) {
    const SLOTS: u64 = 100;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut process: Vec<u32> = (0..SLOTS as u32).collect();
    let mut open: Vec<Option<(Op, u64, u64)>> = vec![None; SLOTS as usize];
    let (mut now, mut written) = (1_000_000_u64, 0_i64);
    let mut last = vec![now; 50];
    for event in 1..=events {
        now += 1 + random.below(1_000);
        let slot = random.below(SLOTS) as usize;
        let who = Process(process[slot]);
        match open[slot].take() {
            None => {
                let key = random.below(50) as i64;
                let op = match random.below(10) {
                    0..5 => read(key, Observed::Pending),
                    5..9 => {
                        written += 1;
                        write(key, written)
                    }
                    _ => {
                        written += 1;
                        cas(key, last[key as usize] as i64 % 1_000, written)
                    }
                };
                let node = NodeId((slot % 5) as u16);
                encoder.invoke(who, None, Some(node), &op, Nanos(now)).expect("fits");
                open[slot] = Some((op, now, key as u64));
            }
            Some((op, dispatched, key)) => {
                let sent = dispatched + (5_000 + random.below(20_000)).min(now - dispatched);
                let seen = Observed::Present(Value::Int(written - random.below(50) as i64));
                let (outcome, op, error) = match random.below(100) {
                    0 => {
                        process[slot] += SLOTS as u32;
                        (Outcome::Info, None, Some(ErrorClass::TIMEOUT))
                    }
                    1 => (Outcome::Fail, None, Some(ErrorClass::MISMATCH)),
                    _ => match op {
                        Op::Register(RegisterOp::Read { key, .. }) => {
                            let op = Op::Register(RegisterOp::Read { key, value: seen });
                            (Outcome::Ok, Some(op), None)
                        }
                        op => (Outcome::Ok, Some(op), None),
                    },
                };
                last[key as usize] = now;
                encoder
                    .complete(who, outcome, op.as_ref(), error.as_ref(), Nanos(sent), Nanos(now))
                    .expect("fits");
            }
        }
        if event % per_frame == 0 {
            turn(encoder);
        }
    }
    turn(encoder);
}

/// Bytes of `operations` of a slow database, each event in a frame of its own: invoked every
/// `pace` us, sent 100 us later, answered after 2 to 8 ms.
pub(crate) fn slow(operations: u64, pace: u64) -> u64 {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut encoder = FrameEncoder::new(&tribunal_history::codec::native::LogHeader::default());
    encoder.spread(Spread::new(10, 5).expect("clients and nodes")).expect("fits");
    let before = encoder.bytes_written();
    let mut now = 0;
    for number in 0..operations {
        let (key, process) = (number as i64 % 50, Process(number as u32 % 5));
        let node = Some(NodeId(process.0 as u16));
        let (asked, answered) = match number % 2 {
            0 => (
                read(key, Observed::Pending),
                read(key, Observed::Present(Value::Int(number as i64 / 50))),
            ),
            _ => (write(key, number as i64 / 50), write(key, number as i64 / 50)),
        };
        now += pace * 1_000 - random.below(pace * 500);
        encoder.invoke(process, None, node, &asked, Nanos(now)).expect("fits");
        encoder.frame().expect("an event");
        let sent = now + 80_000 + random.below(60_000);
        now = sent + 2_000_000 + random.below(6_000_000);
        encoder
            .complete(process, Outcome::Ok, Some(&answered), None, Nanos(sent), Nanos(now))
            .expect("fits");
        encoder.frame().expect("an event");
    }
    encoder.bytes_written() - before
}

/// A whole file of [`realistic`] events.
pub(crate) fn log(events: u64, per_frame: u64) -> Vec<u8> {
    let header = tribunal_history::codec::native::LogHeader {
        run_id: "2026-11-21T05-47-15".to_owned(),
        wall_start_ns: 1_795_240_035_000_000_000,
        boot_id: "5f1c".to_owned(),
    };
    let mut encoder = FrameEncoder::new(&header);
    let mut file = encoder.header_bytes().to_vec();
    encoder.meta("{\"suite\":\"quickstart\"}").expect("fits");
    realistic(&mut encoder, events, per_frame, |encoder| {
        if let Some(frame) = encoder.frame() {
            file.extend_from_slice(frame);
        }
    });
    encoder.end(Nanos(u64::MAX / 2), "time").expect("fits");
    file.extend_from_slice(encoder.frame().expect("the end"));
    assert_eq!(file.len() as u64, encoder.bytes_written());
    file
}
