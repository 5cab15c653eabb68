//! The targets by name.

use tribunal_history::codec::Format;

use crate::{check, readers};

/// One thing to fuzz. A run that panics, takes long or much memory is a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A reader: it refuses or reads; what it reads it can write, and read again the same.
    Reader(Format),
    /// The unpacker of zstd and gzip, before a reader.
    Packed,
    /// The checkers: bytes become a history; every model answers within its budget, never with an
    /// internal error, and all engines agree.
    Check,
}

impl Target {
    /// Every target.
    pub const ALL: [Target; 10] = [
        Target::Reader(Format::Native),
        Target::Reader(Format::Jsonl),
        Target::Reader(Format::Edn),
        Target::Reader(Format::Porcupine),
        Target::Reader(Format::Awdit),
        Target::Reader(Format::Polysi),
        Target::Reader(Format::Dbcop),
        Target::Reader(Format::Cobra),
        Target::Packed,
        Target::Check,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Target::Reader(format) => format.name(),
            Target::Packed => "packed",
            Target::Check => "check",
        }
    }

    /// The target of a name.
    pub fn from_name(name: &str) -> Option<Target> {
        Target::ALL.into_iter().find(|target| target.name() == name)
    }

    /// One execution. Whether it came through: the input was read, or judged.
    ///
    /// # Panics
    /// When what is demanded does not hold.
    pub fn run(self, data: &[u8]) -> bool {
        match self {
            Target::Reader(format) => readers::run(format, data),
            Target::Packed => readers::run_packed(data),
            Target::Check => check::run(data),
        }
    }
}
