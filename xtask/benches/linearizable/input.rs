//! One history, in the form each side takes.

use tribunal_checkers::Verdict;
use tribunal_checkers::linearizable::Dialect;
use tribunal_history::{History, Outcome, Value};
use xtask::generate::{Expected, Family, Shape, Unsayable, porcupine_kv, porcupine_register};

use crate::ours::Data;

pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) history: History,
    pub(crate) dialect: Dialect,
    pub(crate) initial: Value,
    pub(crate) data: Data,
    /// What Porcupine reads, or why it cannot.
    pub(crate) text: Result<String, String>,
    /// Under which model it is asked.
    pub(crate) rival_model: &'static str,
    /// What the verdict must be; `Unknown` where nothing says.
    pub(crate) expected: Verdict,
}

impl Input {
    /// A history judged by the model called `model`.
    pub(crate) fn new(
        name: &str,
        history: History,
        model: &str,
        (dialect, initial): (Dialect, Value),
        expected: Verdict,
    ) -> Input {
        let observes = |error: Option<&_>| dialect.failed_cas.is_observation(error);
        let (text, rival_model) = match model {
            "kv" => (porcupine_kv(&history), "kv"),
            "register" | "cas-register" => {
                (porcupine_register(&history, &initial, observes), "register")
            }
            other => (Err(Unsayable(other.to_owned())), "none"),
        };
        let text = text.map_err(|error| error.to_string());
        let (name, data) = (name.to_owned(), Data::named(model));
        Input { name, history, dialect, initial, data, text, rival_model, expected }
    }

    /// Of a family.
    pub(crate) fn generated(family: &Family, shape: &Shape) -> Input {
        let expected = match family.expected {
            Expected::Valid => Verdict::Valid,
            Expected::Invalid => Verdict::Invalid,
            Expected::Unstated => Verdict::Unknown,
        };
        let name = format!("{}_{}", family.name, short(shape.operations));
        let reading = (Dialect::TRIBUNAL, family.initial());
        Input::new(&name, family.history(shape), family.model, reading, expected)
    }

    /// The same, and Porcupine is not asked.
    pub(crate) fn ours_alone(self) -> Input {
        Input { text: Err("not run".to_owned()), ..self }
    }

    pub(crate) fn operations(&self) -> u64 {
        self.history.len() as u64
    }

    pub(crate) fn crashed(&self) -> u64 {
        let open = |outcome| matches!(outcome, Outcome::Open | Outcome::Info);
        self.history.operations().filter(|operation| open(operation.outcome())).count() as u64
    }
}

/// `100000` as `100k`.
pub(crate) fn short(number: u64) -> String {
    match number {
        n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
        n if n >= 10_000 && n.is_multiple_of(1_000) => format!("{}k", n / 1_000),
        n => n.to_string(),
    }
}
