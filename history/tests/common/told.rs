//! What a text says, as a snapshot.

use expect_test::Expect;
use tribunal_history::codec::{ReadOptions, read};

/// The events of a text, its faults, and its warnings; or the error.
pub(crate) fn check(text: &str, expected: Expect) {
    let told = match read(text.as_bytes(), None, &ReadOptions::default()) {
        Err(error) => format!("{error}\n"),
        Ok(read) => {
            let events = read.history.events().map(|event| format!("{event}\n"));
            let faults = read.history.faults().iter().map(|fault| {
                format!(
                    "fault {} {} {} {}\n",
                    fault.fault,
                    fault.edge.name(),
                    fault.kind,
                    fault.detail
                )
            });
            let warnings = read.warnings.iter().map(|warning| format!("warning: {warning}\n"));
            events.chain(faults).chain(warnings).collect()
        }
    };
    expected.assert_eq(&told);
}
