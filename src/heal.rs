//! `tribunal heal`: removes every fault any run left. Safe at any time, and twice.

use std::time::Duration;

use serde_json::json;
use tribunal_harness::cluster::{AgentError, Claim, Cluster, Provider, UpOptions};
use tribunal_nemesis::schedule::LEASE;

use crate::cli::{HealArgs, NodesArgs};
use crate::exit_code::{ExitCode, Trouble};
use crate::run::{host_keys, print, trouble};

/// Patience for one step on all nodes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The subcommand: every node is tried, whatever becomes of its neighbours. Taking a node heals
/// what others left there; a node whose lease lives is taken only by force.
pub(crate) fn heal(args: &HealArgs) -> Result<ExitCode, Trouble> {
    let (cluster, runtime) = attach(&args.nodes)?;
    let mut code = ExitCode::Held;
    let mut lines = Vec::new();
    let mut objects = Vec::new();
    let claim = Claim {
        run: format!("{:08x}", std::process::id()),
        controller: format!("heal (pid {})", std::process::id()),
        lease: LEASE,
        force: args.force,
    };
    let claimed = runtime.block_on(cluster.claim(&claim, PATIENCE));
    if let Err(error) = &claimed {
        eprintln!("tribunal: error: {error}");
        code = code.and(ExitCode::Infrastructure);
    }
    for (node, result) in runtime.block_on(cluster.heal_all(PATIENCE)) {
        let mut found = of_node(&node, claimed.as_deref().unwrap_or_default());
        match result {
            Ok(undone) => {
                found.extend(undone);
                objects.push(json!({ "node": node, "healed": found }));
                let words = match (found.is_empty(), claimed.is_ok()) {
                    (true, true) => "nothing to heal".to_string(),
                    // What taking it healed was lost with the answers of its neighbours.
                    (true, false) => "healed".to_string(),
                    (false, _) => found.join("; "),
                };
                lines.push(format!("{node}: {words}"));
            }
            Err(error) => {
                objects.push(json!({ "node": node, "error": error.to_string() }));
                if claimed.is_ok() || !untaken(&error) {
                    eprintln!("tribunal: error: {error}");
                }
                code = code.and(ExitCode::Infrastructure);
            }
        }
    }
    for problem in cluster.close(PATIENCE) {
        eprintln!("tribunal: {problem}");
    }
    let text = match args.nodes.json {
        true => serde_json::to_string_pretty(&objects).map_err(Trouble::bug)?,
        false => lines.join("\n"),
    };
    print(&text)?;
    Ok(code)
}

fn of_node(node: &str, healed: &[(String, Vec<String>)]) -> Vec<String> {
    healed.iter().filter(|(name, _)| name == node).flat_map(|(_, found)| found.clone()).collect()
}

/// A node that could not be taken, which has been said, does not heal for us either.
fn untaken(error: &AgentError) -> bool {
    matches!(error, AgentError::Refused { failure_code, .. } if failure_code == "stale-epoch")
}

/// The nodes and their agents, without a claim.
pub(crate) fn attach(args: &NodesArgs) -> Result<(Cluster, tokio::runtime::Runtime), Trouble> {
    let provider: Provider = args.nodes.parse().map_err(trouble)?;
    let scratch = std::env::temp_dir().join(format!("tribunal-{}", std::process::id()));
    let mut options = UpOptions::new(scratch).map_err(trouble)?;
    options.host_keys = host_keys(args.host_keys.as_deref().unwrap_or(""))?;
    let cluster = Cluster::up(&provider, &options).map_err(trouble)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::infra(format!("start a runtime: {error}")))?;
    Ok((cluster, runtime))
}
