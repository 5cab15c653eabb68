//! `tribunal-targetd`: one server of the project's own, in the role it is given.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tribunal_servers::bugs::{Bug, BugSet};
use tribunal_servers::serve::{Options, serve};

/// The variable without which no bug is switched on.
const ALLOW: &str = "TRIBUNAL_ALLOW_BUGS";

/// A server under test, with bugs that can be switched on.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What kind of server
    #[arg(long)]
    role: Role,
    /// This node's name, one of the peers
    #[arg(long)]
    node: String,
    /// Every member's peer address, in the same order everywhere: n1=ip:port,n2=...
    #[arg(long, value_delimiter = ',', value_parser = peer)]
    peers: Vec<(String, SocketAddr)>,
    /// Where clients come in
    #[arg(long)]
    listen: SocketAddr,
    /// Where peers come in
    #[arg(long)]
    peer_listen: SocketAddr,
    /// Directory of log and snapshot
    #[arg(long)]
    data: PathBuf,
    /// Of the election timeouts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Switch a bug on; needs TRIBUNAL_ALLOW_BUGS=1
    #[arg(long)]
    bug: Vec<Bug>,
    /// Shortest and longest election timeout
    #[arg(long, default_value = "300..600", value_parser = range)]
    election_ms: (u64, u64),
    /// Between heartbeats
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    heartbeat_ms: u64,
    /// Entries between snapshots; 0 is never
    #[arg(long, default_value_t = 10_000)]
    snapshot_every: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Replicated registers
    Raftkv,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !args.bug.is_empty() && std::env::var(ALLOW).as_deref() != Ok("1") {
        eprintln!("error: --bug is refused unless {ALLOW}=1 is in the environment");
        return ExitCode::from(64);
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    tracing::info!(node = args.node, bugs = ?args.bug, "starting");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.and_then(|runtime| match args.role {
        Role::Raftkv => runtime.block_on(serve(options(args))),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: raftkv stops: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(args: Args) -> Options {
    Options {
        node: args.node,
        peers: args.peers,
        listen: args.listen,
        peer_listen: args.peer_listen,
        data: args.data,
        seed: args.seed,
        bugs: BugSet::from_iter(args.bug),
        election_ms: args.election_ms,
        heartbeat_ms: args.heartbeat_ms,
        snapshot_every: args.snapshot_every,
    }
}

fn peer(text: &str) -> Result<(String, SocketAddr), String> {
    let (name, address) = text.split_once('=').ok_or("want name=ip:port")?;
    let address = address.parse().map_err(|error| format!("{address:?}: {error}"))?;
    Ok((name.into(), address))
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let (least, most) = text.split_once("..").ok_or("want least..most, as in 300..600")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    match (number(least)?, number(most)?) {
        (0, _) => Err("an election timeout of 0 never lets anybody lead".into()),
        (least, most) if least <= most => Ok((least, most)),
        (least, most) => Err(format!("{least} is more than {most}")),
    }
}
