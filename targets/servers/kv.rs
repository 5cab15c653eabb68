//! The replicated state machine: registers by name, each holding a signed integer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is written to the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Nothing: the first entry of each leader, so that it learns what is committed (paper, 8).
    Noop,
    /// Set a register.
    Put {
        /// Register.
        key: String,
        /// New value.
        value: i64,
    },
    /// Set a register if it holds `from`; `None` is "there is no such register".
    Cas {
        /// Register.
        key: String,
        /// Expected.
        from: Option<i64>,
        /// New value.
        to: i64,
    },
}

/// What applying a command says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// Carried out.
    Done,
    /// A compare-and-set found another value and changed nothing.
    Mismatch,
}

/// The registers. Ordered, so that equal states have equal snapshots.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kv {
    registers: BTreeMap<String, i64>,
}

impl Kv {
    /// What a register holds.
    pub fn get(&self, key: &str) -> Option<i64> {
        self.registers.get(key).copied()
    }

    /// Applies one committed command. Deterministic: every replica gives the same answer.
    pub fn apply(&mut self, command: &Command) -> Applied {
        match command {
            Command::Noop => Applied::Done,
            Command::Put { key, value } => {
                self.registers.insert(key.clone(), *value);
                Applied::Done
            }
            Command::Cas { key, from, to } if self.get(key) == *from => {
                self.registers.insert(key.clone(), *to);
                Applied::Done
            }
            Command::Cas { .. } => Applied::Mismatch,
        }
    }

    /// The whole state as JSON.
    pub fn snapshot(&self) -> String {
        serde_json::to_string(self).expect("a map of strings to integers is always JSON")
    }

    /// The state a snapshot holds.
    ///
    /// # Errors
    /// Text that no [`Kv::snapshot`] wrote.
    pub fn restore(snapshot: &str) -> Result<Kv, serde_json::Error> {
        serde_json::from_str(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::{Applied, Command, Kv};

    #[test]
    fn cas_compares_absence_too() {
        let mut kv = Kv::default();
        let cas = |from, to| Command::Cas { key: "k".into(), from, to };
        assert_eq!(kv.apply(&cas(Some(0), 1)), Applied::Mismatch);
        assert_eq!(kv.apply(&cas(None, 1)), Applied::Done);
        assert_eq!(kv.apply(&cas(None, 2)), Applied::Mismatch);
        assert_eq!(kv.apply(&cas(Some(1), 3)), Applied::Done);
        assert_eq!(Kv::restore(&kv.snapshot()).unwrap().get("k"), Some(3));
    }
}
