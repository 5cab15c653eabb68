//! Undoing what any run left behind, from the disk and from the firewall alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use crate::claim::{self, Claim, Lock};
use crate::daemons::Daemons;
use crate::failure::{Outcome, While};
use crate::faults::Faults;
use crate::home::Home;
use crate::journal::Journal;
use crate::net;
use crate::protocol::Failure;

/// Undoes every record of every run but one, and removes every firewall table of ours but that
/// run's. Goes on after failures and names all of them.
pub(crate) fn everything(home: &Home, held: &Lock, keep: Option<&str>) -> Outcome<Vec<String>> {
    let (mut undone, mut failed) = (Vec::new(), Vec::new());
    let mut note = |result: Outcome<Vec<String>>| match result {
        Ok(more) => undone.extend(more),
        Err(failure) => failed.push(failure.message),
    };
    for run in home.runs().during("list runs")? {
        if keep != Some(run.as_str()) {
            let daemons = Arc::new(Daemons::new(home, &run));
            note(damaged(home, &run));
            note(Faults::new(home, &run, 0, daemons).heal_all(held));
        }
    }
    if home.network && net::allowed() {
        note(net::sweep(keep).during("sweep firewall"));
    } else if home.network {
        // Said, not failed: without the right no cut can be made here either.
        note(Ok(vec!["firewall not looked at: no CAP_NET_ADMIN".into()]));
    }
    if failed.is_empty() { Ok(undone) } else { Err(Failure::io(failed.join("; "))) }
}

/// What the journal cannot tell must be looked at by a person, every time, until it is removed.
fn damaged(home: &Home, run: &str) -> Outcome<Vec<String>> {
    let paths = Journal::new(home, run).damaged().during("list damaged undo records")?;
    let line = |path: &PathBuf| {
        format!("NOT undone, damaged record {}: look at the node, then remove it", path.display())
    };
    Ok(paths.iter().map(line).collect())
}

/// `tribunal-agent heal`: prints what it undid. Refused while a controller holds the node, unless
/// forced; then that controller must claim anew.
pub(crate) fn main(home: &Home, force: bool) -> ExitCode {
    match by_hand(home, force) {
        Ok(undone) => {
            for line in &undone {
                println!("{line}");
            }
            println!("healed: {} things undone", undone.len());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("heal: {}: {}", failure.code, failure.message);
            ExitCode::FAILURE
        }
    }
}

fn by_hand(home: &Home, force: bool) -> Outcome<Vec<String>> {
    let held = Lock::take(home)?;
    if let Some(claim) = Claim::current(home)?.filter(|_| !force) {
        return Err(Failure::new(
            "claimed",
            format!(
                "controller {} (run {}) holds this node; wait for its lease, or use --force",
                claim.controller, claim.run
            ),
        ));
    }
    claim::raise(home, &held)?;
    everything(home, &held, None)
}
