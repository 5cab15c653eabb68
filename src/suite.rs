//! Suites: TOML with a position for every complaint.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::exit_code::Trouble;
use crate::experiment::Experiment;

/// A suite as written. Every key may be missing; flags and defaults fill in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    pub(crate) schema: Option<Spanned<u32>>,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) target: TargetTable,
    #[serde(default)]
    pub(crate) cluster: ClusterTable,
    #[serde(default)]
    pub(crate) load: LoadTable,
    #[serde(default)]
    pub(crate) workload: WorkloadTable,
    #[serde(default)]
    pub(crate) fault: Vec<FaultTable>,
    #[serde(default)]
    pub(crate) check: CheckTable,
    #[serde(default)]
    pub(crate) expect: ExpectTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: write `[target]` and below it `name = \"raftkv\"`"
)]
pub(crate) struct TargetTable {
    pub(crate) name: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, Spanned<Scalar>>,
    #[serde(default)]
    pub(crate) bugs: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: write `[cluster]` and its keys below it")]
pub(crate) struct ClusterTable {
    pub(crate) nodes: Option<Spanned<String>>,
    pub(crate) host_keys: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: write `[load]` and its keys below it")]
pub(crate) struct LoadTable {
    pub(crate) concurrency: Option<Spanned<Scalar>>,
    pub(crate) rate: Option<Spanned<f64>>,
    pub(crate) time: Option<Spanned<String>>,
    pub(crate) quiet: Option<Spanned<String>>,
    pub(crate) op_timeout: Option<Spanned<String>>,
    pub(crate) late_grace: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: write `[workload]` and below it `name = \"register\"`"
)]
pub(crate) struct WorkloadTable {
    pub(crate) name: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, Spanned<Scalar>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: write `[[fault]]` and its keys below it")]
pub(crate) struct FaultTable {
    pub(crate) kind: Spanned<String>,
    #[serde(default)]
    pub(crate) shapes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, Spanned<i64>>,
    pub(crate) hold: Option<Spanned<String>>,
    pub(crate) recover: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: write `[check]` and its keys below it")]
pub(crate) struct CheckTable {
    pub(crate) time: Option<Spanned<String>>,
    pub(crate) memory: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) beyond_quorum: bool,
    pub(crate) live: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: write `[expect]` and its keys below it")]
pub(crate) struct ExpectTable {
    #[serde(default)]
    pub(crate) anomaly: bool,
}

/// A word that a complaint may mention, with its place in the suite; without one if a flag said it.
pub(crate) type Word<'t> = (&'t str, Option<usize>);

impl TargetTable {
    /// Words that a complaint about this target may mention, with their places.
    pub(crate) fn named<'t>(&'t self, experiment: &'t Experiment) -> Vec<Word<'t>> {
        let place = |bug: &str| self.bugs.iter().find(|it| it.get_ref() == bug);
        let bugs = experiment.bugs.iter().map(String::as_str);
        let bugs = bugs.map(|bug| (bug, place(bug).map(|it| it.span().start)));
        // Who knows no bugs at all complains of the option.
        let first = self.bugs.first().filter(|bug| experiment.bugs.contains(bug.get_ref()));
        let option = first.map(|bug| ("bug", Some(bug.span().start)));
        let Experiment { target, target_options, .. } = experiment;
        // What the name is blamed for is most often the fault of something else that is named too.
        let words = words(&self.name, target, &self.options, target_options);
        bugs.chain(option).chain(words).collect()
    }
}

impl WorkloadTable {
    /// Words that a complaint about this workload may mention, with their places.
    pub(crate) fn named<'t>(&'t self, experiment: &'t Experiment) -> Vec<Word<'t>> {
        let Experiment { workload, workload_options, .. } = experiment;
        words(&self.name, workload, &self.options, workload_options)
    }
}

/// The keys of options, and the name where no flag replaced it.
fn words<'t>(
    name: &'t Option<Spanned<String>>,
    used: &str,
    options: &'t BTreeMap<String, Spanned<Scalar>>,
    used_options: &'t BTreeMap<String, String>,
) -> Vec<Word<'t>> {
    let place = |key: &str, value: &str| {
        let told = options.get(key).filter(|told| told.get_ref().to_string() == value);
        told.map(|told| told.span().start)
    };
    let options = used_options.iter().map(|(key, value)| (key.as_str(), place(key, value)));
    let name = name.iter().filter(|name| name.get_ref() == used);
    options.chain(name.map(|name| (name.get_ref().as_str(), Some(name.span().start)))).collect()
}

/// A value that people write with or without quotes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// A suite with its text, for complaints with a position and for the record.
#[derive(Debug, Default)]
pub(crate) struct SuiteFile {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) suite: Suite,
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Bool(value) => value.fmt(f),
            Scalar::Int(value) => value.fmt(f),
            Scalar::Float(value) => value.fmt(f),
            Scalar::Text(value) => f.write_str(value),
        }
    }
}

impl SuiteFile {
    /// Reads a suite.
    pub(crate) fn read(path: &Path) -> Result<SuiteFile, Trouble> {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| {
            let advice = "name one of `tribunal list suites`, or your own file";
            Trouble::usage(format!("suite {shown}: {error}; {advice}"))
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
            let place = position(&shown.to_string(), &text, good);
            Trouble::usage(format!("{place}: this byte is no UTF-8 text; save the file as UTF-8"))
        })?;
        SuiteFile::parse(&shown.to_string(), &text)
    }

    /// Parses the text of a suite.
    pub(crate) fn parse(path: &str, text: &str) -> Result<SuiteFile, Trouble> {
        let suite: Suite = toml::from_str(text).map_err(|error| {
            let place = position(path, text, error.span().map_or(0, |span| span.start));
            let message = error.message().trim();
            let hint = match message {
                "invalid type: map, expected a sequence" => "; write `[[fault]]` for each fault",
                _ if message.ends_with("expected a string") => {
                    "; write a text in quotes, such as nodes = \"local:5\" or time = \"30s\""
                }
                _ if message.ends_with("expected a sequence") => {
                    "; write a list, such as bugs = [\"stale-read\"]"
                }
                _ if message.ends_with("expected a map") => {
                    "; write keys and values, such as options = { tick = 3 }"
                }
                _ if message.ends_with("expected a boolean") => "; write true or false",
                _ if message.ends_with("expected u32") => "; write a whole number, without quotes",
                _ if message.ends_with("expected f64") => "; write a number, as in 100",
                _ => "",
            };
            Trouble::usage(format!("{place}: {message}{hint}"))
        })?;
        let file = SuiteFile { path: path.into(), text: text.into(), suite };
        match &file.suite.schema {
            Some(schema) if *schema.get_ref() == 1 => Ok(file),
            Some(schema) => Err(file.complain(
                schema.span().start,
                format!("schema {} is not known; this version reads schema 1", schema.get_ref()),
            )),
            None => Err(file.complain(0, "schema is missing; begin the suite with `schema = 1`")),
        }
    }

    /// The same complaint with the place of the first of these words that it mentions; without
    /// one, as it is: then a flag is to blame.
    pub(crate) fn blame(&self, trouble: Trouble, words: &[Word<'_>]) -> Trouble {
        let whole = |c: char| !(c.is_alphanumeric() || "_-".contains(c));
        let said: Vec<&str> = trouble.message.split(whole).collect();
        match words.iter().find(|(word, _)| said.contains(word)) {
            Some((_, Some(at))) => {
                Trouble { code: trouble.code, ..self.complain(*at, trouble.message) }
            }
            Some((_, None)) | None => trouble,
        }
    }

    /// The trouble at the place of the value that caused it, unless a flag replaced what is there.
    pub(crate) fn blame_value(
        &self,
        trouble: Trouble,
        key: &Option<Spanned<String>>,
        used: &str,
    ) -> Trouble {
        match key.as_ref().filter(|key| key.get_ref() == used) {
            Some(key) => {
                Trouble { code: trouble.code, ..self.complain(key.span().start, trouble.message) }
            }
            None => trouble,
        }
    }

    /// A usage error at a byte of the file.
    pub(crate) fn complain(&self, at: usize, message: impl std::fmt::Display) -> Trouble {
        Trouble::usage(format!("{}: {message}", position(&self.path, &self.text, at)))
    }
}

/// `file:line:column`, counted from 1.
fn position(path: &str, text: &str, at: usize) -> String {
    let end = (0..=at.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    let before = &text[..end.unwrap_or(0)];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{path}:{line}:{column}")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::cli::RunArgs;

    fn complains(text: &str, expected: Expect) {
        expected.assert_eq(&SuiteFile::parse("s.toml", text).unwrap_err().message);
    }

    #[test]
    fn complaints_have_a_position() {
        complains("", expect!["s.toml:1:1: schema is missing; begin the suite with `schema = 1`"]);
        complains(
            "schema = 2\n",
            expect!["s.toml:1:10: schema 2 is not known; this version reads schema 1"],
        );
        complains(
            "schema = 1\n[load]\nconcurency = 3\n",
            expect![
                "s.toml:3:1: unknown field `concurency`, expected one of `concurrency`, `rate`, `time`, `quiet`, `op_timeout`, `late_grace`"
            ],
        );
        complains(
            "schema = 1\n[[fault]]\nshapes = [\"one\"]\n",
            expect!["s.toml:2:1: missing field `kind`"],
        );
        complains(
            "schema = 1\n[load]\nrate = \"fast\"\n",
            expect![[
                r#"s.toml:3:8: invalid type: string "fast", expected f64; write a number, as in 100"#
            ]],
        );
        complains(
            "schema = 1\ntarget = \"raftkv\"\n",
            expect![[
                r#"s.toml:2:10: invalid type: string "raftkv", expected a table: write `[target]` and below it `name = "raftkv"`"#
            ]],
        );
        complains(
            "schema = 1\n[load]\ntime = 5\n",
            expect![[
                r#"s.toml:3:8: invalid type: integer `5`, expected a string; write a text in quotes, such as nodes = "local:5" or time = "30s""#
            ]],
        );
        complains(
            "schema = 1\nname = \n",
            expect!["s.toml:2:8: string values must be quoted, expected literal string"],
        );
    }

    #[test]
    fn blame_goes_to_the_word_that_was_written() {
        let text = "schema = 1\n[target]\nname = \"raftkv\"\noptions = { tick = 3 }\n";
        let file = SuiteFile::parse("s.toml", text).expect("a suite");
        let blamed = |message: &str| {
            let args = RunArgs {
                bug: vec!["sticky".into()],
                options: vec!["pace=0".into()],
                ..RunArgs::default()
            };
            let experiment = Experiment::resolve(&args, &file).expect("sound");
            let words = file.suite.target.named(&experiment);
            file.blame(Trouble::usage(message), &words).message
        };
        assert_eq!(blamed("no option `tick`"), "s.toml:4:20: no option `tick`");
        assert_eq!(blamed("target raftkv is odd"), "s.toml:3:8: target raftkv is odd");
        for flags in ["an odd flag", "raftkv knows no bug sticky", "raftkv: pace is 0"] {
            assert_eq!(blamed(flags), flags, "a flag is to blame");
        }
    }

    #[test]
    fn a_value_is_blamed_unless_a_flag_replaced_it() {
        let text = "schema = 1\n[cluster]\nnodes = \"local:0\"\n";
        let file = SuiteFile::parse("s.toml", text).expect("a suite");
        let nodes = &file.suite.cluster.nodes;
        let blamed = |used| file.blame_value(Trouble::usage("too few"), nodes, used).message;
        assert_eq!(blamed("local:0"), "s.toml:3:9: too few");
        assert_eq!(blamed("local:1"), "too few");
    }

    #[test]
    fn the_suites_of_this_repository_parse() {
        let suites = crate::list::suites().expect("suites/ is part of the repository");
        assert!(suites.iter().any(|path| path.contains("negative")), "{suites:?}");
        for path in suites {
            SuiteFile::read(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
