//! Drives the experiment: generators, clients, the recorder, and the cluster they run against.
//!
//! This crate knows no target, workload, fault or checker by name.

pub mod client;
pub mod clock;
pub mod cluster;
pub mod control;
pub mod daemon;
pub mod deadlines;
mod files;
pub mod generator;
mod listener;
pub mod nemesis;
pub mod node;
pub mod runner;
pub mod seed;
pub mod target;
