//! What was observed: operations, events, histories, and their codecs.
//!
//! This crate is a leaf. It never touches a clock, a network, a random number or a runtime: the
//! same bytes give the same [`History`], everywhere. Everything that judges or draws reads a
//! [`History`]; nothing else in the workspace defines what an operation is.

mod brief;
pub mod codec;
mod counter;
pub mod drawn;
mod event;
mod fault;
mod history;
mod id;
mod ids;
mod lock;
mod op;
mod predicate;
mod queue;
mod register;
mod set;
mod txn;
mod value;

pub use brief::{BRIEF_LIMIT, brief};
pub use counter::CounterOp;
pub use event::{ErrorClass, Event, Kind};
pub use fault::{FaultEdge, FaultEvent, Mark};
pub(crate) use history::Draft;
pub use history::{Builder, Code, F, History, HistoryError, MopView, OpIndex, Operation, Outcome};
pub use id::IdOp;
pub use ids::{EventId, Nanos, NodeId, Process, Session};
pub use lock::LockOp;
pub use op::{Family, Op};
pub use predicate::{KeyRange, NoKeyRange};
pub use queue::QueueOp;
pub use register::RegisterOp;
pub use set::SetOp;
pub use txn::{Mop, TxnOp};
pub use value::{Observed, UNPARSED_LIMIT, Value};
