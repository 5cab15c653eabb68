//! The flags of `tribunal check`, from words to what they name.

use std::collections::BTreeMap;

use tribunal_checkers::linearizable::{Dialect, Engines, Options, Which};
use tribunal_checkers::registry::{self as checkers, Parameters};
use tribunal_checkers::{Checker, Consistency};
use tribunal_history::Value;
use tribunal_history::codec::{Format, Read};

use crate::cli::{CheckArgs, EngineArg};
use crate::exit_code::Trouble;
use crate::judging::Limits;
use crate::units;

/// What a judgement may take.
pub(crate) fn limits(args: &CheckArgs) -> Result<Limits, Trouble> {
    Ok(Limits {
        time: units::duration(&args.time_limit)
            .map_err(|problem| Trouble::usage(format!("--time-limit: {problem}")))?,
        bytes: units::bytes(&args.memory_limit)
            .map_err(|problem| Trouble::usage(format!("--memory-limit: {problem}")))?,
    })
}

/// The format of the file, if one is named.
pub(crate) fn format(args: &CheckArgs) -> Result<Option<Format>, Trouble> {
    args.format.as_deref().map(|name| format_named("--format", name)).transpose()
}

/// The format that `flag` names.
pub(crate) fn format_named(flag: &str, name: &str) -> Result<Format, Trouble> {
    Format::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Format::named().map(|format| format.name()).collect();
        let known = known.join(", ");
        Trouble::usage(format!("{flag} {name:?} is not known; there are {known}"))
    })
}

/// What answers mean: as the flag says, or as the file does, or as those mean it who write such
/// files.
pub(crate) fn dialect(args: &CheckArgs, read: Option<&Read>) -> Result<Dialect, Trouble> {
    match (&args.dialect, read) {
        (Some(name), _) => Dialect::named(name).ok_or_else(|| {
            let known: Vec<&str> = Dialect::NAMED.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            Trouble::usage(format!("--dialect {name:?} is not known; there are {known}"))
        }),
        (None, Some(read)) => Ok(dialect_of(read)),
        (None, None) => Ok(Dialect::TRIBUNAL),
    }
}

/// What answers mean in a file of which nothing else is said.
pub(crate) fn dialect_of(read: &Read) -> Dialect {
    let mark = |name: &str| Dialect::named(name.strip_prefix(DIALECT_MARK)?);
    let marked = read.history.marks().iter().find_map(|found| mark(&found.name));
    marked.unwrap_or_else(|| dialect_of_format(read.format, read.jepsen))
}

/// What those mean who write this format.
pub(crate) fn dialect_of_format(format: Format, jepsen: bool) -> Dialect {
    match format {
        _ if jepsen => Dialect::KNOSSOS,
        Format::Porcupine => Dialect::ETCD,
        _ => Dialect::TRIBUNAL,
    }
}

/// How the mark begins that tells the dialect of a history which was converted.
pub(crate) const DIALECT_MARK: &str = "dialect ";

/// The checker the flags ask for.
pub(crate) fn checkers(
    args: &CheckArgs,
    dialect: Dialect,
) -> Result<Vec<Box<dyn Checker>>, Trouble> {
    let model = model(args)?;
    let level = args.consistency.as_ref().map(|name| {
        let unknown = || {
            let known: Vec<&str> = model.levels.iter().map(|level| level.name()).collect();
            let (model, known) = (model.name, known.join(", "));
            Trouble::usage(format!("-c {name:?} is not a level; {model} is judged for {known}"))
        };
        Consistency::named(name).ok_or_else(unknown)
    });
    let parameters = Parameters {
        dialect,
        initial: initial(&args.init),
        level: level.transpose()?,
        options: options(args),
        settings: settings(args)?,
    };
    Ok(vec![model.build(&parameters).map_err(Trouble::usage)?])
}

/// The model the flags ask for.
pub(crate) fn model(args: &CheckArgs) -> Result<&'static checkers::Entry, Trouble> {
    let name = args.model.as_deref().unwrap_or("cas-register");
    checkers::MODELS.iter().find(|model| model.name == name).ok_or_else(|| {
        let known: Vec<&str> = checkers::MODELS.iter().map(|model| model.name).collect();
        let known = known.join(", ");
        Trouble::usage(format!("-m {name:?} is not a model; there are {known}"))
    })
}

fn options(args: &CheckArgs) -> Options {
    let which = if args.first { Which::First } else { Which::All };
    let engines = match args.engine {
        EngineArg::Auto => Engines::Auto,
        EngineArg::Search | EngineArg::Bare => Engines::Search,
    };
    let quick = args.engine != EngineArg::Bare;
    let (verify, orders) = (args.verify, args.orders.is_some());
    Options { which, verify, engines, quick, orders }
}

fn settings(args: &CheckArgs) -> Result<BTreeMap<String, String>, Trouble> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Trouble::usage(format!("--option {text:?} is not NAME=VALUE"))),
    };
    args.options.iter().map(pair).collect()
}

fn initial(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(int) => Value::Int(int),
        Err(_) if text == "nil" => Value::Nil,
        Err(_) => Value::text(text),
    }
}
