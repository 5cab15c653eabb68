//! Random histories from a list of numbers, so that proptest can shrink them.

use tribunal_history::{
    Builder, CounterOp, ErrorClass, Event, Family, FaultEdge, FaultEvent, History, IdOp, LockOp,
    Mark, Mop, Nanos, NodeId, Observed, Op, Outcome, Process, QueueOp, RegisterOp, Session, SetOp,
    TxnOp, Value,
};

/// What a history may contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flavor {
    pub(crate) families: &'static [Family],
    /// One key, integers, no times, no names: what a Porcupine log can say.
    pub(crate) bare: bool,
    /// Reads of an explicit nil, which only our own formats tell from nothing.
    pub(crate) explicit_nil: bool,
}

pub(crate) const EVERYTHING: Flavor =
    Flavor { families: &Family::ALL, bare: false, explicit_nil: true };

const TEXTS: [&str; 9] =
    ["", "x", "a b", "\"q\" \\", "line\nbreak\r\t", "\u{1}", "é😀", "nil", "[:r 1 [2]]"];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn value(&mut self, flavor: Flavor) -> Value {
        match self.roll(if flavor.bare { 5 } else { 10 }) {
            0 => Value::Nil,
            1 => Value::Int(-(self.roll(1 << 30) as i64)),
            2..5 => Value::Int(self.roll(100) as i64),
            5 => Value::Int(if self.roll(2) == 0 { i64::MIN } else { i64::MAX }),
            6 => Value::Int((self.roll(1 << 31) << 28) as i64),
            7..9 => Value::text(TEXTS[self.roll(TEXTS.len() as u64) as usize]),
            _ => Value::unparsed(&[0xff, self.roll(256) as u8]),
        }
    }

    fn key(&mut self, flavor: Flavor) -> Value {
        if flavor.bare { Value::Nil } else { self.value(flavor) }
    }

    fn seen(&mut self, flavor: Flavor) -> Observed<Value> {
        match self.roll(8) {
            0 => Observed::Absent,
            1 if !flavor.bare => Observed::Pending,
            _ => match self.value(flavor) {
                Value::Nil if !flavor.explicit_nil => Observed::Absent,
                value => Observed::Present(value),
            },
        }
    }

    fn op(&mut self, flavor: Flavor) -> Op {
        let family = flavor.families[self.roll(flavor.families.len() as u64) as usize];
        if family == Family::Txn {
            let mops = (0..self.roll(5)).map(|_| self.mop(flavor)).collect();
            return Op::Txn(TxnOp { mops });
        }
        let key = self.key(flavor);
        match family {
            Family::Txn => unreachable!("drawn above"),
            Family::Register => Op::Register(match self.roll(if flavor.bare { 3 } else { 4 }) {
                0 => RegisterOp::Read { key, value: Observed::Pending },
                1 => RegisterOp::Write { key, value: self.value(flavor) },
                2 => RegisterOp::Cas { key, from: self.value(flavor), to: self.value(flavor) },
                _ => RegisterOp::Append { key, value: self.value(flavor) },
            }),
            Family::Set => {
                let element = self.value(flavor);
                Op::Set(match self.roll(4) {
                    0 => SetOp::Add { key, element, added: Observed::Pending },
                    1 => SetOp::Remove { key, element, removed: Observed::Pending },
                    2 => SetOp::Contains { key, element, found: Observed::Pending },
                    _ => SetOp::Read { key, elements: Observed::Pending },
                })
            }
            Family::Counter => {
                let delta = self.int();
                Op::Counter(match self.roll(2) {
                    0 => CounterOp::Add { key, delta, value: Observed::Pending },
                    _ => CounterOp::Read { key, value: Observed::Pending },
                })
            }
            Family::Queue => Op::Queue(match self.roll(3) {
                0 => QueueOp::Enqueue { key, value: self.value(flavor) },
                1 => QueueOp::Dequeue { key, value: Observed::Pending },
                _ => QueueOp::Peek { key, value: Observed::Pending },
            }),
            Family::Lock => {
                let permits = if self.roll(2) == 0 { 1 } else { self.int() };
                Op::Lock(match self.roll(2) {
                    0 => LockOp::Acquire { key, permits, token: Observed::Pending },
                    _ => LockOp::Release { key, permits, token: self.told().map(|_| permits) },
                })
            }
            Family::Id => Op::Id(IdOp::Generate { key, id: Observed::Pending }),
        }
    }

    fn int(&mut self) -> i64 {
        match self.roll(8) {
            0 => [i64::MIN, i64::MAX, 0, -1][self.roll(4) as usize],
            1 => -(self.roll(1 << 40) as i64),
            _ => self.roll(100) as i64,
        }
    }

    fn told(&mut self) -> Observed<bool> {
        match self.roll(4) {
            0 => Observed::Pending,
            1 => Observed::Absent,
            yes => Observed::Present(yes == 2),
        }
    }

    fn list(&mut self, flavor: Flavor) -> Observed<Vec<Value>> {
        let count = self.roll(4);
        match self.seen(flavor) {
            Observed::Pending => Observed::Pending,
            Observed::Absent => Observed::Absent,
            Observed::Present(_) => {
                Observed::Present((0..count).map(|_| self.value(flavor)).collect())
            }
        }
    }

    fn mop(&mut self, flavor: Flavor) -> Mop {
        let key = self.value(flavor);
        match self.roll(7) {
            6 => Mop::Add { key, delta: self.int(), value: Observed::Pending },
            0 | 1 => Mop::Read { key, value: Observed::Pending },
            2 => Mop::Write { key, value: self.value(flavor) },
            3 => Mop::Append { key, element: self.value(flavor) },
            4 => Mop::ReadList { key, elements: Observed::Pending },
            _ => {
                let predicate = TEXTS[self.roll(TEXTS.len() as u64) as usize].into();
                Mop::ReadPredicate { predicate, matches: Observed::Pending }
            }
        }
    }

    fn answer(&mut self, flavor: Flavor, op: Op) -> Op {
        let mut op = op;
        match &mut op {
            Op::Register(RegisterOp::Read { value, .. })
            | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
            | Op::Id(IdOp::Generate { id: value, .. }) => *value = self.seen(flavor),
            Op::Set(
                SetOp::Add { added: told, .. }
                | SetOp::Remove { removed: told, .. }
                | SetOp::Contains { found: told, .. },
            ) => *told = self.told(),
            Op::Set(SetOp::Read { elements, .. }) => *elements = self.list(flavor),
            Op::Counter(CounterOp::Add { value, .. } | CounterOp::Read { value, .. })
            | Op::Lock(LockOp::Acquire { token: value, .. }) => {
                let int = self.int();
                *value = self.told().map(|_| int);
            }
            Op::Register(_) | Op::Queue(_) | Op::Lock(_) => {}
            Op::Txn(txn) => txn.mops.iter_mut().for_each(|mop| self.fill(flavor, mop)),
        }
        op
    }

    fn fill(&mut self, flavor: Flavor, mop: &mut Mop) {
        match mop {
            Mop::Read { value, .. } => *value = self.seen(flavor),
            Mop::ReadList { elements, .. } => {
                *elements = self.list(flavor);
            }
            Mop::ReadPredicate { matches, .. } => {
                let count = self.roll(3);
                *matches = self.seen(flavor).map(|_| Vec::new());
                if let Observed::Present(matches) = matches {
                    matches.extend((0..count).map(|_| (self.value(flavor), self.value(flavor))));
                }
            }
            Mop::Add { value, .. } => {
                let int = self.int();
                *value = self.told().map(|_| int);
            }
            Mop::Write { .. } | Mop::Append { .. } => {}
        }
    }

    fn word(&mut self) -> String {
        TEXTS[self.roll(TEXTS.len() as u64) as usize].to_owned()
    }
}

/// One step is a slot and a number that decides everything else.
pub(crate) fn history(steps: &[(u8, u64)], flavor: Flavor) -> History {
    let mut builder = Builder::as_given();
    let mut process = [0_u32, 1, 2, 3];
    let mut open: [Option<Op>; 4] = [const { None }; 4];
    let mut now = 0;
    for (slot, number) in steps {
        let mut dice = Dice(*number);
        dice.roll(2);
        let slot = usize::from(slot % 4);
        now += if flavor.bare { 0 } else { dice.roll(3) * dice.roll(1 << 20) };
        if !flavor.bare && dice.roll(20) == 0 {
            track(&mut builder, &mut dice, Nanos(now));
        }
        let who = Process(process[slot]);
        match open[slot].take() {
            None => {
                let op = dice.op(flavor);
                let session = (!flavor.bare && dice.roll(5) == 0).then_some(Session(9));
                let node = (!flavor.bare && dice.roll(2) == 0).then_some(NodeId(slot as u16));
                builder.invoke(Nanos(now), who, session, node, &op).expect("well-formed");
                open[slot] = Some(op);
            }
            Some(op) => {
                let outcome = match dice.roll(8) {
                    0 => Outcome::Fail,
                    1 => Outcome::Info,
                    _ => Outcome::Ok,
                };
                let cas = matches!(op, Op::Register(RegisterOp::Cas { .. }));
                let error = match (outcome, dice.roll(2)) {
                    (Outcome::Fail, 0) if flavor.bare && cas => Some(ErrorClass::MISMATCH),
                    (Outcome::Ok, _) | (_, 0) => None,
                    _ if flavor.bare => Some(ErrorClass::TIMEOUT),
                    _ => Some(ErrorClass::new(dice.word())),
                };
                if outcome == Outcome::Info {
                    process[slot] += 4;
                }
                let op = dice.answer(flavor, op);
                builder
                    .complete(Nanos(now), who, outcome, Some(&op), error.as_ref())
                    .expect("well-formed");
            }
        }
    }
    builder.finish()
}

fn track(builder: &mut Builder, dice: &mut Dice, time: Nanos) {
    if dice.roll(4) == 0 {
        return builder.mark(Mark { time, name: dice.word() });
    }
    let edge = FaultEdge::ALL[dice.roll(10) as usize];
    builder.fault(FaultEvent {
        time,
        fault: dice.roll(3) as u32,
        edge,
        kind: dice.word(),
        nodes: (0..dice.roll(3)).map(|_| dice.word()).collect(),
        detail: dice.word(),
    });
}

/// Everything a history says.
pub(crate) fn told(history: &History) -> (Vec<Event>, Vec<FaultEvent>, Vec<Mark>) {
    (history.events().collect(), history.faults().to_vec(), history.marks().to_vec())
}
