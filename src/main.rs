//! The composition root: the only place that knows every crate.

mod check;
mod cli;
mod convert;
mod demo;
mod doctor;
mod exit_code;
mod experiment;
mod flags;
mod heal;
mod judging;
mod lab;
mod list;
mod output;
mod plan;
mod progress;
mod report;
mod run;
mod shrink;
mod suite;
mod units;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use exit_code::{ExitCode, Trouble};
use progress::aside;

fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_env("TRIBUNAL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!plain && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .without_time()
        .with_target(false)
        // Who closed stderr is not told that a line was lost.
        .log_internal_errors(false)
        .init();
    // A panic has told its story on stderr already; its code must not look like a verdict.
    let ended = catch_unwind(AssertUnwindSafe(|| dispatch(&cli)));
    run::wait_if_leaving();
    match ended {
        Ok(Ok(code)) => code.into(),
        Ok(Err(trouble)) => {
            aside(format!("tribunal: error: {trouble}"));
            trouble.code.into()
        }
        Err(_) => {
            aside("tribunal: error: this is a defect of tribunal; please report it");
            ExitCode::Bug.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<ExitCode, Trouble> {
    paths_are_text()?;
    match &cli.command {
        Command::Run(args) => run::run(cli, args),
        Command::Plan(args) => plan::plan(args),
        Command::Check(args) => check::check(args, &cli.runs_dir),
        Command::Convert(args) => convert::convert(args),
        Command::Report { run, json } => report::report(run, &cli.runs_dir, *json),
        Command::List { what, json } => list::list(cli, *what, *json),
        Command::Heal(args) => heal::heal(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Demo(args) => demo::demo(cli, args),
        Command::Shrink(args) => shrink::shrink(cli, args),
        Command::Again { order } => shrink::again(cli, order),
        Command::Up(args) => lab::up(args),
        Command::Down { inventory } => lab::down(inventory),
        Command::Keep { dir, nodes } => lab::keep(dir, *nodes),
        Command::Work { order } => judging::work(order),
    }
}

/// Paths stand in plans, inventories and commands to run again, which are text: what is none is
/// refused before anything starts.
fn paths_are_text() -> Result<(), Trouble> {
    let here = std::env::current_dir().map(PathBuf::into_os_string);
    let set = ["TRIBUNAL_RUNS_DIR", "TMPDIR"].into_iter().filter_map(std::env::var_os);
    let said = std::env::args_os().skip(1).chain(set).chain(here);
    match said.into_iter().find(|word| word.to_str().is_none()) {
        None => Ok(()),
        Some(word) => {
            let shown = word.display();
            Err(Trouble::usage(format!("{shown} is not UTF-8; rename it, or name another path")))
        }
    }
}

/// clap ends with 2 on a usage error; 2 means *unknown* here.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed stdout or stderr leaves nobody to tell.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::Held,
        _ => ExitCode::Usage,
    }
}
