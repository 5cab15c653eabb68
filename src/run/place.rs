//! Where a run keeps its files: its directory, what of it goes when it never began, and what runs
//! that were killed left behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tribunal_harness::cluster::{self, Provider, key_of};
use tribunal_results::store::{self, Held, RunDir, Runs};

use super::interrupt::Leftovers;
use super::{Request, program, quoted};
use crate::exit_code::Trouble;
use crate::experiment::Experiment;
use crate::output::{first_in, leads_to_text, make_directory};

/// Where in it the controller keeps what it needs of the nodes.
const NODES: &str = "cluster";

/// The run's directory, taken: new below the runs, or the one asked for. From then on `left` says
/// what of it goes.
pub(super) fn directory(
    request: &Request,
    left: &Mutex<Leftovers>,
) -> Result<(RunDir, Held), Trouble> {
    let free = |dir: &RunDir| {
        let shown = dir.path().display();
        let words = format!("another run is being made in {shown} just now; name another --out");
        dir.hold().ok_or_else(|| Trouble::usage(words))
    };
    let (dir, held) = match &request.out {
        None => {
            leads_to_text(&request.runs_dir, "--runs-dir")?;
            let runs = Runs::at(&request.runs_dir);
            let dir = runs.create(&request.experiment.name, SystemTime::now());
            let dir = dir.map_err(Trouble::infra)?;
            let held = free(&dir)?;
            (dir, held)
        }
        Some(path) => {
            let shown = path.display();
            make_directory(path, "--out")?;
            let dir = RunDir::open(path).map_err(Trouble::infra)?;
            let held = free(&dir)?;
            if let Some(name) = taken(&dir).map_err(Trouble::infra)? {
                return Err(Trouble::usage(format!(
                    "--out {shown} is not empty, there is {name}; name a new or an empty directory"
                )));
            }
            (dir, held)
        }
    };
    *left.lock().unwrap_or_else(PoisonError::into_inner) = leftovers(request, &dir);
    if !request.suite.text.is_empty() {
        let written = dir.write(store::SUITE, request.suite.text.as_bytes());
        written.map_err(Trouble::infra)?;
    }
    Ok((dir, held))
}

/// The first of what stands in a directory: it is somebody's, and is neither written over nor
/// removed. Only a link that says where nodes are to be may stand there.
fn taken(dir: &RunDir) -> io::Result<Option<String>> {
    let nodes = state(dir);
    let place_of_nodes = |path: &Path| path == nodes && path.is_symlink() && path.is_dir();
    first_in(dir.path(), place_of_nodes)
}

/// Removes a directory for good. Reapers of plain processes end a moment after their agents, and
/// may put their lock there once more.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let mut gone = 0;
    for _ in 0..40 {
        match std::fs::remove_dir_all(path) {
            Ok(()) => gone = 0,
            Err(error) if error.kind() == io::ErrorKind::NotFound && gone == 2 => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => gone += 1,
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => gone = 0,
            Err(error) => return Err(error),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(io::Error::other("somebody still writes there"))
}

/// Nodes end with the run that made them, but one that was killed could not remove their files,
/// nor give back the room that its history was to grow into. The next run does.
pub(super) fn sweep(request: &Request) {
    let runs = Runs::at(&request.runs_dir).list().unwrap_or_default();
    let unjudged = runs.iter().filter(|run| run.head.is_none());
    for dir in unjudged.filter_map(|run| RunDir::open(&run.path).ok()) {
        if dir.is_living() {
            continue;
        }
        let (removed, stuck) = cluster::clear(&state(&dir));
        if removed {
            let history = std::fs::OpenOptions::new().append(true).open(dir.file(store::HISTORY));
            // Room that cannot be given back is no harm.
            let _ = history.and_then(|file| file.set_len(file.metadata()?.len()));
            let id = dir.id();
            request.voice.say(format!("{id} was killed: removing the files of its nodes"));
        }
        stuck.into_iter().for_each(|stuck| request.voice.say(stuck));
    }
}

/// What of a run goes when it is left at once.
fn leftovers(request: &Request, dir: &RunDir) -> Leftovers {
    let key = key(dir);
    Leftovers {
        heal: stay(&request.experiment).then(|| heal_command(&request.experiment)),
        dir: request.out.is_none().then(|| dir.path().to_path_buf()),
        keys: vec![key.with_extension("pub"), key],
    }
}

fn heal_command(experiment: &Experiment) -> String {
    let mut words = vec![program(), "heal".into(), "--nodes".into(), experiment.nodes.clone()];
    if !experiment.host_keys.is_empty() {
        words.extend(["--host-keys".into(), experiment.host_keys.clone()]);
    }
    quoted(words)
}

/// A run that never began leaves no directory. Of one that was asked for by name what was written
/// goes, so that the same command may be given again.
pub(super) fn forget(request: &Request, dir: &RunDir) {
    let gone = match request.out {
        None => remove(dir.path()),
        Some(_) => {
            let ours = store::FILES.iter().map(|name| std::fs::remove_file(dir.file(name)));
            let nodes = state(dir);
            let nodes = (!nodes.is_symlink()).then(|| remove(&nodes));
            // Empty, or somebody's.
            let _ = std::fs::remove_dir(dir.file(store::LOGS));
            ours.chain(nodes).try_for_each(|gone| match gone {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Err(_) | Ok(()) => Ok(()),
            })
        }
    };
    if let Err(error) = gone {
        request.voice.say(format!("remove {}: {error}", dir.path().display()));
    }
}

/// Whether the nodes were there before the run, and stay.
fn stay(experiment: &Experiment) -> bool {
    let provider = experiment.nodes.parse();
    !matches!(provider, Ok(Provider::Local(_) | Provider::Processes(_)))
}

/// Where the nodes of a run keep what the controller needs.
pub(super) fn state(dir: &RunDir) -> PathBuf {
    dir.path().join(NODES)
}

/// The key to nodes that end with a run.
fn key(dir: &RunDir) -> PathBuf {
    key_of(&state(dir))
}
