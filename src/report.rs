//! `tribunal report`: the page of a stored run again, from its files alone.

use std::path::{Path, PathBuf};

use tribunal_results::store::{self, RunDir};

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
