//! `tribunal up` and `down`: local nodes that stay, handed to runs as an inventory.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tribunal_harness::cluster::Provider;
use tribunal_harness::control::AgentBinary;
use tribunal_harness::control::local::lab::{self, Raised};

use crate::cli::UpArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::output::{first_in, make_directory};
use crate::run::{ignores_hangup, print, trouble};

/// Name of the inventory in a lab's directory.
const INVENTORY: &str = "inventory.toml";
/// Where in it the keeper keeps what it needs of the nodes.
const STATE: &str = "state";
/// What the keeper says. Who makes it has the directory.
const LOG: &str = "keeper.log";

/// Patience for the nodes of a lab.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a keeper and prints its inventory.
pub(crate) fn up(args: &UpArgs) -> Result<ExitCode, Trouble> {
    let Provider::Local(nodes) = args.nodes.parse().map_err(trouble)? else {
        return Err(Trouble::usage(format!("--nodes {}: only local:N can be kept", args.nodes)));
    };
    let shown = args.dir.display();
    make_directory(&args.dir, "--dir")?;
    let dir = args.dir.canonicalize().map_err(Trouble::infra)?;
    let inventory = dir.join(INVENTORY);
    if !inventory.exists()
        && let Some(name) = first_in(&dir, |_| false).map_err(Trouble::infra)?
    {
        return Err(Trouble::usage(format!(
            "--dir {shown} is not empty, there is {name}; name a new or an empty directory"
        )));
    }
    let program = std::env::current_exe()
        .map_err(|error| Trouble::infra(format!("find this program: {error}")))?;
    let mut keeper = std::process::Command::new(program);
    keeper.arg("keep").arg(&dir).arg(nodes.to_string());
    let mut signals = vec![Signal::SIGTERM, Signal::SIGINT];
    if !ignores_hangup() {
        signals.push(Signal::SIGHUP);
    }
    let raised = lab::up(keeper, &inventory, &dir.join(LOG), (PATIENCE, &signals));
    if raised.is_err() && !inventory.exists() && !dir.join(LOG).exists() {
        // Nobody else is starting a lab here, and nothing else stood here.
        let _ = std::fs::remove_dir_all(dir.join(STATE));
        let _ = std::fs::remove_dir(&dir);
    }
    match raised.map_err(trouble)? {
        Raised::Kept => print(&inventory.display().to_string())?,
        Raised::Interrupted => {
            // A keeper that had not begun to listen was ended in the midst of it.
            let _ = std::fs::remove_dir_all(dir.join(STATE));
            // Empty, or somebody's.
            let _ = std::fs::remove_dir(&dir);
            let message = "interrupted: the nodes that were started are taken down".into();
            return Err(Trouble { code: ExitCode::Interrupted, message });
        }
    }
    Ok(ExitCode::Held)
}

/// Takes the lab behind an inventory down, and its directory along.
pub(crate) fn down(inventory: &Path) -> Result<ExitCode, Trouble> {
    if !inventory.is_file() {
        let shown = inventory.display();
        let words = format!("{shown}: no such inventory; `tribunal up` printed the path of one");
        return Err(Trouble::usage(words));
    }
    let state = lab::down(inventory).map_err(trouble)?;
    let _ = std::fs::remove_file(state.with_file_name(LOG));
    if let Some(dir) = state.parent() {
        // Empty, or somebody's.
        let _ = std::fs::remove_dir(dir);
    }
    Ok(ExitCode::Held)
}

/// The keeper: lives as long as its nodes.
pub(crate) fn keep(dir: &Path, nodes: usize) -> Result<ExitCode, Trouble> {
    let agent = AgentBinary::find().map_err(trouble)?;
    lab::keep(nodes, &dir.join(STATE), &dir.join(INVENTORY), &agent).map_err(trouble)?;
    Ok(ExitCode::Held)
}
