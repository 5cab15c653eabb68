//! Every model judges every history, or refuses its operations by name.

use tribunal_checkers::linearizable::{Dialect, Engines, Options};
use tribunal_checkers::registry::{MODELS, Parameters};
use tribunal_checkers::{Budget, CheckError, Verdict};
use tribunal_history::{Family, History, Value};

use crate::drawn::{Bytes, history};

/// Far more than forty operations need, far less than a second takes.
const CONFIGURATIONS: u64 = 200_000;
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
        let verdict = |engines| {
            let options = Options { engines, ..Options::default() };
            let initial = initial.clone();
            judge(&history, model.name, &Parameters { dialect, initial, level: None, options })
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

/// `None` where the model has no such operations.
fn judge(history: &History, model: &str, parameters: &Parameters) -> Option<Verdict> {
    let entry = MODELS.iter().find(|entry| entry.name == model)?;
    let checker = entry.build(parameters).expect("the strongest promise");
    let budget = Budget::unlimited().with_configurations(CONFIGURATIONS).with_bytes(BYTES);
    match checker.check(history, &budget) {
        Ok(report) => Some(report.verdict),
        Err(CheckError::Unsupported { .. }) => None,
        Err(error @ CheckError::Internal { .. }) => panic!("{model}: {error}"),
    }
}
