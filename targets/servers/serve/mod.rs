//! The engine behind sockets: one thread for it, tasks for peers and clients.

mod api;
mod driver;
mod link;

pub use driver::{Options, serve};
