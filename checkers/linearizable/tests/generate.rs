//! Random register histories, valid by construction and then perhaps corrupted.

use tribunal_history::{
    Builder, ErrorClass, History, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value,
};

/// Knuth's MMIX generator: tests need variety, not quality, and the same numbers every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    Read,
    Write(i64),
    Cas(i64, i64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// A read found this.
    Found(i64),
    /// A write or a cas was done.
    Done,
    /// A cas found something else.
    Missed,
    /// Nobody knows.
    Crashed,
}

/// One operation; instants are positions in one list of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Act {
    pub(crate) process: u32,
    pub(crate) key: i64,
    pub(crate) question: Question,
    pub(crate) answer: Answer,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) ops: usize,
    pub(crate) clients: u64,
    pub(crate) keys: u64,
    pub(crate) values: u64,
    pub(crate) crash_percent: u64,
}

/// A client is idle, or its operation waits for its effect, or for its return.
#[derive(Clone, Copy)]
enum Client {
    Idle,
    Sent(usize),
    Done(usize),
}

/// Time advances by one per event; each step picks a client, which goes on by one step.
pub(crate) fn valid(random: &mut Random, shape: Shape) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    let mut clients = vec![Client::Idle; shape.clients as usize];
    let mut process: Vec<u32> = (0..shape.clients as u32).collect();
    let mut registers = vec![0; shape.keys as usize];
    let mut time = 0;
    loop {
        let at = random.below(shape.clients) as usize;
        if acts.len() >= shape.ops && clients.iter().all(|client| matches!(client, Client::Idle)) {
            return acts;
        }
        time += 1;
        match clients[at] {
            Client::Idle if acts.len() < shape.ops => {
                let value = |random: &mut Random| random.below(shape.values) as i64;
                let question = match random.below(3) {
                    0 => Question::Read,
                    1 => Question::Write(value(random)),
                    _ => Question::Cas(value(random), value(random)),
                };
                let key = random.below(shape.keys) as i64;
                let answer = Answer::Crashed;
                let (process, to) = (process[at], u32::MAX);
                clients[at] = Client::Sent(acts.len());
                acts.push(Act { process, key, question, answer, from: time, to });
            }
            Client::Idle => {}
            Client::Sent(act) => {
                let writes = acts[act].question != Question::Read;
                let crashes = writes && random.percent(shape.crash_percent);
                if !(crashes && random.percent(50)) {
                    take_effect(&mut acts[act], &mut registers);
                }
                clients[at] = Client::Done(act);
                if crashes {
                    acts[act].answer = Answer::Crashed;
                    clients[at] = Client::Idle;
                    process[at] += shape.clients as u32;
                }
            }
            Client::Done(act) => {
                acts[act].to = time;
                clients[at] = Client::Idle;
            }
        }
    }
}

fn take_effect(act: &mut Act, registers: &mut [i64]) {
    let register = &mut registers[act.key as usize];
    act.answer = match act.question {
        Question::Read => Answer::Found(*register),
        Question::Write(value) => {
            *register = value;
            Answer::Done
        }
        Question::Cas(from, to) if *register == from => {
            *register = to;
            Answer::Done
        }
        Question::Cas(..) => Answer::Missed,
    };
}

/// One to three lies: an answer of another read, a stale, future or unheard-of value, a turned
/// cas, another written value.
pub(crate) fn corrupt(random: &mut Random, acts: &mut [Act], values: u64) {
    for _ in 0..=random.below(3) {
        let (one, other) =
            (random.below(acts.len() as u64) as usize, random.below(acts.len() as u64) as usize);
        if let (Answer::Found(_), Answer::Found(_)) = (acts[one].answer, acts[other].answer)
            && random.percent(50)
        {
            let answer = acts[one].answer;
            acts[one].answer = acts[other].answer;
            acts[other].answer = answer;
            continue;
        }
        let value = random.below(values + 1) as i64;
        match acts[one].answer {
            Answer::Found(_) => acts[one].answer = Answer::Found(value),
            Answer::Missed => acts[one].answer = Answer::Done,
            Answer::Done => match acts[one].question {
                Question::Cas(..) => acts[one].answer = Answer::Missed,
                Question::Read | Question::Write(_) => acts[one].question = Question::Write(value),
            },
            Answer::Crashed => {}
        }
    }
}

/// A random small history, as the differential tests want them.
pub(crate) fn small(random: &mut Random) -> Vec<Act> {
    let shape = Shape {
        ops: 2 + random.below(9) as usize,
        clients: 1 + random.below(5),
        keys: 1 + random.below(4) / 3,
        values: 1 + random.below(4),
        crash_percent: random.below(31),
    };
    let mut acts = valid(random, shape);
    if random.percent(60) {
        corrupt(random, &mut acts, shape.values);
    }
    acts
}

/// A random small history of which most writes and cas crashed.
pub(crate) fn crashing(random: &mut Random) -> Vec<Act> {
    let (ops, clients) = (3 + random.below(8) as usize, 1 + random.below(3));
    let values = 2 + random.below(2);
    let shape = Shape { ops, clients, keys: 1, values, crash_percent: 50 + random.below(40) };
    let mut acts = valid(random, shape);
    if random.percent(60) {
        corrupt(random, &mut acts, shape.values - 1);
    }
    acts
}

/// 1 is there twice, and two crashed operations can have brought it: the cas only from 0, so it
/// must be the first, and the write from anywhere.
pub(crate) fn two_ways(cas_first: bool) -> Vec<Act> {
    let mut asked = [
        (Question::Write(1), Answer::Crashed),
        (Question::Cas(0, 1), Answer::Crashed),
        (Question::Read, Answer::Found(1)),
        (Question::Write(2), Answer::Done),
        (Question::Read, Answer::Found(1)),
    ];
    if cas_first {
        asked.swap(0, 1);
    }
    let acts = (0..).zip(asked).map(|(at, (question, answer))| {
        let to = if answer == Answer::Crashed { u32::MAX } else { 2 * at + 1 };
        Act { process: at, key: 0, question, answer, from: 2 * at, to }
    });
    acts.collect()
}

/// Before the last return, what used a crashed operation is expanded first, and what comes to the
/// same without it later: only the latter has an order. Found among four million random ones.
pub(crate) fn overtaken() -> Vec<Act> {
    const NEVER: u32 = u32::MAX;
    let acts = [
        (2, Question::Write(0), Answer::Crashed, 1, NEVER),
        (3, Question::Cas(0, 1), Answer::Crashed, 2, NEVER),
        (1, Question::Cas(0, 2), Answer::Missed, 3, 12),
        (0, Question::Write(1), Answer::Done, 5, 7),
        (6, Question::Write(2), Answer::Done, 9, 17),
        (0, Question::Cas(0, 0), Answer::Missed, 10, 21),
        (1, Question::Cas(1, 0), Answer::Done, 13, 16),
        (6, Question::Read, Answer::Found(1), 19, 33),
    ];
    let act =
        |(process, question, answer, from, to)| Act { process, key: 0, question, answer, from, to };
    acts.into_iter().map(act).collect()
}

/// The same as a history. Unfinished operations end `info`, or stay open, by turns.
pub(crate) fn history(acts: &[Act]) -> History {
    let mut events: Vec<(u32, &Act, bool)> = Vec::new();
    for act in acts {
        events.push((act.from, act, false));
        if act.to != u32::MAX {
            events.push((act.to, act, true));
        }
    }
    events.sort_by_key(|(time, _, _)| *time);
    let mut builder = Builder::as_given();
    for (time, act, ends) in events {
        let (time, process) = (Nanos::from_millis(u64::from(time)), Process(act.process));
        if !ends {
            builder.invoke(time, process, None, None, &op(act).pending()).expect("well-formed");
            continue;
        }
        let (outcome, error) = match act.answer {
            Answer::Found(_) | Answer::Done => (Outcome::Ok, None),
            Answer::Missed => (Outcome::Fail, Some(ErrorClass::MISMATCH)),
            Answer::Crashed => (Outcome::Info, Some(ErrorClass::TIMEOUT)),
        };
        let op = op(act);
        builder.complete(time, process, outcome, Some(&op), error.as_ref()).expect("well-formed");
    }
    builder.finish()
}

fn op(act: &Act) -> Op {
    let key = Value::Int(act.key);
    Op::Register(match act.question {
        Question::Read => RegisterOp::Read {
            key,
            value: match act.answer {
                Answer::Found(value) => Observed::Present(Value::Int(value)),
                Answer::Done | Answer::Missed | Answer::Crashed => Observed::Pending,
            },
        },
        Question::Write(value) => RegisterOp::Write { key, value: Value::Int(value) },
        Question::Cas(from, to) => {
            RegisterOp::Cas { key, from: Value::Int(from), to: Value::Int(to) }
        }
    })
}
