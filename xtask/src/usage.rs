//! Names that there are not: the caller's mistake, said in one line, exit code 64.

use std::fmt;
use std::process::ExitCode;

/// What a caller asked for that does not exist, and what does.
#[derive(Debug)]
pub(crate) struct NoSuch(String);

impl NoSuch {
    /// `no KIND is called "NAME"; there are A, B`.
    pub(crate) fn new<'n>(
        kind: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> NoSuch {
        let known: Vec<&str> = known.into_iter().collect();
        NoSuch(format!("no {kind} is called {name:?}; there are {}", known.join(", ")))
    }
}

impl fmt::Display for NoSuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoSuch {}

/// How a chore that failed ends: 64 if it was asked for what there is not, else 70.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<NoSuch>() { 64 } else { 70 })
}
