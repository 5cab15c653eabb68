//! Our JSON lines, the open exchange format: complete, one event per line.
//!
//! The first line is `{"schema":"tribunal.history","schema_version":1,..}`. Events are in the
//! order of their rank. `docs/history-format.md` is the specification.

mod fast;
mod op;
mod reader;
mod value;
mod writer;

pub(super) use reader::{is_ours, read};
pub(super) use writer::write;

const SCHEMA: &str = "tribunal.history";
/// What is written unless more has to be said.
const SCHEMA_VERSION: u32 = 1;
/// Of a history without real time: a reader that does not know this must refuse it.
const SCHEMA_VERSION_PER_SESSION: u32 = 2;
