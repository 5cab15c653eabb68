//! Run directories: `runs/<UTC time>-<suite>-<4 hex>/`.
//!
//! A directory is self-contained: plan, suite, history, fault track, verdicts, report and logs.
//! Files are written beside their place and renamed, so a reader sees a whole file or none. The
//! history is the exception: its recorder appends to it while the run goes on.

mod head;
mod living;
mod retention;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;

use crate::info::{Environment, Plan, RunInfo};
use crate::run_report::{RunReport, SCHEMA, SCHEMA_VERSION};
pub use head::Head;
pub use living::Held;
pub use retention::{Keep, to_delete};

/// What was asked for.
pub const PLAN: &str = "plan.json";
/// What was met.
pub const ENVIRONMENT: &str = "environment.json";
/// The faults with their moments, as `--schedule` takes them.
pub const SCHEDULE: &str = "schedule.json";
/// The suite as read.
pub const SUITE: &str = "suite.toml";
/// The history, appended to during the run.
pub const HISTORY: &str = "history.log";
/// The fault track, one object per line.
pub const FAULTS: &str = "faults.jsonl";
/// The report as data.
pub const VERDICTS: &str = "verdicts.json";
/// The report as a page.
pub const REPORT: &str = "report.html";
/// Every file of a run.
pub const FILES: [&str; 8] =
    [HISTORY, PLAN, SUITE, SCHEDULE, ENVIRONMENT, FAULTS, VERDICTS, REPORT];
/// Logs of the nodes, one directory each.
pub const LOGS: &str = "logs";
/// The link to the run whose load began last.
const LATEST: &str = "latest";
/// What a directory with this file holds is nodes, and no run.
const LAB: &str = "inventory.toml";

/// Why a run directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system said no.
    #[error("{action} {path}: {source}; {advice}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what its name says.
    #[error(
        "read {path}: {problem}; it was damaged or written by another tool; the history beside it \
         can be judged alone: tribunal check {} -m MODEL",
        path.with_file_name(HISTORY).display(),
        path = path.display()
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file is newer than this program.
    #[error(
        "read {path}: schema version {found} is newer than {SCHEMA_VERSION}; \
         use the release of Tribunal that wrote it", path = path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

impl StoreError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> StoreError {
        let advice = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space, or choose another disk"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "make it writable for this user, or choose another directory"
            }
            io::ErrorKind::NotFound if action == "create" => {
                "check the path; a directory above it, or the one you are in, is gone"
            }
            io::ErrorKind::NotFound => "check the path, or list the runs with `tribunal list runs`",
            io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists => {
                "move what stands in its way, or choose another directory"
            }
            _ => "check the disk and the path",
        };
        StoreError::Io { action, path: path.to_owned(), advice, source }
    }
}

/// The directory that holds all runs.
#[derive(Clone, Debug)]
pub struct Runs {
    root: PathBuf,
}

/// One run's directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// One line of a list of runs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name of the directory.
    pub id: String,
    /// Where it is.
    pub path: PathBuf,
    /// The first fields of its verdicts; `None` while it runs or when it never got there.
    pub head: Option<Head>,
}

impl Runs {
    /// Runs under `root`, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Runs {
        Runs { root: root.into() }
    }

    /// Where they are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a new directory, and returns it. Never an existing one. `latest` stays where it is
    /// until [`Runs::begin`].
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create(&self, suite: &str, now: SystemTime) -> Result<RunDir, StoreError> {
        let make = |path: &Path| {
            fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, error))
        };
        make(&self.root)?;
        let link = self.root.join(LATEST);
        if link.symlink_metadata().is_ok_and(|known| !known.is_symlink()) {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "it is there and no link");
            return Err(StoreError::io("link", &link, error));
        }
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mix = u64::from(since.subsec_nanos()) ^ u64::from(std::process::id()) << 13;
        for attempt in 0..=u64::from(u16::MAX) {
            let hex = (mix ^ mix >> 16).wrapping_add(attempt) & 0xffff;
            let id = format!("{}-{}-{hex:04x}", compact(since), slug(suite));
            let path = self.root.join(&id);
            match fs::create_dir(&path) {
                Ok(()) => {
                    make(&path.join(LOGS))?;
                    return Ok(RunDir { path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("create", &path, error)),
            }
        }
        let full = io::Error::new(io::ErrorKind::AlreadyExists, "65 536 runs in one second");
        Err(StoreError::io("create a run in", &self.root, full))
    }

    /// Points `latest` at a run: its load begins.
    ///
    /// # Errors
    /// The link cannot be made.
    pub fn begin(&self, run: &RunDir) -> Result<(), StoreError> {
        let id = &run.id();
        let (link, temporary) = (self.root.join(LATEST), self.root.join(format!(".{id}.latest")));
        let done =
            std::os::unix::fs::symlink(id, &temporary).and_then(|()| fs::rename(&temporary, &link));
        done.map_err(|error| StoreError::io("link", &link, error))
    }

    /// Every run, oldest first, reading no more than the first fields of each verdict file.
    ///
    /// # Errors
    /// The directory cannot be read. One unreadable run is a run without a head.
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let failed = |error| StoreError::io("list", &self.root, error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let id = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let dir = entry.file_type().map_err(failed)?.is_dir() && !id.starts_with('.');
            // Labs live here, too.
            if dir && !path.join(LAB).exists() {
                let head = Head::read(&path.join(VERDICTS)).ok();
                entries.push(Entry { id, path, head });
            }
        }
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(entries)
    }

    /// Deletes what `keep` does not keep; the names deleted. `current` always stays.
    ///
    /// # Errors
    /// A directory cannot be listed or deleted.
    pub fn prune(&self, keep: &Keep, current: Option<&str>) -> Result<Vec<String>, StoreError> {
        let doomed = to_delete(&self.list()?, keep, current);
        for id in &doomed {
            let path = self.root.join(id);
            fs::remove_dir_all(&path).map_err(|error| StoreError::io("delete", &path, error))?;
        }
        Ok(doomed)
    }
}

impl RunDir {
    /// An existing run, by path; `runs/latest` works.
    ///
    /// # Errors
    /// It is not a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<RunDir, StoreError> {
        let path = path.as_ref();
        let path = fs::canonicalize(path).map_err(|error| StoreError::io("open", path, error))?;
        if !path.is_dir() {
            let error = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(StoreError::io("open", &path, error));
        }
        Ok(RunDir { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name.
    pub fn id(&self) -> String {
        let name = self.path.file_name();
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory of a node's logs, made if needed. Names are made safe for a path.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn logs(&self, node: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(LOGS).join(slug(node));
        fs::create_dir_all(&path).map_err(|error| StoreError::io("create", &path, error))?;
        Ok(path)
    }

    /// Writes a whole file, or leaves the old one: temporary name, to disk, rename.
    ///
    /// # Errors
    /// The disk is full, the directory not writable.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (path, temporary) = (self.file(name), self.file(&format!(".{name}.tmp")));
        let done = File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &path));
        done.map_err(|error| {
            // Best effort: the error below is the one that matters.
            let _ = fs::remove_file(&temporary);
            StoreError::io("write", &path, error)
        })
    }

    /// Stores what was asked for: before the run.
    ///
    /// # Errors
    /// As [`RunDir::write`].
    pub fn save_plan(&self, plan: &Plan) -> Result<(), StoreError> {
        self.write(SUITE, plan.suite_text.as_bytes())?;
        self.write(PLAN, &json(plan))
    }

    /// Stores what was met: after the run.
    ///
    /// # Errors
    /// As [`RunDir::write`].
    pub fn save_environment(&self, environment: &Environment) -> Result<(), StoreError> {
        self.write(ENVIRONMENT, &json(environment))
    }

    /// Stores the verdicts.
    ///
    /// # Errors
    /// As [`RunDir::write`].
    pub fn save_verdicts(&self, report: &RunReport) -> Result<(), StoreError> {
        self.write(VERDICTS, report.to_json().as_bytes())
    }

    /// Stores the page.
    ///
    /// # Errors
    /// As [`RunDir::write`].
    pub fn save_page(&self, html: &str) -> Result<(), StoreError> {
        self.write(REPORT, html.as_bytes())
    }

    /// What the binary knew. A run that was cut short has no environment: that is said in it.
    ///
    /// # Errors
    /// A file is missing or malformed.
    pub fn load_info(&self) -> Result<RunInfo, StoreError> {
        let plan = self.load(PLAN)?;
        let environment = if self.file(ENVIRONMENT).exists() {
            self.load(ENVIRONMENT)?
        } else {
            let why = match self.is_living() {
                true => "the run is still going on".to_owned(),
                false => format!("the run ended before it wrote {ENVIRONMENT}"),
            };
            Environment { stopped_early: Some(why), ..Environment::default() }
        };
        Ok(RunInfo { plan, environment })
    }

    /// The verdicts.
    ///
    /// # Errors
    /// The file is missing, malformed, or of a newer major version.
    pub fn load_verdicts(&self) -> Result<RunReport, StoreError> {
        Head::read(&self.file(VERDICTS))?;
        self.load(VERDICTS)
    }

    fn load<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(|error| StoreError::io("read", &path, error))?;
        let malformed = |error: serde_json::Error| StoreError::Malformed {
            path: path.clone(),
            problem: error.to_string(),
        };
        serde_json::from_slice(&bytes).map_err(malformed)
    }
}

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let text = serde_json::to_vec_pretty(value);
    let mut bytes = text.expect("plans and environments have string keys");
    bytes.push(b'\n');
    bytes
}

/// Letters, digits, dot, dash and underscore of a name; the rest become dashes. Never empty, never
/// starting with a dot, at most 40 bytes: safe as one component of a path.
fn slug(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let text: String = name.chars().take(40).map(kept).collect();
    let text = text.trim_start_matches('.');
    if text.is_empty() { "run".to_owned() } else { text.to_owned() }
}

/// `20261121T034712Z`.
fn compact(since_epoch: Duration) -> String {
    utc(since_epoch).replace(['-', ':'], "")
}

/// Seconds since the epoch as `2026-11-21T03:47:12Z` (proleptic Gregorian, no leap seconds).
pub fn utc(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days from 0000-03-01, so that the leap day is the last of its year (Hinnant).
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Whether a stored schema can be read here.
fn check_schema(path: &Path, schema: &str, version: &str) -> Result<(), StoreError> {
    if schema != SCHEMA {
        let problem = format!("its schema is `{schema}`, not `{SCHEMA}`");
        return Err(StoreError::Malformed { path: path.to_owned(), problem });
    }
    let major = |version: &str| version.split('.').next().and_then(|it| it.parse::<u32>().ok());
    match (major(version), major(SCHEMA_VERSION)) {
        (Some(found), Some(ours)) if found <= ours => Ok(()),
        _ => Err(StoreError::Newer { path: path.to_owned(), found: version.to_owned() }),
    }
}
