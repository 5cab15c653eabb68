//! Role: a generator offers operations. Pure, seeded, no clock, no I/O.

use tribunal_history::{ErrorClass, Kind, Nanos, NodeId, Op, Process};

use crate::seed::Stream;

mod any;
mod ballot;
mod cache;
mod concat;
mod concurrency_limit;
mod cycle;
mod cycle_times;
mod deferred;
mod delay;
mod each;
mod exact;
mod fake;
mod filter;
mod flip_flop;
mod function;
mod gaps;
mod ignore_events;
mod independent;
mod keys;
mod limit;
mod map;
mod mix;
mod note;
mod on_event;
mod on_slots;
mod open_loop;
mod phases;
mod plan;
mod poisson;
mod process_limit;
mod repeat;
mod reserve;
mod roam;
mod seat;
mod sequence;
mod sim;
mod sleep;
mod slots;
mod stagger;
mod threads;
mod time_limit;
mod trace;
mod turns;
mod unique;
mod until_ok;
mod validate;
mod wrap;

#[cfg(test)]
mod tests;

pub use any::{any, shortest_any};
pub use cache::cache;
pub use concat::concat;
pub use concurrency_limit::concurrency_limit;
pub use cycle::{cycle, cycle_n};
pub use cycle_times::cycle_times;
pub use deferred::{Promise, deferred};
pub use delay::delay;
pub use each::{each_process, each_slot};
pub use fake::{Fake, Latency, Machine, Model, Window, register_machine};
pub use filter::filter;
pub use flip_flop::flip_flop;
pub use function::{Call, function, function_until};
pub use ignore_events::ignore_events;
pub use independent::{independent_concurrent, independent_sequential};
pub use keys::{KeyChooser, Keys, hotspot, uniform, zipf};
pub use limit::{limit, once};
pub use map::{map, map_kind};
pub use mix::{mix, weighted_mix};
pub use note::{log, mark};
pub use on_event::on_event;
pub use on_slots::{clients, on_slots};
pub use open_loop::open_loop;
pub use phases::{phases, synchronize, then};
pub use plan::{Plan, PlannedOp, plan};
pub use poisson::poisson;
pub use process_limit::process_limit;
pub use repeat::{repeat, repeat_n};
pub use reserve::reserve;
pub use roam::roam;
pub use sequence::{op, sequence};
pub use sim::{Counts, End, Simulated, Simulation};
pub use sleep::sleep;
pub use slots::SlotSet;
pub use stagger::stagger;
pub use threads::Threads;
pub use time_limit::time_limit;
pub use trace::{Trace, trace};
pub use turns::{Step, Turns};
pub use unique::{Scope, unique_values};
pub use until_ok::until_ok;
pub use validate::validate;

/// A generator of any shape: what every combinator takes and gives.
pub type Gen = Box<dyn Generator>;

impl Clone for Gen {
    /// [`Generator::fork`].
    fn clone(&self) -> Gen {
        self.fork()
    }
}

/// What a generator would do next. An offer changes nothing until it is committed.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// Invoke `op` in `slot`, not before `at`. An offer in the past is dispatched at once.
    Invoke {
        /// A free slot of the context.
        slot: u32,
        /// Earliest time.
        at: Nanos,
        /// Who is asked; `None`: the node that the slot usually talks to. Below the context's
        /// `nodes`.
        node: Option<NodeId>,
        /// What to ask.
        op: Op,
    },
    /// Write a note into the record; not an operation.
    Note {
        /// Earliest time.
        at: Nanos,
        /// The note.
        text: String,
    },
    /// Mark a phase in the record; not an operation.
    Mark {
        /// Earliest time.
        at: Nanos,
        /// Name of the phase.
        name: String,
    },
    /// Nothing now. Ask again when a completion arrives, or at `until`.
    Pending {
        /// When to ask again in any case.
        until: Option<Nanos>,
    },
    /// Nothing ever again.
    Done,
}

/// What a generator may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Now.
    pub time: Nanos,
    /// Slots this generator may use at all.
    pub usable: &'a SlotSet,
    /// Those of them that are idle.
    pub free: &'a SlotSet,
    /// The process that lives in each slot, by slot.
    pub processes: &'a [Process],
    /// Number of nodes.
    pub nodes: u16,
}

/// An invocation or completion, as generators see it.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// When.
    pub time: Nanos,
    /// Where.
    pub slot: u32,
    /// Who.
    pub process: Process,
    /// Which edge.
    pub kind: Kind,
    /// What, with what was observed.
    pub op: &'a Op,
    /// Why not.
    pub error: Option<&'a ErrorClass>,
}

/// A source of operations.
///
/// `next` is a peek: calling it again without `commit` or `observe`, in an equal context, gives an
/// equal answer. `commit` adopts the last offer. Random draws are keyed by the committed count, so
/// peeking twice costs nothing and changes nothing.
pub trait Generator: Send {
    /// Takes its random stream; called once, before the first `next`. Combinators hand child
    /// streams (`mix/0`, `mix/1` ...) to their children.
    fn bind(&mut self, stream: &Stream);

    /// An offer.
    fn next(&mut self, cx: &Context<'_>) -> Next;

    /// The last offer was taken; only now does state advance.
    fn commit(&mut self);

    /// Every invocation and completion, in log order.
    fn observe(&mut self, _cx: &Context<'_>, _event: &Observation<'_>) {}

    /// An independent copy, for plans and simulations.
    fn fork(&self) -> Gen;

    /// The combinator's name, for the path of a stuck generator.
    fn name(&self) -> &'static str {
        "generator"
    }

    /// The children that may still offer something, for paths and sums over the whole tree.
    fn children(&self) -> Vec<&dyn Generator> {
        Vec::new()
    }

    /// Whether something other than time and completions can wake it: a value not delivered yet.
    fn armed(&self) -> bool {
        self.children().into_iter().any(Generator::armed)
    }

    /// Operations whose time came when no slot was free (coordinated omission).
    fn missed(&self) -> u64 {
        self.children().into_iter().map(Generator::missed).sum()
    }
}

/// Where a generator waits: the names of its live branches, `phases/mix(until_ok/function, limit)`.
pub fn path(generator: &dyn Generator) -> String {
    let children = generator.children();
    let below: Vec<String> = children.iter().take(8).map(|child| path(*child)).collect();
    let name = generator.name();
    match below.as_slice() {
        [] => name.to_owned(),
        [child] => format!("{name}/{child}"),
        _ if children.len() > 8 => format!("{name}({}, ...)", below.join(", ")),
        _ => format!("{name}({})", below.join(", ")),
    }
}
