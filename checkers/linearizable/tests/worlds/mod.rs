//! Every data type against a sequential object written from its definition: random concurrent
//! histories, valid by construction and then perhaps corrupted, judged by every engine and by
//! trying every order. Nothing here knows how a model steps.

mod about;
mod certificates;
mod conform;
mod containers;
mod holds;
mod impossible;
mod later;
mod lies;
mod lists;
mod locks;
mod metamorphic;
mod minimal;
mod mistakes;
mod numbers;
mod oracle;
mod registers;
mod sets;
mod sums;
mod suspects;
mod whole;

use tribunal_history::{
    Builder, ErrorClass, History, Nanos, Observed, Op, Outcome, Process, Value,
};

use super::generate::Random;
use crate::linearizable::FromHistory;

/// A sequential object.
pub(super) trait World {
    /// What it holds.
    type Object: Clone;
    /// The model under test.
    type Model: FromHistory;

    /// The model under test.
    fn model(&self) -> Self::Model;

    /// The object at first.
    fn object(&self) -> Self::Object;

    /// What `process` may ask next. It may look at the object, to ask what makes sense.
    fn ask(&self, random: &mut Random, process: u32, object: &Self::Object) -> Op;

    /// Every way in which `question` can take effect now: its answer, and the object afterwards.
    /// None: it has to wait.
    fn outcomes(
        &self,
        object: &Self::Object,
        process: u32,
        question: &Op,
    ) -> Vec<(Op, Self::Object)>;

    /// Every object that `told`, as it was answered, can lead to; an unanswered one, whatever the
    /// answer was.
    fn effects(&self, object: &Self::Object, process: u32, told: &Op) -> Vec<Self::Object> {
        let question = told.pending();
        let outcomes = self.outcomes(object, process, &question).into_iter();
        let agrees = |(answer, _): &(Op, Self::Object)| *told == question || told == answer;
        outcomes.filter(agrees).map(|(_, object)| object).collect()
    }

    /// The same operation with other values, where the object does not compute with them.
    fn renamed(&self, op: &Op) -> Op {
        op.clone()
    }

    /// The same operation on another object.
    fn moved(&self, op: &Op) -> Op {
        let key = match op.key() {
            Some(Value::Int(key)) => Value::Int(key + 10),
            other => panic!("{other:?}"),
        };
        op.clone().on_key(&key)
    }

    /// Whether operations name the one object they are on.
    fn is_keyed(&self) -> bool {
        true
    }

    /// Most operations of a small history.
    fn most(&self) -> u64 {
        9
    }
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows.
    Crashed,
}

/// One operation; instants are positions in one list of events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Act {
    pub(super) process: u32,
    pub(super) op: Op,
    pub(super) ended: Ended,
    pub(super) from: u32,
    pub(super) to: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) ops: usize,
    pub(super) clients: u64,
    pub(super) keys: u64,
    pub(super) crash_percent: u64,
    /// Completed operations whose client was not told what came of them.
    pub(super) untold_percent: u64,
}

/// A client is idle, or its operation waits for its effect, or for its return.
#[derive(Clone, Copy)]
enum Client {
    Idle,
    Sent(usize, u32),
    Done(usize),
}

/// Steps after which an operation that cannot take effect is given up.
const PATIENCE: u32 = 12;

/// Time advances by one per event; each step picks a client, which goes on by one step.
pub(super) fn valid<W: World>(world: &W, random: &mut Random, shape: Shape) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    let mut clients = vec![Client::Idle; shape.clients as usize];
    let mut process: Vec<u32> = (0..shape.clients as u32).collect();
    let mut objects: Vec<W::Object> = (0..shape.keys).map(|_| world.object()).collect();
    let mut of = Vec::new();
    let mut time = 0;
    loop {
        if acts.len() >= shape.ops && clients.iter().all(|client| matches!(client, Client::Idle)) {
            return acts;
        }
        let at = random.below(shape.clients) as usize;
        time += 1;
        match clients[at] {
            Client::Idle if acts.len() < shape.ops => {
                let key = random.below(shape.keys) as usize;
                let asked = world.ask(random, process[at], &objects[key]);
                let op = asked.on_key(&Value::Int(key as i64));
                clients[at] = Client::Sent(acts.len(), 0);
                of.push(key);
                let (process, ended) = (process[at], Ended::Crashed);
                acts.push(Act { process, op, ended, from: time, to: u32::MAX });
            }
            Client::Idle => {}
            Client::Sent(act, waited) => {
                let object = &mut objects[of[act]];
                let mut ways = world.outcomes(object, process[at], &acts[act].op);
                let crashes = acts[act].op.writes() && random.percent(shape.crash_percent);
                if ways.is_empty() && waited < PATIENCE && !crashes {
                    clients[at] = Client::Sent(act, waited + 1);
                    continue;
                }
                clients[at] = Client::Done(act);
                if !crashes && !ways.is_empty() && random.percent(4) {
                    acts[act].ended = Ended::Fail;
                } else if crashes || ways.is_empty() {
                    if !ways.is_empty() && random.percent(50) {
                        *object = ways.swap_remove(random.below(ways.len() as u64) as usize).1;
                    }
                    clients[at] = Client::Idle;
                    process[at] += shape.clients as u32;
                } else {
                    let (answer, next) = ways.swap_remove(random.below(ways.len() as u64) as usize);
                    *object = next;
                    acts[act].ended = Ended::Ok;
                    if !random.percent(shape.untold_percent) {
                        acts[act].op = answer;
                    }
                }
            }
            Client::Done(act) => {
                acts[act].to = time;
                clients[at] = Client::Idle;
            }
        }
    }
}

/// A random small history.
pub(super) fn small<W: World>(world: &W, random: &mut Random) -> Vec<Act> {
    let shape = Shape {
        ops: 2 + random.below(world.most() - 1) as usize,
        clients: 1 + random.below(5),
        keys: if world.is_keyed() { 1 + random.below(4) / 3 } else { 1 },
        crash_percent: random.below(31),
        untold_percent: 8,
    };
    let mut acts = valid(world, random, shape);
    if random.percent(60) {
        lies::corrupt(random, &mut acts);
    }
    acts
}

/// Gives every event an instant of its own, in the order they have.
pub(super) fn settle(acts: &mut [Act]) {
    let mut events: Vec<(u32, bool, usize)> = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        events.push((act.from, false, at));
        if act.to != u32::MAX {
            events.push((act.to, true, at));
        }
    }
    events.sort_unstable();
    for (time, (_, ends, at)) in (1..).zip(events) {
        match ends {
            true => acts[at].to = time,
            false => acts[at].from = time,
        }
    }
}

/// The same as a history. Some unfinished operations end `info`, others stay open.
pub(super) fn history(acts: &[Act]) -> History {
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
            builder.invoke(time, process, None, None, &act.op.pending()).expect("well-formed");
            continue;
        }
        let (outcome, error) = match act.ended {
            Ended::Ok => (Outcome::Ok, None),
            Ended::Fail => (Outcome::Fail, Some(ErrorClass::TIMEOUT)),
            Ended::Crashed => (Outcome::Info, Some(ErrorClass::TIMEOUT)),
        };
        builder
            .complete(time, process, outcome, Some(&act.op), error.as_ref())
            .expect("well-formed");
    }
    builder.finish()
}

fn seen(value: Option<i64>) -> Observed<Value> {
    value.map_or(Observed::Absent, |value| Observed::Present(Value::Int(value)))
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        other => panic!("{other} is no integer"),
    }
}
