//! Project chores. `cargo xtask demo` and `cargo xtask test` are all a newcomer needs.

mod bench;
mod faults;
mod fuzz;
mod histories;
mod leases;
mod nightly;
mod oracle;
mod outside;
mod setup;
mod steps;
mod tidy;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Project chores.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what is missing, build, and run the quickstart suite on local nodes.
    Demo {
        /// Passed on to `tribunal demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Install what is missing and run every test.
    Test,
    /// Sizes, dependency direction, module docs, words that must not appear.
    Tidy,
    /// Measure, in release; without a name, everything.
    Bench {
        /// Which: dispatcher, cluster, codec, generator, linearizable, transactions, report, demo.
        name: Option<String>,
        /// Passed on to the benchmark. linearizable: [--quick] [--minutes N] [--seed S] [ROW...],
        /// rows being L1 to L5 and L7 to L10 of docs/BENCHMARKS.md; transactions: [TRANSACTIONS].
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Write a history made to order, to try `tribunal check` on; without a family, list them.
    Generate {
        /// Which family.
        family: Option<String>,
        /// How many operations.
        #[arg(default_value_t = 1_000)]
        operations: u64,
        #[command(flatten)]
        order: histories::Order,
    },
    /// The long checks: detection matrix, clean seeds, etcd, every fault, kill storms, fuzzing, the
    /// oracle.
    Nightly {
        /// Which: matrix, clean, etcd, faults, leases, fuzz, oracle, all.
        name: Option<String>,
        /// Seeds per row.
        #[arg(long, default_value_t = 20)]
        seeds: u64,
    },
    /// Install what the other chores need, and say so.
    Setup,
}

fn main() -> ExitCode {
    let result = match Cli::parse().chore {
        Chore::Demo { args } => steps::demo(&args),
        Chore::Test => steps::test(),
        Chore::Tidy => tidy::run(),
        Chore::Bench { name, args } => bench::run(name.as_deref(), &args),
        Chore::Generate { family, operations, order } => {
            histories::run(family.as_deref(), operations, &order)
        }
        Chore::Nightly { name, seeds } => nightly::run(name.as_deref(), seeds),
        Chore::Setup => setup::run(setup::Need::Everything),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            usage::exit_code(&error)
        }
    }
}
