//! `tribunal report`: the page of a stored run again, from its files alone; and the page of a
//! history that was only checked.

use std::path::{Path, PathBuf};

use tribunal_history::History;
use tribunal_results::store::{self, RunDir};
use tribunal_results::{RunReport, html};

use crate::check::judge_run;
use crate::exit_code::{ExitCode, Trouble};
use crate::run::{print, write_artefacts};

/// The subcommand.
pub(crate) fn report(path: &Path, runs_dir: &Path) -> Result<ExitCode, Trouble> {
    let path = named(path, runs_dir);
    let dir = RunDir::open(&path).map_err(Trouble::usage)?;
    let (info, history, answers) = judge_run(&dir)?;
    write_artefacts(&dir, &info, &history, &answers)?;
    print(&dir.file(store::REPORT).display().to_string())?;
    Ok(ExitCode::Held)
}

/// A run by its path, or the newest one by the word `latest`.
pub(crate) fn named(path: &Path, runs_dir: &Path) -> PathBuf {
    match path.to_str() {
        Some("latest") if !path.exists() => runs_dir.join("latest"),
        _ => path.to_path_buf(),
    }
}

/// Writes the page of a checked history beside its place and renames it: a reader sees all or
/// nothing. Where it is; `None`, with a warning, if it could not be written: the verdict stands.
pub(crate) fn write_page(path: &Path, report: &RunReport, history: &History) -> Option<String> {
    let page = html(report, history);
    let shown = path.display().to_string();
    for note in &page.notes {
        eprintln!("tribunal: {shown}: {note}");
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let written = std::fs::write(&beside, &page.text).and_then(|()| std::fs::rename(&beside, path));
    match written {
        Ok(()) => Some(shown),
        Err(error) => {
            eprintln!("tribunal: write {shown}: {error}; name a writable file with --report");
            None
        }
    }
}
