//! From one partition to a decision with its proof.

use std::borrow::Cow;

use tribunal_history::{Code, OpIndex, Value};

use super::chains::Chains;
use super::clusters::Clusters;
use super::evidence::{Known, Refuted, close};
use super::missed;
use super::order::order;
use super::relabel::relabel;
use super::rows::{Reader, Row, Survey, Values, survey};
use super::traps::Planted;
use crate::Spent;
use crate::linearizable::{Allowance, Decided, Fast, Partition, Proof, fast};

/// Operations looked at before anything is counted.
const PEEKED: usize = 64;

/// Repetitions among them with which telling values apart is hopeless.
const PEEKED_REPEATED: u32 = 16;

/// Which operations the register has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linearizable) enum RegisterKind {
    /// Read and write.
    Plain,
    /// These and compare-and-set.
    Cas,
}

/// Why a pass ended early.
pub(super) type Stop = fast::Stop<Refuted>;

/// What is held and what may be.
pub(super) struct Account<'a> {
    allowance: Allowance<'a>,
    held: u64,
    peak: u64,
}

impl Account<'_> {
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Spent> {
        self.held += bytes;
        self.peak = self.peak.max(self.held);
        self.poll()
    }

    pub(super) fn give(&mut self, bytes: u64) {
        self.held -= bytes;
    }

    /// A pass came by so many operations.
    pub(super) fn passed(&self, operations: usize) {
        self.allowance.passed(operations);
    }

    /// Whether the caller's time is up.
    pub(super) fn poll(&self) -> Result<(), Spent> {
        self.allowance.allows(self.held)
    }
}

/// Decides a register that holds `initial` at first. O(operations) where ranks and codes are
/// dense; at most 40 bytes per operation.
pub(in crate::linearizable) fn decide(
    partition: &Partition<'_>,
    allowance: Allowance<'_>,
    initial: &Value,
    kind: RegisterKind,
) -> Fast {
    decide_with(partition, allowance, initial, kind, Planted::default())
}

/// The same, with a mistake planted by a test.
pub(in crate::linearizable) fn decide_with(
    partition: &Partition<'_>,
    allowance: Allowance<'_>,
    initial: &Value,
    kind: RegisterKind,
    planted: Planted,
) -> Fast {
    let reader = Reader::new(partition, initial, kind == RegisterKind::Cas);
    if repeats_at_once(&reader) {
        return Fast::HandOver("values are written again and again");
    }
    let Some(survey) = survey(&reader) else {
        return Fast::HandOver("an operation that registers do not have");
    };
    let mut account = Account { allowance, held: 0, peak: 0 };
    let proof = match Case::prove(&reader, &survey, &mut account, planted) {
        Ok(proof) => proof,
        Err(Stop::HandOver(why)) => return Fast::HandOver(why),
        Err(Stop::Spent(spent)) => {
            let operations = partition.operations.len();
            return Fast::Spent(spent, format!("zones of {operations} operations were not done"));
        }
        Err(Stop::Refuted(_)) => unreachable!("a refutation is a proof by now"),
    };
    Fast::Decided(Decided {
        engine: "zones",
        completed: survey.completed,
        crashed: survey.crashed,
        peak_bytes: account.peak,
        proof,
    })
}

/// Whether the first operations write few values. Small registers are not worth a look.
fn repeats_at_once(reader: &Reader<'_>) -> bool {
    let (mut seen, mut repeated) = (0_u128, 0);
    for index in reader.partition.operations.iter().take(PEEKED) {
        let (Row::Write { value, .. } | Row::Cas { to: value, .. }) = reader.at(*index) else {
            continue;
        };
        let bit = 1_u128.checked_shl(value.0).unwrap_or(0);
        repeated += u32::from(seen & bit != 0);
        seen |= bit;
    }
    repeated > PEEKED_REPEATED
}

/// A partition with what was found out about it.
struct Case<'c> {
    reader: &'c Reader<'c>,
    survey: &'c Survey,
    operations: Cow<'c, [OpIndex]>,
    values: Values,
    clusters: Clusters,
    chains: Chains,
    repeated: Vec<Code>,
}

impl<'c> Case<'c> {
    fn prove(
        reader: &'c Reader<'c>,
        survey: &'c Survey,
        account: &mut Account<'_>,
        planted: Planted,
    ) -> Result<Proof, Stop> {
        let mut operations = Cow::Borrowed(reader.partition.operations);
        if !survey.sorted {
            account.take(4 * operations.len() as u64)?;
            operations.to_mut().sort_unstable_by_key(|index| reader.call(index.0));
        }
        let mut case = Case {
            reader,
            survey,
            operations,
            values: Values::new(survey),
            clusters: Clusters { of: Vec::new(), cas: Vec::new(), repeated: Vec::new() },
            chains: Chains::default(),
            repeated: Vec::new(),
        };
        match case.order(account, planted) {
            Ok(order) => Ok(Proof::Order(order)),
            Err(Stop::Refuted(refuted)) => case.contradiction(refuted).map(Proof::Contradiction),
            Err(stop) => Err(stop),
        }
    }

    fn order(&mut self, account: &mut Account<'_>, planted: Planted) -> Result<Vec<OpIndex>, Stop> {
        let (reader, operations) = (self.reader, &self.operations);
        let all = (&operations[..], self.survey.writers);
        account.take(self.values.bytes())?;
        self.clusters = Clusters::gather(reader, all, &mut self.values, account, planted)?;
        if !self.clusters.repeated.is_empty() {
            account.give(self.clusters.bytes());
            self.repeated = std::mem::take(&mut self.clusters.repeated);
            self.repeated.sort_unstable();
            self.repeated.dedup();
            let values = std::mem::replace(&mut self.values, Values::new(self.survey));
            self.values = relabel(reader, operations, values, &self.repeated, planted)?;
            account.take(self.values.bytes())?;
            self.clusters = Clusters::gather(reader, all, &mut self.values, account, planted)?;
        }
        self.chains = Chains::new(&self.clusters, account, planted)?;
        self.chains.decide(reader, &self.clusters, planted)?;
        let mut missed = Cow::Borrowed(&self.survey.missed);
        if !self.survey.sorted {
            missed.to_mut().sort_unstable_by_key(|op| reader.call(*op));
        }
        let parts = (&self.values, &self.clusters, &self.chains);
        missed::refute(reader, &missed, &self.repeated, parts, planted)?;
        let parts = (&self.values, &mut self.clusters, &self.chains);
        let order = order(reader, operations, self.survey, parts, account, planted)?;
        if missed.is_empty() || planted.has(super::traps::Trap::MissedDropped) {
            return Ok(order);
        }
        account.take(12 * order.len() as u64 + 24 * missed.len() as u64)?;
        missed::place(reader, &missed, order)
    }

    fn contradiction(&self, refuted: Refuted) -> Result<Vec<OpIndex>, Stop> {
        let known = Known {
            reader: self.reader,
            operations: &self.operations,
            values: &self.values,
            clusters: &self.clusters,
            chains: &self.chains,
            repeated: &self.repeated,
        };
        close(&known, refuted).ok_or(Stop::HandOver("a contradiction of too many operations"))
    }
}
