//! The only code that changes a node.
//!
//! Pushed to the node, started once over SSH, spoken to in frames on one channel. Requests are a
//! closed enum and arguments are data: there is no shell. Every fault is a lease with an undo
//! record made durable before the fault, so a node heals itself when the controller vanishes.

pub mod base64;
pub mod frame;
pub mod launch;
pub mod protocol;

mod cli;
mod node;
mod sys;

pub use cli::run;
