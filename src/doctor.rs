//! `tribunal doctor`: what each node can do, by trying it, and what to install where it cannot.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::Instant;
use tribunal_agent::protocol::{Body, Reply};
use tribunal_harness::cluster::Node;

use crate::cli::NodesArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::heal::attach;
use crate::run::print;

/// Readings of a node's clock; the fastest round trip bounds the error best.
const READINGS: usize = 5;

/// A node's wall clock against this machine's.
struct Offset {
    /// Node minus controller, at the middle of the round trip.
    ms: f64,
    /// Half the round trip: the true offset is at most this far off.
    error_ms: f64,
}

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
        let offset = at.and_then(|at| runtime.block_on(offset(&cluster.nodes[at])));
        if let Some(hello) = hello {
            lines.push(format!(
                "{node}: {} · kernel {} · {} MiB free below {}",
                hello.hostname,
                hello.kernel,
                hello.free_bytes >> 20,
                hello.root
            ));
        }
        lines.push(match &offset {
            Some(Offset { ms, error_ms }) => {
                format!("  clock      {ms:+.1} ms against this machine, within {error_ms:.1} ms")
            }
            None => "  clock      not read: the agent did not answer".into(),
        });
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
        objects.push(json!({ "node": node, "hello": hello, "families": families,
            "clock_offset_ms": offset.as_ref().map(|offset| offset.ms),
            "clock_error_ms": offset.as_ref().map(|offset| offset.error_ms) }));
    }
    attached.close(Duration::from_secs(10));
    let text = match args.json {
        true => serde_json::to_string_pretty(&objects).map_err(Trouble::bug)?,
        false => lines.join("\n"),
    };
    print(&text)?;
    Ok(code)
}

/// The best of several readings (Cristian 1989); `None` when the agent does not answer.
async fn offset(node: &Node) -> Option<Offset> {
    let mut best: Option<Offset> = None;
    for _ in 0..READINGS {
        let (wall, asked) = (SystemTime::now(), Instant::now());
        let Ok(Reply::Clock(clocks)) = node.call(Body::Clock, Duration::from_secs(5)).await else {
            return best;
        };
        let half = asked.elapsed() / 2;
        let here = (wall + half).duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let ms = (clocks.realtime_ns as f64 - here.as_nanos() as f64) / 1e6;
        let error_ms = half.as_secs_f64() * 1e3;
        if best.as_ref().is_none_or(|best| error_ms < best.error_ms) {
            best = Some(Offset { ms, error_ms });
        }
    }
    best
}
