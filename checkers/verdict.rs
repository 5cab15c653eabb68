//! The three answers, and how they compose.

/// Ordered: composition is `max`. There is no `Default`, and nothing maps *missing* to `Valid`.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Every requested promise was kept by this history.
    Valid,
    /// Undecided. Never read as valid.
    Unknown,
    /// A promise was broken, and the evidence proves it.
    Invalid,
}

impl Verdict {
    /// The worst of several verdicts; of none, `Unknown`.
    pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts.into_iter().max().unwrap_or(Verdict::Unknown)
    }

    /// By its word. Any other word is no verdict, and so `Unknown`.
    pub fn named(name: &str) -> Verdict {
        match name {
            "valid" => Verdict::Valid,
            "invalid" => Verdict::Invalid,
            _other => Verdict::Unknown,
        }
    }

    /// The word used in every format.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Unknown => "unknown",
            Verdict::Invalid => "invalid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn nothing_checked_is_unknown() {
        assert_eq!(Verdict::worst([]), Verdict::Unknown);
    }

    #[test]
    fn the_worst_wins() {
        use Verdict::{Invalid, Unknown, Valid};
        assert_eq!(Verdict::worst([Valid, Unknown]), Unknown);
        assert_eq!(Verdict::worst([Unknown, Invalid, Valid]), Invalid);
        assert_eq!(Verdict::worst([Valid, Valid]), Valid);
    }
}
