//! The state of one run: settings, the rival, the deadline, and what disagreed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tribunal_checkers::Verdict;
use tribunal_checkers::linearizable::Options;

use crate::input::Input;
use crate::ours::{self, Check};
use crate::rival::{Answer, Rival};
use crate::table::{Goal, Ours, Row, Theirs};

/// What the command line says.
pub(crate) struct Settings {
    pub(crate) quick: bool,
    pub(crate) rows: Vec<String>,
    pub(crate) seed: u64,
    /// When Porcupine is not asked any more.
    minutes: f64,
}

pub(crate) struct Bench {
    pub(crate) settings: Settings,
    rival: Result<Rival, String>,
    started: Instant,
    wrong: Vec<String>,
    missed: Vec<String>,
}

/// How often the two take turns.
const ROUNDS: usize = 5;
/// Porcupine gets no further turn on an input that took this long in all.
const LONG: Duration = Duration::from_secs(15);

impl Settings {
    pub(crate) fn parse(arguments: &[String]) -> Result<Settings, String> {
        let mut settings =
            Settings { quick: false, rows: Vec::new(), seed: 1, minutes: f64::INFINITY };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().ok_or(format!("{argument} needs a number"))?;
                value.parse::<f64>().map_err(|_| format!("{argument} {value}: not a number"))
            };
            match argument.as_str() {
                "--quick" => settings.quick = true,
                "--minutes" => settings.minutes = number()?,
                "--seed" => settings.seed = number()? as u64,
                flag if flag.starts_with('-') => return Err(format!("no flag {flag}")),
                row => settings.rows.push(row.to_uppercase()),
            }
        }
        if settings.minutes.is_infinite() {
            settings.minutes = if settings.quick { 2.0 } else { 14.0 };
        }
        Ok(settings)
    }
}

impl Bench {
    pub(crate) fn new(settings: Settings) -> Bench {
        let rival = Rival::start();
        let started = Instant::now();
        Bench { settings, rival, started, wrong: Vec::new(), missed: Vec::new() }
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        self.settings.rows.is_empty() || self.settings.rows.iter().any(|wanted| wanted == row)
    }

    pub(crate) fn introduce(&self) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        match &self.rival {
            Ok(rival) => println!("Porcupine {}, load average {load}.", rival.version()),
            Err(why) => println!("skipped: no Porcupine: {why}; load average {load}."),
        }
    }

    /// What disagreed, and which goals were missed.
    pub(crate) fn conclude(self) -> ExitCode {
        let minutes = self.started.elapsed().as_secs_f64() / 60.0;
        println!("\n{minutes:.1} minutes; goals missed: {}", self.missed.len());
        for missed in &self.missed {
            println!("- missed: {missed}");
        }
        for wrong in &self.wrong {
            println!("- WRONG: {wrong}");
        }
        if self.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Longest that one verdict may take, on either side.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(if self.settings.quick { 5 } else { 60 })
    }

    fn is_late(&self) -> bool {
        self.started.elapsed().as_secs_f64() > 60.0 * self.settings.minutes
    }

    /// Prints a row and remembers what it missed.
    pub(crate) fn print(&mut self, row: Row) {
        self.missed.extend(row.print());
    }

    /// A miss of a row that is none of the usual table.
    pub(crate) fn remember(&mut self, missed: bool, what: impl FnOnce() -> String) {
        self.missed.extend(missed.then(what));
    }

    /// Two verdicts of one input, of which neither may be wrong.
    pub(crate) fn compare(&mut self, what: &str, one: Verdict, other: Verdict) {
        if one != other && one != Verdict::Unknown && other != Verdict::Unknown {
            self.wrong.push(format!("{what}: {} and {}", one.name(), other.name()));
        }
    }

    /// Both on `input`, by turns. What takes either side long is not repeated as often.
    pub(crate) fn contest(&mut self, input: &Input, options: Options) -> (Theirs, Ours) {
        let loaded = self.load(input);
        let (mut theirs, mut bare, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let rounds = if self.settings.quick { 2 } else { ROUNDS };
        let mut spent = Duration::ZERO;
        let mut unknown = None;
        for round in 0..rounds {
            if loaded.is_ok() && unknown.is_none() && (round == 0 || spent < LONG) {
                match self.ask(input) {
                    Ok(answer) => {
                        spent += answer.median;
                        if answer.verdict == Verdict::Unknown {
                            unknown = Some(answer.median);
                        }
                        theirs.push(answer);
                    }
                    Err(why) => return (Theirs::Skipped(why), self.alone(input, options)),
                }
            }
            let first = round == 0;
            if first || bare.last().is_some_and(|one: &ours::Sample| one.median < LONG / 10) {
                let decided = ours::measure(input, options, Check::Bare, self.patience());
                if decided.verdict != Verdict::Unknown {
                    whole.push(ours::measure(input, options, Check::Whole, self.patience()));
                }
                bare.push(decided);
            }
        }
        let ours = Ours::of(bare, whole);
        let theirs = match (loaded, unknown) {
            (Err(why), _) => Theirs::Skipped(why),
            (Ok(()), Some(after)) => Theirs::Unknown { after, bytes: theirs[0].bytes },
            (Ok(()), None) => Theirs::of(theirs),
        };
        if let (Theirs::Decided { verdict, .. }, Ours::Decided { verdict: own, .. }) =
            (&theirs, &ours)
        {
            self.compare(&input.name, *verdict, *own);
        }
        if let Ours::Decided { verdict, .. } = ours {
            self.compare(&format!("{}, by construction", input.name), input.expected, verdict);
        }
        (theirs, ours)
    }

    /// Ours alone.
    pub(crate) fn alone(&mut self, input: &Input, options: Options) -> Ours {
        let measure = |check| ours::measure(input, options, check, self.patience());
        let bare = measure(Check::Bare);
        let whole = (bare.verdict != Verdict::Unknown).then(|| measure(Check::Whole));
        let ours = Ours::of(vec![bare], Vec::from_iter(whole));
        if let Ours::Decided { verdict, .. } = ours {
            self.compare(&format!("{}, by construction", input.name), input.expected, verdict);
        }
        ours
    }

    /// A contest and its row.
    pub(crate) fn row(
        &mut self,
        id: &'static str,
        input: &Input,
        options: Options,
        goals: &[Goal],
    ) {
        let (theirs, ours) = self.contest(input, options);
        self.print(Row::of(id, input, theirs, ours, goals));
    }

    fn load(&mut self, input: &Input) -> Result<(), String> {
        if self.is_late() {
            return Err("out of time".into());
        }
        let rival = self.rival.as_mut().map_err(|_| String::from("no Porcupine"))?;
        let text = input.text.as_ref().map_err(Clone::clone)?;
        rival.load(text)
    }

    fn ask(&mut self, input: &Input) -> Result<Answer, String> {
        let patience = self.patience();
        let rival = self.rival.as_mut().map_err(|why| why.clone())?;
        rival.check(input.rival_model, patience)
    }
}
