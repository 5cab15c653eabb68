//! Clients at work on one sequential object: what they see is linearizable by construction.
//!
//! Time advances by one per step. A step picks a client, which invokes, takes effect, or returns.
//! A client that crashes does so where it would take effect, one time in two before it does; its
//! successor is another process.

use tribunal_history::{Op, Outcome, Process};

use super::event::{Event, Step};
use super::family::Shape;
use super::random::Random;

/// A sequential object, and what is asked of it.
pub(super) trait Object {
    /// The next question.
    fn ask(&mut self, random: &mut Random) -> Op;

    /// Takes effect: fills in the answer of `op`. `Fail` is a compare-and-set that missed.
    fn answer(&mut self, op: &mut Op) -> Outcome;
}

/// What a client is about.
enum Client {
    Idle,
    Asked(Op),
    Answered(Outcome, Op),
}

/// Tells `each` what happens, in order of time, until every client that did not crash returned.
pub(super) fn run(
    object: &mut impl Object,
    shape: &Shape,
    random: &mut Random,
    each: &mut dyn FnMut(Event),
) {
    let mut clients: Vec<Client> = (0..shape.clients).map(|_| Client::Idle).collect();
    let mut process: Vec<u32> = (0..shape.clients).collect();
    let (mut next_process, mut left, mut busy) = (shape.clients, shape.operations, 0);
    while left > 0 || busy > 0 {
        let at = random.below(u64::from(shape.clients)) as usize;
        let who = Process(process[at]);
        clients[at] = match std::mem::replace(&mut clients[at], Client::Idle) {
            Client::Idle if left == 0 => Client::Idle,
            Client::Idle => {
                let op = object.ask(random);
                each(Event { process: who, step: Step::Invoke(op.clone()) });
                left -= 1;
                busy += 1;
                Client::Asked(op)
            }
            Client::Asked(mut op) => {
                let per_mille = u64::from(shape.crashes_per_mille);
                let crashes = op.writes() && per_mille > 0 && random.below(1_000) < per_mille;
                if crashes {
                    if random.below(2) == 0 {
                        object.answer(&mut op);
                    }
                    process[at] = next_process;
                    next_process += 1;
                    busy -= 1;
                    Client::Idle
                } else {
                    let outcome = object.answer(&mut op);
                    Client::Answered(outcome, op)
                }
            }
            Client::Answered(outcome, op) => {
                each(Event { process: who, step: Step::Complete(outcome, op) });
                busy -= 1;
                Client::Idle
            }
        };
    }
}
