//! `tribunal list`: the registries, as they are.

use tribunal_checkers::linearizable::Dialect;
use tribunal_checkers::registry::{CHECKERS, MODELS};
use tribunal_history::codec::Format;
use tribunal_nemesis::registry::FAULTS;
use tribunal_results::class::Class;
use tribunal_results::store::Runs;
use tribunal_targets::registry::TARGETS;
use tribunal_workloads::registry::WORKLOADS;

use crate::cli::{Cli, ListWhat};
use crate::exit_code::{ExitCode, Trouble};
use crate::run::print;

/// The subcommand.
pub(crate) fn list(cli: &Cli, what: Option<ListWhat>) -> Result<ExitCode, Trouble> {
    let text = match what {
        Some(what) => one(cli, what)?,
        None => {
            use ListWhat::{Checkers, Faults, Formats, Models, Suites, Targets, Workloads};
            let all = [Targets, Workloads, Faults, Checkers, Models, Formats, Suites];
            let parts: Result<Vec<String>, Trouble> =
                all.into_iter().map(|what| Ok(section(what, &one(cli, what)?))).collect();
            parts?.join("\n")
        }
    };
    print(&text)?;
    Ok(ExitCode::Held)
}

fn section(what: ListWhat, text: &str) -> String {
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    format!("{}\n{indented}", format!("{what:?}").to_lowercase())
}

fn one(cli: &Cli, what: ListWhat) -> Result<String, Trouble> {
    Ok(match what {
        ListWhat::Targets => lines(TARGETS.iter().map(|entry| {
            let options = entry.options.iter().map(|(name, what)| format!("  -o {name}=…  {what}"));
            let head = format!("{:14} {}", entry.name, entry.summary);
            std::iter::once(head).chain(options).collect::<Vec<_>>().join("\n")
        })),
        ListWhat::Workloads => lines(WORKLOADS.iter().map(|entry| {
            let options = entry.options.iter().map(|(name, what)| format!("  -w {name}=…  {what}"));
            let head = format!("{:14} {}", entry.name, entry.summary);
            std::iter::once(head).chain(options).collect::<Vec<_>>().join("\n")
        })),
        ListWhat::Faults => lines(
            FAULTS.iter().map(|fault| format!("{:14} {}", fault.name(), fault.shapes().join(", "))),
        ),
        ListWhat::Checkers => lines(
            std::iter::once(format!("{:14} judges a model, see models", "linearizable"))
                .chain(CHECKERS.iter().map(|entry| format!("{:14} {}", entry.name, entry.summary))),
        ),
        ListWhat::Models => {
            let dialects: Vec<&str> = Dialect::NAMED.iter().map(|(name, _)| *name).collect();
            let models = MODELS.iter().map(|entry| {
                let settings =
                    entry.settings.iter().map(|(name, what)| format!("  -o {name}=…  {what}"));
                let head = format!("{:15} {}", entry.name, entry.summary);
                std::iter::once(head).chain(settings).collect::<Vec<_>>().join("\n")
            });
            lines(models.chain([format!("{:14} {}", "dialects", dialects.join(", "))]))
        }
        ListWhat::Formats => lines(Format::ALL.iter().map(|format| format.name().to_string())),
        ListWhat::Suites => lines(suites()?.into_iter()),
        ListWhat::Runs => {
            let entries = Runs::at(&cli.runs_dir).list().map_err(Trouble::infra)?;
            lines(entries.iter().map(|entry| match &entry.head {
                Some(head) if head.class == Class::Pass && head.exit_code != 0 => {
                    format!("{:44} not found", entry.id)
                }
                Some(head) => format!("{:44} {}", entry.id, head.class.name()),
                None => format!("{:44} not judged", entry.id),
            }))
        }
    })
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
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
