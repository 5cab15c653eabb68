//! The page: sections in order, each on its own, under a policy that lets nothing else run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tribunal_history::History;

use super::template::Templates;
use super::{audit, charts, coverage, environment, finding, strip, timeline};
use crate::class::Class;
use crate::human::is_foreign;
use crate::limits;
use crate::run_report::RunReport;

/// The page and what had to be left out of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Html {
    /// The file.
    pub text: String,
    /// What was cut or failed, one sentence each. Stated in the page too.
    pub notes: Vec<String>,
}

/// What every section may read.
pub(super) struct Scene<'a> {
    pub(super) report: &'a RunReport,
    pub(super) history: &'a History,
    pub(super) templates: &'a Templates,
    /// Bytes left for embedded data.
    pub(super) data_bytes: usize,
}

/// Why a section could not be drawn.
#[derive(Debug, thiserror::Error)]
pub(super) enum SectionError {
    #[error("{0}")]
    Template(#[from] tera::Error),
    #[error("{0}")]
    Data(#[from] std::io::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it panicked: {0}")]
    Panicked(String),
}

/// A drawn section.
#[derive(Default)]
pub(super) struct Drawn {
    pub(super) html: String,
    pub(super) notes: Vec<String>,
}

/// One section: where the page's navigation points, its heading, and how it is drawn.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) draw: fn(&Scene<'_>) -> Result<Drawn, SectionError>,
}

/// In page order.
pub(super) const SECTIONS: [Section; 8] = [
    Section { id: "verdict", title: "Verdict", draw: strip::draw },
    Section { id: "findings", title: "Findings", draw: finding::draw },
    Section { id: "timeline", title: "Timeline", draw: timeline::draw },
    Section { id: "performance", title: "Throughput and latency", draw: charts::draw },
    Section { id: "faults", title: "Fault audit", draw: audit::draw },
    Section { id: "coverage", title: "Coverage", draw: coverage::draw },
    Section { id: "errors", title: "Operations and errors", draw: coverage::draw_errors },
    Section { id: "environment", title: "Environment", draw: environment::draw },
];

/// The page of a run, within [`limits::REPORT_BYTES`].
pub fn html(report: &RunReport, history: &History) -> Html {
    html_within(report, history, limits::REPORT_BYTES)
}

/// The page of a run, within about `bytes`. Detail of the timeline is what gives way.
pub fn html_within(report: &RunReport, history: &History, bytes: usize) -> Html {
    let sections: Vec<Section> =
        SECTIONS.into_iter().filter(|section| applies(section.id, report)).collect();
    page(report, history, bytes, &sections)
}

/// Whether a section is about this record: of a history from elsewhere no cluster, no client
/// setting and, unless it names one, no fault is known.
fn applies(id: &str, report: &RunReport) -> bool {
    match id {
        "faults" => !is_foreign(report) || !report.faults.is_empty(),
        "environment" => !is_foreign(report),
        _ => true,
    }
}

fn page(report: &RunReport, history: &History, bytes: usize, sections: &[Section]) -> Html {
    let templates = Templates::compile().expect("templates compile, as their test shows");
    let mut scene = Scene { report, history, templates: &templates, data_bytes: 0 };
    let mut drawn: Vec<(usize, Drawn)> = Vec::new();
    // The timeline takes what the others leave of the size limit, so it is drawn last.
    let (late, early): (Vec<usize>, Vec<usize>) =
        (0..sections.len()).partition(|at| sections[*at].id == "timeline");
    for at in early.into_iter().chain(late) {
        let used: usize = drawn.iter().map(|(_, drawn)| drawn.html.len()).sum();
        scene.data_bytes = bytes.saturating_sub(used + STYLE.len() + SCRIPT.len() + 65_536);
        drawn.push((at, draw(&sections[at], &scene)));
    }
    drawn.sort_by_key(|(at, _)| *at);
    let notes = drawn.iter().flat_map(|(_, drawn)| drawn.notes.clone()).collect();
    let digest = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let sections = drawn
        .into_iter()
        .map(|(at, drawn)| SectionView {
            id: sections[at].id,
            title: sections[at].title,
            body: drawn.html,
        })
        .collect();
    let view = PageView {
        title: format!("{}: {}", report.class.name(), report.run.id),
        class: report.class.name(),
        icon: icon(report.class),
        csp: format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; \
             img-src data:; base-uri 'none'; form-action 'none'"
        ),
        version: report.tool.version.clone(),
        first: first_error(report),
        style: STYLE,
        script: SCRIPT,
        sections,
    };
    let text = templates.render("page.html", &view);
    Html { text: text.expect("the page's view is complete, as its tests show"), notes }
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = concat!(include_str!("script.js"), include_str!("picture.js"));

#[derive(Serialize)]
struct PageView {
    title: String,
    class: &'static str,
    icon: &'static str,
    csp: String,
    version: String,
    first: String,
    style: &'static str,
    script: &'static str,
    sections: Vec<SectionView>,
}

#[derive(Serialize)]
struct SectionView {
    id: &'static str,
    title: &'static str,
    body: String,
}

/// Draws one section. What goes wrong in it stays in it: the verdict was made long before.
fn draw(section: &Section, scene: &Scene<'_>) -> Drawn {
    let outcome = catch_unwind(AssertUnwindSafe(|| (section.draw)(scene)));
    let problem = match outcome {
        Ok(Ok(drawn)) => return drawn,
        Ok(Err(error)) => error,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            SectionError::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
        }
    };
    let note = format!("section {} could not be drawn: {problem}", section.title);
    let html = scene.templates.render("note.html", &note);
    Drawn { html: html.expect("a note has one field"), notes: vec![note] }
}

/// The finding whose failing operation was answered first, of those that have a picture.
fn first_error(report: &RunReport) -> String {
    let drawn = report.findings.iter().take(limits::PICTURES);
    let failing = drawn.filter(|finding| finding.evidence.operations.iter().any(|op| op.failed));
    let first = failing.min_by_key(|finding| finding.moment_ns);
    first.map(|finding| finding.r#ref.clone()).unwrap_or_default()
}

pub(super) fn icon(class: Class) -> &'static str {
    match class {
        Class::Pass => "✓",
        Class::Anomaly => "✗",
        Class::Infra => "!",
        Class::Unknown | Class::Vacuous => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::{Drawn, SECTIONS, Scene, Section, SectionError, html, page};
    use crate::{RunInfo, assemble};
    use tribunal_history::Builder;

    fn panics(_: &Scene<'_>) -> Result<Drawn, SectionError> {
        panic!("no <ink> left")
    }

    fn fails(_: &Scene<'_>) -> Result<Drawn, SectionError> {
        Err(SectionError::Data(std::io::Error::other("no paper")))
    }

    #[test]
    fn each_section_can_fail_alone() {
        let history = Builder::by_time().finish();
        let mut info = RunInfo::default();
        info.plan.target = "raftkv".to_owned();
        let report = assemble(&info, &history, &[]);
        let whole = html(&report, &history);
        assert_eq!(whole.notes, Vec::<String>::new());
        for (at, victim) in SECTIONS.iter().enumerate() {
            for broken in [panics, fails] {
                let mut sections = SECTIONS;
                sections[at] = Section { id: victim.id, title: victim.title, draw: broken };
                let hurt = page(&report, &history, 1 << 20, &sections);
                assert_eq!(hurt.notes.len(), 1, "{}", victim.title);
                assert!(hurt.text.contains("could not be drawn"), "{}", victim.title);
                assert!(!hurt.text.contains("no <ink>"), "the note is escaped");
                let others = SECTIONS.iter().filter(|other| other.id != victim.id);
                for other in others {
                    assert!(hurt.text.contains(&format!("id=\"{}\"", other.id)));
                }
            }
        }
    }
}
