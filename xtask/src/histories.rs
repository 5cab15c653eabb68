//! `cargo xtask generate`: a history of a family, in a file.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use tribunal_history::codec::{Format, write};
use xtask::generate::{Expected, FAMILIES, Family, Shape, find};

use crate::usage::NoSuch;

/// What is asked for, beyond family and size.
#[derive(Args)]
pub(crate) struct Order {
    /// The same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to; the ending (.jsonl, .edn, .log) says the format.
    #[arg(long)]
    out: Option<PathBuf>,
    /// The format, whatever the ending: native, jsonl, edn, porcupine, awdit, polysi, dbcop.
    #[arg(long)]
    format: Option<String>,
    /// Clients at work at a time, instead of the family's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    clients: Option<u32>,
    /// Of a thousand operations that write, how many crash, instead of the family's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    crashes: Option<u32>,
}

/// Most operations of a history that is held as a whole.
const MOST: u64 = 100_000_000;
/// With fewer there may be no read to falsify.
const FEWEST: u64 = 20;

/// Writes the history and says how to check it.
pub(crate) fn run(name: Option<&str>, operations: u64, order: &Order) -> Result<ExitCode> {
    let Some(name) = name else {
        for family in FAMILIES {
            println!("  {:16} {}", family.name, family.summary);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(family) = find(name) else {
        let known = FAMILIES.iter().map(|family| family.name);
        return Err(NoSuch::new("family", name, known).into());
    };
    if !(FEWEST..=MOST).contains(&operations) {
        bail!("{operations} operations; a history has {FEWEST} to {MOST}");
    }
    let format = format(order)?;
    let usual = family.shape(operations, order.seed);
    let shape = Shape {
        clients: order.clients.unwrap_or(usual.clients),
        crashes_per_mille: order.crashes.unwrap_or(usual.crashes_per_mille),
        ..usual
    };
    let history = family.history(&shape);
    let out = order.out.clone();
    let path = out.unwrap_or_else(|| format!("{name}-{operations}.{}", ending(format)).into());
    let shown = path.display();
    let file = std::fs::File::create(&path).with_context(|| format!("creating {shown}"))?;
    let mut file = BufWriter::new(file);
    let lost = write(&history, format, &mut file).with_context(|| format!("writing {shown}"))?;
    file.flush().with_context(|| format!("writing {shown}"))?;
    for lost in lost {
        eprintln!("xtask: {shown}: {lost}");
    }
    say(family, &path, history.len());
    Ok(ExitCode::SUCCESS)
}

fn format(order: &Order) -> Result<Format> {
    let ending = order.out.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    match (&order.format, ending) {
        (Some(name), _) => {
            Format::from_name(name).with_context(|| format!("no format is called {name:?}"))
        }
        (None, Some("edn")) => Ok(Format::Edn),
        (None, Some("log")) => Ok(Format::Native),
        (None, Some("jsonl") | None) => Ok(Format::Jsonl),
        (None, Some(other)) => bail!("the ending .{other} says no format; name one with --format"),
    }
}

fn ending(format: Format) -> &'static str {
    match format {
        Format::Native | Format::Porcupine | Format::Cobra => "log",
        Format::Jsonl => "jsonl",
        Format::Edn => "edn",
        Format::Awdit | Format::Polysi => "txt",
        Format::Dbcop => "json",
    }
}

fn say(family: &Family, path: &Path, operations: usize) {
    let verdict = match family.expected {
        Expected::Valid => "linearizable",
        Expected::Invalid => "not linearizable",
        Expected::Unstated => "linearizable or not",
    };
    let Family { model, initial, .. } = family;
    let (verdict, level) = match (*model, family.expected) {
        ("list-append", Expected::Invalid) => ("not serializable", " -c serializable"),
        ("list-append", _) => ("strict serializable", " -c strict-serializable"),
        ("rw-register", _) => ("strict serializable", " -c causal"),
        _ => (verdict, ""),
    };
    println!("{}: {operations} operations, {verdict}; judge them with", path.display());
    let initial = if initial.is_empty() { String::new() } else { format!(" --init {initial}") };
    let path = path.display();
    println!("  tribunal check -m {model}{level}{initial} --dialect tribunal {path}");
}
