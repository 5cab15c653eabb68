//! `tribunal doctor`: what each node can do, by trying it, and what to install where it cannot.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::Instant;
use tribunal_agent::protocol::{Body, Hello, Reply, SshLimits};
use tribunal_harness::cluster::Node;

use crate::cli::NodesArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::heal::attach;
use crate::run::print;

/// Readings of a node's clock; the fastest round trip bounds the error best.
const READINGS: usize = 5;

/// Channels a run may hold at once on one connection: the transfer of the agent, which ends before
/// the agent starts, but may not have ended for sshd.
const CHANNELS: u32 = 2;
/// Connections a run makes to each node: one for requests, one for files.
const CONNECTIONS: u32 = 2;

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
        lines.extend(hello.map(|hello| machine(node, hello)));
        lines.push(match &offset {
            Some(Offset { ms, error_ms }) => {
                format!("  clock      {ms:+.1} ms against this machine, within {error_ms:.1} ms")
            }
            None => "  clock      not read: the agent did not answer".into(),
        });
        // Processes of this machine are not reached through any sshd.
        let by_ssh = at.filter(|_| hello.is_some_and(|hello| hello.ssh.is_some()));
        let sshd = by_ssh.map(|at| runtime.block_on(limits(&cluster.nodes[at])));
        lines.extend(sshd.as_ref().map(|sshd| match sshd {
            Ok(limits) => format!("  sshd       {}", allowed(limits)),
            Err(problem) => format!("  sshd       limits not read: {problem}"),
        }));
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
            "clock_error_ms": offset.as_ref().map(|offset| offset.error_ms),
            "sshd": sshd.and_then(Result::ok) }));
    }
    attached.close(Duration::from_secs(10));
    let text = match args.json {
        true => serde_json::to_string_pretty(&objects).map_err(Trouble::bug)?,
        false => lines.join("\n"),
    };
    print(&text)?;
    Ok(code)
}

fn machine(node: &str, hello: &Hello) -> String {
    let Hello { hostname, kernel, root, .. } = hello;
    let free = hello.free_bytes >> 20;
    format!("{node}: {hostname} · kernel {kernel} · {free} MiB free below {root}")
}

async fn limits(node: &Node) -> Result<SshLimits, String> {
    match node.call(Body::Sshd, Duration::from_secs(10)).await {
        Ok(Reply::Sshd(limits)) => Ok(limits),
        Ok(other) => Err(format!("the agent answered {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// What sshd allows, and what to change where a run may meet a limit.
fn allowed(limits: &SshLimits) -> String {
    let SshLimits { max_sessions, startups_begin, startups_rate_pct, startups_full } = limits;
    let startups = format!("{startups_begin}:{startups_rate_pct}:{startups_full}");
    let mut advice = Vec::new();
    if *max_sessions < CHANNELS {
        advice.push(format!(
            "up to {CHANNELS} channels of a connection may meet: set MaxSessions 10"
        ));
    }
    if *startups_begin <= CONNECTIONS {
        advice.push(format!(
            "{CONNECTIONS} connections of a run and one of anybody else may be dropped at login, and \
             are tried again: set MaxStartups 10:30:100"
        ));
    }
    let values = format!("MaxSessions {max_sessions}, MaxStartups {startups}");
    match advice.is_empty() {
        true => format!("yes ({values})"),
        false => format!("tight ({values}): {}; then reload sshd", advice.join("; ")),
    }
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

#[cfg(test)]
mod tests {
    use super::{SshLimits, allowed};

    #[test]
    fn limits_that_a_run_may_meet_are_named_with_their_mending() {
        let words = |max_sessions, startups_begin| {
            let (startups_rate_pct, startups_full) = (30, 100);
            allowed(&SshLimits { max_sessions, startups_begin, startups_rate_pct, startups_full })
        };
        assert_eq!(words(10, 10), "yes (MaxSessions 10, MaxStartups 10:30:100)");
        assert!(words(1, 10).contains("set MaxSessions 10; then reload sshd"));
        assert!(words(10, 2).contains("set MaxStartups 10:30:100; then reload sshd"));
        assert!(!words(2, 3).contains("set"));
    }
}
