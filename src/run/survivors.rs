//! After healing every daemon runs again, or something else than a fault ended it: a full disk, a
//! crash. What is missing of the history then is missing for that reason.

use tribunal_agent::protocol::DaemonState;

use super::setup::Stage;

/// Daemons that do not run, each in a sentence with the end of its log, and whether any runs.
pub(super) struct Survivors {
    pub(super) dead: Vec<String>,
    pub(super) any: bool,
}

impl Survivors {
    /// Asks every node.
    pub(super) fn of(stage: &Stage) -> Survivors {
        stage.control.block_on(async {
            let mut found = Survivors { dead: Vec::new(), any: false };
            for node in &stage.cluster.nodes {
                for daemon in stage.target.daemons(&node.info, &stage.infos) {
                    let (name, on) = (&daemon.spec.name, &node.info.name);
                    let what = match node.status(name).await {
                        Ok(DaemonState::Running(_)) => {
                            found.any = true;
                            continue;
                        }
                        Ok(DaemonState::Exited { code: Some(code), .. }) => match code {
                            ..0 => format!("was ended by signal {}", -code),
                            0.. => format!("ended with code {code}"),
                        },
                        Ok(DaemonState::Exited { code: None, .. } | DaemonState::Absent) => {
                            "ended".to_owned()
                        }
                        Ok(DaemonState::Paused(_)) => "is paused".to_owned(),
                        Err(error) => format!("cannot be looked at ({error})"),
                    };
                    let last = node.last_line(&daemon.spec.log).await;
                    let last = last.unwrap_or_else(|error| format!("unknown ({error})"));
                    found.dead.push(format!(
                        "{name} on {on} {what} and does not run after healing; its log ends: \
                         {last}; look there, and at the disk of that node"
                    ));
                }
            }
            found
        })
    }
}
