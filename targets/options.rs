//! Reading a target's options, strictly: an unknown name is an error.

use std::str::FromStr;

use tribunal_harness::target::{Options, TargetError};

/// The options of one target.
pub(crate) struct Reader<'a> {
    pub(crate) target: &'static str,
    pub(crate) options: &'a Options,
}

impl<'a> Reader<'a> {
    /// Checks every name against what the registry lists.
    pub(crate) fn new(
        target: &'static str,
        known: &[(&str, &str)],
        options: &'a Options,
    ) -> Result<Reader<'a>, TargetError> {
        let reader = Reader { target, options };
        match options.keys().find(|name| !known.iter().any(|(known, _)| known == name)) {
            None => Ok(reader),
            Some(name) => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                Err(reader.bad(name, format!("unknown; there are {}", names.join(", "))))
            }
        }
    }

    /// What is wrong with option `name`.
    pub(crate) fn bad(&self, name: &str, problem: impl Into<String>) -> TargetError {
        TargetError::Option {
            target: self.target.into(),
            option: name.into(),
            problem: problem.into(),
        }
    }

    /// Option `name` as text.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.options.get(name).map(String::as_str)
    }

    /// Option `name` as a whole number, or `default`.
    pub(crate) fn number(&self, name: &str, default: u64) -> Result<u64, TargetError> {
        self.parse(name, default, "a whole number, 0 or more")
    }

    /// Option `name` as yes or no, or `default`.
    pub(crate) fn switch(&self, name: &str, default: bool) -> Result<bool, TargetError> {
        self.parse(name, default, "true or false")
    }

    fn parse<T: FromStr>(&self, name: &str, default: T, want: &str) -> Result<T, TargetError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().map_err(|_| self.bad(name, format!("{text:?}: want {want}")))
    }
}
