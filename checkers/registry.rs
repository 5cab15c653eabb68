//! The named models and checkers: what `check -m`, suites and `list checkers` can ask for.

use tribunal_history::Value;

use crate::linearizable::{Dialect, Linearizable, ModelChoice, Options};
use crate::stats::Stats;
use crate::vacuity::Vacuity;
use crate::{Checker, Consistency};

/// How a named model is built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// What answers mean.
    pub dialect: Dialect,
    /// What every object holds before the first operation.
    pub initial: Value,
    /// The promise to judge; `None` is the strongest the model has a checker for.
    pub level: Option<Consistency>,
    /// How linearizability is checked.
    pub options: Options,
}

impl Parameters {
    /// Of our own runs: nothing there at first, everything verified.
    pub fn tribunal() -> Parameters {
        Parameters {
            dialect: Dialect::TRIBUNAL,
            initial: Value::Nil,
            level: None,
            options: Options::default(),
        }
    }
}

/// Why no checker was built.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegistryError {
    /// No such name.
    #[error("no model or checker is called `{name}`; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The model has no checker for this promise.
    #[error("model `{model}` cannot be judged for `{level}`; it can for: {known}")]
    Level {
        /// Which model.
        model: &'static str,
        /// Which promise.
        level: &'static str,
        /// What it can be judged for.
        known: String,
    },
}

/// One name on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Stable name.
    pub name: &'static str,
    /// One line for `list`.
    pub summary: &'static str,
    /// The promises it can be judged for; empty where that makes no sense.
    pub levels: &'static [Consistency],
    build: fn(&Parameters) -> Box<dyn Checker>,
}

impl Entry {
    /// The checker.
    ///
    /// # Errors
    /// A promise this model has no checker for.
    pub fn build(&self, parameters: &Parameters) -> Result<Box<dyn Checker>, RegistryError> {
        match parameters.level {
            Some(level) if !self.levels.contains(&level) => Err(RegistryError::Level {
                model: self.name,
                level: level.name(),
                known: names(self.levels.iter().map(|level| level.name())),
            }),
            Some(_) | None => Ok((self.build)(parameters)),
        }
    }
}

/// Data types a history can be judged as.
pub static MODELS: &[Entry] = &[
    Entry {
        name: "register",
        summary: "read and write on independent keys",
        levels: &[Consistency::Linearizable],
        build: |parameters| linearizable(ModelChoice::Register, parameters),
    },
    Entry {
        name: "cas-register",
        summary: "read, write and compare-and-set on independent keys",
        levels: &[Consistency::Linearizable],
        build: |parameters| linearizable(ModelChoice::CasRegister, parameters),
    },
];

/// Checkers that need no model.
pub static CHECKERS: &[Entry] = &[
    Entry {
        name: "stats",
        summary: "every operation succeeded once, and operations met on a key",
        levels: &[],
        build: |_| Box::new(Stats::default()),
    },
    Entry {
        name: "vacuity",
        summary: "every planned kind of fault was verified while clients were at work",
        levels: &[],
        build: |_| Box::new(Vacuity),
    },
];

fn linearizable(model: ModelChoice, parameters: &Parameters) -> Box<dyn Checker> {
    let Parameters { dialect, initial, options, .. } = parameters;
    Box::new(Linearizable::new(model, *dialect, initial.clone()).with_options(*options))
}

/// The model or checker called `name`.
///
/// # Errors
/// No such name; the error lists them.
pub fn find(name: &str) -> Result<&'static Entry, RegistryError> {
    let mut all = MODELS.iter().chain(CHECKERS);
    all.find(|entry| entry.name == name).ok_or_else(|| RegistryError::Unknown {
        name: name.to_owned(),
        known: names(MODELS.iter().chain(CHECKERS).map(|entry| entry.name)),
    })
}

fn names(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{CHECKERS, MODELS, Parameters, find};
    use crate::testing::drawn;
    use crate::{Budget, Consistency, ReasonClass, Verdict};

    #[test]
    fn every_checker_but_vacuity_calls_the_empty_history_not_exercised() {
        for entry in MODELS.iter().chain(CHECKERS) {
            let checker = entry.build(&Parameters::tribunal()).expect("a default promise");
            let report = checker.check(&drawn(""), &Budget::unlimited()).expect("a history");
            if entry.name == "vacuity" {
                assert_eq!(report.verdict, Verdict::Valid, "no fault was planned");
                continue;
            }
            assert_eq!(report.verdict, Verdict::Unknown, "{}", entry.name);
            assert_eq!(report.reason_class, Some(ReasonClass::NotExercised), "{}", entry.name);
        }
    }

    #[test]
    fn unknown_names_and_promises_say_what_there_is() {
        let error = find("regsiter").expect_err("a typo").to_string();
        let expected = "no model or checker is called `regsiter`; \
                        there are: register, cas-register, stats, vacuity";
        assert_eq!(error, expected);
        let parameters = Parameters { level: Some(Consistency::Causal), ..Parameters::tribunal() };
        let error = find("register").expect("a name").build(&parameters).err().expect("no checker");
        let expected = "model `register` cannot be judged for `causal`; it can for: linearizable";
        assert_eq!(error.to_string(), expected);
    }
}
