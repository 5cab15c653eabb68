//! From partitions to one report, in key order.

use std::collections::BTreeMap;

use super::decide::{Judged, Seen};
use super::partition::Component;
use super::{Options, Which};
use crate::{CheckError, Cost, Coverage, Fact, Linearization, ReasonClass, Report};

pub(super) fn merge(
    components: &[Component],
    judged: Vec<(Judged, Seen)>,
    options: Options,
) -> Result<Report, CheckError> {
    let mut cost = Cost::default();
    let (mut anomalies, mut unknown) = (Vec::new(), Vec::new());
    let mut engines: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut orders = Vec::new();
    let mut decided = 0;
    let mut seen = Seen::default();
    for (component, (judged, facts)) in components.iter().zip(judged) {
        if options.which == Which::First && !anomalies.is_empty() {
            break;
        }
        seen.answered += facts.answered;
        seen.completed += facts.completed;
        seen.crashed += facts.crashed;
        let (took, verified) = match judged {
            Judged::Skipped => continue,
            Judged::Valid { took, verified, order } => {
                if options.orders {
                    orders.push(Linearization { subject: component.key.to_string(), order });
                }
                (took, verified)
            }
            Judged::Invalid { took, anomaly, verified } => {
                anomalies.push(*anomaly);
                (took, verified)
            }
            Judged::Unknown { took, spent, reason, crashed } => {
                cost.configurations += took.configurations;
                cost.peak_bytes = cost.peak_bytes.max(took.peak_bytes);
                cost.spent.get_or_insert(spent);
                unknown.push((reason, crashed));
                continue;
            }
        };
        decided += 1;
        cost.configurations += took.configurations;
        cost.peak_bytes = cost.peak_bytes.max(took.peak_bytes);
        cost.certificates_verified += u64::from(verified);
        *engines.entry(took.engine).or_default() += 1;
    }
    cost.engines = engines.into_iter().collect();
    let fact = |name, required, seen| Fact { name, required, seen };
    let coverage = Coverage {
        facts: vec![
            // A comparison that missed is an answer too, though it ended `fail`.
            fact("operation-completed", 0, seen.answered.max(seen.completed)),
            fact("operation-crashed", 0, seen.crashed),
            fact("key", 0, components.len() as u64),
        ],
    };
    if !anomalies.is_empty() {
        return Ok(Report { linearizations: orders, ..Report::invalid(anomalies, coverage, cost) });
    }
    if let Some((first, crashed)) = unknown.first() {
        cost.too_many_crashed = *crashed;
        let keys = components.len();
        let reason = format!("{first}; {decided} of {keys} keys decided");
        return Ok(Report::unknown(ReasonClass::Undecided, reason, coverage, cost));
    }
    if components.is_empty() {
        let class = ReasonClass::NotExercised;
        return Ok(Report::unknown(class, "no operations", coverage, cost));
    }
    Ok(Report { linearizations: orders, ..Report::valid(coverage, cost) })
}
