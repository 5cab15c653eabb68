//! Random histories of one register in which no value is written twice, or few are.

use crate::linearizable::tests::generate::{Act, Answer, Question, Random};

/// What a register history contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Reads and writes.
    Plain,
    /// These, and some never return.
    Crashes,
    /// These, and compare-and-sets that succeed, fail or crash.
    Chains,
    /// All of these, and values that are written again, the initial one too.
    Repeats,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Plain, Kind::Crashes, Kind::Chains, Kind::Repeats];
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) ops: usize,
    pub(super) clients: u64,
    pub(super) crash_percent: u64,
}

#[derive(Clone, Copy)]
enum Client {
    Idle,
    Sent(usize),
    Done(usize),
}

/// Valid by construction; the register holds 0 at first and values count from 1.
pub(super) fn valid(random: &mut Random, shape: Shape) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    let mut clients = vec![Client::Idle; shape.clients as usize];
    let mut process: Vec<u32> = (0..shape.clients as u32).collect();
    let (mut register, mut fresh, mut time) = (0, 0, 0);
    loop {
        let at = random.below(shape.clients) as usize;
        if acts.len() >= shape.ops && clients.iter().all(|client| matches!(client, Client::Idle)) {
            return acts;
        }
        time += 1;
        match clients[at] {
            Client::Idle if acts.len() < shape.ops => {
                let question = question(random, shape.kind, register, &mut fresh);
                let (answer, process) = (Answer::Crashed, process[at]);
                clients[at] = Client::Sent(acts.len());
                acts.push(Act { process, key: 0, question, answer, from: time, to: u32::MAX });
            }
            Client::Idle => {}
            Client::Sent(act) => {
                let crashes = shape.kind != Kind::Plain && random.percent(shape.crash_percent);
                if !(crashes && random.percent(50)) {
                    take_effect(&mut acts[act], &mut register);
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

fn question(random: &mut Random, kind: Kind, register: i64, fresh: &mut i64) -> Question {
    let chains = matches!(kind, Kind::Chains | Kind::Repeats);
    if random.percent(if chains { 33 } else { 50 }) {
        return Question::Read;
    }
    let known = *fresh;
    *fresh += 1;
    let mut value = *fresh;
    if kind == Kind::Repeats && random.percent(20) {
        value = random.below(known as u64 + 1) as i64;
    }
    if !chains || random.percent(40) {
        return Question::Write(value);
    }
    match random.below(10) {
        0..=6 => Question::Cas(register, value),
        7..=8 => Question::Cas(random.below(known as u64 + 1) as i64, value),
        // A compare-and-set of a value to itself is a read.
        _ => Question::Cas(register, register),
    }
}

fn take_effect(act: &mut Act, register: &mut i64) {
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

/// One or two lies about answers: those of two reads swapped, a stale one, one from the future,
/// one that nobody wrote, a compare-and-set that succeeded or failed instead. What is written
/// stays as it was.
pub(super) fn corrupt(random: &mut Random, acts: &mut [Act]) {
    for _ in 0..=random.below(2) {
        let (one, other) =
            (random.below(acts.len() as u64) as usize, random.below(acts.len() as u64) as usize);
        match (acts[one].answer, acts[other].answer) {
            (Answer::Found(seen), Answer::Found(also)) if random.percent(40) => {
                acts[one].answer = Answer::Found(also);
                acts[other].answer = Answer::Found(seen);
            }
            (Answer::Found(seen), _) => {
                let value = match random.below(4) {
                    0 => random.below(acts.len() as u64 + 2) as i64,
                    1 => (seen - 1).max(0),
                    2 => seen + 1,
                    _ => 1_000_000,
                };
                acts[one].answer = Answer::Found(value);
            }
            (Answer::Missed, _) => acts[one].answer = Answer::Done,
            (Answer::Done, _) if matches!(acts[one].question, Question::Cas(..)) => {
                acts[one].answer = Answer::Missed;
            }
            (Answer::Done | Answer::Crashed, _) => {}
        }
    }
}

/// A random small history, as the differential tests want them.
pub(super) fn small(random: &mut Random, kind: Kind) -> Vec<Act> {
    let shape = Shape {
        kind,
        ops: 2 + random.below(7) as usize,
        clients: 1 + random.below(5),
        crash_percent: random.below(41),
    };
    let mut acts = valid(random, shape);
    if random.percent(60) {
        corrupt(random, &mut acts);
    }
    acts
}
