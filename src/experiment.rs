//! What will be done: suite, flags and defaults folded into one value. Flags win over the suite.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use tribunal_nemesis::schedule::{Guard, Package, Range};
use tribunal_nemesis::{Recorded, registry};
use tribunal_results::store;

use crate::cli::RunArgs;
use crate::exit_code::Trouble;
use crate::suite::{FaultTable, SuiteFile, Word};
use crate::units;

/// Everything a run is made of, but for the seed. Stored with the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Experiment {
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) target_options: BTreeMap<String, String>,
    pub(crate) bugs: Vec<String>,
    pub(crate) nodes: String,
    pub(crate) host_keys: String,
    pub(crate) concurrency: String,
    pub(crate) rate: Option<f64>,
    pub(crate) time: Duration,
    pub(crate) quiet: Duration,
    pub(crate) op_timeout: Duration,
    /// How long a reply may come late and be recorded; twice `op_timeout` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) late_grace: Option<Duration>,
    pub(crate) workload: String,
    pub(crate) workload_options: BTreeMap<String, String>,
    pub(crate) faults: Vec<Package>,
    /// Windows that were kept, instead of those that a seed would plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<Recorded>,
    pub(crate) beyond_quorum: bool,
    pub(crate) check_time: Duration,
    pub(crate) check_memory: u64,
    #[serde(default)]
    pub(crate) live: Live,
    pub(crate) expect_anomaly: bool,
}

/// What a check does that looks on while the load runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Live {
    /// There is none.
    #[default]
    Off,
    /// Says a violation at once.
    Report,
    /// And ends the load.
    Stop,
}

impl Live {
    fn parse(text: &str) -> Result<Live, String> {
        match text {
            "off" => Ok(Live::Off),
            "report" => Ok(Live::Report),
            "stop" => Ok(Live::Stop),
            _other => Err(format!("live {text:?} is none of off, report, stop")),
        }
    }
}

/// Each has a task and a connection.
const MOST_CLIENTS: usize = 100_000;

impl Experiment {
    /// Folds flags over the suite over the defaults.
    pub(crate) fn resolve(args: &RunArgs, file: &SuiteFile) -> Result<Experiment, Trouble> {
        let suite = &file.suite;
        let text = |flag: &Option<String>, key: &Option<Spanned<String>>, default: &str| {
            flag.clone()
                .or_else(|| key.as_ref().map(|key| key.get_ref().clone()))
                .unwrap_or(default.into())
        };
        let target = text(&args.target, &suite.target.name, "");
        if target.is_empty() {
            return Err(no_target(file));
        }
        let concurrency = suite.load.concurrency.as_ref().map(|c| c.get_ref().to_string());
        let scalars = |table: &BTreeMap<String, Spanned<crate::suite::Scalar>>| {
            table.iter().map(|(k, v)| (k.clone(), v.get_ref().to_string())).collect()
        };
        let mut target_options: BTreeMap<String, String> = scalars(&suite.target.options);
        target_options.extend(pairs(&args.options, "--option")?);
        let mut workload_options: BTreeMap<String, String> = scalars(&suite.workload.options);
        workload_options.extend(pairs(&args.workload_options, "--workload-option")?);
        let load = &suite.load;
        let memory = within(file, &suite.check.memory, units::bytes)?;
        Ok(Experiment {
            name: suite.name.clone().unwrap_or_else(|| target.clone()),
            target,
            target_options,
            bugs: match args.bug.is_empty() {
                true => suite.target.bugs.iter().map(|bug| bug.get_ref().clone()).collect(),
                false => args.bug.clone(),
            },
            nodes: text(&args.nodes, &suite.cluster.nodes, "local:5"),
            host_keys: text(&args.host_keys, &suite.cluster.host_keys, ""),
            concurrency: args.concurrency.clone().or(concurrency).unwrap_or("2n".into()),
            rate: rate(args.rate, file)?,
            time: positive(time(file, "--time", &args.time, &load.time, "30s")?, args, file)?,
            quiet: time(file, "", &None, &load.quiet, "3s")?,
            op_timeout: within(file, &load.op_timeout, units::deadline)?
                .unwrap_or(Duration::from_secs(5)),
            late_grace: within(file, &load.late_grace, units::duration)?,
            workload: text(&args.workload, &suite.workload.name, "register"),
            workload_options,
            faults: match (&args.nemesis, &args.schedule) {
                (Some(flags), _) => packages_of_flags(flags)?,
                (None, Some(_)) => Vec::new(),
                (None, None) => packages_of_suite(file)?,
            },
            schedule: args.schedule.as_deref().map(recorded).transpose()?,
            beyond_quorum: args.beyond_quorum || suite.check.beyond_quorum,
            check_time: time(file, "", &None, &suite.check.time, "120s")?,
            check_memory: memory.unwrap_or(4 << 30),
            live: match &args.live {
                Some(flag) => {
                    Live::parse(flag).map_err(|problem| Trouble::usage(format!("--{problem}")))?
                }
                None => within(file, &suite.check.live, Live::parse)?.unwrap_or_default(),
            },
            expect_anomaly: args.expect_anomaly || suite.expect.anomaly,
        })
    }

    /// Number of clients on `nodes` nodes.
    pub(crate) fn clients(&self, nodes: usize) -> Result<usize, Trouble> {
        let text = self.concurrency.as_str();
        let clients = match text.strip_suffix('n') {
            Some(factor) => factor.parse().ok().and_then(|factor: usize| factor.checked_mul(nodes)),
            None => text.parse().ok(),
        };
        match clients {
            Some(clients) if (1..=MOST_CLIENTS).contains(&clients) => Ok(clients),
            _ => Err(Trouble::usage(format!(
                "concurrency {text:?} is not a number of clients from 1 to {MOST_CLIENTS}; write 10, \
                 or 2n for two per node"
            ))),
        }
    }

    /// How many nodes may be down at once.
    pub(crate) fn guard(&self, nodes: usize) -> Guard {
        if self.beyond_quorum { Guard::beyond_quorum(nodes) } else { Guard::keep_quorum(nodes) }
    }
}

fn no_target(file: &SuiteFile) -> Trouble {
    let words = "no target; name one with --target, or in the suite: `[target]` and \
                 `name = \"raftkv\"` (`tribunal list targets`)";
    match &file.suite.target.name {
        Some(name) => file.complain(name.span().start, words),
        None if file.text.is_empty() => Trouble::usage(words),
        None => file.complain(0, words),
    }
}

/// A load that lasts no time tests nothing.
fn positive(time: Duration, args: &RunArgs, file: &SuiteFile) -> Result<Duration, Trouble> {
    if !time.is_zero() {
        return Ok(time);
    }
    let words = "a load of 0s tests nothing; write a time such as 30s";
    Err(match &file.suite.load.time {
        Some(key) if args.time.is_none() => file.complain(key.span().start, words),
        Some(_) | None => Trouble::usage(words),
    })
}

fn rate(flag: Option<f64>, file: &SuiteFile) -> Result<Option<f64>, Trouble> {
    let key = file.suite.load.rate.as_ref();
    let Some(rate) = flag.or(key.map(|key| *key.get_ref())) else { return Ok(None) };
    if rate.is_finite() && rate > 0.0 {
        return Ok(Some(rate));
    }
    let words = format!("rate {rate} is not a number of operations per second");
    Err(match key {
        Some(key) if flag.is_none() => file.complain(key.span().start, words),
        Some(_) | None => Trouble::usage(words),
    })
}

/// A value of the suite, with its position in the complaint.
fn within<T>(
    file: &SuiteFile,
    key: &Option<Spanned<String>>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Trouble> {
    let parsed = key.as_ref().map(|key| {
        parse(key.get_ref()).map_err(|problem| file.complain(key.span().start, problem))
    });
    parsed.transpose()
}

fn time(
    file: &SuiteFile,
    name: &str,
    flag: &Option<String>,
    key: &Option<Spanned<String>>,
    default: &str,
) -> Result<Duration, Trouble> {
    match flag {
        Some(flag) => {
            units::duration(flag).map_err(|problem| Trouble::usage(format!("{name}: {problem}")))
        }
        None => match within(file, key, units::duration)? {
            Some(time) => Ok(time),
            None => units::duration(default).map_err(Trouble::bug),
        },
    }
}

fn pairs(flags: &[String], name: &str) -> Result<BTreeMap<String, String>, Trouble> {
    let pair = |flag: &String| match flag.split_once('=') {
        Some((key, value)) => Ok((key.to_string(), value.to_string())),
        None => Err(Trouble::usage(format!("{name} {flag:?} is not of the form key=value"))),
    };
    flags.iter().map(pair).collect()
}

/// The schedule of a run, or of a file.
fn recorded(path: &Path) -> Result<Recorded, Trouble> {
    let path = if path.is_dir() { path.join(store::SCHEDULE) } else { path.to_path_buf() };
    let complain = |problem: String| {
        let shown = path.display();
        Trouble::usage(format!("--schedule {shown}: {problem}; name a run, or its schedule.json"))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| complain(error.to_string()))?;
    Recorded::parse(&text).map_err(complain)
}

fn packages_of_suite(file: &SuiteFile) -> Result<Vec<Package>, Trouble> {
    file.suite.fault.iter().map(|table| package_of_table(file, table)).collect()
}

fn package_of_table(file: &SuiteFile, table: &FaultTable) -> Result<Package, Trouble> {
    let kind = table.kind.get_ref();
    let at = table.kind.span().start;
    let mut package = default_package(kind).map_err(|problem| file.complain(at, problem))?;
    if !table.shapes.is_empty() {
        package.shapes.clear();
        package.chosen = true;
    }
    for shape in &table.shapes {
        known_shape(kind, shape.get_ref())
            .map_err(|problem| file.complain(shape.span().start, problem))?;
        package.shapes.push(shape.get_ref().clone());
    }
    for (name, value) in &table.parameters {
        possible_parameter(kind, name, *value.get_ref())
            .map_err(|problem| file.complain(value.span().start, problem))?;
        package.parameters.insert(name.clone(), *value.get_ref());
    }
    if let Some(hold) = within(file, &table.hold, units::hold)? {
        package.hold = hold;
    }
    if let Some(recover) = within(file, &table.recover, units::range)? {
        package.recover = recover;
    }
    Ok(package)
}

/// Words that a complaint about the faults may mention, with their places, where the suite's
/// faults were not replaced by a flag.
pub(crate) fn written<'s>(experiment: &Experiment, suite: &'s SuiteFile) -> Vec<Word<'s>> {
    if !packages_of_suite(suite).is_ok_and(|packages| packages == experiment.faults) {
        return Vec::new();
    }
    let faults = || suite.suite.fault.iter();
    let shapes = faults().flat_map(|fault| &fault.shapes);
    let all = shapes.chain(faults().map(|fault| &fault.kind));
    all.map(|word| (word.get_ref().as_str(), Some(word.span().start))).collect()
}

/// `partition`, `kill:primaries`, `partition:ring+bridge`, `none`.
fn packages_of_flags(flags: &[String]) -> Result<Vec<Package>, Trouble> {
    let mut packages = Vec::new();
    if flags.len() > 1 && flags.iter().any(|flag| flag == "none") {
        let all = flags.join(",");
        return Err(Trouble::usage(format!("--nemesis {all}: `none` stands alone, or not at all")));
    }
    for flag in flags.iter().filter(|flag| *flag != "none") {
        let (kind, shapes) = flag.split_once(':').unwrap_or((flag, ""));
        let complain = |problem| Trouble::usage(format!("--nemesis {flag}: {problem}"));
        let mut package = default_package(kind).map_err(complain)?;
        if flag.ends_with(':') {
            let all =
                registry::find(kind).map(|fault| fault.shapes()).unwrap_or_default().join(", ");
            return Err(complain(format!("no shape after the colon; there are {all}")));
        }
        if !shapes.is_empty() {
            package.shapes = shapes.split('+').map(String::from).collect();
            package.chosen = true;
        }
        for shape in &package.shapes {
            known_shape(kind, shape).map_err(complain)?;
        }
        packages.push(package);
    }
    Ok(packages)
}

fn known_shape(kind: &str, shape: &str) -> Result<(), String> {
    let shapes = registry::find(kind).map(|fault| fault.shapes()).unwrap_or_default();
    match shapes.contains(&shape) {
        true => Ok(()),
        false => Err(format!("{kind} has no shape {shape:?}; it has {}", shapes.join(", "))),
    }
}

fn possible_parameter(kind: &str, name: &str, value: i64) -> Result<(), String> {
    let known = registry::find(kind).map(|fault| fault.parameters()).unwrap_or_default();
    let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
        let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
        let names = if names.is_empty() { "none".into() } else { names.join(", ") };
        return Err(format!("{kind} has no parameter {name:?}; it has {names}"));
    };
    let (least, most) = parameter.possible;
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} = {value} is not possible; {least} to {most} are")),
    }
}

fn default_package(kind: &str) -> Result<Package, String> {
    let Some(fault) = registry::find(kind) else {
        let known: Vec<&str> = registry::all().map(|fault| fault.name()).collect();
        return Err(format!("no fault is called {kind:?}; there are {}", known.join(", ")));
    };
    let seconds = |from: f64, to: f64| Range {
        from: Duration::from_secs_f64(from),
        to: Duration::from_secs_f64(to),
    };
    let processes = !fault.hits_links();
    let shapes: Vec<&str> = match processes {
        true => vec!["one", "primaries"],
        false => fault.shapes(),
    };
    Ok(Package {
        kind: kind.into(),
        shapes: shapes.into_iter().map(String::from).collect(),
        chosen: false,
        parameters: BTreeMap::new(),
        hold: if processes { seconds(1.0, 3.0) } else { seconds(3.0, 6.0) },
        recover: if processes { seconds(3.0, 6.0) } else { seconds(2.0, 4.0) },
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn complains(suite: &str, args: RunArgs, expected: Expect) {
        let file = SuiteFile::parse("s.toml", suite).unwrap_or_else(|error| panic!("{error}"));
        expected.assert_eq(&Experiment::resolve(&args, &file).unwrap_err().message);
    }

    const HEAD: &str = "schema = 1\n[target]\nname = \"raftkv\"\n";

    #[test]
    fn complaints_name_the_place() {
        let flags = RunArgs::default;
        complains(
            "schema = 1",
            flags(),
            expect![[
                r#"s.toml:1:1: no target; name one with --target, or in the suite: `[target]` and `name = "raftkv"` (`tribunal list targets`)"#
            ]],
        );
        complains(
            &format!("{HEAD}[load]\ntime = \"30\"\n"),
            flags(),
            expect![[r#"s.toml:5:8: "30" has no unit; write 30s or 30ms"#]],
        );
        let quake = format!("{HEAD}[[fault]]\nkind = \"quake\"\n");
        let file = SuiteFile::parse("s.toml", &quake).unwrap_or_else(|error| panic!("{error}"));
        let known: Vec<&str> = registry::all().map(|fault| fault.name()).collect();
        let words = "s.toml:5:8: no fault is called \"quake\"; there are ";
        let said = Experiment::resolve(&flags(), &file).unwrap_err().message;
        assert_eq!(said, format!("{words}{}", known.join(", ")));
        for (parameters, words) in [
            (
                "{ offset_ms = 99999999999 }",
                "s.toml:6:28: offset_ms = 99999999999 is not possible; -10000000000 to 10000000000 are",
            ),
            ("{ offset = 1 }", "s.toml:6:25: skew has no parameter \"offset\"; it has offset_ms"),
        ] {
            let suite = format!("{HEAD}[[fault]]\nkind = \"skew\"\nparameters = {parameters}\n");
            let file = SuiteFile::parse("s.toml", &suite).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(Experiment::resolve(&flags(), &file).unwrap_err().message, words);
        }
        let shape = "[[fault]]\nkind = \"kill\"\nshapes = [\"ring\"]\n";
        complains(
            &format!("{HEAD}{shape}"),
            flags(),
            expect![[
                r#"s.toml:6:11: kill has no shape "ring"; it has one, some, minority, majority, all, primaries"#
            ]],
        );
        complains(
            &format!("{HEAD}[[fault]]\nkind = \"kill\"\nhold = \"0s\"\nrecover = \"0s\"\n"),
            flags(),
            expect![[r#"s.toml:6:8: hold "0s" is too short to be measured; 100ms is the least"#]],
        );
        let args = RunArgs { nemesis: Some(vec!["partition:oval".into()]), ..flags() };
        complains(
            HEAD,
            args,
            expect![[
                r#"--nemesis partition:oval: partition has no shape "oval"; it has halves, one, majority-minority, minority-third, majorities-ring, bridge, one-way, non-transitive, random, flapping, primaries"#
            ]],
        );
        complains(
            HEAD,
            RunArgs { time: Some("soon".into()), ..flags() },
            expect![[r#"--time: "soon" is not a number with a unit"#]],
        );
        complains(
            HEAD,
            RunArgs { options: vec!["x".into()], ..flags() },
            expect![[r#"--option "x" is not of the form key=value"#]],
        );
        complains(
            HEAD,
            RunArgs { rate: Some(-1.0), ..flags() },
            expect!["rate -1 is not a number of operations per second"],
        );
    }

    #[test]
    fn flags_win_over_the_suite() {
        let load = "time = \"9s\"\nconcurrency = 3\nlate_grace = \"0s\"\n";
        let suite = format!("{HEAD}[load]\n{load}");
        let file = SuiteFile::parse("s.toml", &suite).expect("a suite");
        let args = RunArgs { time: Some("2s".into()), ..RunArgs::default() };
        let experiment = Experiment::resolve(&args, &file).expect("complete");
        assert_eq!(experiment.time, Duration::from_secs(2));
        assert_eq!(experiment.late_grace, Some(Duration::ZERO));
        assert_eq!(experiment.clients(5).expect("a number"), 3);
    }
}
