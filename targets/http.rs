//! One HTTP request, once: what the harness must know about how far it got.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, redirect, retry};
use serde_json::Value as Json;
use tribunal_harness::client::ClientError;
use tribunal_history::{ErrorClass, UNPARSED_LIMIT};

/// Longest reply that is read.
const BODY_LIMIT: usize = 16 << 20;

/// Patience with a connection attempt. No byte of a request was written when it passes.
const CONNECT: Duration = Duration::from_secs(2);

/// What the report says of the driver.
pub(crate) const DRIVER: &str = "reqwest, HTTP/1.1: no retry, no redirect, no proxy, \
     1 idle connection, connect timeout 2 s, no other timeout (the executor owns the deadline)";

/// A fresh client: nothing is shared between processes.
pub(crate) fn client() -> Result<Client, ClientError> {
    Client::builder()
        .retry(retry::never())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .http1_only()
        .pool_max_idle_per_host(1)
        .connect_timeout(CONNECT)
        .build()
        .map_err(|error| ClientError::definite(ErrorClass::NO_CLIENT, error.to_string()))
}

/// Sends `request` once and reads the reply.
pub(crate) async fn send(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ClientError> {
    let mut response = request.send().await.map_err(lost)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > BODY_LIMIT {
            let class = ErrorClass::new("limit");
            return Err(ClientError::indefinite(class, "the reply is longer than 16 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), body))
}

/// The reply as JSON.
pub(crate) fn json(body: &[u8]) -> Result<Json, ClientError> {
    serde_json::from_slice(body).map_err(|error| unparseable(body, error.to_string()))
}

/// A reply that makes no sense.
pub(crate) fn unparseable(body: &[u8], detail: impl Into<String>) -> ClientError {
    let raw = body[..body.len().min(UNPARSED_LIMIT)].to_vec();
    ClientError::Unparseable { raw, detail: detail.into() }
}

/// Without a connection no byte of the request was written. Anything later may have arrived.
fn lost(error: reqwest::Error) -> ClientError {
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        detail = format!("{detail}: {cause}");
        source = cause.source();
    }
    match error.is_connect() {
        true => ClientError::definite(ErrorClass::new("refused"), detail),
        false => ClientError::indefinite(ErrorClass::new("io"), detail),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use tribunal_harness::client::ClientError;

    use super::{client, send};

    async fn post(port: u16) -> Result<String, ClientError> {
        let url = format!("http://127.0.0.1:{port}/x");
        let (_, body) = send(client()?.post(url).body("hello")).await?;
        Ok(String::from_utf8(body).unwrap())
    }

    /// A server that reads `read` bytes, answers `reply` and closes; counts connections.
    fn server(read: usize, reply: &'static [u8]) -> (u16, std::thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut vec![0; read]).unwrap();
            stream.write_all(reply).unwrap();
            drop(stream);
            listener.set_nonblocking(true).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(300));
            1 + listener.incoming().take_while(Result::is_ok).count()
        });
        (port, thread)
    }

    #[tokio::test]
    async fn a_closed_port_is_definite() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = post(port).await.unwrap_err();
        assert!(matches!(error, ClientError::Definite { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_accepts_and_closes_is_indefinite_and_asked_once() {
        for (read, reply) in [(0, &b""[..]), (20, b""), (20, b"HTTP/1.1 200 OK\r\ncontent-le")] {
            let (port, thread) = server(read, reply);
            let error = post(port).await.unwrap_err();
            assert!(matches!(error, ClientError::Indefinite { .. }), "{error}");
            assert_eq!(thread.join().unwrap(), 1, "one attempt");
        }
    }

    #[tokio::test]
    async fn a_body_cut_short_is_indefinite() {
        let (port, _thread) = server(20, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
        assert!(matches!(post(port).await.unwrap_err(), ClientError::Indefinite { .. }));
        let (port, _thread) = server(20, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhalf");
        assert_eq!(post(port).await.unwrap(), "half");
    }
}
