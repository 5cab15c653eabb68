//! Every model judges every history, or refuses its operations by name.

use std::collections::BTreeMap;

use tribunal_checkers::linearizable::{Dialect, Engines, Options};
use tribunal_checkers::registry::{Entry, MODELS, Parameters};
use tribunal_checkers::{Budget, CheckError, Verdict};
use tribunal_history::{Family, History, Value};

use crate::drawn::{Bytes, history};

/// Far more than forty operations need, nearly always. Every model checks an input twice, and all
/// these checks have a second together.
const CONFIGURATIONS: u64 = 50_000;
const BYTES: u64 = 64 << 20;

/// Whether a model had a verdict.
pub(crate) fn run(data: &[u8]) -> bool {
    let mut bytes = Bytes::new(data);
    let family = Family::ALL.get(usize::from(bytes.below(10))).copied();
    let family = family.unwrap_or(Family::Register);
    let (_, dialect) = Dialect::NAMED[usize::from(bytes.below(Dialect::NAMED.len() as u8))];
    let initial = match bytes.below(4) {
        0 => Value::Int(0),
        1 => Value::text(""),
        _ => Value::Nil,
    };
    let history = history(family, &mut bytes);
    let mut decided = false;
    for model in MODELS {
        let settings: BTreeMap<String, String> =
            model.settings.iter().map(|(name, _)| setting(name, &mut bytes)).collect();
        let verdict = |engines| {
            let options = Options { engines, ..Options::default() };
            let (initial, settings) = (initial.clone(), settings.clone());
            judge(&history, model, Parameters { dialect, initial, level: None, options, settings })
        };
        let (Some(auto), Some(search)) = (verdict(Engines::Auto), verdict(Engines::Search)) else {
            continue;
        };
        let undecided = [auto, search].contains(&Verdict::Unknown);
        assert!(undecided || auto == search, "{}: {auto:?} and {search:?}", model.name);
        decided |= !undecided;
    }
    decided
}

/// One of the values that a setting can have.
fn setting(name: &str, bytes: &mut Bytes<'_>) -> (String, String) {
    let value = match name {
        "permits" => (1 + bytes.below(3)).to_string(),
        "first" => ["greatest", "least"][usize::from(bytes.below(2))].to_owned(),
        "total" => (10 * u32::from(bytes.below(3))).to_string(),
        "own-writes" | "negative" | "real-time" => {
            ["true", "false"][usize::from(bytes.below(2))].to_owned()
        }
        other => panic!("which values has {other}?"),
    };
    (name.to_owned(), value)
}

/// `None` where the model has no such operations.
fn judge(history: &History, model: &Entry, parameters: Parameters) -> Option<Verdict> {
    // Most models begin empty and take no other initial value.
    let checker = model.build(&parameters).unwrap_or_else(|_| {
        let empty = Parameters { initial: Value::Nil, ..parameters };
        model.build(&empty).expect("the strongest promise, from nothing")
    });
    let budget = Budget::unlimited().with_configurations(CONFIGURATIONS).with_bytes(BYTES);
    match checker.check(history, &budget) {
        Ok(report) => Some(report.verdict),
        Err(CheckError::Unsupported { .. }) => None,
        Err(error @ CheckError::Internal { .. }) => panic!("{}: {error}", model.name),
    }
}
