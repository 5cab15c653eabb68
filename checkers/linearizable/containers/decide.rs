//! The entry: from operations to a verdict with its proof.

use super::conflict::Task;
use super::crashed;
use super::prep::{Act, Acts, Solved, Watch, What};
use super::tricks::Tricks;
use super::{pq, queue, set, stack};
use crate::linearizable::meter::Ledger;
use crate::linearizable::{Allowance, NEVER};
use crate::{Budget, Spent};

/// How a container orders what is inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Elements do not know of each other; removes and peeks name what they are after.
    Set,
    /// First in, first out.
    Queue,
    /// Last in, first out.
    Stack,
    /// Greatest out first.
    PriorityQueue,
}

/// What is said about a history, in positions of the operations given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Linearizable: a legal order of all completed operations and some of the crashed ones.
    Order(Vec<u32>),
    /// Not linearizable: no order of these is legal. With an operation on a value come its insert
    /// and its remove, and all crashed removes of unknown result; so what is left out is not the
    /// reason. Sorted.
    Contradiction(Vec<u32>),
    /// Not decided, for this reason.
    HandOver(&'static str),
}

/// Operations on one container, checked once.
#[derive(Clone, Debug)]
pub struct Input {
    pub(super) acts: Acts,
    pub(super) priorities: Vec<u32>,
    pub(super) unknown: usize,
    /// A value that was inserted once and removed at least twice.
    pub(super) twice: Option<u32>,
}

impl Input {
    /// From operations in the order invoked. Ranks are below `events`, each used once; values are
    /// below `values`. O(n).
    ///
    /// # Errors
    /// What is wrong, or outside what these algorithms decide: a value inserted more than once, a
    /// crashed peek.
    pub fn new(acts: Vec<Act>, values: u32, events: u32) -> Result<Input, &'static str> {
        let mut inserts = vec![0u8; values as usize];
        let mut removes = vec![0u8; values as usize];
        let (mut unknown, mut twice, mut last) = (0, None, None);
        for act in &acts {
            if last.is_some_and(|last| last >= act.call) {
                return Err("operations out of order");
            }
            last = Some(act.call);
            let orderly = act.call < act.ret && (act.ret == NEVER || act.ret < events);
            if !orderly || act.call >= events {
                return Err("a rank out of range");
            }
            let value = act.value as usize;
            match act.what {
                What::Empty | What::Unknown => unknown += usize::from(act.what == What::Unknown),
                _ if value >= values as usize => return Err("a value out of range"),
                What::Insert if inserts[value] > 0 => return Err("a value is inserted twice"),
                What::Insert => inserts[value] = 1,
                What::Remove if removes[value] == 0 => removes[value] = 1 + u8::from(act.crashed()),
                What::Remove if removes[value] == 1 && !act.crashed() => twice = Some(act.value),
                What::Remove => return Err("a value is perhaps removed twice"),
                What::Peek | What::Absent => {}
            }
            let optional = matches!(act.what, What::Insert | What::Remove | What::Unknown);
            if act.ret == NEVER && !optional {
                return Err("an observation has no return");
            }
        }
        let acts = Acts::new(acts, values as usize, events);
        Ok(Input { acts, priorities: Vec::new(), unknown, twice })
    }

    /// The same with a priority for each value; greater comes out first, and equal ones in any
    /// order.
    ///
    /// # Panics
    /// When their number is not that of the values.
    pub fn with_priorities(self, priorities: Vec<u32>) -> Input {
        assert_eq!(priorities.len(), self.acts.values, "one priority for each value");
        Input { priorities, ..self }
    }

    /// Most bytes that deciding holds at once, these operations included.
    pub fn bytes(&self) -> u64 {
        let [acts, values, events] =
            [self.acts.acts.len(), self.acts.values, self.acts.events as usize].map(|n| n as u64);
        acts * 24 + values * 44 + events * 16 + self.acts.peeks as u64 * 20
    }
}

/// Decides a set: insert, remove, peek (the element is there) and absent. O(n).
///
/// # Errors
/// The limit that was hit.
pub fn decide_set(input: &Input, budget: &Budget) -> Result<Answer, Spent> {
    under(input, Kind::Set, budget)
}

/// Decides a FIFO queue: insert, remove, peek, empty, unknown. O(n).
///
/// # Errors
/// The limit that was hit.
pub fn decide_queue(input: &Input, budget: &Budget) -> Result<Answer, Spent> {
    under(input, Kind::Queue, budget)
}

/// Decides a stack: as a queue. O(n log n).
///
/// # Errors
/// The limit that was hit.
pub fn decide_stack(input: &Input, budget: &Budget) -> Result<Answer, Spent> {
    under(input, Kind::Stack, budget)
}

/// Decides a priority queue: as a queue. O(n log n).
///
/// # Errors
/// The limit that was hit.
pub fn decide_priority_queue(input: &Input, budget: &Budget) -> Result<Answer, Spent> {
    under(input, Kind::PriorityQueue, budget)
}

fn under(input: &Input, kind: Kind, budget: &Budget) -> Result<Answer, Spent> {
    let ledger = Ledger::new(budget);
    decide(input, kind, Allowance::new(&ledger), Tricks::default())
}

pub(super) fn decide(
    input: &Input,
    kind: Kind,
    allowance: Allowance<'_>,
    tricks: Tricks,
) -> Result<Answer, Spent> {
    let watch = Watch { allowance, bytes: input.bytes() };
    if let Some(answer) = refused(input, kind) {
        return Ok(answer);
    }
    if let Some(value) = input.twice {
        let all = (0u32..).zip(&input.acts.acts);
        let changes = |what| matches!(what, What::Insert | What::Remove | What::Unknown);
        let of = all.filter(|(_, act)| changes(act.what));
        let of = of.filter(|(_, act)| act.value == value || act.what == What::Unknown);
        return Ok(Answer::Contradiction(of.map(|(at, _)| at).collect()));
    }
    if input.unknown > 0 {
        return crashed::decide(input, kind, watch, tricks);
    }
    let task = Task { kind, priorities: &input.priorities, watch, tricks };
    Ok(match solve(&input.acts, kind, &input.priorities, watch, tricks)? {
        Solved::Order(order) => Answer::Order(order),
        Solved::Conflict(conflict) => match task.few(&input.acts, conflict)? {
            Some(few) => Answer::Contradiction(few),
            None => Answer::HandOver("what contradicts itself could not be made small"),
        },
    })
}

/// Why these operations are none of such a container.
fn refused(input: &Input, kind: Kind) -> Option<Answer> {
    let foreign = |act: &Act| match act.what {
        What::Insert | What::Remove | What::Peek => false,
        What::Absent => kind != Kind::Set,
        What::Empty | What::Unknown => kind == Kind::Set,
    };
    let missing = kind == Kind::PriorityQueue && input.priorities.len() != input.acts.values;
    if missing {
        Some(Answer::HandOver("values have no priority"))
    } else if input.acts.acts.iter().any(foreign) {
        Some(Answer::HandOver("an operation that this container does not have"))
    } else {
        None
    }
}

/// Decides without crashed removes of unknown result.
pub(super) fn solve(
    acts: &Acts,
    kind: Kind,
    priorities: &[u32],
    watch: Watch<'_>,
    tricks: Tricks,
) -> Result<Solved, Spent> {
    match kind {
        Kind::Set => set::solve(acts, watch, tricks),
        Kind::Queue => queue::solve(acts, watch, tricks),
        Kind::Stack => stack::solve(acts, watch, tricks),
        Kind::PriorityQueue => pq::solve(acts, priorities, watch, tricks),
    }
}
