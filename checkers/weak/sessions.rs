//! What is promised to sessions, judged: each guarantee where no stronger level is shown.

use super::causal::{self, Found, Stale, View};
use super::guarantees;
use super::judge::{FORCED, Judge, Judged, NO_ORDER};
use super::order::Forced;
use super::rule::Rule;
use super::witness::Circles;
use crate::txn::edges::Kind;
use crate::{AnomalyKind, CheckError, Consistency, Spent};

/// Stronger ones first.
const GUARANTEES: [(Rule, Consistency, AnomalyKind); 5] = [
    (Rule::Pram, Consistency::Pram, AnomalyKind::PRAM),
    (Rule::WritesFollowReads, Consistency::WritesFollowReads, AnomalyKind::WRITES_FOLLOW_READS),
    (Rule::MonotonicWrites, Consistency::MonotonicWrites, AnomalyKind::MONOTONIC_WRITES),
    (Rule::ReadYourWrites, Consistency::ReadYourWrites, AnomalyKind::READ_YOUR_WRITES),
    (Rule::MonotonicReads, Consistency::MonotonicReads, AnomalyKind::MONOTONIC_READS),
];

impl Judge<'_, '_> {
    /// What is promised to sessions.
    pub(super) fn guarantees(&self, judged: &mut Judged) -> Result<(), CheckError> {
        if self.found.is_some() {
            let open = GUARANTEES.iter().map(|(_, level, _)| (*level, NO_ORDER.into()));
            judged.open.extend(open);
            return Ok(());
        }
        for (rule, level, kind) in GUARANTEES {
            if judged.held.iter().any(|held| held.implies(level)) {
                continue;
            }
            let forced = match self.promised(rule) {
                Ok(Some(found)) if !found.stale.is_empty() => {
                    let circles = Circles::new(self.registers, &Forced::default(), true);
                    let Stale { writer, reader, key } = found.stale[0];
                    let circle = circles.stale(writer, reader, key, rule);
                    let circle = self.verified(circle, rule, true, judged)?;
                    judged.anomalies.push(self.anomaly(kind, &circle));
                    continue;
                }
                Ok(found) => {
                    let pairs = found.map_or(Vec::new(), |found| found.pairs);
                    Forced::new(self.registers.len(), pairs)
                }
                Err(spent) => {
                    judged.spent = Some(spent);
                    continue;
                }
            };
            judged.cost.configurations += forced.pairs().count() as u64;
            let kinds = rule.base(true).and(FORCED);
            let follows = rule == Rule::WritesFollowReads;
            let circles = match follows {
                true => Circles::split(self.registers, &forced),
                false => Circles::new(self.registers, &forced, true),
            };
            if circles.acyclic(kinds) {
                judged.held.push(level);
                continue;
            }
            let circle = match follows {
                true => circles.with_split(kinds),
                false => circles.with(Kind::Ww, kinds, rule.base(true)),
            };
            let anomaly = self.circle(kind, &circles, circle, rule, true, judged)?;
            judged.anomalies.push(anomaly);
        }
        Ok(())
    }

    /// What a guarantee forces; nothing is needed where sessions and reads are a circle, which
    /// breaks writes follow reads by itself.
    fn promised(&self, rule: Rule) -> Result<Option<Found>, Spent> {
        let (registers, planted, budget) = (self.registers, self.reading.planted, self.budget);
        let all: Vec<u32> = (0..registers.len()).collect();
        let view = |view| causal::forced(registers, &all, view, planted, budget).map(Some);
        match rule {
            Rule::Pram => view(View::Session),
            Rule::MonotonicWrites => view(View::Reads),
            Rule::ReadYourWrites => {
                guarantees::read_your_writes(registers, planted, budget).map(Some)
            }
            Rule::MonotonicReads => {
                guarantees::monotonic_reads(registers, planted, budget).map(Some)
            }
            Rule::WritesFollowReads => match guarantees::past(registers) {
                Some(past) => {
                    guarantees::writes_follow_reads(registers, &past, planted, budget).map(Some)
                }
                None => Ok(None),
            },
            Rule::Monotonic | Rule::Atomic | Rule::Causal | Rule::Memory => Ok(None),
        }
    }
}
