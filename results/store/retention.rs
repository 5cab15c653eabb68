//! Which runs go. Decides only; the store deletes.

use super::{Entry, Head};
use crate::class::Class;

/// What stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// This many of the newest runs.
    pub newest: usize,
    /// Runs that did not pass, whatever their age. A run without verdicts did not pass.
    pub failures: bool,
}

/// Names of the runs to delete, oldest first. `current` is never among them.
pub fn to_delete(entries: &[Entry], keep: &Keep, current: Option<&str>) -> Vec<String> {
    let mut newest_first: Vec<&Entry> = entries.iter().collect();
    newest_first.sort_by(|one, other| other.id.cmp(&one.id));
    let passed = |head: &Head| head.class == Class::Pass && head.exit_code == 0;
    let failed = |entry: &Entry| !entry.head.as_ref().is_some_and(passed);
    let mut doomed: Vec<String> = newest_first
        .into_iter()
        .skip(keep.newest)
        .filter(|entry| current != Some(entry.id.as_str()) && !(keep.failures && failed(entry)))
        .map(|entry| entry.id.clone())
        .collect();
    doomed.reverse();
    doomed
}
