//! From a run's facts, its history and its checkers' answers to the report. Pure.

use std::collections::BTreeMap;

use tribunal_checkers::{CheckError, Consistency, Cost, ReasonClass, Report, Spent, Verdict};
use tribunal_history::{EventId, History, Outcome};

use crate::bounded::{sentence, shortened};
use crate::class::{self, Circumstances, Class};
use crate::faults;
use crate::findings::{Findings, Scene};
use crate::human::grouped;
use crate::info::{NodeInfo, RunInfo, Warning};
use crate::limits;
use crate::run_report::{
    Bite, CheckCost, Counts, CoverageFact, Fault, Guarantee, Levels, Run, RunReport, SCHEMA,
    SCHEMA_VERSION, Strength, Tool,
};

/// One checker's answer, by name. An error judges nothing: the guarantee is unknown.
pub type Answer = (String, Result<Report, CheckError>);

/// The report of a run. The same arguments give the same value, byte for byte.
pub fn assemble(info: &RunInfo, history: &History, answers: &[Answer]) -> RunReport {
    let faults = faults::fold(history);
    let counts = count(history);
    let nodes: Vec<String> = info.plan.nodes.iter().map(|node| node.name.clone()).collect();
    let scene =
        Scene { history, faults: &faults, nodes: &nodes, run: &shortened(&info.plan.id, 256) };
    let strength = strength(history, &counts, &faults);
    let mut findings = Findings::default();
    let guarantees: Vec<Guarantee> =
        answers.iter().map(|answer| guarantee(answer, &scene, &strength, &mut findings)).collect();
    let bounded =
        |it: &Warning| Warning { code: shortened(&it.code, 64), text: sentence(&it.text) };
    let mut warnings: Vec<Warning> = info.environment.warnings.iter().map(bounded).collect();
    if findings.dropped > 0 {
        let text = format!("{} anomalies of further kinds are not listed", findings.dropped);
        warnings.push(Warning { code: "findings-cut".to_owned(), text });
    }
    let outcomes: Vec<class::Outcome> = answers.iter().map(outcome).collect();
    let class = class::of_run(&outcomes, circumstances(info, &counts, &faults));
    let findings = findings.into_list();
    let mut report = RunReport {
        schema: SCHEMA.to_owned(),
        schema_version: SCHEMA_VERSION.to_owned(),
        tool: Tool {
            name: "tribunal".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            versions: bounded_map(&info.environment.versions),
        },
        class,
        exit_code: class.exit_code(),
        relaxed: false,
        headline: String::new(),
        run: run(info, history),
        counts,
        late_replies: info.environment.late_replies,
        faults,
        coverage_facts: coverage_facts(&guarantees),
        guarantees,
        findings,
        warnings,
        failures: info.environment.failures.iter().map(|it| sentence(it)).collect(),
        self_noise: info.environment.self_noise.clone(),
        target: bounded_map(&info.environment.target),
        driver: bounded_map(&info.environment.driver),
        options: bounded_map(&info.plan.options),
    };
    report.headline = headline(&report);
    if info.plan.expect_anomaly {
        let (code, words) = class::expect_anomaly(class, &report.kinds(), &class::Expected::Any);
        report.exit_code = code;
        report.headline = format!("{} ({words})", report.headline);
    }
    report
}

fn run(info: &RunInfo, history: &History) -> Run {
    let plan = &info.plan;
    Run {
        id: shortened(&plan.id, 256),
        started_utc: shortened(&info.environment.started_utc, 64),
        duration_ns: info.environment.duration_ns.max(history.end().0),
        seed: plan.seed,
        suite: shortened(&plan.suite, 256),
        provider: shortened(&plan.provider, 64),
        simulated: plan.simulated,
        target: shortened(&plan.target, 256),
        workload: shortened(&plan.workload, 256),
        concurrency: plan.concurrency,
        nodes: plan.nodes.iter().map(node).collect(),
        repro: sentence(&plan.repro),
        stopped_early: info.environment.stopped_early.as_deref().map(sentence),
    }
}

fn node(node: &NodeInfo) -> NodeInfo {
    NodeInfo { name: shortened(&node.name, 253), address: shortened(&node.address, 253) }
}

fn bounded_map(map: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    map.iter().map(|(key, value)| (shortened(key, 256), sentence(value))).collect()
}

fn count(history: &History) -> Counts {
    let mut counts = Counts::default();
    for operation in history.operations() {
        // A transaction's name costs building it; that of its number does not.
        let name = operation.f().name();
        if !counts.by_f.contains_key(name) {
            counts.by_f.insert(name.to_owned(), Default::default());
        }
        let tally = counts.by_f.get_mut(name).expect("inserted just above");
        let (all, one) = match operation.outcome() {
            Outcome::Ok => (&mut counts.ok, &mut tally.ok),
            Outcome::Fail => (&mut counts.fail, &mut tally.fail),
            Outcome::Info | Outcome::Open => (&mut counts.info, &mut tally.info),
        };
        *all += 1;
        *one += 1;
        if operation.outcome() != Outcome::Ok {
            let error = operation.error().map(|error| shortened(&error.0, 256));
            let error = error.unwrap_or_else(|| "unnamed".to_owned());
            let full = counts.by_error.len() >= limits::ERROR_CLASSES;
            let name = if full && !counts.by_error.contains_key(&error) {
                "other classes".to_owned()
            } else {
                error
            };
            *counts.by_error.entry(name).or_default() += 1;
        }
    }
    counts
}

fn strength(history: &History, counts: &Counts, faults: &[Fault]) -> Strength {
    let confidence = 0.95;
    Strength {
        ops: counts.ok,
        median_concurrency: median_concurrency(history),
        fault_ns_verified: faults::verified_ns(faults, history.end().0),
        runs: 1,
        confidence,
        rate_upper: crate::stats::rate_upper(0, 1, confidence),
    }
}

/// Operations open at once, itself included, at the median invocation.
fn median_concurrency(history: &History) -> u64 {
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let mut open = 0u64;
    for event in 0..history.event_count() {
        let (operation, ends) = history.owner(EventId(event));
        match (ends, operation.ret()) {
            (true, _) => open = open.saturating_sub(1),
            (false, ret) => {
                *seen.entry(open + 1).or_default() += 1;
                // What never ended crashed at some time; nobody waits for it.
                open += u64::from(ret.is_some());
            }
        }
    }
    let half = (history.len() as u64).div_ceil(2);
    let mut below = 0;
    for (level, count) in seen {
        below += count;
        if below >= half {
            return level;
        }
    }
    0
}

fn circumstances(info: &RunInfo, counts: &Counts, faults: &[Fault]) -> Circumstances {
    // A history from elsewhere only says that a fault was asked for. Nobody measured it, so nothing
    // follows from that.
    let measured = faults.iter().filter(|fault| fault.verified != Bite::Unverified).count();
    let ours = !info.plan.target.is_empty();
    let planned = if ours { faults.len().max(info.plan.faults.len()) } else { measured };
    Circumstances {
        infra: !info.environment.failures.is_empty(),
        ok: counts.ok,
        planned: planned as u64,
        bit: faults.iter().filter(|fault| fault.verified == Bite::Bit).count() as u64,
    }
}

fn outcome((_, answer): &Answer) -> class::Outcome {
    match answer {
        Ok(report) => class::Outcome {
            verdict: report.verdict,
            reason: report.reason_class,
            uncovered: !report.coverage.missing().is_empty(),
        },
        Err(_) => class::Outcome { verdict: Verdict::Unknown, reason: None, uncovered: false },
    }
}

fn guarantee(
    (name, answer): &Answer,
    scene: &Scene<'_>,
    strength: &Strength,
    findings: &mut Findings,
) -> Guarantee {
    let blank = Guarantee {
        id: shortened(name, 256),
        verdict: Verdict::Unknown.name().to_owned(),
        reason: None,
        reason_class: Some(reason_name(ReasonClass::Undecided).to_owned()),
        levels: None,
        strength: strength.clone(),
        coverage: Vec::new(),
        cost: CheckCost::default(),
        findings: Vec::new(),
    };
    let report = match answer {
        Ok(report) => report,
        Err(error) => return Guarantee { reason: Some(sentence(&error.to_string())), ..blank },
    };
    let mut refs: Vec<String> = Vec::new();
    for anomaly in &report.anomalies {
        let found = findings.add(scene, &blank.id, anomaly);
        refs.extend(found.filter(|found| !refs.contains(found)));
    }
    let (verdict, reason, class) = judged(report);
    let mut strength = strength.clone();
    if verdict == Verdict::Invalid {
        strength.rate_upper = crate::stats::rate_upper(1, 1, strength.confidence);
    }
    Guarantee {
        verdict: verdict.name().to_owned(),
        reason: reason.map(|it| sentence(&it)),
        reason_class: class.map(|class| reason_name(class).to_owned()),
        levels: levels(report),
        strength,
        coverage: coverage(report),
        cost: cost(report),
        findings: refs,
        ..blank
    }
}

/// The verdict as reported: held without its required coverage is not held.
fn judged(report: &Report) -> (Verdict, Option<String>, Option<ReasonClass>) {
    let missing = report.coverage.missing();
    match report.verdict {
        Verdict::Valid if !missing.is_empty() => {
            let reason = format!("required situations were not reached: {}", missing.join(", "));
            (Verdict::Unknown, Some(reason), Some(ReasonClass::NotExercised))
        }
        Verdict::Unknown => {
            let class = report.reason_class.unwrap_or(ReasonClass::Undecided);
            let reason = report.reason.as_deref().unwrap_or("no reason was given");
            let help = help(&report.cost).map(|help| format!("; {help}")).unwrap_or_default();
            (Verdict::Unknown, Some(format!("{reason}{help}")), Some(class))
        }
        Verdict::Valid | Verdict::Invalid => (report.verdict, None, None),
    }
}

/// What would help a check that ended early.
fn help(cost: &Cost) -> Option<String> {
    match (cost.too_many_crashed, cost.spent?) {
        (0, Spent::Time) => Some("raise --time-limit".into()),
        (0, Spent::Memory) => Some("raise --memory-limit".into()),
        // Only callers of the library bound it.
        (0, Spent::Configurations) => None,
        (crashed, _) => Some(format!(
            "more time or memory is not likely to help: any of {} crashed operations may have \
             happened at any time since; a shorter run has fewer of them",
            grouped(crashed),
        )),
    }
}

fn reason_name(class: ReasonClass) -> &'static str {
    match class {
        ReasonClass::Undecided => "undecided",
        ReasonClass::NotExercised => "not-exercised",
    }
}

/// What came of every level, reduced to the edges of what is ruled out and what is not.
fn levels(report: &Report) -> Option<Levels> {
    if report.levels.is_empty() {
        return None;
    }
    let of = |verdict: Verdict| {
        let answers = report.levels.iter().filter(|answer| answer.verdict == verdict);
        answers.map(|answer| answer.level).collect::<Vec<Consistency>>()
    };
    let because = |level: &Consistency| {
        let answer = report.levels.iter().find(|answer| answer.level == *level);
        let why = answer.map_or("", |answer| answer.because.as_str());
        (level.name().to_owned(), sentence(why))
    };
    let names = |levels: Vec<Consistency>| levels.iter().map(|it| it.name().to_owned()).collect();
    let (ruled_out, undecided) = (of(Verdict::Invalid), of(Verdict::Unknown));
    let not = Consistency::weakest(&ruled_out);
    let implied = ruled_out.iter().filter(|level| !not.contains(level));
    Some(Levels {
        not: not.iter().map(because).collect(),
        also_not: names(implied.copied().collect()),
        holds: names(Consistency::strongest(&of(Verdict::Valid))),
        undecided: undecided.iter().map(because).collect(),
    })
}

fn coverage(report: &Report) -> Vec<CoverageFact> {
    let facts = report.coverage.facts.iter();
    facts
        .map(|it| CoverageFact { fact: it.name.to_owned(), required: it.required, seen: it.seen })
        .collect()
}

fn cost(report: &Report) -> CheckCost {
    let cost = &report.cost;
    CheckCost {
        configurations: cost.configurations,
        peak_bytes: cost.peak_bytes,
        budget_hit: cost.spent.map(|spent| spent.name().to_owned()),
        engines: cost.engines.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        certificates_verified: cost.certificates_verified,
    }
}

/// Facts of all guarantees, by name: the greatest requirement, the greatest count.
fn coverage_facts(guarantees: &[Guarantee]) -> Vec<CoverageFact> {
    let mut facts: BTreeMap<String, CoverageFact> = BTreeMap::new();
    for fact in guarantees.iter().flat_map(|guarantee| &guarantee.coverage) {
        let kept = facts.entry(fact.fact.clone()).or_insert_with(|| fact.clone());
        kept.required = kept.required.max(fact.required);
        kept.seen = kept.seen.max(fact.seen);
    }
    facts.into_values().collect()
}

fn headline(report: &RunReport) -> String {
    let first = |wanted: &str| report.guarantees.iter().find(|it| it.verdict == wanted);
    match report.class {
        Class::Anomaly => {
            let broken: Vec<&str> = report
                .guarantees
                .iter()
                .filter(|it| it.verdict == "invalid")
                .map(|it| it.id.as_str())
                .collect();
            let why = report.findings.first().map_or("", |finding| finding.summary.as_str());
            format!("not {}: {why}", broken.join(", not "))
        }
        Class::Infra => {
            let why = report.failures.first().map_or("no reason was given", |it| it.as_str());
            format!("the experiment failed: {why}")
        }
        Class::Unknown | Class::Vacuous if report.guarantees.is_empty() => {
            "nothing was judged: no guarantee was checked".to_owned()
        }
        Class::Unknown | Class::Vacuous => match first("unknown") {
            Some(it) => {
                let why = it.reason.as_deref().unwrap_or("no reason was given");
                match it.reason_class.as_deref() {
                    Some("not-exercised") => {
                        let why = why.strip_prefix("not exercised: ").unwrap_or(why);
                        format!("{} was not exercised: {why}", it.id)
                    }
                    Some(_) | None => format!("{} is undecided: {why}", it.id),
                }
            }
            None if report.counts.ok == 0 => "no operation ever succeeded".to_owned(),
            None => "no planned fault was verified as biting, so the pass is empty".to_owned(),
        },
        Class::Pass => {
            let names: Vec<&str> = report.guarantees.iter().map(|it| it.id.as_str()).collect();
            let held = format!("{} held: {} operations ok", names.join(", "), report.counts.ok);
            if report.faults.is_empty() {
                return held;
            }
            let strength = report.guarantees.first().map(|it| &it.strength);
            let seconds = strength.map_or(0, |it| it.fault_ns_verified) as f64 / 1e9;
            format!("{held}, {seconds:.1} s under verified faults")
        }
    }
}
