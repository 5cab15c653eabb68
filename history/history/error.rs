//! Why a sequence of events is not a history.

use crate::{Nanos, Process};

/// Why a sequence of events is not a history. Positions count events from 0 in the order given.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HistoryError {
    /// A process is single-threaded.
    #[error("{process} invoked at event {second} while its invocation at event {first} is open")]
    OpenOperation {
        /// Who.
        process: Process,
        /// The open invocation.
        first: u32,
        /// The second one.
        second: u32,
    },
    /// A process whose operation ended unknown may still be at work: it cannot go on.
    #[error("{process} invoked at event {second} after its info at event {first} retired it")]
    Retired {
        /// Who.
        process: Process,
        /// The `info`.
        first: u32,
        /// The invocation after it.
        second: u32,
    },
    /// A completion needs an invocation.
    #[error("{process} completed at event {event} without an open invocation")]
    NoInvocation {
        /// Who.
        process: Process,
        /// The completion.
        event: u32,
    },
    /// To end is to be no longer open.
    #[error("{process} completed at event {event} with outcome `open`; leave the event out")]
    OpenCompletion {
        /// Who.
        process: Process,
        /// The completion.
        event: u32,
    },
    /// A completion is its invocation filled in.
    #[error("event {second} answers `{answered}` but event {first} asked `{asked}`")]
    OtherQuestion {
        /// The invocation.
        first: u32,
        /// The completion.
        second: u32,
        /// What was asked.
        asked: String,
        /// What was answered.
        answered: String,
    },
    /// A process' own events are ordered in time.
    #[error("event {event} at {time} comes before {before}, when its process was already there")]
    TimeBackwards {
        /// The event.
        event: u32,
        /// Its time.
        time: Nanos,
        /// The time it must not precede.
        before: Nanos,
    },
    /// Ranks are 32 bits wide.
    #[error("more operations, micro-operations or values than 32 bits can number; split by key")]
    TooLong,
}
