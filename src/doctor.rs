//! `tribunal doctor`: what each node can do, by trying it, and what to install where it cannot.

use std::time::Duration;

use serde_json::json;

use crate::cli::NodesArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::heal::attach;
use crate::run::print;

/// The subcommand. Ends with 69 if a node lacks something.
pub(crate) fn doctor(args: &NodesArgs) -> Result<ExitCode, Trouble> {
    let attached = attach(args)?;
    let (cluster, runtime) = (&attached.cluster, &attached.runtime);
    let probed = runtime.block_on(cluster.probe(Duration::from_secs(30)));
    let mut code = ExitCode::Held;
    let mut lines = Vec::new();
    let mut objects = Vec::new();
    for (node, families) in &probed {
        let at = cluster.nodes.iter().position(|known| known.info.name == *node);
        let hello = at.and_then(|at| cluster.hellos.get(at));
        if let Some(hello) = hello {
            lines.push(format!(
                "{node}: {} · kernel {} · {} MiB free below {}",
                hello.hostname,
                hello.kernel,
                hello.free_bytes >> 20,
                hello.root
            ));
        }
        let families = match families {
            Ok(families) => families,
            Err(error) => {
                code = code.and(ExitCode::Infrastructure);
                lines.push(format!("{node}: {error}"));
                objects.push(json!({ "node": node, "error": error.to_string() }));
                continue;
            }
        };
        for family in families {
            let words = match &family.unavailable {
                None => format!("yes ({})", family.mechanism),
                Some(reason) => {
                    code = code.and(ExitCode::Infrastructure);
                    format!("no: {reason}")
                }
            };
            lines.push(format!("  {:10} {words}", family.family));
        }
        objects.push(json!({ "node": node, "hello": hello, "families": families }));
    }
    attached.close(Duration::from_secs(10));
    let text = match args.json {
        true => serde_json::to_string_pretty(&objects).map_err(Trouble::bug)?,
        false => lines.join("\n"),
    };
    print(&text)?;
    Ok(code)
}
