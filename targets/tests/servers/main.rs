//! The targets against real servers on loopback addresses, through the roles the harness uses.

mod common;
mod etcd;
mod raftkv;
