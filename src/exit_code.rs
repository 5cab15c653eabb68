//! Exit codes: public, documented in README.md, one meaning each.

use std::fmt;

use crate::progress::aside;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub(crate) enum ExitCode {
    /// Every requested promise held, with its required coverage.
    Held = 0,
    /// At least one promise was broken; nothing downgrades it.
    Anomaly = 1,
    /// No anomaly, something undecided.
    Unknown = 2,
    /// All that was exercised is decided, but something asked for was not exercised.
    Vacuous = 3,
    /// Arguments, suite, inventory, or an unreadable or malformed input file.
    Usage = 64,
    /// Cluster, SSH, node, failed assumption: the only one worth an automatic retry.
    Infrastructure = 69,
    /// An internal invariant broke.
    Bug = 70,
    /// A second interrupt: left at once, nodes heal by lease.
    Interrupted = 130,
}

/// Worst first: what several inputs or cells together end with.
const PRECEDENCE: [ExitCode; 8] = [
    ExitCode::Interrupted,
    ExitCode::Anomaly,
    ExitCode::Bug,
    ExitCode::Infrastructure,
    ExitCode::Usage,
    ExitCode::Unknown,
    ExitCode::Vacuous,
    ExitCode::Held,
];

impl ExitCode {
    /// The code with this number; what has no meaning is our defect.
    pub(crate) fn of(number: u8) -> ExitCode {
        PRECEDENCE.into_iter().find(|code| *code as u8 == number).unwrap_or(ExitCode::Bug)
    }

    /// The code of two results together: an anomaly is never hidden by its neighbour.
    pub(crate) fn and(self, other: ExitCode) -> ExitCode {
        let rank = |code| PRECEDENCE.iter().position(|known| *known == code);
        if rank(self) <= rank(other) { self } else { other }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> std::process::ExitCode {
        std::process::ExitCode::from(code as u8)
    }
}

/// An error that ends the program: what, where, what to do, and with which code.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) code: ExitCode,
    pub(crate) message: String,
}

impl Trouble {
    /// The caller's input is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Trouble {
        Trouble { code: ExitCode::Usage, message: message.to_string() }
    }

    /// The world is in the way.
    pub(crate) fn infra(message: impl fmt::Display) -> Trouble {
        Trouble { code: ExitCode::Infrastructure, message: message.to_string() }
    }

    /// We are wrong.
    pub(crate) fn bug(message: impl fmt::Display) -> Trouble {
        Trouble { code: ExitCode::Bug, message: message.to_string() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}

/// The code of a verdict after something beside it was tried: what went wrong is said, and an
/// anomaly stays one.
pub(crate) fn told(verdict: ExitCode, beside: Result<(), Trouble>) -> ExitCode {
    match beside {
        Ok(()) => verdict,
        Err(trouble) => {
            aside(format!("tribunal: error: {trouble}"));
            verdict.and(trouble.code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode::{Anomaly, Bug, Held, Infrastructure, Unknown, Usage, Vacuous};

    #[test]
    fn all_pairs_follow_the_precedence() {
        let order = [Anomaly, Bug, Infrastructure, Usage, Unknown, Vacuous, Held];
        for (i, one) in order.iter().enumerate() {
            for (j, other) in order.iter().enumerate() {
                assert_eq!(one.and(*other), order[i.min(j)], "{one:?} and {other:?}");
            }
        }
    }
}
