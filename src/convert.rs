//! `tribunal convert`: a history in another format, and aloud what that format cannot hold.

use std::path::Path;

use tribunal_history::codec::{self, CodecError, Format, Read, ReadOptions};
use tribunal_history::{Family, Mark, Nanos, Operation};

use crate::cli::ConvertArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::flags;
use crate::judging::read_file;
use crate::output;
use crate::progress::aside;
use crate::run::print;

/// The subcommand. What fails leaves no file behind.
pub(crate) fn convert(args: &ConvertArgs) -> Result<ExitCode, Trouble> {
    let from = args.from.as_deref().map(|name| flags::format_named("--from", name)).transpose()?;
    let to = target(args)?;
    if same(&args.input, &args.output) {
        let shown = args.output.display();
        let words = format!("{shown} is the input too; a copy holds less, so name another file");
        return Err(Trouble::usage(words));
    }
    let mut read = read_file(&args.input, from, &ReadOptions::default())?;
    let lost_meaning = keep_meaning(&mut read, to);
    let (shown, name) = (args.output.display(), to.name());
    for warning in &read.warnings {
        aside(format!("tribunal: {}: {warning}", args.input.display()));
    }
    let lost = write(&read, to, &args.output)?;
    for lost in lost.into_iter().chain(lost_of_run(&read)).chain(lost_meaning) {
        aside(format!("tribunal: {shown}: lost in {name}: {lost}"));
    }
    print(&format!("{shown}: {} operations as {name}", read.history.len()))?;
    Ok(ExitCode::Held)
}

/// Whether both paths lead to one file.
fn same(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| path.canonicalize().ok();
    found(one).is_some_and(|one| found(other) == Some(one))
}

/// The format to write: as named, or as the ending says.
fn target(args: &ConvertArgs) -> Result<Format, Trouble> {
    if let Some(name) = &args.to {
        return flags::format_named("--to", name);
    }
    match args.output.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl") => Ok(Format::Jsonl),
        Some("edn") => Ok(Format::Edn),
        Some("log") => Ok(Format::Native),
        Some(_) | None => Err(Trouble::usage(format!(
            "the ending of {} says no format; name one with --to",
            args.output.display()
        ))),
    }
}

/// Nobody finds half a history there, and the input may be the output.
fn write(read: &Read, to: Format, path: &Path) -> Result<Vec<String>, Trouble> {
    let lost = output::write(path, |mut out| codec::write(&read.history, to, &mut out));
    lost.map_err(|error| match error {
        CodecError::Io(error) => output::trouble(path, &error, ""),
        error => Trouble::usage(format!("write {}: {error}", path.display())),
    })
}

/// What a read of nil and a failed compare-and-set mean depends on who wrote a file. Where those
/// who write the new format mean something else, a mark tells; where it has no marks, that is lost.
fn keep_meaning(read: &mut Read, to: Format) -> Option<String> {
    let (meant, taken) = (flags::dialect_of(read), flags::dialect_of_format(to, to == Format::Edn));
    let register = |operation: Operation<'_>| operation.f().family() == Family::Register;
    if meant == taken || !read.history.operations().any(register) {
        return None;
    }
    let name = meant.name();
    if !matches!(to, Format::Native | Format::Jsonl | Format::Edn) {
        let words = "what a read of nil and a failed compare-and-set mean: check it with";
        return Some(format!("{words} --dialect {name}"));
    }
    let name = format!("{}{name}", flags::DIALECT_MARK);
    if read.history.marks().iter().all(|mark| mark.name != name) {
        read.history.put_mark_first(Mark { time: Nanos(0), name });
    }
    None
}

/// What a file says beside its history, which no writer of a history is given.
fn lost_of_run(read: &Read) -> Vec<String> {
    let mut lost = Vec::new();
    if read.torn.is_some() || (read.format == Format::Native && read.ended.is_none()) {
        lost.push("that it is incomplete: a verdict on this copy says too much".to_owned());
    }
    if read.meta.is_some() {
        lost.push("what is known about the run (meta)".to_owned());
    }
    if read.format == Format::Native {
        lost.push("late replies, notes and samples, if there were any".to_owned());
    }
    lost
}
