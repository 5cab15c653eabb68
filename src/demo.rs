//! `tribunal demo`: the quickstart suite on the best kind of nodes this machine allows.

use std::path::Path;

use crate::cli::{Cli, DemoArgs, RunArgs};
use crate::exit_code::{ExitCode, Trouble, told};
use crate::experiment::Experiment;
use crate::progress::Voice;
use crate::run::{self, Request};
use crate::suite::SuiteFile;

/// The suite, compiled in: the demo needs the binaries and nothing else.
const QUICKSTART: &str = include_str!("../suites/quickstart.toml");

/// A kind of nodes, and why it was chosen.
struct Choice {
    nodes: String,
    why: String,
    /// Faults that need more than processes are left out.
    processes_only: bool,
}

/// The subcommand.
pub(crate) fn demo(cli: &Cli, args: &DemoArgs) -> Result<ExitCode, Trouble> {
    let voice = Voice::new(cli.quiet);
    let choice = choose(args.provider.as_deref())?;
    voice.say(format!("nodes: {} ({})", choice.nodes, choice.why));
    let mut file = SuiteFile::parse("quickstart.toml", QUICKSTART)?;
    if choice.processes_only {
        voice.say("partition: not available on plain processes; faults of processes only");
        file.suite.fault.retain(|fault| fault.kind.get_ref() != "partition");
    }
    let flags = RunArgs {
        nodes: Some(choice.nodes.clone()),
        bug: args.bug.clone(),
        time: args.time.clone(),
        ..RunArgs::default()
    };
    let seed = args.seed.unwrap_or_else(run::fresh_seed);
    let mut repro = vec![run::program(), "demo".into(), "--provider".into(), choice.nodes.clone()];
    repro.extend(["--seed".to_string(), seed.to_string()]);
    repro.extend(args.bug.iter().flat_map(|bug| ["--bug".to_string(), bug.clone()]));
    repro.extend(args.time.iter().flat_map(|time| ["--time".to_string(), time.clone()]));
    let request = Request {
        experiment: Experiment::resolve(&flags, &file)?,
        suite: file,
        seed,
        runs_dir: cli.runs_dir.clone(),
        out: None,
        repro: run::quoted(repro),
        voice,
    };
    let finished = run::execute(&request)?;
    Ok(told(finished.code, run::show(&finished, args.json)))
}

fn choose(asked: Option<&str>) -> Result<Choice, Trouble> {
    if let Some(asked) = asked {
        let nodes = match asked {
            "local" => "local:5",
            "processes" => "processes:5",
            other => other,
        };
        let processes_only = nodes.starts_with("processes");
        return Ok(Choice { nodes: nodes.into(), why: "as asked".into(), processes_only });
    }
    Ok(match missing_for_local() {
        None => Choice {
            nodes: "local:5".into(),
            why: "namespaces with their own sshd: this machine has all they need".into(),
            processes_only: false,
        },
        Some(missing) => Choice {
            nodes: "processes:5".into(),
            why: format!("plain processes, because {missing}"),
            processes_only: true,
        },
    })
}

/// What stands between this machine and local nodes.
fn missing_for_local() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("local nodes need root".into());
    }
    let tools = [
        ("/usr/sbin/sshd", "openssh-server"),
        ("/usr/sbin/nft", "nftables"),
        ("/usr/bin/ssh-keygen", "openssh-client"),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|dir| dir.join("ip").is_file()) {
        return Some("`ip` is missing (package iproute2)".into());
    }
    let missing = tools.iter().find(|(path, _)| !Path::new(path).exists());
    missing.map(|(path, package)| format!("{path} is missing (package {package})"))
}
