//! The project's own servers under test, with defects that are known because they are planted.
//!
//! `raftkv` is a replicated store of registers: an own Raft core without input or output, a
//! write-ahead log, an HTTP/JSON API. `README.md` has the API, `BUGS.toml` the bugs.

pub mod bugs;
pub mod disk;
pub mod engine;
pub mod kv;
pub mod raft;
pub mod serve;
pub mod sim;
pub mod wal;
