//! Transactions judged from a file, adya and AWDIT by turns: processor time and peak memory of the
//! whole program, reading included.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tribunal_history::codec::{Format, write};
use wait4::Wait4;
use xtask::generate::find;

use crate::steps::{build, root, target_dir};

/// As the registry has it.
const ADYA: &str = "0.1.0";

/// Names a program built of AWDIT's sources, which no registry has.
const AWDIT: &str = "TRIBUNAL_AWDIT";

/// Transactions of a history, and how often each program judges it.
type Sizes = &'static [(u64, usize)];

const SIZES: Sizes = &[(10_000, 5), (100_000, 3), (1_000_000, 3)];
/// What an interactive check is made of.
const SMALL: Sizes = &[(1_000, 9), (100_000, 3)];
const MILLION: Sizes = &[(1_000_000, 3)];
const HUGE: Sizes = &[(10_000_000, 1)];

/// What is judged.
#[derive(Clone, Copy)]
struct Row {
    family: &'static str,
    model: &'static str,
    level: &'static str,
    format: Format,
    ending: &'static str,
    rival: Option<Rival>,
    sizes: Sizes,
    /// Instead of the family's.
    clients: Option<u32>,
    /// What tribunal must end with.
    code: i32,
}

/// Who can judge the same.
#[derive(Clone, Copy)]
enum Rival {
    /// With more flags.
    Adya(&'static [&'static str]),
    /// Without the limit of its stack, which a million transactions overflow.
    Awdit,
}

/// Programs of the rivals, as far as they can be had.
struct Rivals {
    adya: Option<PathBuf>,
    awdit: Option<PathBuf>,
}

impl Rivals {
    /// Says aloud who is missing.
    fn found() -> Rivals {
        let awdit = std::env::var_os(AWDIT).map(PathBuf::from);
        let awdit = awdit.or_else(|| Some(target_dir().join("rivals/bin/awdit")));
        let awdit = awdit.filter(|program| program.is_file());
        if awdit.is_none() {
            eprintln!("skipped: no AWDIT; build its sources and name the program in {AWDIT}");
        }
        Rivals { adya: install_adya(), awdit }
    }

    /// What judges `file` at the level of `row`, and whose it is.
    fn command(&self, row: &Row, file: &Path) -> Option<(&'static str, Command)> {
        let (name, program) = match row.rival? {
            Rival::Adya(_) => ("adya", self.adya.as_ref()?),
            Rival::Awdit => ("AWDIT", self.awdit.as_ref()?),
        };
        let mut command = Command::new(program);
        match row.rival? {
            Rival::Adya(flags) => {
                command.args(["check", "-m", row.model, "-c", row.level]).args(flags)
            }
            Rival::Awdit => {
                command.args(["check", "-f", "test", "-s", "4096", "-i", row.rivals_level()])
            }
        };
        command.arg(file);
        Some((name, command))
    }
}

impl Row {
    fn of_clients(&self) -> String {
        self.clients.map_or_else(String::new, |clients| format!(", {clients} sessions"))
    }

    /// AWDIT's read committed is that of Biswas and Enea.
    fn rivals_level(&self) -> &'static str {
        match self.level {
            "strong-session-monotonic-atomic-view" => "read-committed",
            "strong-session-read-atomic" => "read-atomic",
            level => level,
        }
    }
}

const ROWS: &[Row] = &[
    lists("serializable", Format::Edn, "edn", Some(Rival::Adya(&[]))),
    lists("strict-serializable", Format::Edn, "edn", Some(Rival::Adya(&[]))),
    lists("strict-serializable", Format::Jsonl, "jsonl", None),
    lists("strict-serializable", Format::Native, "log", None),
    // The rival infers what an assumption tells; ours looks for the order itself.
    registers("serializable", Format::Edn, "edn", Some(Rival::Adya(&["--wfr-keys"]))),
    registers("serializable", Format::Native, "log", None),
    registers("causal", Format::Awdit, "txt", Some(Rival::Awdit)),
    registers("strong-session-read-atomic", Format::Awdit, "txt", Some(Rival::Awdit)),
    registers("strong-session-monotonic-atomic-view", Format::Awdit, "txt", Some(Rival::Awdit)),
    Row {
        sizes: MILLION,
        clients: Some(100),
        ..registers("causal", Format::Awdit, "txt", Some(Rival::Awdit))
    },
    // Without times, and without an order that completions tell.
    Row { sizes: SMALL, ..registers("serializable", Format::Polysi, "polysi", None) },
    Row { sizes: SMALL, ..registers("snapshot-isolation", Format::Polysi, "polysi", None) },
    // One component of all transactions.
    Row {
        family: "stale-append",
        sizes: MILLION,
        code: 1,
        ..lists("serializable", Format::Native, "log", None)
    },
    Row { sizes: HUGE, ..lists("strict-serializable", Format::Native, "log", None) },
];

const fn lists(
    level: &'static str,
    format: Format,
    ending: &'static str,
    rival: Option<Rival>,
) -> Row {
    let (family, model) = ("append", "list-append");
    Row { family, model, level, format, ending, rival, sizes: SIZES, clients: None, code: 0 }
}

const fn registers(
    level: &'static str,
    format: Format,
    ending: &'static str,
    rival: Option<Rival>,
) -> Row {
    let (family, model) = ("wr", "rw-register");
    Row { family, model, level, format, ending, rival, sizes: SIZES, clients: None, code: 0 }
}

/// What one run took.
#[derive(Clone, Copy)]
struct Took {
    cpu_s: f64,
    peak_mb: f64,
    code: i32,
}

/// All rows up to as many transactions as the argument says; a million if it says nothing.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let most: u64 = match args {
        [] => 1_000_000,
        [most] => most.parse().with_context(|| format!("{most:?} is no number of transactions"))?,
        [_, other, ..] => bail!("{other:?}: bench transactions takes one argument, a number"),
    };
    let tribunal = build("release")?;
    let rivals = Rivals::found();
    let dir = target_dir().join("bench-transactions");
    std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    println!("| history | level | rival | its | tribunal | processor | memory |");
    println!("|---|---|---|---|---|---|---|");
    for row in ROWS {
        for (size, runs) in row.sizes.iter().copied().filter(|(size, _)| *size <= most) {
            let file = history(&dir, row, size)?;
            let name = format!("{} {size}, {}{}", row.family, row.ending, row.of_clients());
            compare(row, &name, runs, &file, &tribunal, &rivals)?;
        }
    }
    corpus(&tribunal, &rivals)
}

/// Histories of a real database, of up to ten thousand transactions.
fn corpus(tribunal: &Path, rivals: &Rivals) -> Result<()> {
    let folder = root().join("../shared/corpus/polysi");
    if !folder.is_dir() {
        println!("\nskipped: PolySI's histories, for there is no {}", folder.display());
        return Ok(());
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files
        .retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("fig")));
    files.sort();
    let level = "strong-session-snapshot-isolation";
    let row = registers(level, Format::Polysi, "txt", None);
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        compare(&row, &name, 5, &file, tribunal, rivals)?;
    }
    Ok(())
}

/// Builds the rival from the registry, once.
fn install_adya() -> Option<PathBuf> {
    let root = target_dir().join("rivals");
    let program = root.join("bin/adya");
    if !program.is_file() {
        eprintln!("installing adya {ADYA} into {}", root.display());
        let installed = Command::new("cargo")
            .args(["install", "adya", "--version", ADYA, "--locked", "--no-default-features"])
            .arg("--root")
            .arg(&root)
            // Its build is its own: not ours to be thrown away with.
            .env("CARGO_TARGET_DIR", root.join("target"))
            .status();
        if !installed.is_ok_and(|status| status.success()) {
            eprintln!("skipped: adya {ADYA} cannot be had from the registry");
            return None;
        }
    }
    Some(program)
}

fn history(dir: &Path, row: &Row, size: u64) -> Result<PathBuf> {
    let clients = row.of_clients().replace([',', ' '], "-");
    let path = dir.join(format!("{}-{size}{clients}.{}", row.family, row.ending));
    if !path.is_file() {
        let family = find(row.family).with_context(|| format!("a family {}", row.family))?;
        let mut shape = family.shape(size, 1);
        shape.clients = row.clients.unwrap_or(shape.clients);
        let history = family.history(&shape);
        let aside = path.with_extension("part");
        let file = std::fs::File::create(&aside)
            .with_context(|| format!("creating {}", aside.display()))?;
        let mut file = std::io::BufWriter::new(file);
        write(&history, row.format, &mut file)
            .with_context(|| format!("writing {}", aside.display()))?;
        std::io::Write::flush(&mut file)?;
        std::fs::rename(&aside, &path)?;
    }
    Ok(path)
}

fn compare(
    row: &Row,
    history: &str,
    runs: usize,
    file: &Path,
    tribunal: &Path,
    rivals: &Rivals,
) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        if let Some((_, mut command)) = rivals.command(row, file) {
            theirs.push(measured(&mut command)?);
        }
        let mut command = Command::new(tribunal);
        command.arg("check").arg(file).args(["-m", row.model, "-c", row.level, "--json"]);
        ours.push(measured(&mut command)?);
    }
    if let Some(took) = ours.iter().find(|took| took.code != row.code) {
        bail!("{}: tribunal ended with {}, not {}", file.display(), took.code, row.code);
    }
    let ours = median(&mut ours).context("at least one run")?;
    let shown = |took: Took| match took.cpu_s {
        short @ ..0.1 => format!("{:.1} ms, {:.0} MB", 1e3 * short, took.peak_mb),
        cpu_s => format!("{cpu_s:.2} s, {:.0} MB", took.peak_mb),
    };
    let theirs = median(&mut theirs);
    let (rival, processor, memory) = match theirs {
        Some(theirs) if theirs.code == 0 => (
            shown(theirs),
            format!("{:.1}x", theirs.cpu_s / ours.cpu_s),
            format!("{:.1}x", theirs.peak_mb / ours.peak_mb),
        ),
        Some(theirs) => (format!("exit code {}", theirs.code), "—".into(), "—".into()),
        None => ("—".into(), "—".into(), "—".into()),
    };
    let name = rivals.command(row, file).map_or("—", |(name, _)| name);
    println!(
        "| {history} | {} | {name} | {rival} | {} | {processor} | {memory} |",
        row.level,
        shown(ours),
    );
    Ok(())
}

/// Runs a program to its end; what it took with all it started.
fn measured(command: &mut Command) -> Result<Took> {
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let used = child.wait4().with_context(|| format!("waiting for {name}"))?;
    let cpu = used.rusage.utime + used.rusage.stime;
    Ok(Took {
        cpu_s: cpu.as_secs_f64(),
        peak_mb: used.rusage.maxrss as f64 / 1e6,
        code: used.status.code().unwrap_or(-1),
    })
}

/// The run in the middle by processor time, with the memory of that run.
fn median(runs: &mut [Took]) -> Option<Took> {
    runs.sort_by(|one, other| one.cpu_s.total_cmp(&other.cpu_s));
    runs.get(runs.len() / 2).copied()
}
