//! What was found, and the proof of it. Terminal, JSON and HTML render the same values.

use tribunal_history::{EventId, History, OpIndex};

/// The field's name for a kind of anomaly, such as `nonlinearizable`. Defined in `docs/models.md`.
///
/// Those of transactions are Adya's and Elle's: a cycle of dependencies is named by its edges. One
/// that needs the order of a session as an edge ends in `-process`, one that needs real time in
/// `-realtime`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AnomalyKind(pub &'static str);

impl AnomalyKind {
    /// No order of a key's operations is legal and respects real time.
    pub const NONLINEARIZABLE: AnomalyKind = AnomalyKind("nonlinearizable");
    /// A reply that could not be parsed: no value that anyone wrote.
    pub const UNPARSEABLE: AnomalyKind = AnomalyKind("unparseable-reply");
    /// A value was read that nobody wrote.
    pub const THIN_AIR_READ: AnomalyKind = AnomalyKind("thin-air-read");
    /// One value was written twice to one key, so what reads of it saw cannot be told.
    pub const VALUES_NOT_UNIQUE: AnomalyKind = AnomalyKind("values-not-unique");
    /// A list held an element twice.
    pub const DUPLICATE_ELEMENTS: AnomalyKind = AnomalyKind("duplicate-elements");
    /// Two reads of one list of which neither is a prefix of the other.
    pub const INCOMPATIBLE_ORDER: AnomalyKind = AnomalyKind("incompatible-order");
    /// A transaction contradicted its own reads and writes.
    pub const INTERNAL: AnomalyKind = AnomalyKind("internal");
    /// A transaction read what it wrote only later.
    pub const FUTURE_READ: AnomalyKind = AnomalyKind("future-read");
    /// A write of a transaction that failed was overwritten by one that did not.
    pub const DIRTY_UPDATE: AnomalyKind = AnomalyKind("dirty-update");
    /// Two transactions read one version and both overwrote it.
    pub const LOST_UPDATE: AnomalyKind = AnomalyKind("lost-update");
    /// A transaction read two versions of one key that it did not write.
    pub const NON_REPEATABLE_READ: AnomalyKind = AnomalyKind("non-repeatable-read");
    /// A cycle of write dependencies (Adya: write cycles).
    pub const G0: AnomalyKind = AnomalyKind("G0");
    /// A read of a write of a transaction that failed (aborted read).
    pub const G1A: AnomalyKind = AnomalyKind("G1a");
    /// A read of a write that its transaction overwrote itself (intermediate read).
    pub const G1B: AnomalyKind = AnomalyKind("G1b");
    /// A cycle of write and read dependencies (circular information flow).
    pub const G1C: AnomalyKind = AnomalyKind("G1c");
    /// A cycle with exactly one anti-dependency (read skew).
    pub const G_SINGLE: AnomalyKind = AnomalyKind("G-single");
    /// A cycle with several anti-dependencies, none next to another.
    pub const G_NONADJACENT: AnomalyKind = AnomalyKind("G-nonadjacent");
    /// A cycle with two anti-dependencies next to each other (write skew).
    pub const G2_ITEM: AnomalyKind = AnomalyKind("G2-item");
    /// The same where one of the anti-dependencies is by a predicate: somebody read by it before
    /// another wrote what it matches (phantom).
    pub const G2: AnomalyKind = AnomalyKind("G2");
    /// As G-nonadjacent, where one of the anti-dependencies is by a predicate.
    pub const G_NONADJACENT_PREDICATE: AnomalyKind = AnomalyKind("G-nonadjacent-predicate");
    /// A transaction saw one write of another and missed a second (fractured read).
    pub const FRACTURED_READ: AnomalyKind = AnomalyKind("fractured-read");
    /// As a fractured read, of a key read after the first write was seen.
    pub const NON_MONOTONIC_VIEW: AnomalyKind = AnomalyKind("non-monotonic-view");
    /// No one order has every snapshot as a prefix.
    pub const NON_PREFIX: AnomalyKind = AnomalyKind("non-prefix");

    /// Sessions and reads are a circle (Bouajjani et al., POPL 2017: CyclicCO).
    pub const CYCLIC_CO: AnomalyKind = AnomalyKind("CyclicCO");
    /// The initial version was read after a write of the key had happened (WriteCOInitRead).
    pub const WRITE_CO_INIT_READ: AnomalyKind = AnomalyKind("WriteCOInitRead");
    /// A version was read after one that happened later had happened (WriteCORead).
    pub const WRITE_CO_READ: AnomalyKind = AnomalyKind("WriteCORead");
    /// No arbitration of writes is what every read saw (CyclicCF).
    pub const CYCLIC_CF: AnomalyKind = AnomalyKind("CyclicCF");

    /// What a session read leaves no order of what it had seen (CyclicHB).
    pub const CYCLIC_HB: AnomalyKind = AnomalyKind("CyclicHB");
    /// The initial version was read though every order of what was seen has a write of the key
    /// before that (WriteHBInitRead).
    pub const WRITE_HB_INIT_READ: AnomalyKind = AnomalyKind("WriteHBInitRead");
    /// A session did not see its own write.
    pub const READ_YOUR_WRITES: AnomalyKind = AnomalyKind("read-your-writes-violation");
    /// A session went back behind what it had read.
    pub const MONOTONIC_READS: AnomalyKind = AnomalyKind("monotonic-reads-violation");
    /// Writes of a session were seen in another order.
    pub const MONOTONIC_WRITES: AnomalyKind = AnomalyKind("monotonic-writes-violation");
    /// A write was seen without what its session had read before.
    pub const WRITES_FOLLOW_READS: AnomalyKind = AnomalyKind("writes-follow-reads-violation");
    /// Sessions do not see each other's writes in their order, or their own.
    pub const PRAM: AnomalyKind = AnomalyKind("pram-violation");

    /// A read of all accounts of a bank lacks one, or found no number in it.
    pub const MISSING_ACCOUNT: AnomalyKind = AnomalyKind("missing-account");
    /// A balance below zero where none may be.
    pub const NEGATIVE_BALANCE: AnomalyKind = AnomalyKind("negative-balance");
    /// Accounts hold more or less together than they can.
    pub const WRONG_TOTAL: AnomalyKind = AnomalyKind("wrong-total");
    /// No transfers that may be in a read come to the balances it found.
    pub const UNEXPLAINED_BALANCES: AnomalyKind = AnomalyKind("unexplained-balances");

    /// The same over the order of sessions.
    pub(crate) const fn process(self) -> AnomalyKind {
        self.among(&FORMS_PROCESS)
    }

    /// The same in real time.
    pub(crate) const fn realtime(self) -> AnomalyKind {
        self.among(&FORMS_REALTIME)
    }

    const fn among(self, forms: &[(&'static str, &'static str)]) -> AnomalyKind {
        let mut at = 0;
        while at < forms.len() {
            if same(forms[at].0, self.0) {
                return AnomalyKind(forms[at].1);
            }
            at += 1;
        }
        panic!("a kind without such a form")
    }
}

const FORMS_PROCESS: [(&str, &str); 10] = [
    ("G0", "G0-process"),
    ("G1c", "G1c-process"),
    ("G-single", "G-single-process"),
    ("G-nonadjacent", "G-nonadjacent-process"),
    ("G-nonadjacent-predicate", "G-nonadjacent-predicate-process"),
    ("G2-item", "G2-item-process"),
    ("G2", "G2-process"),
    ("fractured-read", "fractured-read-process"),
    ("non-prefix", "non-prefix-process"),
    ("non-monotonic-view", "non-monotonic-view-process"),
];

const FORMS_REALTIME: [(&str, &str); 7] = [
    ("G0", "G0-realtime"),
    ("G1c", "G1c-realtime"),
    ("G-single", "G-single-realtime"),
    ("G-nonadjacent", "G-nonadjacent-realtime"),
    ("G-nonadjacent-predicate", "G-nonadjacent-predicate-realtime"),
    ("G2-item", "G2-item-realtime"),
    ("G2", "G2-realtime"),
];

/// Equality of texts at compile time.
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    /// What kind.
    pub kind: AnomalyKind,
    /// The key or object it concerns, as shown to people; `None` for the whole history.
    pub subject: Option<String>,
    /// One sentence that names processes, values and the contradiction.
    pub summary: String,
    /// The proof.
    pub evidence: Evidence,
    /// Whether dropping any operation of the evidence makes it no proof.
    pub minimal: bool,
}

/// Why a separate verifier has not decided again what a search had found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Unconfirmed {
    /// Time was up.
    Time,
    /// It may hold a part of the limit of memory, and needs more.
    Memory,
    /// The same, and more is not likely to do: it has no shortcuts.
    TooWide,
}

/// A proof, by event and operation numbers of the judged history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// These events, each with what it contributes.
    Events(Vec<Step>),
    /// A set of operations no order of which is legal, and where every order dies.
    Counterexample {
        /// The sub-history that is already not linearizable, by invocation.
        operations: Vec<OpIndex>,
        /// The completion no order survives.
        failed: EventId,
        /// The longest legal order found, as far as it goes.
        prefix: Vec<OpIndex>,
        /// What the object held along the end of `prefix`, as the model prints it and cut at
        /// 1 KiB: the last is after its last operation, and there is one more than operations they
        /// stand around, at most 257. Empty where nobody replayed it.
        prefix_states: Vec<String>,
        /// States possible just before the failed operation, and why each refuses it.
        states: Vec<StateBefore>,
        /// Whether there may be others, which refuse it, too: states that do the same from there
        /// on are one to a search.
        states_open: bool,
        /// Where no order of what the operations say of these elements alone is legal, and so none
        /// of the whole: these, in words. `prefix` and `states` then are of what is said of them.
        about: Option<String>,
        /// Why a separate verifier has not decided the operations again. `None` where it has found,
        /// as the search had, that they have no legal order.
        unconfirmed: Option<Unconfirmed>,
    },
    /// Transactions each of which comes before the next, and the last before the first.
    Cycle(Vec<Dependency>),
}

/// Why one transaction comes before another. `None` stands for the initial state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dependency {
    /// The earlier.
    pub from: Option<OpIndex>,
    /// The later.
    pub to: Option<OpIndex>,
    /// What orders them.
    pub kind: DependencyKind,
    /// The micro-operation of the earlier that shows it, by its place in the transaction.
    pub from_mop: Option<usize>,
    /// That of the later.
    pub to_mop: Option<usize>,
    /// Operations beside these two that show it, without repetition.
    pub witnesses: Vec<OpIndex>,
    /// All that in words.
    pub because: String,
}

impl Dependency {
    /// The event a reader is pointed to: where the earlier transaction ended, or the later if the
    /// earlier is the initial state.
    pub fn event(&self, history: &History) -> Option<EventId> {
        let operation = self.from.or(self.to).map(|op| history.operation(op))?;
        Some(operation.ret().unwrap_or(operation.call()))
    }
}

/// What orders two transactions (Adya 1999, section 3.1; Elle's names).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DependencyKind {
    /// The later overwrote, or appended after, what the earlier wrote.
    Ww,
    /// The later read what the earlier wrote.
    Wr,
    /// The earlier did not read what the later wrote (anti-dependency).
    Rw,
    /// The order of a session.
    Process,
    /// The earlier had ended when the later began.
    Realtime,
    /// The initial state is before everything.
    Initial,
    /// It follows from other steps.
    Derived,
}

impl DependencyKind {
    /// The word used in every format.
    pub fn name(self) -> &'static str {
        match self {
            DependencyKind::Ww => "ww",
            DependencyKind::Wr => "wr",
            DependencyKind::Rw => "rw",
            DependencyKind::Process => "process",
            DependencyKind::Realtime => "realtime",
            DependencyKind::Initial => "initial",
            DependencyKind::Derived => "derived",
        }
    }
}

/// One step of a proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The event.
    pub event: EventId,
    /// What it contributes, in words.
    pub because: String,
}

/// A state that could have held just before the failed operation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StateBefore {
    /// The state, as the model prints it.
    pub state: String,
    /// Why the failed operation is illegal there, in the model's own words.
    pub because: String,
}
