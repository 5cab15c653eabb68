//! One system under test per folder, and the registry that names them.
//!
//! A target is data where possible: daemons, options, an error table. Its client makes exactly one
//! attempt per operation.

pub mod etcd;
mod http;
mod options;
mod push;
pub mod raftkv;
mod ready;
mod register;
pub mod registry;
mod transaction;
