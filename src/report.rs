//! `tribunal report`: the page of a stored run again, from its files alone; and the page of a
//! history that was only checked.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tribunal_history::History;
use tribunal_results::store::{self, RunDir};
use tribunal_results::{RunReport, html};

use crate::exit_code::{ExitCode, Trouble};
use crate::judging::{self, Job, Limits};
use crate::output;
use crate::progress::aside;
use crate::run::print;

/// The subcommand.
pub(crate) fn report(path: &Path, runs_dir: &Path, json: bool) -> Result<ExitCode, Trouble> {
    let Named { path, moment } = named(path, runs_dir);
    if path.is_file() {
        let shown = path.display();
        return Err(Trouble::usage(format!(
            "{shown} is a file and no run; `tribunal check {shown} --report PAGE` writes a page"
        )));
    }
    let dir = RunDir::open(&path).map_err(Trouble::usage)?;
    let job = Job::Run { dir: dir.path().to_path_buf(), wait: false };
    let limits = Limits { time: Duration::from_secs(120), bytes: 4 << 30 };
    let judged = judging::judge(job, limits, &mut || {})?;
    if let Some((code, message)) = judged.trouble {
        return Err(Trouble { code: ExitCode::of(code), message });
    }
    let page = dir.file(store::REPORT).display().to_string();
    let text = match (json, moment) {
        (true, moment) => json!({ "report": page, "moment": moment }).to_string(),
        (false, Some(moment)) => format!("{page}#{moment}"),
        (false, None) => page,
    };
    print(&text)?;
    Ok(ExitCode::Held)
}

/// What a caller named.
pub(crate) struct Named {
    pub(crate) path: PathBuf,
    /// The finding and its place, if a moment was copied from a report.
    pub(crate) moment: Option<String>,
}

/// A run or history by its path, a run by its name in `runs_dir` or the newest one by the word
/// `latest`; each also as a moment in it, `RUN#R-1@t=12.418`, as reports print them.
pub(crate) fn named(path: &Path, runs_dir: &Path) -> Named {
    let plain = Named { path: path.to_path_buf(), moment: None };
    let Some(text) = path.to_str().filter(|_| !path.exists()) else { return plain };
    let (name, moment) = match text.rsplit_once('#') {
        Some((name, moment)) if moment.starts_with("R-") => (name, Some(moment.to_owned())),
        Some(_) | None => (text, None),
    };
    // A path is one, there or not; a bare name may be that of a run.
    let run = runs_dir.join(name);
    let bare = !name.contains('/') && !Path::new(name).exists();
    let path = if bare && run.exists() { run } else { PathBuf::from(name) };
    Named { path, moment }
}

/// Writes the page of a checked history: a reader of the file sees all or nothing. Where it is.
pub(crate) fn write_page(
    path: &Path,
    report: &RunReport,
    history: &History,
) -> Result<String, Trouble> {
    let page = html(report, history);
    let shown = path.display().to_string();
    for note in &page.notes {
        aside(format!("tribunal: {shown}: {note}"));
    }
    let written: io::Result<()> = output::write(path, |out| out.write_all(page.text.as_bytes()));
    written
        .map_err(|error| output::trouble(path, &error, "; name a writable file with --report"))?;
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_bare_names_lead_to_runs() {
        let runs = tempfile::tempdir().expect("a scratch directory");
        std::fs::create_dir(runs.path().join("one")).expect("a run");
        let of = |text: &str| {
            let named = named(Path::new(text), runs.path());
            let path = named.path.strip_prefix(runs.path()).unwrap_or(&named.path).to_path_buf();
            (path.display().to_string(), named.moment)
        };
        let at = |moment: &str| Some(moment.to_owned());
        assert_eq!(of("one"), ("one".into(), None));
        assert_eq!(of("one#R-1@t=2.289"), ("one".into(), at("R-1@t=2.289")));
        assert_eq!(of("x/mutex.edn#R-2@event=7"), ("x/mutex.edn".into(), at("R-2@event=7")));
        assert_eq!(of("x/odd#name.edn"), ("x/odd#name.edn".into(), None));
        assert_eq!(named(Path::new("none"), runs.path()).path, Path::new("none"));
        let whole = runs.path().join("one#R-1@t=1.000");
        std::fs::write(&whole, "").expect("a file of that very name");
        assert_eq!(named(&whole, runs.path()).path, whole);
    }
}
