//! The clients' HTTP/JSON API. `README.md` has the table of replies.

use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::driver::{Mail, Shared};
use crate::engine::{Reply, Request};
use crate::kv::{Command, Held, Seen, Txn, Value as Content};

/// How long a request may wait for the cluster. Clients have deadlines of their own.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most conditions, and most steps, of a transaction.
const TXN_LIMIT: usize = 128;

type Answer = (StatusCode, Json<Value>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    key: String,
    value: Content,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cas {
    key: String,
    from: Option<Content>,
    to: Content,
}

/// All routes.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/kv/get", post(read))
        .route("/kv/put", post(write))
        .route("/kv/cas", post(compare))
        .route("/kv/txn", post(transact))
        .route("/status", get(status))
        .layer(DefaultBodyLimit::max(1 << 20))
        .with_state(shared)
}

async fn read(State(shared): State<Arc<Shared>>, Json(Get { key }): Json<Get>) -> Answer {
    ask(&shared, Request::Get { key }).await
}

async fn write(State(shared): State<Arc<Shared>>, Json(put): Json<Put>) -> Answer {
    let Put { key, value } = put;
    ask(&shared, Request::Change(Command::Put { key, value })).await
}

async fn compare(State(shared): State<Arc<Shared>>, Json(cas): Json<Cas>) -> Answer {
    let Cas { key, from, to } = cas;
    ask(&shared, Request::Change(Command::Cas { key, from, to })).await
}

async fn transact(State(shared): State<Arc<Shared>>, Json(txn): Json<Txn>) -> Answer {
    let conditions = txn.compare.len() + txn.unchanged.len();
    if conditions.max(txn.steps.len()) > TXN_LIMIT {
        return refused(StatusCode::BAD_REQUEST, "too-long");
    }
    ask(&shared, Request::Txn(txn)).await
}

async fn ask(shared: &Shared, request: Request) -> Answer {
    let (reply, answer) = oneshot::channel();
    match shared.inbox.try_send(Mail::Client(request, reply)) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return render(shared, Reply::Busy),
        Err(TrySendError::Disconnected(_)) => return unknown("stopping"),
    }
    match timeout(PATIENCE, answer).await {
        Ok(Ok(reply)) => render(shared, reply),
        Ok(Err(_)) => unknown("stopping"),
        Err(_) => unknown("timeout"),
    }
}

fn render(shared: &Shared, reply: Reply) -> Answer {
    match reply {
        Reply::Value(held) => {
            let mut body = shown(held);
            body["ok"] = json!(true);
            (StatusCode::OK, Json(body))
        }
        Reply::Seen(seen) => {
            let seen: Vec<Value> = seen.into_iter().map(looked).collect();
            (StatusCode::OK, Json(json!({"ok": true, "seen": seen})))
        }
        Reply::Done => (StatusCode::OK, Json(json!({"ok": true}))),
        Reply::Mismatch => refused(StatusCode::CONFLICT, "mismatch"),
        Reply::Conflict => refused(StatusCode::CONFLICT, "conflict"),
        Reply::Busy => refused(StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Reply::NotLeader { leader } => {
            let leader = leader.and_then(|peer| shared.names.get(peer));
            let body =
                json!({"ok": false, "error": "not-leader", "definite": true, "leader": leader});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
        Reply::Lost => unknown("leadership-lost"),
    }
}

/// What a register holds; null at revision 0 where there is none.
fn shown(held: Option<Held>) -> Value {
    match held {
        Some(held) => json!(held),
        None => json!({"value": null, "revision": 0}),
    }
}

/// What one read of a transaction saw.
fn looked(seen: Seen) -> Value {
    match seen {
        Seen::Register(held) => shown(held),
        Seen::Registers(all) => {
            let register = |(key, held): (String, Held)| {
                let Held { value, revision } = held;
                json!({"key": key, "value": value, "revision": revision})
            };
            json!({"registers": all.into_iter().map(register).collect::<Vec<Value>>()})
        }
    }
}

/// It did not happen and never will.
fn refused(status: StatusCode, error: &str) -> Answer {
    (status, Json(json!({"ok": false, "error": error, "definite": true})))
}

/// It may have happened, or may still happen.
fn unknown(error: &str) -> Answer {
    let body = json!({"ok": false, "error": error, "definite": false});
    (StatusCode::GATEWAY_TIMEOUT, Json(body))
}

async fn status(State(shared): State<Arc<Shared>>) -> Answer {
    let (reply, answer) = oneshot::channel();
    if shared.inbox.try_send(Mail::Status(reply)).is_err() {
        return unknown("busy");
    }
    match timeout(PATIENCE, answer).await {
        Ok(Ok(status)) => {
            let mut body = json!(status);
            body["node"] = json!(shared.names[shared.id]);
            body["leader"] = json!(status.leader.and_then(|peer| shared.names.get(peer)));
            body["bugs"] = json!(shared.bugs.names());
            (StatusCode::OK, Json(body))
        }
        Ok(Err(_)) => unknown("stopping"),
        Err(_) => unknown("timeout"),
    }
}
