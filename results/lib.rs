//! Run directories, verdict files and the report.
//!
//! One value, [`RunReport`], is assembled from what the binary knows ([`RunInfo`]), the history
//! and the checkers' answers; every output renders it and computes nothing. Theory and layout:
//! `docs/DESIGN.md`. This crate never judges, and never touches a node.

mod assemble;
pub mod bounded;
pub mod class;
mod faults;
mod findings;
mod human;
mod info;
pub mod limits;
mod report;
mod run_report;
pub mod sequential;
pub mod stats;
pub mod store;
mod witness;

pub use assemble::{Answer, assemble};
pub use class::Class;
pub use human::{HumanOptions, human};
pub use info::{Environment, LateReplies, NodeInfo, Plan, RunInfo, SelfNoise, Warning};
pub use report::{Html, html, html_within};
pub use run_report::{
    Bite, CheckCost, Counts, CoverageFact, EvidenceReport, Fault, Finding, Guarantee, Levels,
    OpReport, Run, RunReport, SCHEMA, SCHEMA_VERSION, StateReport, StepReport, Strength, Tally,
    Tool,
};
