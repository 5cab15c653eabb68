//! Subcommands of `tribunal-agent`.

use std::process::ExitCode;
use std::str::FromStr;

use crate::home::Home;
use crate::net::Mechanism;
use crate::protocol::Identity;
use crate::{heal, node, reaper, serve, vdso};

const USAGE: &str = "usage: tribunal-agent serve --root DIR [--volatile DIR] [--probe-port N] \
                     [--mechanism nft|iptables+ipset|iptables] [--no-network] [--owned]
       tribunal-agent heal --root DIR [--volatile DIR] [--force] [--no-network]
       tribunal-agent node       (reads a plan from stdin)
       tribunal-agent version";

/// Directory for what a reboot should remove.
const VOLATILE: &str = "/run/tribunal";

/// Runs the subcommand named by the arguments (without the program's own name).
pub fn run(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["serve", rest @ ..] => serve(rest),
        ["heal", rest @ ..] => home(rest).map(|home| heal::main(&home, rest.contains(&"--force"))),
        ["reap", rest @ ..] => reap(rest),
        ["node"] => Ok(node::main()),
        ["bend-time"] => Ok(vdso::main()),
        ["tell-time"] => Ok(vdso::tell()),
        ["version"] => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(USAGE.into()),
    };
    result.unwrap_or_else(|text| {
        eprintln!("tribunal-agent: {text}");
        ExitCode::from(64)
    })
}

fn serve(words: &[&str]) -> Result<ExitCode, String> {
    let probe_port = option(words, "--probe-port").map_or(Ok(0), |text| number(text, "port"))?;
    let mechanism = match option(words, "--mechanism") {
        Some(name) => Some(Mechanism::named(name).ok_or(format!("mechanism {name:?}\n{USAGE}"))?),
        None => None,
    };
    Ok(serve::main(serve::Options { home: home(words)?, probe_port, mechanism }))
}

fn reap(words: &[&str]) -> Result<ExitCode, String> {
    let wanted = |name: &str| option(words, name).ok_or(format!("reap needs {name}"));
    let agent = Identity {
        pid: number(wanted("--pid")?, "pid")?,
        start: number(wanted("--start")?, "start")?,
    };
    let epoch = number(wanted("--epoch")?, "epoch")?;
    let run = wanted("--run")?.to_string();
    Ok(reaper::main(reaper::Orders { home: home(words)?, run, epoch, agent }))
}

fn home(words: &[&str]) -> Result<Home, String> {
    let root = option(words, "--root").ok_or(format!("--root is needed\n{USAGE}"))?;
    let volatile = option(words, "--volatile").unwrap_or(VOLATILE);
    let mut home = Home::open(root, volatile).map_err(|error| format!("open {root}: {error}"))?;
    home.network = !words.contains(&"--no-network");
    home.owned = words.contains(&"--owned");
    Ok(home)
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1).copied()
}

fn number<N: FromStr>(text: &str, what: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{what} {text:?} is not a number"))
}
