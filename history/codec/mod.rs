//! Readers and writers of histories, one format per file.

mod awdit;
mod bank;
mod cobra;
mod dbcop;
mod edn;
mod edn_op;
mod error;
mod format;
mod forms;
mod hex;
mod input;
mod jepsen;
mod jepsen_anonymous;
mod jepsen_events;
mod jepsen_family;
mod jepsen_op;
mod jepsen_txn;
mod jsonl;
mod losses;
pub mod native;
mod nemesis;
mod packed;
mod polysi;
mod porcupine;
mod sessions;
mod tape;
mod track;
mod window;

pub use bank::BALANCES;
pub use cobra::{CobraLog, is_cobra, read_cobra, read_cobra_logs};
pub use error::CodecError;
pub use format::{Format, Read, ReadOptions, SOLE_KEY, detect, read, read_from, write};
use track::{Track, track};
