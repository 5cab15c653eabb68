//! `tribunal shrink`: the fewest faults with which a run still fails.

mod search;
mod trial;

use std::path::{Path, PathBuf};

use serde_json::json;
use tribunal_results::sequential::{Said, Sequential};
use tribunal_results::stats::rate_upper;
use tribunal_results::store;

use crate::cli::{Cli, ShrinkArgs};
use crate::exit_code::{ExitCode, Trouble};
use crate::output;
use crate::plan::sentence;
use crate::progress::Voice;
use crate::report::named;
use crate::run::{fresh_seed, print, quoted};

use trial::Original;
pub(crate) use trial::again;

/// A schedule that fails at most so often counts as one that does not.
const SELDOM: f64 = 0.1;
/// How probable each wrong answer about a schedule may be.
const ERROR: f64 = 0.05;
/// Of the interval that is told.
const CONFIDENCE: f64 = 0.95;

/// What was asked of some of the windows, and what came of it.
struct Asked {
    windows: Vec<usize>,
    failed: u64,
    trials: u64,
    said: Said,
}

/// Repetitions, counted and told.
struct Repeated<'r> {
    original: &'r Original,
    voice: Voice,
    out: PathBuf,
    often: f64,
    most: u64,
    seed: u64,
    runs: u64,
    asked: Vec<Asked>,
    /// The last repetition that failed.
    failing: Option<PathBuf>,
}

/// The subcommand.
pub(crate) fn shrink(cli: &Cli, args: &ShrinkArgs) -> Result<ExitCode, Trouble> {
    let original = Original::open(&named(&args.run, &cli.runs_dir).path)?;
    if Sequential::new(SELDOM, args.rate, ERROR).is_none() {
        let rate = args.rate;
        return Err(Trouble::usage(format!("--rate {rate} is not between {SELDOM} and 1")));
    }
    let out = args.out.clone().unwrap_or_else(|| original.dir.join("shrunk"));
    std::fs::create_dir_all(&out)
        .map_err(|error| Trouble::infra(format!("create {}: {error}", out.display())))?;
    let planned = original.schedule.windows.iter().enumerate();
    let all: Vec<usize> =
        planned.filter(|(_, it)| it.refused.is_none()).map(|(at, _)| at).collect();
    let mut repeated = Repeated {
        original: &original,
        voice: Voice::new(cli.quiet),
        out,
        often: args.rate,
        most: args.tries,
        seed: args.seed.unwrap_or_else(fresh_seed),
        runs: 0,
        asked: Vec::new(),
        failing: None,
    };
    if !repeated.fails(&all)? {
        let Asked { failed, trials, .. } = &repeated.asked[0];
        print(&format!(
            "not reproduced: {failed} of {trials} repetitions with all {} windows failed; nothing \
             is known to be superfluous",
            all.len()
        ))?;
        return Ok(ExitCode::Unknown);
    }
    let kept = search::smallest(&all, |part| repeated.fails(part))?;
    let rate = repeated.rate(&kept, args.confirm)?;
    repeated.tell(&all, &kept, rate, args.json)
}

impl Repeated<'_> {
    /// Whether the run fails often with these windows: as few repetitions as tell it, and where the
    /// most that are allowed do not tell, no.
    fn fails(&mut self, windows: &[usize]) -> Result<bool, Trouble> {
        let sound = "the rates were looked at";
        let mut test = Sequential::new(SELDOM, self.often, ERROR).expect(sound);
        while test.said() == Said::Open && test.counts().1 < self.most {
            let failed = self.once(windows)?;
            test.add(failed);
        }
        let ((failed, trials), said) = (test.counts(), test.said());
        let names = self.names(windows);
        let often = if said == Said::Often { "fails" } else { "does not fail" };
        self.voice.say(format!("with {names}: {failed} of {trials}, so it {often}"));
        self.asked.push(Asked { windows: windows.to_vec(), failed, trials, said });
        Ok(said == Said::Often)
    }

    fn once(&mut self, windows: &[usize]) -> Result<bool, Trouble> {
        self.runs += 1;
        let out = self.out.join(format!("run-{:03}", self.runs));
        self.voice.now(format!("repetition {}, with {}", self.runs, self.names(windows)));
        let failed = self.original.repeat(windows, self.seed.wrapping_add(self.runs), &out)?;
        let old = match failed {
            true => self.failing.replace(out),
            false => Some(out),
        };
        if let Some(old) = old {
            // What is left of it is in nobody's way.
            let _ = std::fs::remove_dir_all(old);
        }
        Ok(failed)
    }

    /// How often it fails with these windows, by as many more repetitions as asked for: those that
    /// chose them would flatter.
    fn rate(&mut self, windows: &[usize], trials: u64) -> Result<(u64, u64), Trouble> {
        let mut failed = 0;
        for _ in 0..trials {
            failed += u64::from(self.once(windows)?);
        }
        Ok((failed, trials))
    }

    fn names(&self, windows: &[usize]) -> String {
        let id = |at: &usize| format!("F{}", self.original.schedule.windows[*at].injection.id);
        match windows {
            [] => "no faults".into(),
            _ => windows.iter().map(id).collect::<Vec<_>>().join(" "),
        }
    }

    fn tell(
        &self,
        all: &[usize],
        kept: &[usize],
        (failed, trials): (u64, u64),
        json: bool,
    ) -> Result<ExitCode, Trouble> {
        let schedule = self.out.join(store::SCHEDULE);
        let text = self.original.part(kept).text();
        write(&schedule, &text)?;
        let one_sided = 1.0 - (1.0 - CONFIDENCE) / 2.0;
        let interval = (
            1.0 - rate_upper(trials - failed, trials, one_sided),
            rate_upper(failed, trials, one_sided),
        );
        let again = with_schedule(&self.original.repro, &schedule);
        let ids = |windows: &[usize]| -> Vec<u32> {
            windows.iter().map(|at| self.original.schedule.windows[*at].injection.id).collect()
        };
        let value = json!({
            "schema": "tribunal.shrunk",
            "schema_version": 1,
            "run": self.original.dir,
            "windows": ids(all),
            "kept": ids(kept),
            "schedule": schedule,
            "failing_run": self.failing,
            "repetitions": self.runs,
            "rate": { "failed": failed, "trials": trials, "confidence": CONFIDENCE,
                "from": interval.0, "to": interval.1 },
            "asked": self.asked.iter().map(|asked| json!({
                "windows": ids(&asked.windows),
                "failed": asked.failed,
                "trials": asked.trials,
                "fails": asked.said == Said::Often,
            })).collect::<Vec<_>>(),
        });
        let value = serde_json::to_string_pretty(&value).map_err(Trouble::bug)?;
        write(&self.out.join("shrunk.json"), &value)?;
        if json {
            print(&value)?;
            return Ok(ExitCode::Held);
        }
        let mut text = format!("{} of {} windows are needed\n", kept.len(), all.len());
        for at in kept {
            text += &format!("  {}\n", sentence(&self.original.schedule.windows[*at]));
        }
        let percent = |rate: f64| 100.0 * rate;
        text += &format!(
            "fails in {failed} of {trials} more repetitions with them ({:.0} %: {:.0} to {:.0} %), \
             {} repetitions in all\n",
            percent(CONFIDENCE),
            percent(interval.0),
            percent(interval.1),
            self.runs,
        );
        for asked in self.asked.iter().filter(|it| it.windows.len() + 1 == kept.len()) {
            let left = kept.iter().find(|at| !asked.windows.contains(at));
            if let Some(left) = left.filter(|_| asked.windows.iter().all(|at| kept.contains(at))) {
                let (without, Asked { failed, trials, .. }) = (self.names(&[*left]), asked);
                text += &format!("  without {without}: {failed} of {trials}\n");
            }
        }
        if let Some(failing) = &self.failing {
            text += &format!("one that failed: {}\n", failing.display());
        }
        text += &format!("repro {again}");
        print(&text)?;
        Ok(ExitCode::Held)
    }
}

/// The command of the run with this schedule instead of its own faults and its own seed.
fn with_schedule(repro: &str, schedule: &Path) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut all = repro.split(' ');
    while let Some(word) = all.next() {
        match word {
            "--nemesis" | "--seed" | "--schedule" => drop(all.next()),
            word => words.push(word),
        }
    }
    let schedule = quoted(vec!["--schedule".into(), schedule.display().to_string()]);
    format!("{} {schedule}", words.join(" "))
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    let written: std::io::Result<()> =
        output::write(path, |out| std::io::Write::write_all(out, text.as_bytes()));
    written.map_err(|error| output::trouble(path, &error, ""))
}
