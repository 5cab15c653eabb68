//! Every target, by name. A new target is one folder and one line here.

use std::sync::Arc;

use tribunal_harness::target::{Options, Target, TargetError};

use crate::{etcd, raftkv};

/// A way to build a target.
pub struct Entry {
    /// Name on the command line and in suites.
    pub name: &'static str,
    /// One line for `tribunal list targets`.
    pub summary: &'static str,
    /// Options and what they mean.
    pub options: &'static [(&'static str, &'static str)],
    /// Builds it.
    pub build: fn(&Options) -> Result<Arc<dyn Target>, TargetError>,
}

/// In the order `tribunal list targets` prints.
pub static TARGETS: &[Entry] = &[raftkv::ENTRY, etcd::ENTRY];

/// By name.
pub fn find(name: &str) -> Option<&'static Entry> {
    TARGETS.iter().find(|entry| entry.name == name)
}
