//! The client of etcd: its JSON gateway, and which of its errors mean "not applied".

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value as Json, json};
use tribunal_harness::client::{Client, ClientError};
use tribunal_history::{ErrorClass, NodeId, Op, RegisterOp};

use crate::transaction::{self, Found, Looked, Seen, Span, Store, Stored};
use crate::{http, register};

/// Where the gateway may be, newest first: 3.4 and later, then 3.3.
const PREFIXES: [&str; 2] = ["/v3", "/v3beta"];

/// Patience with one node's status.
const STATUS: Duration = Duration::from_secs(2);

/// gRPC's InvalidArgument: the request was looked at and refused before it was proposed. Every
/// other code is unknown: etcd says Unavailable for "no leader" and "leader changed" alike, and
/// the second may come after the proposal.
const INVALID_ARGUMENT: i64 = 3;

/// A way to one node.
pub(super) struct Gateway {
    http: reqwest::Client,
    base: String,
}

impl Gateway {
    /// Finds the gateway's prefix, unless some node has told it already.
    pub(super) async fn open(
        url: &str,
        prefix: &Arc<OnceLock<&'static str>>,
    ) -> Result<Gateway, ClientError> {
        let http = http::client()?;
        if let Some(prefix) = prefix.get() {
            return Ok(Gateway { http, base: format!("{url}{prefix}") });
        }
        for candidate in PREFIXES {
            let base = format!("{url}{candidate}");
            let probe = http.post(format!("{base}/maintenance/status")).json(&json!({}));
            let (status, _) = http::send(probe).await?;
            if status != StatusCode::NOT_FOUND {
                prefix.get_or_init(|| candidate);
                return Ok(Gateway { http, base });
            }
        }
        let tried = PREFIXES.join(" and ");
        Err(ClientError::definite(ErrorClass::NO_CLIENT, format!("{url}: no gateway at {tried}")))
    }

    async fn call(&self, path: &str, body: Json) -> Result<(Json, Vec<u8>), ClientError> {
        let request = self.http.post(format!("{}/{path}", self.base)).json(&body);
        let (status, raw) = http::send(request).await?;
        let reply = http::json(&raw)?;
        match status {
            StatusCode::OK if reply["header"].is_object() => Ok((reply, raw)),
            StatusCode::OK => Err(http::unparseable(&raw, "a reply without a header")),
            _ => Err(refusal(status, &reply)),
        }
    }
}

fn refusal(status: StatusCode, reply: &Json) -> ClientError {
    let message = reply["error"].as_str().or(reply["message"].as_str()).unwrap_or_default();
    let detail = format!("{status}: {reply}");
    if reply["code"].as_i64() == Some(INVALID_ARGUMENT) {
        return ClientError::definite(ErrorClass::new("invalid"), detail);
    }
    let words = [
        ("leader changed", "leader-changed"),
        ("no leader", "no-leader"),
        ("timed out", "timeout"),
        ("deadline", "timeout"),
        ("too many requests", "overloaded"),
        ("no space", "no-space"),
    ];
    let word = words.iter().find(|(part, _)| message.contains(part));
    ClientError::indefinite(ErrorClass::new(word.map_or("server", |(_, word)| word)), detail)
}

/// A client of one process, pinned to one node.
pub(super) struct EtcdClient {
    pub(super) gateway: Gateway,
    pub(super) serializable: bool,
}

fn encode(text: impl ToString) -> String {
    STANDARD.encode(text.to_string())
}

#[async_trait]
impl Client for EtcdClient {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        if let Op::Txn(txn) = op {
            return transaction::run(self, txn).await;
        }
        match register::register(op)? {
            RegisterOp::Append { .. } => {
                Err(register::unsupported("this target appends to no value"))
            }
            RegisterOp::Read { key, .. } => {
                let body = json!({
                    "key": encode(register::key(key)?),
                    "serializable": self.serializable,
                });
                let (reply, raw) = self.gateway.call("kv/range", body).await?;
                let Some(pair) = reply["kvs"].get(0) else {
                    return Ok(register::read(key, None));
                };
                // A value is what the database says the key holds, whether or not it makes sense.
                let Some(value) = bytes(&pair["value"]) else {
                    return Err(http::unparseable(&raw, "the value is no base64"));
                };
                Ok(match integer(&value) {
                    Some(int) => register::read(key, Some(int)),
                    None => register::read_unparsed(key, &value),
                })
            }
            RegisterOp::Write { key, value } => {
                let (key, value) = (register::key(key)?, register::int(value)?);
                let body = json!({"key": encode(key), "value": encode(value)});
                self.gateway.call("kv/put", body).await.map(|_| op.clone())
            }
            RegisterOp::Cas { key, from, to } => {
                let (key, to) = (encode(register::key(key)?), register::int(to)?);
                // VALUE compares equal to "" where there is no key, so absence is VERSION 0.
                let compare = match register::expected(from)? {
                    Some(from) => json!({"key": key, "target": "VALUE", "result": "EQUAL",
                                         "value": encode(from)}),
                    None => json!({"key": key, "target": "VERSION", "result": "EQUAL",
                                   "version": "0"}),
                };
                let put = json!({"requestPut": {"key": key, "value": encode(to)}});
                let body = json!({"compare": [compare], "success": [put]});
                let (reply, raw) = self.gateway.call("kv/txn", body).await?;
                match succeeded(&reply, &raw)? {
                    true => Ok(op.clone()),
                    false => Err(register::mismatch()),
                }
            }
        }
    }
}

#[async_trait]
impl Store for EtcdClient {
    async fn read(&mut self, keys: &[String], spans: &[Span]) -> Result<Looked, ClientError> {
        let serializable = self.serializable;
        let one = keys.iter().map(|key| json!({"key": encode(key), "serializable": serializable}));
        let many = spans.iter().map(|(from, to)| {
            json!({"key": encode(from), "range_end": encode(to), "serializable": serializable})
        });
        let ranges = one.chain(many).map(|range| json!({"requestRange": range}));
        let ranges: Vec<Json> = ranges.collect();
        let (reply, raw) = self.gateway.call("kv/txn", json!({"success": ranges})).await?;
        let replies = reply["responses"].as_array().filter(|replies| replies.len() == ranges.len());
        let looked = replies.and_then(|replies| {
            let mut all = replies.iter().map(found).collect::<Option<Vec<_>>>()?;
            let spans = all.split_off(keys.len());
            let none = || Found { value: None, revision: 0 };
            let first = |pairs: Vec<(String, Found)>| pairs.into_iter().next();
            let first = |pairs| first(pairs).map_or_else(none, |(_, found)| found);
            Some(Looked { keys: all.into_iter().map(first).collect(), spans })
        });
        looked.ok_or_else(|| http::unparseable(&raw, "not one response for each range"))
    }

    async fn write(&mut self, seen: &Seen, puts: &[(String, Stored)]) -> Result<(), ClientError> {
        // Of a key that is not there, MOD compares as 0.
        let same = seen.keys.iter().map(|(key, revision)| {
            json!({"key": encode(key), "target": "MOD", "result": "EQUAL",
                   "mod_revision": revision.to_string()})
        });
        // Holds of every key that there is within, so also where there is none.
        let unchanged = seen.spans.iter().map(|((from, to), latest)| {
            json!({"key": encode(from), "range_end": encode(to), "target": "MOD", "result": "LESS",
                   "mod_revision": (latest + 1).to_string()})
        });
        let put = |(key, value): &(String, Stored)| json!({"requestPut": {"key": encode(key), "value": STANDARD.encode(value.text())}});
        let compare: Vec<Json> = same.chain(unchanged).collect();
        let puts: Vec<Json> = puts.iter().map(put).collect();
        let body = json!({"compare": compare, "success": puts});
        let (reply, raw) = self.gateway.call("kv/txn", body).await?;
        match succeeded(&reply, &raw)? {
            true => Ok(()),
            false => Err(transaction::conflict()),
        }
    }
}

/// One range of a transaction's reply, by key; none if it is no such thing.
fn found(response: &Json) -> Option<Vec<(String, Found)>> {
    let range = response.get("response_range").or(response.get("responseRange"))?;
    let pair = |pair: &Json| {
        let revision = pair["mod_revision"].as_str()?.parse().ok()?;
        let key = String::from_utf8_lossy(&bytes(&pair["key"])?).into_owned();
        let value = Some(Stored::parse(&bytes(&pair["value"])?));
        Some((key, Found { value, revision }))
    };
    range["kvs"].as_array().map_or(Some(Vec::new()), |pairs| pairs.iter().map(pair).collect())
}

/// The gateway leaves out what is false.
fn succeeded(reply: &Json, raw: &[u8]) -> Result<bool, ClientError> {
    match reply.get("succeeded") {
        Some(Json::Bool(succeeded)) => Ok(*succeeded),
        None => Ok(false),
        Some(_) => Err(http::unparseable(raw, "succeeded is no boolean")),
    }
}

/// The gateway leaves out what is empty.
fn bytes(value: &Json) -> Option<Vec<u8>> {
    match value {
        Json::Null => Some(Vec::new()),
        value => STANDARD.decode(value.as_str()?).ok(),
    }
}

fn integer(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Who leads: members that name themselves, in the highest term.
pub(super) async fn primaries(
    nodes: Vec<(NodeId, String)>,
    prefix: &Arc<OnceLock<&'static str>>,
) -> Vec<NodeId> {
    let mut asked = Vec::new();
    for (node, url) in nodes {
        let prefix = prefix.clone();
        let claim = async move { tokio::time::timeout(STATUS, claim(&url, &prefix)).await };
        asked.push((node, tokio::spawn(claim)));
    }
    let mut claims = Vec::new();
    for (node, task) in asked {
        if let Ok(Ok(Some(term))) = task.await {
            claims.push((node, term));
        }
    }
    let newest = claims.iter().map(|(_, term)| *term).max();
    claims.into_iter().filter(|(_, term)| Some(*term) == newest).map(|(node, _)| node).collect()
}

async fn claim(url: &str, prefix: &Arc<OnceLock<&'static str>>) -> Option<u64> {
    let gateway = Gateway::open(url, prefix).await.ok()?;
    let (reply, _) = gateway.call("maintenance/status", json!({})).await.ok()?;
    let (leader, member) = (reply["leader"].as_str()?, reply["header"]["member_id"].as_str()?);
    // Integers are strings; a status without a term is not one.
    let term = reply["raftTerm"].as_str().or(reply["header"]["raft_term"].as_str())?;
    (leader == member).then(|| term.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;
    use tribunal_harness::client::ClientError;

    use super::refusal;

    #[test]
    fn only_validation_is_definite() {
        for (message, code, definite) in [
            ("etcdserver: key is not provided", 3, true),
            ("etcdserver: no leader", 14, false),
            ("etcdserver: leader changed", 14, false),
            ("etcdserver: request timed out", 14, false),
            ("etcdserver: too many requests", 8, false),
            ("context deadline exceeded", 4, false),
        ] {
            let reply = json!({"error": message, "code": code});
            let error = refusal(StatusCode::SERVICE_UNAVAILABLE, &reply);
            assert_eq!(matches!(error, ClientError::Definite { .. }), definite, "{error}");
        }
    }
}
