//! `tribunal list`: the registries, as they are.

use std::collections::BTreeMap;

use serde::Serialize;
use tribunal_checkers::linearizable::Dialect;
use tribunal_checkers::registry::{CHECKERS, MODELS};
use tribunal_harness::nemesis::{Nemesis, Parameter};
use tribunal_history::codec::Format;
use tribunal_nemesis::registry as faults;
use tribunal_results::class::Class;
use tribunal_results::store::{self, Runs};
use tribunal_targets::registry::TARGETS;
use tribunal_workloads::registry::WORKLOADS;

use crate::cli::{Cli, ListWhat};
use crate::exit_code::{ExitCode, Trouble};
use crate::run::print;

/// One thing there is.
#[derive(Serialize)]
struct Entry {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    says: String,
    /// Settings and what they do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<&'static str, &'static str>,
}

/// The subcommand.
pub(crate) fn list(cli: &Cli, what: Option<ListWhat>, json: bool) -> Result<ExitCode, Trouble> {
    use ListWhat::{Checkers, Faults, Formats, Models, Suites, Targets, Workloads};
    let all = [Targets, Workloads, Faults, Checkers, Models, Formats, Suites];
    let text = match (what, json) {
        (Some(what), false) => text(what, &entries(cli, what)?),
        (None, false) => {
            let parts: Result<Vec<String>, Trouble> =
                all.into_iter().map(|what| Ok(section(what, &entries(cli, what)?))).collect();
            parts?.join("\n")
        }
        (Some(what), true) => pretty(&entries(cli, what)?)?,
        (None, true) => {
            let lists: Result<BTreeMap<String, Vec<Entry>>, Trouble> =
                all.into_iter().map(|what| Ok((title(what), entries(cli, what)?))).collect();
            pretty(&lists?)?
        }
    };
    print(&text)?;
    Ok(ExitCode::Held)
}

fn pretty(value: &impl Serialize) -> Result<String, Trouble> {
    serde_json::to_string_pretty(value).map_err(Trouble::bug)
}

fn title(what: ListWhat) -> String {
    format!("{what:?}").to_lowercase()
}

fn section(what: ListWhat, entries: &[Entry]) -> String {
    let text = text(what, entries);
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    format!("{}\n{indented}", title(what))
}

/// A line each, and one for each option, as it is given.
fn text(what: ListWhat, entries: &[Entry]) -> String {
    let wide = if what == ListWhat::Runs { 44 } else { 15 };
    let flag = if what == ListWhat::Workloads { "-w" } else { "-o" };
    let mut out = String::new();
    for Entry { name, says, options } in entries {
        let line = format!("{name:wide$} {says}");
        out += line.trim_end();
        out += "\n";
        for (name, what) in options {
            out += &format!("  {flag} {name}=…  {what}\n");
        }
    }
    out
}

/// Shapes, and what a suite may set.
fn fault_says(fault: &dyn Nemesis) -> String {
    let parameter = |Parameter { name, possible: (least, most), usual: (from, to) }: &Parameter| {
        format!("; {name} {least} to {most} (drawn from {from} to {to})")
    };
    let parameters = fault.parameters().iter().map(parameter);
    fault.shapes().join(", ") + &parameters.collect::<String>()
}

fn entry(name: &str, says: impl Into<String>) -> Entry {
    Entry { name: name.to_owned(), says: says.into(), options: BTreeMap::new() }
}

fn with(entry: Entry, options: &[(&'static str, &'static str)]) -> Entry {
    Entry { options: options.iter().copied().collect(), ..entry }
}

fn entries(cli: &Cli, what: ListWhat) -> Result<Vec<Entry>, Trouble> {
    Ok(match what {
        ListWhat::Targets => {
            TARGETS.iter().map(|it| with(entry(it.name, it.summary), it.options)).collect()
        }
        ListWhat::Workloads => {
            WORKLOADS.iter().map(|it| with(entry(it.name, it.summary), it.options)).collect()
        }
        ListWhat::Faults => {
            faults::all().map(|fault| entry(fault.name(), fault_says(fault))).collect()
        }
        ListWhat::Checkers => std::iter::once(entry("linearizable", "judges a model, see models"))
            .chain(CHECKERS.iter().map(|it| entry(it.name, it.summary)))
            .collect(),
        ListWhat::Models => {
            let dialects: Vec<&str> = Dialect::NAMED.iter().map(|(name, _)| *name).collect();
            let models = MODELS.iter().map(|it| with(entry(it.name, it.summary), it.settings));
            models.chain([entry("dialects", dialects.join(", "))]).collect()
        }
        ListWhat::Formats => Format::named().map(|format| entry(format.name(), "")).collect(),
        ListWhat::Suites => suites()?.iter().map(|path| entry(path, "")).collect(),
        ListWhat::Runs => {
            let runs = Runs::at(&cli.runs_dir).list().map_err(Trouble::infra)?;
            let says = |run: &store::Entry| match &run.head {
                Some(head) if head.class == Class::Pass && head.exit_code != 0 => "not found",
                Some(head) => head.class.name(),
                None => "not judged",
            };
            runs.iter().map(|run| entry(&run.id, says(run))).collect()
        }
    })
}

/// Suites below `suites/`, by path.
pub(crate) fn suites() -> Result<Vec<String>, Trouble> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("suites")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.map_err(Trouble::infra)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    Ok(found)
}
