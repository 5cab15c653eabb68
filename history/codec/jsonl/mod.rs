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
const SCHEMA_VERSION: u32 = 1;
