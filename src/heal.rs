//! `tribunal heal`: removes every fault any run left. Safe at any time, and twice.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tribunal_harness::cluster::{Claim, Cluster, Provider, UpOptions};
use tribunal_nemesis::schedule::LEASE;

use crate::cli::{HealArgs, NodesArgs};
use crate::exit_code::{ExitCode, Trouble};
use crate::progress::aside;
use crate::run::{host_keys, leave_without, print, trouble};

/// Patience for one step on all nodes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The subcommand: every node is tried, whatever becomes of its neighbours.
pub(crate) fn heal(args: &HealArgs) -> Result<ExitCode, Trouble> {
    let nodes = &args.nodes.nodes;
    if let Provider::Local(_) | Provider::Processes(_) = nodes.parse().map_err(trouble)? {
        return Err(Trouble::usage(format!(
            "--nodes {nodes}: such nodes end with their run, there is nothing to heal; name nodes \
             that stay: --nodes INVENTORY or --nodes vagrant"
        )));
    }
    let attached = attach(&args.nodes)?;
    let (cluster, runtime) = (&attached.cluster, &attached.runtime);
    let mut code = ExitCode::Held;
    let mut lines = Vec::new();
    let mut objects = Vec::new();
    // The claim is what heals: it keeps every other controller out while things are undone, and
    // is refused where one lives.
    let claim = Claim {
        run: format!("{:08x}", std::process::id()),
        controller: format!("heal (pid {})", std::process::id()),
        lease: LEASE,
        force: args.force,
    };
    for (node, result) in runtime.block_on(cluster.claim_each(&claim, PATIENCE)) {
        match result {
            Ok(undone) => {
                objects.push(json!({ "node": node, "healed": undone }));
                let words = match undone.is_empty() {
                    true => "nothing to heal".to_string(),
                    false => undone.join("; "),
                };
                lines.push(format!("{node}: {words}"));
            }
            Err(error) => {
                objects.push(json!({ "node": node, "error": error.to_string() }));
                aside(format!("tribunal: error: {error}"));
                code = code.and(ExitCode::Infrastructure);
            }
        }
    }
    attached.close(PATIENCE);
    let text = match args.nodes.json {
        true => serde_json::to_string_pretty(&objects).map_err(Trouble::bug)?,
        false => lines.join("\n"),
    };
    print(&text)?;
    Ok(code)
}

/// The nodes and their agents, without a claim.
pub(crate) struct Attached {
    pub(crate) cluster: Cluster,
    pub(crate) runtime: tokio::runtime::Runtime,
    /// Goes away with it, keys included.
    _scratch: TempDir,
}

/// Reaches the nodes.
pub(crate) fn attach(args: &NodesArgs) -> Result<Attached, Trouble> {
    let provider: Provider = args.nodes.parse().map_err(trouble)?;
    let scratch = tempfile::Builder::new()
        .prefix("tribunal-")
        .tempdir()
        .map_err(|error| Trouble::infra(format!("make a scratch directory: {error}")))?;
    leave_without(scratch.path().to_path_buf());
    let mut options = UpOptions::new(scratch.path()).map_err(trouble)?;
    options.host_keys = host_keys(args.host_keys.as_deref().unwrap_or(""))?;
    let cluster = Cluster::up(&provider, &options).map_err(trouble)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::infra(format!("start a runtime: {error}")))?;
    Ok(Attached { cluster, runtime, _scratch: scratch })
}

impl Attached {
    /// Lets the nodes go and leaves nothing here. What did not end as it should goes to stderr.
    pub(crate) fn close(self, patience: Duration) {
        for problem in self.cluster.close(patience) {
            aside(format!("tribunal: {problem}"));
        }
    }
}
