//! The named models and checkers: what `check -m`, suites and `list checkers` can ask for.

use std::collections::BTreeMap;

use tribunal_history::{Family, Value};

use crate::invariants::{Bank, BankOptions, Opening};
use crate::linearizable::{
    CasRegister, Container, Counter, Dialect, Exclusive, Fenced, Fifo, FromHistory, Kv, Lifo,
    Linearizable, List, Lock, MultiRegister, NilRead, Options, Owned, Permits, Priority, Reentrant,
    Register, Set, UniqueIds,
};
use crate::stats::Stats;
use crate::txn::{self, ListAppend};
use crate::vacuity::Vacuity;
use crate::weak::{self, RwRegister};
use crate::{Checker, Consistency};

/// How a named model is built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// What answers mean.
    pub dialect: Dialect,
    /// What every object holds before the first operation; nil where nobody said.
    pub initial: Value,
    /// The promise to judge; `None` is the strongest the model has a checker for.
    pub level: Option<Consistency>,
    /// How linearizability is checked.
    pub options: Options,
    /// The model's own settings, by name.
    pub settings: BTreeMap<String, String>,
}

impl Parameters {
    /// Of our own runs: nothing there at first, everything verified.
    pub fn tribunal() -> Parameters {
        Parameters {
            dialect: Dialect::TRIBUNAL,
            initial: Value::Nil,
            level: None,
            options: Options::default(),
            settings: BTreeMap::new(),
        }
    }

    /// The setting `name`, or what it is when nobody says.
    fn setting<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        match self.settings.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{name}={text} is not possible")),
        }
    }

    /// For models that always begin empty, free, or from nothing.
    fn no_initial(&self) -> Result<(), String> {
        match &self.initial {
            Value::Nil => Ok(()),
            other => Err(format!("it has no initial value, but {other} was given")),
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
    /// The model has no such setting.
    #[error("model `{model}` has no setting `{name}`; it has: {known}")]
    Setting {
        /// Which model.
        model: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A setting or an initial value the model cannot have.
    #[error("model `{model}`: {why}")]
    Impossible {
        /// Which model.
        model: &'static str,
        /// Why.
        why: String,
    },
}

type Built = Result<Box<dyn Checker>, String>;

/// One name on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Stable name.
    pub name: &'static str,
    /// One line for `list`.
    pub summary: &'static str,
    /// The promises it can be judged for; empty where that makes no sense.
    pub levels: &'static [Consistency],
    /// The family of operations it reads; `None`: any.
    pub family: Option<Family>,
    /// Its own settings: name, and what it sets.
    pub settings: &'static [(&'static str, &'static str)],
    build: fn(&Parameters) -> Built,
}

impl Entry {
    /// The checker.
    ///
    /// # Errors
    /// A promise, a setting or an initial value this model cannot have.
    pub fn build(&self, parameters: &Parameters) -> Result<Box<dyn Checker>, RegistryError> {
        let model = self.name;
        if let Some(level) = parameters.level
            && !self.levels.contains(&level)
        {
            let known = names(self.levels.iter().map(|level| level.name()));
            return Err(RegistryError::Level { model, level: level.name(), known });
        }
        let known = |name: &String| self.settings.iter().any(|(known, _)| known == name);
        if let Some(name) = parameters.settings.keys().find(|name| !known(name)) {
            let known = match self.settings {
                [] => "none".into(),
                settings => names(settings.iter().map(|(name, _)| *name)),
            };
            return Err(RegistryError::Setting { model, name: name.clone(), known });
        }
        (self.build)(parameters).map_err(|why| RegistryError::Impossible { model, why })
    }

    const fn model(
        name: &'static str,
        family: Family,
        summary: &'static str,
        build: fn(&Parameters) -> Built,
    ) -> Entry {
        let levels = &[Consistency::Linearizable];
        Entry { name, summary, levels, family: Some(family), settings: &[], build }
    }

    /// A model of transactions, judged for many levels at once.
    const fn transactions(
        name: &'static str,
        summary: &'static str,
        levels: &'static [Consistency],
        build: fn(&Parameters) -> Built,
    ) -> Entry {
        let family = Some(Family::Txn);
        Entry { name, summary, levels, family, settings: &[], build }
    }

    const fn with(self, settings: &'static [(&'static str, &'static str)]) -> Entry {
        Entry { settings, ..self }
    }

    const fn checker(
        name: &'static str,
        summary: &'static str,
        build: fn(&Parameters) -> Built,
    ) -> Entry {
        Entry { name, summary, levels: &[], family: None, settings: &[], build }
    }
}

/// Data types a history can be judged as.
pub static MODELS: &[Entry] = &[
    Entry::model("register", Family::Register, "read and write on independent keys", |p| {
        by(p, Register { initial: p.initial.clone() })
    }),
    Entry::model(
        "cas-register",
        Family::Register,
        "read, write and compare-and-set on independent keys",
        |p| by(p, CasRegister { initial: p.initial.clone() }),
    ),
    Entry::model(
        "multi-register",
        Family::Txn,
        "transactions that read and write several registers",
        |p| by(p, MultiRegister { initial: p.initial.clone() }),
    ),
    Entry::model("kv", Family::Register, "get, put and append texts on independent keys", |p| {
        let initial = crate::linearizable::text(&p.initial).ok_or("its initial value is a text")?;
        by(p, Kv { initial })
    }),
    Entry::model("set", Family::Set, "add, remove, look up, read whole", |p| {
        free(p, Set { shrinks: true })
    }),
    Entry::model("list", Family::Txn, "transactions that append to lists and read them", |p| {
        free(p, List)
    }),
    Entry::transactions(
        "list-append",
        "the isolation of transactions that append to lists and read them",
        ListAppend::LEVELS,
        |p| {
            p.no_initial()?;
            let own_writes = p.setting("own-writes", true)?;
            let options = txn::Options { own_writes, verify: p.options.verify };
            let level = p.level.unwrap_or(ListAppend::LEVELS[0]);
            Ok(Box::new(ListAppend::new(level).with_options(options)))
        },
    )
    .with(&[("own-writes", "whether a transaction sees its own writes; true when not given")]),
    Entry::transactions(
        "rw-register",
        "the isolation of transactions that read and write registers",
        RwRegister::LEVELS,
        |p| {
            let own_writes = p.setting("own-writes", true)?;
            let initial = p.initial.clone();
            let options = weak::Options { initial, own_writes, verify: p.options.verify };
            let level = p.level.unwrap_or(Consistency::StrictSerializable);
            Ok(Box::new(RwRegister::new(level).with_options(options)))
        },
    )
    .with(&[("own-writes", "whether a transaction sees its own writes; true when not given")]),
    Entry {
        levels: &[],
        ..Entry::model("bank", Bank::FAMILY, "transfers between accounts: reads add up", bank)
    }
    .with(&[
        ("total", "what all accounts hold together; when not given, what they hold at first"),
        ("negative", "whether a balance may be below zero; false when not given"),
        (
            "real-time",
            "whether a read shows every transfer that was over before it; true when not given",
        ),
    ]),
    Entry::model("g-set", Family::Set, "a set that only grows", |p| {
        free(p, Set { shrinks: false })
    }),
    Entry::model("g-counter", Family::Counter, "a counter that only grows", |p| counter(p, false)),
    Entry::model("pn-counter", Family::Counter, "a counter that grows and shrinks", |p| {
        counter(p, true)
    }),
    Entry::model("fifo-queue", Family::Queue, "first in, first out", |p| free(p, Container(Fifo))),
    Entry::model("stack", Family::Queue, "last in, first out", |p| free(p, Container(Lifo))),
    Entry::model("priority-queue", Family::Queue, "greatest value first", |p| {
        let first = p.settings.get("first").map(String::as_str);
        let priority = match first {
            None | Some("greatest") => Priority::Greatest,
            Some("least") => Priority::Least,
            Some(other) => return Err(format!("first={other} is not possible; greatest or least")),
        };
        free(p, Container(priority))
    })
    .with(&[("first", "which value is next: greatest, or least")]),
    Entry::model("mutex", Family::Lock, "acquire and release, by anybody", |p| {
        free(p, Lock(Exclusive))
    }),
    Entry::model("owner-mutex", Family::Lock, "released by the process that acquired it", |p| {
        free(p, Lock(Owned))
    }),
    Entry::model(
        "reentrant-mutex",
        Family::Lock,
        "acquired again by its owner, released as often",
        |p| free(p, Lock(Reentrant)),
    ),
    Entry::model(
        "fenced-mutex",
        Family::Lock,
        "an owner's mutex whose fencing tokens increase",
        |p| free(p, Lock(Fenced)),
    ),
    Entry::model("semaphore", Family::Lock, "a number of permits, released by anybody", |p| {
        let total = p.setting("permits", 1)?;
        free(p, Lock(Permits { total }))
    })
    .with(&[("permits", "how many there are; 1 when not given")]),
    Entry::model("unique-ids", Family::Id, "no identifier is given twice", |p| free(p, UniqueIds)),
];

/// Checkers that need no model.
pub static CHECKERS: &[Entry] = &[
    Entry::checker("stats", "every operation succeeded once, and operations met on a key", |_| {
        Ok(Box::new(Stats::default()))
    }),
    Entry::checker(
        "vacuity",
        "every planned kind of fault was verified while clients were at work",
        |_| Ok(Box::new(Vacuity)),
    ),
];

fn by<M: FromHistory + 'static>(parameters: &Parameters, model: M) -> Built {
    let checker = Linearizable::new(model, parameters.dialect);
    Ok(Box::new(checker.with_options(parameters.options)))
}

/// A model without an initial value.
fn free<M: FromHistory + 'static>(parameters: &Parameters, model: M) -> Built {
    parameters.no_initial()?;
    by(parameters, model)
}

fn bank(parameters: &Parameters) -> Built {
    let asserts = parameters.dialect.nil_read == NilRead::Asserts;
    let opening = match &parameters.initial {
        Value::Nil if asserts => Opening::Empty,
        Value::Nil => Opening::Unknown,
        Value::Int(each) => Opening::Each(*each),
        other => return Err(format!("an account holds an integer at first, not {other}")),
    };
    let total = match parameters.settings.get("total") {
        None => None,
        Some(_) => Some(parameters.setting("total", 0)?),
    };
    Ok(Box::new(Bank::new(BankOptions {
        opening,
        nothing_is_an_answer: asserts,
        total,
        negative: parameters.setting("negative", false)?,
        real_time: parameters.setting("real-time", true)?,
    })))
}

fn counter(parameters: &Parameters, shrinks: bool) -> Built {
    let initial = match &parameters.initial {
        Value::Nil => 0,
        Value::Int(int) => *int,
        other => return Err(format!("its initial value is an integer, not {other}")),
    };
    by(parameters, Counter { initial, shrinks })
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
mod tests;
