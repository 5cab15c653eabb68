//! Readiness: a write acknowledged through each node.

use std::time::{Duration, Instant};

use tribunal_harness::node::NodeInfo;
use tribunal_harness::target::{Target, TargetError};
use tribunal_history::{Op, RegisterOp, Value};

/// Key of the writes that prove readiness; no workload uses it.
const KEY: &str = "tribunal-ready";

/// Patience with the whole cluster.
const PATIENCE: Duration = Duration::from_secs(60);

/// Patience with one attempt.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Writes through every node, each until it is acknowledged.
pub(crate) async fn write_through_each(
    target: &dyn Target,
    all: &[NodeInfo],
) -> Result<(), TargetError> {
    let start = Instant::now();
    for node in all {
        loop {
            let problem = match tokio::time::timeout(ATTEMPT, write(target, node)).await {
                Ok(Ok(())) => break,
                Ok(Err(problem)) => problem,
                Err(_) => format!("no answer within {ATTEMPT:?}"),
            };
            if start.elapsed() > PATIENCE {
                return Err(TargetError::Step {
                    target: target.name().into(),
                    step: "wait for".into(),
                    node: node.name.clone(),
                    problem: format!(
                        "no write acknowledged in {PATIENCE:?}: {problem}; see its log"
                    ),
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

async fn write(target: &dyn Target, node: &NodeInfo) -> Result<(), String> {
    let mut client = target.connect(node).await.map_err(|error| error.to_string())?;
    let value = Value::Int(i64::from(node.id.0));
    let op = Op::Register(RegisterOp::Write { key: Value::text(KEY), value });
    let outcome = client.invoke(&op).await;
    client.close().await;
    outcome.map(drop).map_err(|error| error.to_string())
}
