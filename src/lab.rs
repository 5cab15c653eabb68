//! `tribunal up` and `down`: local nodes that stay, handed to runs as an inventory.

use std::path::Path;
use std::time::Duration;

use tribunal_harness::cluster::Provider;
use tribunal_harness::control::AgentBinary;
use tribunal_harness::control::local::lab::{self, Raised};

use crate::cli::UpArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::run::{print, trouble};

/// Name of the inventory in a lab's directory.
const INVENTORY: &str = "inventory.toml";
/// Where in it the keeper keeps what it needs of the nodes.
const STATE: &str = "state";

/// Starts a keeper and prints its inventory.
pub(crate) fn up(args: &UpArgs) -> Result<ExitCode, Trouble> {
    let Provider::Local(nodes) = args.nodes.parse().map_err(trouble)? else {
        return Err(Trouble::usage(format!("--nodes {}: only local:N can be kept", args.nodes)));
    };
    let shown = args.dir.display();
    std::fs::create_dir_all(&args.dir)
        .map_err(|error| Trouble::infra(format!("make {shown}: {error}")))?;
    let dir = args.dir.canonicalize().map_err(Trouble::infra)?;
    let program = std::env::current_exe()
        .map_err(|error| Trouble::infra(format!("find this program: {error}")))?;
    let mut keeper = std::process::Command::new(program);
    keeper.arg("keep").arg(&dir).arg(nodes.to_string());
    let inventory = dir.join(INVENTORY);
    let state = dir.join(STATE);
    let fresh = !state.exists();
    let log = dir.join("keeper.log");
    let raised = lab::up(keeper, &inventory, &log, Duration::from_secs(60));
    if raised.is_err() {
        // Empty, or somebody's.
        let _ = std::fs::remove_dir(&dir);
    }
    match raised.map_err(trouble)? {
        Raised::Kept => print(&inventory.display().to_string())?,
        Raised::Interrupted => {
            // A keeper that had not begun to listen was ended in the midst of it.
            if fresh {
                let _ = std::fs::remove_dir_all(&state);
            }
            // Empty, or somebody's.
            let _ = std::fs::remove_dir(&dir);
            let message = "interrupted: the nodes that were started are taken down".into();
            return Err(Trouble { code: ExitCode::Interrupted, message });
        }
    }
    Ok(ExitCode::Held)
}

/// Takes the lab behind an inventory down.
pub(crate) fn down(inventory: &Path) -> Result<ExitCode, Trouble> {
    if !inventory.is_file() {
        let shown = inventory.display();
        let words = format!("{shown}: no such inventory; `tribunal up` printed the path of one");
        return Err(Trouble::usage(words));
    }
    lab::down(inventory).map_err(trouble)?;
    Ok(ExitCode::Held)
}

/// The keeper: lives as long as its nodes.
pub(crate) fn keep(dir: &Path, nodes: usize) -> Result<ExitCode, Trouble> {
    let agent = AgentBinary::find().map_err(trouble)?;
    lab::keep(nodes, &dir.join(STATE), &dir.join(INVENTORY), &agent).map_err(trouble)?;
    Ok(ExitCode::Held)
}
