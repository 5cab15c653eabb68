//! One line of a history: who asked what, when, and what came of it.

use std::borrow::Cow;
use std::fmt;

use crate::{EventId, Nanos, NodeId, Op, Process, Session};

/// What a line says about its operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Asked.
    Invoke,
    /// Happened.
    Ok,
    /// Did not happen and never will.
    Fail,
    /// Unknown: at any later time, or never.
    Info,
}

/// Why an operation did not end `ok`: a short stable word (`timeout`, `refused`, `not-leader`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ErrorClass(pub Cow<'static, str>);

/// An owned event. In an [`Event`] of kind `Invoke` the operation is pending.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Rank in the history.
    pub id: EventId,
    /// When, on the controller's clock. Informational where the format has no time.
    pub time: Nanos,
    /// Who.
    pub process: Process,
    /// In which conversation.
    pub session: Session,
    /// Who was asked, when known.
    pub node: Option<NodeId>,
    /// Asked, happened, did not happen, unknown.
    pub kind: Kind,
    /// What.
    pub op: Op,
    /// Why not, for `Fail` and `Info`.
    pub error: Option<ErrorClass>,
}

impl Kind {
    /// The field's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }
}

impl ErrorClass {
    /// The client gave up waiting.
    pub const TIMEOUT: ErrorClass = ErrorClass(Cow::Borrowed("timeout"));
    /// No connection could be made: no byte of the request was sent.
    pub const NO_CLIENT: ErrorClass = ErrorClass(Cow::Borrowed("no-client"));
    /// The client's own code panicked.
    pub const CLIENT_PANIC: ErrorClass = ErrorClass(Cow::Borrowed("client-panic"));
    /// The reply could not be parsed.
    pub const UNPARSEABLE: ErrorClass = ErrorClass(Cow::Borrowed("unparseable-reply"));
    /// A compare-and-set found another value.
    pub const MISMATCH: ErrorClass = ErrorClass(Cow::Borrowed("mismatch"));

    /// A class by name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> ErrorClass {
        ErrorClass(name.into())
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.id, self.time, self.process, self.kind.name(), self.op)?;
        match &self.error {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}
