//! Whatever a database, an error, a node or a log says, it stays text.

use tribunal_checkers::{Anomaly, CheckError, Dependency, DependencyKind, Evidence, Report};
use tribunal_history::{
    Builder, ErrorClass, FaultEdge, FaultEvent, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp,
    Value,
};
use tribunal_results::{HumanOptions, RunInfo, Warning, assemble, html, human};

use crate::common;

/// More than 200 ways to be more than text.
fn payloads() -> Vec<String> {
    let shells = [
        "{}",
        "\"{}",
        "'{}",
        "'>{}",
        "\">{}",
        "-->{}",
        "]]>{}",
        "</script>{}",
        "</style>{}",
        "</title>{}",
        "</textarea>{}",
        "</svg>{}",
        "{{ it }}{}",
        "{% raw %}{}",
        "\\u003c{}",
        "\u{1b}[31m{}",
        "\u{202e}{}",
        "\0{}",
        "&lt;{}",
        "a b=c {}",
        "\r\n{}",
        "\u{2028}{}",
    ];
    let cores = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<iframe src=javascript:alert(1)>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<base href=//e.example>",
        "<meta http-equiv=refresh content=0>",
        "<!--",
        "<style>*{color:red}</style>",
        "</td></tr></table><h1>x</h1>",
        " onmouseover=alert(1) ",
        "javascript:alert(1)",
        "::add-path::/x",
        "=cmd|' /C calc'!A0",
        "<math><mtext></mtext></math>",
    ];
    let wrap = |shell: &str| cores.map(|core| shell.replacen("{}", core, 1));
    shells.into_iter().flat_map(wrap).collect()
}

/// A run in which `text` stands wherever a run takes text from outside.
fn run(text: &str) -> (String, String, String) {
    let mut builder = Builder::by_time();
    let key = Value::text(text);
    let old = Value::text(format!("{text}1"));
    let new = Value::unparsed(text.as_bytes());
    let stale = common::stale(&mut builder, 5, 0, &key, [&old, &new]);
    let (time, process) = (Nanos::from_millis(40), Process(70));
    let op = common::write(key.clone(), old.clone());
    builder.invoke(time, process, None, None, &op).expect("free");
    let error = ErrorClass::new(text.to_owned());
    let later = Nanos::from_millis(50);
    builder.complete(later, process, Outcome::Info, Some(&op), Some(&error)).expect("open");
    let circle = circle(&mut builder, text);
    let edges = [(2, FaultEdge::Injected), (3, FaultEdge::Verified), (9, FaultEdge::HealFailed)];
    for (ms, edge) in edges {
        let detail = serde_json::json!({ "shape": text, "evidence": [text], "reason": text });
        builder.fault(FaultEvent {
            time: Nanos::from_millis(ms),
            fault: 0,
            edge,
            kind: text.to_owned(),
            nodes: vec![text.to_owned()],
            detail: detail.to_string(),
        });
    }
    let history = builder.finish();
    let mut anomaly = common::accuse(&history, &stale, text, text, text);
    anomaly.summary = text.to_owned();
    let error = CheckError::Internal { checker: text.to_owned(), what: text.to_owned() };
    let round = Anomaly { evidence: Evidence::Cycle(circle), ..anomaly.clone() };
    let report = Report::invalid(vec![anomaly, round], common::coverage(true), common::cost());
    let answers = vec![("linearizable".to_owned(), Ok(report)), (text.to_owned(), Err(error))];
    let info = hostile_info(text);
    let report = assemble(&info, &history, &answers);
    let page = html(&report, &history);
    assert_eq!(page.notes, Vec::<String>::new(), "{text:?}");
    (page.text, human(&report, &HumanOptions::default()), report.to_json())
}

/// Two transactions on a key named `text` that each missed the other's write of it.
fn circle(builder: &mut Builder, text: &str) -> Vec<Dependency> {
    let (key, element) = (Value::text(text), Value::text(text));
    let mops = vec![
        Mop::ReadList { key: key.clone(), elements: Observed::Absent },
        Mop::Append { key, element },
    ];
    let op = Op::Txn(TxnOp { mops });
    let run = |process| {
        let (start, end) = (Nanos::from_millis(60), Nanos::from_millis(70));
        let index = builder.invoke(start, Process(process), None, None, &op.pending());
        builder.complete(end, Process(process), Outcome::Ok, Some(&op), None).expect("open");
        index.expect("free")
    };
    let [one, other] = [80, 81].map(run);
    let edge = |(from, to)| Dependency {
        from: Some(from),
        to: Some(to),
        kind: DependencyKind::Rw,
        from_mop: Some(0),
        to_mop: Some(1),
        witnesses: Vec::new(),
        because: text.to_owned(),
    };
    [(one, other), (other, one)].map(edge).to_vec()
}

fn hostile_info(text: &str) -> RunInfo {
    let mut info = common::info();
    let map = || [(text.to_owned(), text.to_owned())].into();
    info.plan.id = text.to_owned();
    info.plan.suite = text.to_owned();
    info.plan.target = text.to_owned();
    info.plan.workload = text.to_owned();
    info.plan.provider = text.to_owned();
    info.plan.repro = text.to_owned();
    info.plan.options = map();
    for node in &mut info.plan.nodes {
        node.name = text.to_owned();
        node.address = text.to_owned();
    }
    info.environment.target = map();
    info.environment.driver = map();
    info.environment.versions = map();
    info.environment.started_utc = text.to_owned();
    info.environment.stopped_early = Some(text.to_owned());
    info.environment.warnings = vec![Warning { code: text.to_owned(), text: text.to_owned() }];
    info.environment.failures = vec![text.to_owned()];
    info
}

/// Tags with their attribute names, outside script and style, as a browser splits them.
fn structure(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let end = tag_end(rest);
        let tag = &rest[..end];
        tags.push(shape(tag));
        rest = &rest[end..];
        for raw in ["script", "style"] {
            if tag.starts_with(&format!("<{raw}")) {
                let close = rest.find(&format!("</{raw}")).expect("raw text is closed");
                rest = &rest[close..];
            }
        }
    }
    tags
}

/// Position after the `>` that ends a tag; quotes hide it.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// A tag without what stands in quotes.
fn shape(tag: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    for c in tag.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        if !quoted {
            out.push(c);
        }
    }
    out
}

#[test]
fn nothing_becomes_an_element_an_attribute_or_a_command() {
    let payloads = payloads();
    assert!(payloads.len() >= 200, "{} payloads", payloads.len());
    let (benign, _, _) = run("benign");
    let wanted = tags_in_order(&benign);
    for payload in &payloads {
        let (page, text, json) = run(payload);
        assert_eq!(tags_in_order(&page), wanted, "{payload:?}");
        let obeyed = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(obeyed), "{payload:?} reaches the terminal");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{payload:?}");
    }
}

/// Bars too short for their text have no text element: compare the set, not the count, of those.
fn tags_in_order(page: &str) -> Vec<String> {
    let drawn = ["<text class=", "</text", "<line class="];
    let tags = structure(page).into_iter();
    tags.filter(|tag| !drawn.iter().any(|it| tag.starts_with(it))).collect()
}

#[test]
fn the_comparison_sees_an_injected_element() {
    let clean = structure("<p class=\"a\">x</p>");
    assert_ne!(structure("<p class=\"a\"><b>x</b></p>"), clean);
    assert_ne!(structure("<p class=\"a\" onclick=\"x\">x</p>"), clean);
    assert_eq!(structure("<p class=\"<b>\">&lt;x</p>"), clean);
}

#[test]
fn long_values_are_cut_and_say_so() {
    let long = "x".repeat(100_000);
    let (page, text, json) = run(&long);
    assert!(json.contains("\"len\": 100000") && !json.contains(&"x".repeat(5000)));
    assert!(page.len() < 500_000, "{} bytes of page", page.len());
    assert!(text.len() < 50_000, "{} bytes of text", text.len());
}
