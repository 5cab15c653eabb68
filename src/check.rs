//! `tribunal check`: judges stored histories, ours or foreign, and run directories.

use std::path::Path;

use serde_json::{Value as Json, json};
use tribunal_checkers::Verdict;
use tribunal_results::{HumanOptions, human};

use crate::cli::CheckArgs;
use crate::exit_code::{self, ExitCode, Trouble};
use crate::flags;
use crate::judging::{self, Job, Judged, Limits};
use crate::progress::aside;
use crate::report::named;
use crate::run::{color, of_report, print};

/// The subcommand: every input is judged, whatever became of its neighbours.
pub(crate) fn check(args: &CheckArgs, runs_dir: &Path) -> Result<ExitCode, Trouble> {
    let limits = flags::limits(args)?;
    // A wrong flag is wrong for every input: it is said once, before anything is read.
    flags::format(args)?;
    flags::checkers(args, flags::dialect(args, None)?)?;
    if args.orders.is_some() && args.inputs.len() > 1 {
        return Err(Trouble::usage("--orders takes one input: orders are of one history"));
    }
    if args.report.is_some() && args.inputs.len() > 1 {
        return Err(Trouble::usage("--report takes one input: a page is about one history"));
    }
    if let Some(run) = args.inputs.first().filter(|_| args.orders.is_some()) {
        let run = named(run, runs_dir).path;
        if run.is_dir() {
            let shown = run.display();
            let words = "--orders is about one history: name it with its model, as in";
            return Err(Trouble::usage(format!("{words} `check {shown}/history.log -m register`")));
        }
    }
    for (flag, path) in [("--orders", &args.orders), ("--report", &args.report)] {
        // Who judges is another process, and tells its result there.
        let ours = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        if path.as_ref().is_some_and(|path| ours.iter().any(|it| path == Path::new(it))) {
            let words = "standard output has the result; name a file";
            return Err(Trouble::usage(format!("{flag}: {words}")));
        }
    }
    let mut code = None::<ExitCode>;
    let mut results = Vec::new();
    for input in &args.inputs {
        let one = match judge_one(args, &named(input, runs_dir).path, limits) {
            Ok(judged) => {
                let verdict = of_report(&judged.report);
                let many = args.inputs.len() > 1;
                let shown = if args.json { Ok(()) } else { show(&judged, many) };
                results.push(to_json(&judged));
                let beside = judged.trouble.map_or(Ok(()), |(code, message)| {
                    Err(Trouble { code: ExitCode::of(code), message })
                });
                exit_code::told(exit_code::told(verdict, beside), shown)
            }
            Err(trouble) => {
                aside(format!("tribunal: error: {trouble}"));
                let shown = input.display().to_string();
                results.push(json!({ "file": shown, "error": trouble.message }));
                trouble.code
            }
        };
        code = Some(code.map_or(one, |code| code.and(one)));
    }
    if args.json {
        let one = results.len() == 1;
        let value = if one { results.remove(0) } else { Json::Array(results) };
        let text = serde_json::to_string_pretty(&value).map_err(Trouble::bug)?;
        code = code.map(|code| exit_code::told(code, print(&text)));
    }
    Ok(code.unwrap_or(ExitCode::Usage))
}

fn judge_one(args: &CheckArgs, input: &Path, limits: Limits) -> Result<Judged, Trouble> {
    let args = Box::new(CheckArgs { inputs: Vec::new(), ..args.clone() });
    judging::judge(Job::Check { args, input: input.to_path_buf() }, limits, &mut || {})
}

fn show(judged: &Judged, many: bool) -> Result<(), Trouble> {
    let report_path = judged.page.clone();
    let text = human(&judged.report, &HumanOptions { color: color(), report_path });
    // The text of a run does not name its directory; that of a file names the file.
    match many && !judged.report.run.target.is_empty() {
        true => print(&format!("{}\n{text}", judged.shown)),
        false => print(&text),
    }
}

/// `verdict` and `checks` on top, then everything `verdicts.json` has.
fn to_json(judged: &Judged) -> Json {
    let verdicts = judged.report.guarantees.iter().map(|g| Verdict::named(&g.verdict));
    let verdict = Verdict::worst(verdicts).name();
    json!({
        "file": judged.shown,
        "verdict": verdict,
        "exit_code": of_report(&judged.report) as u8,
        "dialect": judged.report.options.get("dialect"),
        "checks": judged.report.guarantees,
        "findings": judged.report.findings,
        "counts": judged.report.counts,
        "late_replies": judged.report.late_replies,
        "warnings": judged.report.warnings,
    })
}
