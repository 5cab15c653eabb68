//! Rows of Markdown, each with its goal.

use std::time::Duration;

use tribunal_checkers::Verdict;

use crate::input::Input;
use crate::ours::Sample;
use crate::rival::Answer;

/// What Porcupine did.
#[derive(Clone, Debug)]
pub(crate) enum Theirs {
    Decided {
        verdict: Verdict,
        median: Duration,
        bytes: u64,
    },
    /// Its time was up.
    Unknown {
        after: Duration,
        bytes: u64,
    },
    /// It was not asked, and why.
    Skipped(String),
}

/// What ours did.
#[derive(Clone, Debug)]
pub(crate) enum Ours {
    Decided {
        verdict: Verdict,
        bare: Duration,
        /// `None` where evidence was not asked for, or not to be had in time.
        whole: Option<Duration>,
        peak_bytes: u64,
        engine: &'static str,
    },
    /// Time or memory was up, or the check failed.
    Unknown { after: Duration, why: String },
    /// There was no input.
    Missing,
}

/// What must hold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Goal {
    /// Times as fast as Porcupine.
    Faster(f64),
    /// The bare verdict.
    Within(Duration),
    /// Bytes per operation beyond the history.
    Bytes(f64),
}

pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) input: String,
    pub(crate) operations: u64,
    pub(crate) crashed: u64,
    pub(crate) theirs: Theirs,
    pub(crate) ours: Ours,
    /// In place of the verdict, where there are several.
    pub(crate) verdicts: Option<String>,
    /// Measured from outside: resident memory beyond the history.
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) goals: Vec<Goal>,
}

/// The columns.
pub(crate) fn head() {
    println!(
        "| row | input | operations (crashed) | verdict | Porcupine | its MB | ours | with evidence \
         | engine | ratio | bytes/op | goal | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
}

impl Theirs {
    /// The median of several turns.
    pub(crate) fn of(mut answers: Vec<Answer>) -> Theirs {
        answers.sort_by_key(|answer| answer.median);
        let Answer { verdict, median, bytes } = answers[answers.len() / 2];
        Theirs::Decided { verdict, median, bytes }
    }

    fn time(&self) -> Option<Duration> {
        match self {
            Theirs::Decided { median, .. } => Some(*median),
            Theirs::Unknown { after, .. } => Some(*after),
            Theirs::Skipped(_) => None,
        }
    }
}

impl Ours {
    /// The medians of several turns.
    pub(crate) fn of(mut bare: Vec<Sample>, mut whole: Vec<Sample>) -> Ours {
        bare.sort_by_key(|sample| sample.median);
        whole.sort_by_key(|sample| sample.median);
        let (bare, whole) = (&bare[bare.len() / 2], whole.get(whole.len() / 2));
        if bare.verdict == Verdict::Unknown {
            let budget = "time or memory spent".to_owned();
            let why = bare.error.clone().unwrap_or(budget);
            return Ours::Unknown { after: bare.median, why };
        }
        if let Some(Sample { error: Some(why), median, .. }) = whole {
            return Ours::Unknown { after: *median, why: why.clone() };
        }
        let whole = whole.filter(|whole| whole.verdict == bare.verdict);
        Ours::Decided {
            verdict: bare.verdict,
            bare: bare.median,
            whole: whole.map(|whole| whole.median),
            peak_bytes: bare.peak_bytes,
            engine: bare.engine,
        }
    }
}

impl Row {
    pub(crate) fn of(
        id: &'static str,
        input: &Input,
        theirs: Theirs,
        ours: Ours,
        goals: &[Goal],
    ) -> Row {
        let (operations, crashed) = (input.operations(), input.crashed());
        let (input, goals) = (input.name.clone(), goals.to_vec());
        Row {
            id,
            input,
            operations,
            crashed,
            theirs,
            ours,
            verdicts: None,
            resident_bytes: None,
            goals,
        }
    }

    /// A row whose input is not there.
    pub(crate) fn missing(id: &'static str, input: &str, goals: &[Goal]) -> Row {
        let (input, goals) = (input.to_owned(), goals.to_vec());
        let (theirs, ours) = (Theirs::Skipped("not run".into()), Ours::Missing);
        Row {
            id,
            input,
            operations: 0,
            crashed: 0,
            theirs,
            ours,
            verdicts: None,
            resident_bytes: None,
            goals,
        }
    }

    fn ratio(&self) -> Option<f64> {
        match (&self.ours, self.theirs.time()) {
            (Ours::Decided { bare, .. }, Some(time)) => {
                Some(time.as_secs_f64() / bare.as_secs_f64())
            }
            _ => None,
        }
    }

    fn bytes_per_operation(&self) -> Option<f64> {
        let Ours::Decided { peak_bytes, .. } = self.ours else { return None };
        let bytes = self.resident_bytes.unwrap_or(peak_bytes);
        (self.operations > 0).then(|| bytes as f64 / self.operations as f64)
    }

    /// `None`: not measured.
    fn is_met(&self, goal: Goal) -> Option<bool> {
        match goal {
            Goal::Faster(_) if matches!(self.ours, Ours::Unknown { .. }) => Some(false),
            Goal::Faster(times) => self.ratio().map(|ratio| ratio >= times),
            Goal::Bytes(most) => self.bytes_per_operation().map(|bytes| bytes <= most),
            Goal::Within(most) => match &self.ours {
                Ours::Decided { bare, .. } => Some(*bare <= most),
                Ours::Unknown { .. } => Some(false),
                Ours::Missing => None,
            },
        }
    }

    /// Prints it, and says what it missed.
    pub(crate) fn print(&self) -> Option<String> {
        let met: Vec<Option<bool>> = self.goals.iter().map(|goal| self.is_met(*goal)).collect();
        let result = match () {
            () if self.goals.is_empty() => "",
            () if met.contains(&Some(false)) => "missed",
            () if met.contains(&None) => "not measured",
            () => "met",
        };
        let (verdict, bare, whole, engine) = match &self.ours {
            Ours::Decided { verdict, bare, whole, engine, .. } => {
                let whole = whole.map_or("—".into(), time);
                let verdict = self.verdicts.clone().unwrap_or_else(|| verdict.name().to_owned());
                (verdict, time(*bare), whole, *engine)
            }
            Ours::Unknown { after, why } => {
                (format!("unknown: {why}"), format!("> {}", time(*after)), "—".into(), "—")
            }
            Ours::Missing => ("—".into(), "not run".into(), "—".into(), "—"),
        };
        let mb = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
        let (theirs, megabytes) = match &self.theirs {
            Theirs::Decided { median, bytes, .. } => (time(*median), mb(*bytes)),
            Theirs::Unknown { after, bytes } => {
                (format!("unknown at {}", time(*after)), mb(*bytes))
            }
            Theirs::Skipped(why) => (why.clone(), "—".into()),
        };
        let more = if matches!(self.theirs, Theirs::Unknown { .. }) { "> " } else { "" };
        let ratio = self.ratio().map_or("—".into(), |ratio| format!("{more}{}x", digits(ratio)));
        let bytes = self.bytes_per_operation().map_or("—".into(), digits);
        let goals: Vec<String> = self.goals.iter().map(|goal| goal.to_string()).collect();
        let goals = goals.join(", ");
        let Row { id, input, operations, crashed, .. } = self;
        let size = match (operations, crashed) {
            (0, _) => "—".to_owned(),
            (_, 0) => operations.to_string(),
            _ => format!("{operations} ({crashed})"),
        };
        println!(
            "| {id} | {input} | {size} | {verdict} | {theirs} | {megabytes} | {bare} | {whole} | \
             {engine} | {ratio} | {bytes} | {goals} | {result} |"
        );
        (result == "missed").then(|| format!("{id} {input}: {goals}"))
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Goal::Faster(times) => write!(f, "≥ {}x", digits(*times)),
            Goal::Within(most) => write!(f, "≤ {}", time(*most)),
            Goal::Bytes(most) => write!(f, "≤ {most} B/op"),
        }
    }
}

/// Three digits, and a unit a person reads without counting zeros.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{} s", digits(s)),
        s if s >= 1e-3 => format!("{} ms", digits(s * 1e3)),
        s => format!("{} µs", digits(s * 1e6)),
    }
}

/// `12,345`, `123`, `12.3`, `1.23`.
fn digits(number: f64) -> String {
    match number {
        n if n >= 1_000.0 => {
            let whole = format!("{n:.0}");
            let mut grouped = String::new();
            for (at, digit) in whole.chars().enumerate() {
                if at > 0 && (whole.len() - at).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        n if n >= 100.0 || n.fract() == 0.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}
