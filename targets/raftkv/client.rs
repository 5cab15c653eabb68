//! The client of raftkv: one POST per operation, two for a transaction that writes, and what the
//! replies mean.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tribunal_harness::client::{Client, ClientError};
use tribunal_history::{ErrorClass, NodeId, Op, RegisterOp};

use crate::transaction::{self, Found, Looked, Seen, Span, Store, Stored};
use crate::{http, register};

/// Patience with one node's status.
const STATUS: Duration = Duration::from_secs(1);

/// A client of one process, pinned to one node.
pub(super) struct RaftkvClient {
    http: reqwest::Client,
    base: String,
}

impl RaftkvClient {
    pub(super) fn new(address: &str) -> Result<RaftkvClient, ClientError> {
        Ok(RaftkvClient { http: http::client()?, base: format!("http://{address}") })
    }

    async fn post(&self, path: &str, body: Json) -> Result<(Json, Vec<u8>), ClientError> {
        let request = self.http.post(format!("{}{path}", self.base)).json(&body);
        let (status, raw) = http::send(request).await?;
        if status.is_client_error() && status != reqwest::StatusCode::CONFLICT {
            // The server's validation, before it looked at the request.
            let detail = format!("{status}: {}", String::from_utf8_lossy(&raw));
            return Err(ClientError::definite(ErrorClass::new("invalid"), detail));
        }
        let reply = http::json(&raw)?;
        match (reply["ok"].as_bool(), reply["error"].as_str(), reply["definite"].as_bool()) {
            (Some(true), _, _) => Ok((reply, raw)),
            (Some(false), Some("mismatch"), Some(true)) => Err(register::mismatch()),
            (Some(false), Some("conflict"), Some(true)) => Err(transaction::conflict()),
            (Some(false), Some(error), definite) => {
                let class = ErrorClass::new(error.to_string());
                let detail = format!("{status}: {reply}");
                // Only what the server vouches for is definite.
                Err(match definite {
                    Some(true) => ClientError::definite(class, detail),
                    Some(false) | None => ClientError::indefinite(class, detail),
                })
            }
            (Some(false) | None, _, _) => Err(http::unparseable(&raw, "no ok and no error")),
        }
    }
}

#[async_trait]
impl Client for RaftkvClient {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        if let Op::Txn(txn) = op {
            return transaction::run(self, txn).await;
        }
        match register::register(op)? {
            RegisterOp::Append { .. } => {
                Err(register::unsupported("this target appends to no value"))
            }
            RegisterOp::Read { key, .. } => {
                let body = json!({"key": register::key(key)?});
                let (reply, raw) = self.post("/kv/get", body).await?;
                // A value is what the database says the key holds, whether or not it makes sense;
                // a reply without one says nothing.
                match reply.get("value") {
                    Some(Json::Null) => Ok(register::read(key, None)),
                    Some(value) => match value.as_i64() {
                        Some(int) => Ok(register::read(key, Some(int))),
                        None => {
                            let text = value.as_str().map_or(value.to_string(), str::to_owned);
                            Ok(register::read_unparsed(key, text.as_bytes()))
                        }
                    },
                    None => Err(http::unparseable(&raw, "a read without a value")),
                }
            }
            RegisterOp::Write { key, value } => {
                let body = json!({"key": register::key(key)?, "value": register::int(value)?});
                self.post("/kv/put", body).await.map(|_| op.clone())
            }
            RegisterOp::Cas { key, from, to } => {
                let (key, from, to) =
                    (register::key(key)?, register::expected(from)?, register::int(to)?);
                let body = json!({"key": key, "from": from, "to": to});
                self.post("/kv/cas", body).await.map(|_| op.clone())
            }
        }
    }
}

#[async_trait]
impl Store for RaftkvClient {
    async fn read(&mut self, keys: &[String], spans: &[Span]) -> Result<Looked, ClientError> {
        let get = keys.iter().map(|key| json!({"get": {"key": key}}));
        let range = spans.iter().map(|span| json!({"range": range(span)}));
        let steps: Vec<Json> = get.chain(range).collect();
        let (reply, raw) = self.post("/kv/txn", json!({"steps": steps})).await?;
        let seen = reply["seen"].as_array().filter(|seen| seen.len() == steps.len());
        let looked = seen.and_then(|seen| {
            let (one, many) = seen.split_at(keys.len());
            let keys = one.iter().map(found).collect::<Option<_>>()?;
            Some(Looked { keys, spans: many.iter().map(within).collect::<Option<_>>()? })
        });
        looked.ok_or_else(|| http::unparseable(&raw, "not one value and revision for each read"))
    }

    async fn write(&mut self, seen: &Seen, puts: &[(String, Stored)]) -> Result<(), ClientError> {
        let compare = |(key, revision): &(String, u64)| json!({"key": key, "revision": revision});
        let unchanged =
            |(span, revision): &(Span, u64)| json!({"range": range(span), "revision": revision});
        let put = |(key, value): &(String, Stored)| {
            let value = match value {
                Stored::Int(int) => json!(int),
                Stored::List(list) => json!(list),
                Stored::Foreign(_) => return Err(register::unsupported("a value of nobody")),
            };
            Ok(json!({"put": {"key": key, "value": value}}))
        };
        let compare: Vec<Json> = seen.keys.iter().map(compare).collect();
        let unchanged: Vec<Json> = seen.spans.iter().map(unchanged).collect();
        let steps = puts.iter().map(put).collect::<Result<Vec<Json>, ClientError>>()?;
        let body = json!({"compare": compare, "unchanged": unchanged, "steps": steps});
        self.post("/kv/txn", body).await.map(|_| ())
    }
}

/// One register of a transaction's reply; none if it is no such thing.
fn found(seen: &Json) -> Option<Found> {
    let value = match seen.get("value")? {
        Json::Null => None,
        Json::String(text) => Some(Stored::Foreign(text.clone().into_bytes())),
        value => Some(Stored::parse(value.to_string().as_bytes())),
    };
    Some(Found { value, revision: seen["revision"].as_u64()? })
}

fn range((from, to): &Span) -> Json {
    json!({"from": from, "to": to})
}

/// The registers of a range; none if it is no such thing.
fn within(seen: &Json) -> Option<Vec<(String, Found)>> {
    let register = |register: &Json| Some((register["key"].as_str()?.to_owned(), found(register)?));
    seen["registers"].as_array()?.iter().map(register).collect()
}

/// Who says that it leads, in the highest term anybody claims.
pub(super) async fn primaries(nodes: Vec<(NodeId, String)>) -> Vec<NodeId> {
    let asked: Vec<_> = nodes
        .into_iter()
        .map(|(node, address)| tokio::spawn(async move { (node, claim(&address).await) }))
        .collect();
    let mut claims = Vec::new();
    for task in asked {
        if let Ok((node, Some(term))) = task.await {
            claims.push((node, term));
        }
    }
    let newest = claims.iter().map(|(_, term)| *term).max();
    claims.into_iter().filter(|(_, term)| Some(*term) == newest).map(|(node, _)| node).collect()
}

/// The term in which the server says that it leads; none when it does not or cannot be asked.
async fn claim(address: &str) -> Option<u64> {
    let request = http::client().ok()?.get(format!("http://{address}/status"));
    let (_, body) = tokio::time::timeout(STATUS, http::send(request)).await.ok()?.ok()?;
    let status = http::json(&body).ok()?;
    (status["role"] == "leader").then(|| status["term"].as_u64()).flatten()
}
