//! Is every key a single copy of its data, operated on one step at a time?
//!
//! Decides linearizability (Herlihy & Wing 1990) by exhaustive search with a windowed memo, one
//! partition per key. It knows nothing of faults, clocks or clusters: only operations and ranks.
//! Every verdict carries a certificate that [`certificate`] accepts without trusting the search.

mod append;
mod aside;
pub mod certificate;
mod checker;
mod codes;
mod conclude;
pub mod containers;
mod contradiction;
mod decide;
mod dialect;
mod explain;
mod fast;
mod found;
mod holds;
mod live;
mod merge;
mod meter;
mod model;
mod models;
mod narrow;
mod partition;
mod parts;
mod persistent;
mod plain;
mod prep;
mod quick;
mod replay;
mod rules;
mod shrink;
mod sums;
#[cfg(test)]
mod tests;
mod texts;
mod unseen;
mod window;
pub mod zones;

use window::portfolio;

pub use checker::{Bare, Engines, Linearizable, Options, Which, decide, judge};
pub use dialect::{Dialect, FailedCas, NilRead};
pub use fast::{Allowance, Decided, Fast, Partition, Proof};
pub use live::watch;
pub use model::{
    Bound, Count, FAR, FromHistory, Interpreted, Merge, Model, Number, Since, Steps, Words,
};
pub use models::{
    CasRegister, CasRegisterOp, Container, ContainerOp, Counter, CounterOp, Discipline, Exclusive,
    Fenced, FencedMutex, Fifo, FifoQueue, Grip, Held, Kv, KvOp, Lifo, List, ListMop, ListOp,
    Listed, Lock, LockOp, Locking, MultiRegister, MultiRegisterOp, MultiRegisterStep, Mutex, Owned,
    OwnerMutex, Permits, Priority, PriorityQueue, Reentrant, ReentrantMutex, Register, RegisterOp,
    Semaphore, Set, SetOp, Stack, UniqueId, UniqueIds, text,
};
pub use prep::{Entry, NEVER, Problem};
pub use window::stream::{Failure, Standing, Stream};
