//! Judging in a process of its own: whatever a checker or a hostile history does to that process,
//! the run, its cluster and the other checkers' answers survive.

mod inputs;
mod judge;
mod order;
mod supervisor;
mod worker;

pub(crate) use inputs::read_file;
pub(crate) use judge::Limits;
pub(crate) use order::{Job, Judged};
pub(crate) use supervisor::judge;
pub(crate) use worker::work;
