//! The terminal text and the data, as a person and a program see them.

use expect_test::{expect, expect_file};
use tribunal_checkers::{
    Anomaly, AnomalyKind, CheckError, Cost, Evidence, Report, Spent, Step, Unconfirmed,
};
use tribunal_history::codec::native::Late;
use tribunal_history::{Builder, ErrorClass, Nanos, Outcome, Process, Value};
use tribunal_results::{
    Class, HumanOptions, LateReplies, RunInfo, assemble, html, html_within, human,
};

use crate::common;

fn text(run: (RunInfo, tribunal_history::History, Vec<tribunal_results::Answer>)) -> String {
    let report = assemble(&run.0, &run.1, &run.2);
    let path = Some("runs/latest/report.html".to_owned());
    human(&report, &HumanOptions { color: false, report_path: path })
}

#[test]
fn an_anomaly_on_the_terminal() {
    expect_file!["snapshots/anomaly.txt"]
        .assert_eq(&text(common::invalid(&common::Shape::default())));
}

#[test]
fn a_pass_on_the_terminal() {
    expect_file!["snapshots/pass.txt"].assert_eq(&text(common::valid()));
}

#[test]
fn an_unknown_on_the_terminal() {
    expect_file!["snapshots/unknown.txt"].assert_eq(&text(common::unknown()));
}

#[test]
fn a_vacuous_pass_on_the_terminal() {
    expect_file!["snapshots/vacuous.txt"].assert_eq(&text(common::vacuous()));
}

#[test]
fn late_replies_are_told_in_every_output() {
    let (mut info, history, answers) = common::valid();
    let late = |process, outcome, error| Late { time: Nanos(9), process, outcome, op: None, error };
    let mismatch = Some(ErrorClass::MISMATCH);
    let log = [
        late(Process(3), Outcome::Ok, None),
        late(Process(4), Outcome::Fail, mismatch),
        late(Process(5), Outcome::Ok, None),
    ];
    info.environment.late_replies = LateReplies::count(&log);
    let report = assemble(&info, &history, &answers);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("json");
    assert_eq!(json["late_replies"], serde_json::json!({ "ok": 2, "failed": 1 }));
    let sentence =
        expect![["3 operations were answered after their deadline (2 ok, 1 fail); they stay info"]];
    let told = report.late_replies.sentence().expect("some came");
    sentence.assert_eq(&told);
    assert!(html(&report, &history).text.contains(&told));
    let without = assemble(&common::info(), &history, &answers);
    assert_eq!((report.class, &report.counts), (without.class, &without.counts));
    assert!(!html(&without, &history).text.contains("after their deadline"));
    expect_file!["snapshots/late.txt"].assert_eq(&text((info, history, answers)));
}

#[test]
fn colours_only_where_asked() {
    let (info, history, answers) = common::valid();
    let report = assemble(&info, &history, &answers);
    let plain = human(&report, &HumanOptions::default());
    let colored = human(&report, &HumanOptions { color: true, ..HumanOptions::default() });
    assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
}

#[test]
fn a_small_finding_as_data() {
    let mut builder = Builder::by_time();
    let values = [&Value::Int(3), &Value::Int(4)];
    let stale = common::stale(&mut builder, 1, 0, &Value::Int(17), values);
    let history = builder.finish();
    let anomaly = common::accuse(&history, &stale, "17", "3", "4");
    let report = Report::invalid(vec![anomaly], common::coverage(true), Cost::default());
    let answers = vec![("linearizable".to_owned(), Ok(report))];
    let report = assemble(&common::info(), &history, &answers);
    let finding = &report.findings[0];
    let last = finding.evidence.operations.last().expect("operations");
    let data = serde_json::json!({
        "guarantee": report.guarantees[0],
        "states": finding.evidence.states,
        "failing": last,
        "moment": finding.moment,
        "signature": finding.signature,
        "during": finding.during_faults,
    });
    let shown = serde_json::to_string_pretty(&data).expect("json");
    expect_file!["snapshots/finding.json"].assert_eq(&shown);
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    let once = || {
        let (info, history, answers) = common::invalid(&common::Shape::default());
        let report = assemble(&info, &history, &answers);
        (report.to_json(), html(&report, &history).text)
    };
    let first = once();
    for _ in 0..5 {
        assert!(once() == first, "two renderings differ");
    }
}

#[test]
fn a_checker_that_failed_is_never_a_pass() {
    let error = CheckError::Internal { checker: "linearizable".into(), what: "it broke".into() };
    let (info, history, mut answers) = common::judged(Err(error));
    let report = assemble(&info, &history, &answers);
    assert_eq!((report.class, report.exit_code), (Class::Unknown, 2));
    assert!(report.guarantees[0].reason.as_deref().is_some_and(|it| it.contains("it broke")));
    answers.clear();
    assert_eq!(assemble(&info, &history, &answers).class, Class::Unknown);
}

#[test]
fn infrastructure_outranks_all_but_an_anomaly() {
    let (mut info, history, answers) = common::valid();
    info.environment.failures.push("ssh n3: connection refused".to_owned());
    assert_eq!(assemble(&info, &history, &answers).class, Class::Infra);
    let (_, history, answers) = common::invalid(&common::Shape::default());
    assert_eq!(assemble(&info, &history, &answers).class, Class::Anomaly);
}

#[test]
fn like_findings_are_one_with_a_count() {
    let mut builder = Builder::by_time();
    let key = Value::Int(1);
    let stale: Vec<common::Stale> = (0..5)
        .map(|it| {
            let values = [&Value::Int(it * 2 + 10), &Value::Int(it * 2 + 11)];
            common::stale(&mut builder, 1 + it as u64 * 20, it as u32 * 10, &key, values)
        })
        .collect();
    let history = builder.finish();
    let anomalies = stale.iter().map(|it| common::accuse(&history, it, "1", "a", "b")).collect();
    let report = Report::invalid(anomalies, common::coverage(true), Cost::default());
    let report = assemble(&common::info(), &history, &[("linearizable".into(), Ok(report))]);
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.findings[0].count, report.findings[0].more.len()), (5, 2));
    assert_eq!(report.findings[0].subjects, ["1"]);
}

#[test]
fn every_bad_key_is_named() {
    let mut builder = Builder::by_time();
    let keys: Vec<Value> = (0..25).map(Value::Int).collect();
    let values = [&Value::Int(10), &Value::Int(11)];
    let stale: Vec<(String, common::Stale)> = keys
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let (time, process) = (1 + at as u64 * 20, at as u32 * 10);
            (key.to_string(), common::stale(&mut builder, time, process, key, values))
        })
        .collect();
    let history = builder.finish();
    let accuse = |(key, it): &(String, common::Stale)| common::accuse(&history, it, key, "a", "b");
    let anomalies = stale.iter().map(accuse).collect();
    let report = Report::invalid(anomalies, common::coverage(true), Cost::default());
    let report = assemble(&common::info(), &history, &[("linearizable".into(), Ok(report))]);
    let names: Vec<String> = (0..25).map(|key| key.to_string()).collect();
    assert_eq!(report.findings[0].subjects, names);
    let text = human(&report, &HumanOptions::default());
    assert!(text.contains("keys 0, 1, 2,") && text.contains(", 19 and 5 more"), "{text}");
    let page = html(&report, &history).text;
    assert!(page.contains("keys 0, 1, 2,") && page.contains(", 23, 24<"), "behind a click");
}

#[test]
fn a_limit_cuts_detail_and_says_so() {
    let shape = common::Shape { ops: 60_000, ..common::Shape::default() };
    let (info, history, answers) = common::invalid(&shape);
    let report = assemble(&info, &history, &answers);
    let whole = html(&report, &history);
    assert_eq!(whole.notes, Vec::<String>::new());
    let limit = whole.text.len() - 150_000;
    let small = html_within(&report, &history, limit);
    assert!(small.text.len() <= limit, "{} > {limit}", small.text.len());
    assert_eq!(small.notes.len(), 1);
    assert!(small.text.contains("operations are drawn one by one"));
}

#[test]
fn a_history_without_times_is_drawn_by_rank() {
    let mut builder = Builder::as_given();
    for at in 0..20 {
        let op = common::write(Value::Int(1), Value::Int(at));
        builder.invoke(Nanos(0), Process(0), None, None, &op).expect("free");
        builder.complete(Nanos(0), Process(0), Outcome::Ok, Some(&op), None).expect("open");
    }
    let history = builder.finish();
    let report = assemble(&RunInfo::default(), &history, &[]);
    let page = html(&report, &history);
    assert_eq!(page.notes, Vec::<String>::new());
    assert!(page.text.contains("\"axis\":\"rank\""));
}

/// Nobody knows the seed, the nodes or the faults of a history from elsewhere, so none is shown.
#[test]
fn a_foreign_history_is_not_said_to_have_had_no_faults() {
    let (run, history, answers) = common::chain(40);
    let mut info = RunInfo::default();
    info.plan.id = "history.edn".to_owned();
    info.plan.repro = "tribunal check history.edn".to_owned();
    let told = ["no fault active", "<dt>Seed</dt>", "A seed reproduces", "id=\"environment\""];
    let page = html(&assemble(&info, &history, &answers), &history).text;
    assert!(page.contains("<svg class=\"proof\"") && page.contains("<dt>Operations</dt>"));
    for words in told {
        assert!(!page.contains(words), "{words}");
    }
    let page = html(&assemble(&run, &history, &answers), &history).text;
    for words in told {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_record_that_counts_from_an_epoch_fills_its_axes() {
    let epoch = 1_795_232_832_000_000_000;
    let mut builder = Builder::by_time();
    for at in 0..40u64 {
        let op = common::write(Value::Int(1), Value::Int(at as i64));
        let (from, to) = (Nanos(epoch + at * 1_000_000), Nanos(epoch + at * 1_000_000 + 500_000));
        builder.invoke(from, Process(0), None, None, &op).expect("free");
        builder.complete(to, Process(0), Outcome::Ok, Some(&op), None).expect("open");
    }
    let history = builder.finish();
    let report = assemble(&RunInfo::default(), &history, &[]);
    let page = html(&report, &history);
    assert!(page.text.contains("\"end\":39500"), "the axis is as long as the record");
}

#[test]
fn forty_faults_have_forty_lanes_and_a_late_finding_is_linked() {
    let shape = common::Shape { ops: 20_000, faults: 40, ..common::Shape::default() };
    let (info, history, answers) = common::invalid(&shape);
    let report = assemble(&info, &history, &answers);
    assert_eq!(report.faults.len(), 40);
    let page = html(&report, &history).text;
    for at in 1..=40 {
        assert!(page.contains(&format!("id=\"fault-F{at}\"")), "F{at} is audited");
        assert!(page.contains(&format!("{{\"id\":\"F{at}\"")), "F{at} is drawn");
    }
    for name in ["R-1", "R-2"] {
        assert!(page.contains(&format!("data-jump=\"{name}\"")), "{name} is linked");
        assert!(page.contains(&format!("{{\"name\":\"{name}\"")), "{name} is in the timeline");
    }
}

#[test]
fn steps_name_their_events_in_every_output() {
    let mut builder = Builder::by_time();
    let values = [&Value::Int(3), &Value::Int(4)];
    let stale = common::stale(&mut builder, 1, 0, &Value::Int(17), values);
    let history = builder.finish();
    let step = |op: tribunal_history::OpIndex, because: &str| Step {
        event: history.operation(op).ret().expect("answered"),
        because: because.to_owned(),
    };
    let steps = vec![step(stale.operations[1], "set 4"), step(stale.failed, "then saw 3")];
    {
        let evidence = Evidence::Events(steps);
        let summary = "went back".to_owned();
        let kind = AnomalyKind("non-monotonic");
        let anomaly = Anomaly { kind, subject: None, summary, evidence, minimal: false };
        let report = Report::invalid(vec![anomaly], common::coverage(true), Cost::default());
        let report = assemble(&common::info(), &history, &[("sessions".into(), Ok(report))]);
        let event = report.findings[0].evidence.event_ids[1];
        assert_eq!(report.findings[0].evidence.operations.len(), 2);
        let terminal = human(&report, &HumanOptions::default());
        assert!(terminal.contains(&format!("event #{event}: then saw 3")), "{terminal}");
        let page = html(&report, &history).text;
        assert!(page.contains(&format!("<code>#{event}</code> <span>then saw 3</span>")));
        assert!(page.contains("not shown to be minimal"));
    }
}

#[test]
fn what_is_not_confirmed_says_so_and_how_it_would_be() {
    let raise = " to have it confirmed";
    for (why, limit, end) in [
        (Unconfirmed::Memory, "--memory-limit", raise),
        (Unconfirmed::Time, "--time-limit", raise),
        (Unconfirmed::TooWide, "--memory-limit", "nor would it be likely to with more"),
    ] {
        let (info, history, mut answers) = common::chain(40);
        let Ok(report) = &mut answers[0].1 else { panic!("it was judged") };
        let Evidence::Counterexample { unconfirmed, .. } = &mut report.anomalies[0].evidence else {
            panic!("{report:?}")
        };
        *unconfirmed = Some(why);
        let report = assemble(&info, &history, &answers);
        let said = report.findings[0].evidence.unconfirmed.clone().expect("a sentence");
        assert!(said.starts_with("not confirmed: the search "), "{said}");
        assert!(said.contains(limit) && said.ends_with(end), "{said}");
        assert_eq!(said.contains("raise"), end == raise, "{said}");
        assert!(human(&report, &HumanOptions::default()).contains(&said));
        assert!(html(&report, &history).text.contains(&format!("<p class=\"note\">{said}</p>")));
    }
}

#[test]
fn what_is_about_a_few_elements_says_so_wherever_an_order_is_shown() {
    let (info, history, mut answers) = common::chain(40);
    let plain = human(&assemble(&info, &history, &answers), &HumanOptions::default());
    assert!(plain.contains("numbered as the longest legal order has them:"), "{plain}");
    let Ok(report) = &mut answers[0].1 else { panic!("it was judged") };
    let Evidence::Counterexample { about, .. } = &mut report.anomalies[0].evidence else {
        panic!("{report:?}")
    };
    *about = Some("4 and <6>".into());
    let report = assemble(&info, &history, &answers);
    assert_eq!(report.findings[0].evidence.about.as_deref(), Some("4 and <6>"));
    let text = human(&report, &HumanOptions::default());
    let title = "numbered as the longest legal order of what they say of 4 and <6> has them:";
    let note = "of 4 and <6> alone: no order of what these operations say of that is legal";
    assert!(text.contains(title) && text.contains(note), "{text}");
    let page = html(&report, &history).text;
    assert!(page.contains("This is about <b>4 and &lt;6&gt;</b> alone"), "it is said and escaped");
    assert!(page.contains("longest legal order of what they say of 4 and &lt;6&gt;"));
}

#[test]
fn states_that_are_not_all_are_said_to_be_some() {
    let (info, history, mut answers) = common::chain(40);
    let words = ["and maybe other states", "There may have been other states"];
    let told = |answers: &[tribunal_results::Answer]| {
        let report = assemble(&info, &history, answers);
        let texts =
            [human(&report, &HumanOptions::default()), html(&report, &history).text.clone()];
        [texts[0].contains(words[0]), texts[1].contains(words[1])]
    };
    assert_eq!(told(&answers), [false, false]);
    let Ok(report) = &mut answers[0].1 else { panic!("it was judged") };
    let Evidence::Counterexample { states_open, .. } = &mut report.anomalies[0].evidence else {
        panic!("{report:?}")
    };
    *states_open = true;
    assert_eq!(told(&answers), [true, true]);
}

#[test]
fn what_is_unknown_says_what_would_help() {
    for (spent, crashed, help) in [
        (None, 0, "41 % of keys decided"),
        (Some(Spent::Configurations), 0, "41 % of keys decided"),
        (Some(Spent::Time), 0, "41 % of keys decided; raise --time-limit"),
        (Some(Spent::Memory), 0, "41 % of keys decided; raise --memory-limit"),
        (
            Some(Spent::Memory),
            34,
            "41 % of keys decided; more time or memory is not likely to help: any of 34 crashed \
             operations may have happened at any time since; a shorter run has fewer of them",
        ),
    ] {
        let (info, history, mut answers) = common::unknown();
        let Ok(answer) = &mut answers[0].1 else { panic!("it was judged") };
        answer.cost.spent = spent;
        answer.cost.too_many_crashed = crashed;
        let report = assemble(&info, &history, &answers);
        let said = report.guarantees[0].reason.clone().expect("a reason");
        assert!(said.ends_with(help), "{said}");
        assert!(human(&report, &HumanOptions::default()).contains(&said));
        assert!(html(&report, &history).text.contains(&said));
    }
}

#[test]
fn scripts_and_styles_stay_small() {
    let sizes =
        [include_str!("../report/script.js").len(), include_str!("../report/style.css").len()];
    assert!(sizes.iter().sum::<usize>() <= 120_000, "{sizes:?}");
    for banned in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch("]
    {
        let script = include_str!("../report/script.js").lines().skip(3);
        assert!(!script.collect::<String>().contains(banned), "{banned}");
    }
}
