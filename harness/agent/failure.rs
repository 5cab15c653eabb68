//! Making [`Failure`]s: every refusal has a stable word and a sentence.

use std::fmt::Display;
use std::io;

use crate::protocol::Failure;

/// The usual result inside the agent.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure { code: code.into(), message: message.into() }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Failure {
        Failure::new("refused", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Failure {
        Failure::new("not-found", message)
    }

    pub(crate) fn io(message: impl Into<String>) -> Failure {
        Failure::new("io", message)
    }
}

/// Says what was being done when the world said no.
pub(crate) trait While<T> {
    fn during(self, what: impl Display) -> Outcome<T>;
}

impl<T> While<T> for io::Result<T> {
    fn during(self, what: impl Display) -> Outcome<T> {
        self.map_err(|error| {
            let next = match error.kind() {
                io::ErrorKind::StorageFull => "; free some space there",
                _ => "",
            };
            Failure::io(format!("{what}: {error}{next}"))
        })
    }
}

impl<T> While<T> for nix::Result<T> {
    fn during(self, what: impl Display) -> Outcome<T> {
        self.map_err(|error| Failure::io(format!("{what}: {error}")))
    }
}
