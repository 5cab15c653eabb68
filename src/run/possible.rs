//! Whether what is planned can happen at all on these nodes, asked before anything is started.

use std::collections::BTreeSet;

use tribunal_nemesis::registry as faults;
use tribunal_nemesis::schedule::Planned;

use super::Request;
use super::setup::Stage;
use crate::exit_code::Trouble;

/// The mechanism of cuts whose times are fine enough for every shape.
const NFT: &str = "nft";

impl Stage {
    /// Every planned fault is possible on every node, or nothing is started.
    pub(super) async fn possible(&self, request: &Request) -> Result<(), Trouble> {
        let unfit = self.target.capabilities().unfit;
        let probed = self.cluster.probe(self.deadlines.preflight).await;
        let planned = self.schedule.iter().filter(|planned| planned.refused.is_none());
        let kinds: BTreeSet<&str> = planned.map(|it| it.injection.kind.as_str()).collect();
        for kind in kinds {
            let Some(fault) = faults::find(kind) else { continue };
            if let Some(reason) = unfit.get(fault.requires()) {
                let target = self.target.name();
                return Err(Trouble::usage(format!("fault {kind} on {target}: {reason}")));
            }
            for (node, families) in &probed {
                let families = families.as_ref().map_err(Trouble::infra)?;
                let family = families.iter().find(|probed| probed.family == fault.requires());
                let coarse = || {
                    let by = &family.filter(|_| self.flaps(kind))?.mechanism;
                    let why =
                        format!("{by} is too coarse for flapping, which needs nftables there");
                    (by != NFT).then_some(why)
                };
                let reason = family.and_then(|probed| probed.unavailable.clone()).or_else(coarse);
                if let Some(reason) = reason {
                    let words = format!(
                        "fault {kind} is not available on {node}: {reason}; leave it out with \
                         --nemesis, or choose nodes that have it"
                    );
                    // Plain processes never can; other nodes lack a tool.
                    let never = request.experiment.nodes.starts_with("processes:");
                    return Err(if never { Trouble::usage(words) } else { Trouble::infra(words) });
                }
            }
        }
        Ok(())
    }

    /// Whether a cut that comes and goes is planned.
    fn flaps(&self, kind: &str) -> bool {
        let it = |planned: &Planned| planned.refused.is_none() && planned.injection.kind == kind;
        self.schedule.iter().any(|planned| it(planned) && planned.injection.flap.is_some())
    }
}
