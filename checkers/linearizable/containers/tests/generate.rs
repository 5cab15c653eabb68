//! Random histories of one container, valid by construction and then perhaps corrupted.

use super::{Random, World};
use crate::linearizable::NEVER;
use crate::linearizable::containers::{Act, Kind, What};

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) ops: usize,
    pub(super) clients: u64,
    pub(super) crash_percent: u64,
    pub(super) peek_percent: u64,
    /// Priorities are below this; 0: each its own.
    pub(super) priorities: u64,
}

/// A client is idle, or its operation waits for its effect, or for its return.
#[derive(Clone, Copy)]
enum Client {
    Idle,
    Sent(usize),
    Done(usize),
}

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    In,
    Out,
    See,
}

struct Making<'r> {
    random: &'r mut Random,
    shape: Shape,
    world: World,
    asked: Vec<Ask>,
    inside: Vec<u32>,
}

/// Time advances by one per event; each step picks a client, which goes on by one step.
pub(super) fn valid(random: &mut Random, kind: Kind, shape: Shape) -> World {
    let world = World { kind, acts: Vec::new(), priorities: Vec::new() };
    let mut making = Making { random, shape, world, asked: Vec::new(), inside: Vec::new() };
    let mut clients = vec![Client::Idle; shape.clients as usize];
    let mut time = 0;
    loop {
        let asked = making.world.acts.len();
        if asked >= shape.ops && clients.iter().all(|client| matches!(client, Client::Idle)) {
            return making.world;
        }
        let at = making.random.below(shape.clients) as usize;
        match clients[at] {
            Client::Idle if asked < shape.ops => {
                making.invoke(time);
                clients[at] = Client::Sent(asked);
                time += 1;
            }
            Client::Idle => {}
            Client::Sent(act) => {
                let crashes = making.random.percent(shape.crash_percent);
                clients[at] = Client::Done(act);
                if crashes {
                    making.crash(act);
                    clients[at] = Client::Idle;
                } else {
                    making.take_effect(act);
                }
            }
            Client::Done(act) => {
                making.world.acts[act].ret = time;
                clients[at] = Client::Idle;
                time += 1;
            }
        }
    }
}

impl Making<'_> {
    fn invoke(&mut self, call: u32) {
        let ask = match self.random.below(100) {
            see if see < self.shape.peek_percent => Ask::See,
            other if other % 2 == 0 => Ask::In,
            _ => Ask::Out,
        };
        let mut value = 0;
        if ask == Ask::In {
            value = self.world.priorities.len() as u32;
            let equal = self.shape.priorities;
            let bound = if equal > 0 { equal } else { 1 << 30 };
            self.world.priorities.push(self.random.below(bound) as u32);
        }
        self.asked.push(ask);
        self.world.acts.push(Act { call, ret: NEVER, value, what: What::Empty });
    }

    /// Of what is inside, the position of what comes out next.
    fn next_out(&mut self) -> Option<usize> {
        let last = self.inside.len().checked_sub(1)?;
        Some(match self.world.kind {
            Kind::Set => self.random.below(last as u64 + 1) as usize,
            Kind::Queue => 0,
            Kind::Stack => last,
            Kind::PriorityQueue => {
                let priority = |at: &usize| self.world.priorities[self.inside[*at] as usize];
                (0..=last).max_by_key(priority)?
            }
        })
    }

    fn take_effect(&mut self, at: usize) {
        let next = self.next_out();
        let some = self.world.priorities.len() as u64;
        let set = self.world.kind == Kind::Set;
        let missing = set && some > 0 && (next.is_none() || self.random.percent(40));
        let act = &mut self.world.acts[at];
        match (self.asked[at], next) {
            (Ask::In, _) => {
                act.what = What::Insert;
                self.inside.push(act.value);
            }
            // Something that is not there is asked for.
            (Ask::Out | Ask::See, _) if missing => {
                act.value = self.random.below(some) as u32;
                act.what = What::Absent;
                if self.inside.contains(&act.value) {
                    act.what = What::Peek;
                }
            }
            (Ask::Out, Some(next)) => {
                act.value = self.inside.remove(next);
                act.what = What::Remove;
            }
            (Ask::See, Some(next)) => {
                act.value = self.inside[next];
                act.what = What::Peek;
            }
            (Ask::Out | Ask::See, None) => {
                act.what = if set { What::Absent } else { What::Empty };
                if set {
                    act.value = self.world.priorities.len() as u32;
                    self.world.priorities.push(0);
                }
            }
        }
    }

    /// Half of what crashes takes effect. A crashed remove of a set says what it is after.
    fn crash(&mut self, at: usize) {
        let set = self.world.kind == Kind::Set;
        let happens = self.random.percent(50);
        let next = self.next_out();
        let act = &mut self.world.acts[at];
        match (self.asked[at], next) {
            (Ask::In, _) => {
                act.what = What::Insert;
                if happens {
                    self.inside.push(act.value);
                }
            }
            (Ask::Out, Some(next)) if set => {
                act.value = self.inside[next];
                let of = act.value;
                let again = self.world.acts.iter();
                let mut again = again.filter(|act| act.value == of && act.what == What::Remove);
                let twice = again.next().is_some();
                let act = &mut self.world.acts[at];
                act.what = What::Remove;
                if twice {
                    // Nothing like it may be asked again: this one is a question about nothing.
                    act.value = self.world.priorities.len() as u32;
                    self.world.priorities.push(0);
                } else if happens {
                    self.inside.remove(next);
                }
            }
            (Ask::Out, next) if !set => {
                act.what = What::Unknown;
                if let Some(next) = next.filter(|_| happens) {
                    self.inside.remove(next);
                }
            }
            // Nothing depends on what it would have seen.
            (Ask::Out | Ask::See, _) => {
                act.what = What::Insert;
                act.value = self.world.priorities.len() as u32;
                self.world.priorities.push(0);
            }
        }
    }
}

/// One to three lies: answers swapped, a stale value, one never inserted, one not yet inserted, a
/// false emptiness, a remove that was a peek, calls and returns swapped.
pub(super) fn corrupt(random: &mut Random, world: &mut World) {
    let set = world.kind == Kind::Set;
    let answered = |act: &Act| matches!(act.what, What::Remove | What::Peek | What::Absent);
    let mut lies = 1 + random.below(3);
    for _ in 0..40 {
        if lies == 0 {
            return;
        }
        lies -= 1;
        let count = world.acts.len() as u64;
        let one = random.below(count) as usize;
        let other = random.below(count) as usize;
        let value = random.below(world.priorities.len() as u64 + 1) as u32;
        let (first, second) = (world.acts[one], world.acts[other]);
        match random.below(6) {
            0 | 1 if answered(&first) && answered(&second) => {
                world.acts[one].value = second.value;
                world.acts[other].value = first.value;
            }
            2 if answered(&first) => {
                world.acts[one].value = value;
                if value as usize == world.priorities.len() {
                    world.priorities.push(random.below(4) as u32);
                }
            }
            3 if answered(&first) && first.ret != NEVER => {
                world.acts[one].what = if set { What::Absent } else { What::Empty };
            }
            4 if first.what == What::Peek => world.acts[one].what = What::Remove,
            4 if first.what == What::Remove && first.ret != NEVER => {
                world.acts[one].what = What::Peek;
            }
            5 if first.what == What::Insert && second.what == What::Insert => {
                world.acts[one].value = second.value;
                world.acts[other].value = first.value;
            }
            5 if first.what == What::Empty => {
                world.acts[one].what = What::Remove;
                world.acts[one].value = value.min(world.priorities.len() as u32 - 1);
            }
            _ => lies += 1,
        }
    }
}

/// A random small history, as the differential tests want them.
pub(super) fn small(random: &mut Random, kind: Kind) -> World {
    loop {
        let shape = Shape {
            ops: 2 + random.below(8) as usize,
            clients: 1 + random.below(5),
            crash_percent: if random.percent(50) { 0 } else { random.below(31) },
            peek_percent: if random.percent(50) { 0 } else { random.below(50) },
            priorities: random.below(2) * (1 + random.below(4)),
        };
        let mut world = valid(random, kind, shape);
        if world.priorities.is_empty() {
            continue;
        }
        if random.percent(60) {
            corrupt(random, &mut world);
        }
        return world;
    }
}
