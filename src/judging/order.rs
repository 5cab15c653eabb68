//! What passes between the program and the process that judges for it: one order, then words, one
//! JSON object a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tribunal_results::RunReport;

use super::judge::Limits;
use crate::cli::CheckArgs;

/// What a worker is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) job: Job,
    pub(crate) limits: Limits,
    /// Where earlier workers at the same job died: that is not tried again.
    pub(crate) deaths: Vec<Death>,
    /// Who gave the order: when that process ends, the worker does.
    pub(crate) parent: u32,
}

/// What is judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Job {
    /// A history, as the flags say; or a stored run, by its own checkers where no model is named.
    Check { args: Box<CheckArgs>, input: PathBuf },
    /// A stored run, as it was judged when it was made; verdicts, page and fault track are
    /// written.
    Run {
        dir: PathBuf,
        /// Whether the report waits for a line on standard input: until then the environment that
        /// it shows is not whole.
        wait: bool,
    },
}

/// How far a worker is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Place {
    Reading,
    Checker { index: usize, name: String },
    Report,
}

/// Why a worker came to no end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Death {
    pub(crate) place: Place,
    /// `the process died of SIGSEGV: …`
    pub(crate) why: String,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    At(Place),
    Done(Box<Judged>),
    Trouble { code: u8, message: String },
}

/// A job done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// What was judged, as a person named it.
    pub(crate) shown: String,
    pub(crate) report: RunReport,
    /// Where its page is, if one was written.
    pub(crate) page: Option<String>,
    /// The code and the words of the first checker that could not judge.
    pub(crate) trouble: Option<(u8, String)>,
}

impl Place {
    /// In a sentence: what was going on.
    pub(crate) fn doing(&self) -> String {
        match self {
            Place::Reading => "reading the history".into(),
            Place::Checker { name, .. } => format!("checker {name}"),
            Place::Report => "writing the report".into(),
        }
    }
}
