//! Writes every demo report to `$TRIBUNAL_PAGES` for people to look at; otherwise to a scratch
//! directory, and checks what holds of all of them.

use std::path::PathBuf;

use tribunal_results::{Class, RunReport, assemble, html};

use crate::common;

#[test]
fn every_class_has_a_page() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let kept = std::env::var_os("TRIBUNAL_PAGES").map(PathBuf::from);
    let directory = kept.unwrap_or_else(|| scratch.path().to_owned());
    let runs = [
        ("anomaly", common::invalid(&common::Shape::default()), Class::Anomaly),
        ("chain", common::chain(3_000), Class::Anomaly),
        ("pass", common::valid(), Class::Pass),
        ("unknown", common::unknown(), Class::Unknown),
        ("vacuous", common::vacuous(), Class::Vacuous),
    ];
    for (name, (info, history, answers), class) in runs {
        let report = assemble(&info, &history, &answers);
        assert_eq!(report.class, class);
        let page = html(&report, &history);
        assert_eq!(page.notes, Vec::<String>::new(), "{name}");
        std::fs::write(directory.join(format!("{name}.html")), &page.text).expect("written");
        let read: RunReport = serde_json::from_str(&report.to_json()).expect("its own schema");
        assert_eq!(read, report, "{name}");
    }
}
