//! The only code that changes a node.
//!
//! Pushed to the node, started once over SSH, spoken to in frames on one channel. Requests are a
//! closed enum and arguments are data: there is no shell. Every fault is a lease with an undo
//! record made durable before the fault, so a node heals itself when the controller vanishes.

pub mod base64;
pub mod frame;
pub mod kinds;
pub mod launch;
pub mod links;
pub mod protocol;

mod claim;
mod cli;
mod clock;
mod daemons;
mod exec;
mod failure;
mod faults;
mod files;
mod heal;
mod hello;
mod home;
mod journal;
mod net;
mod node;
mod probe;
mod proc;
mod reach;
mod reaper;
mod serve;
mod sshd;
mod sys;
#[cfg(test)]
mod testing;
mod vdso;

pub use cli::run;
