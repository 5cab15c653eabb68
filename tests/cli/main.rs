//! The program as its users meet it: exit codes, streams, and errors that say what to do.

mod check;
mod convert;
mod support;
mod usage;
mod witness;
