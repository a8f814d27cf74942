// SPDX-License-Identifier: Apache-2.0

//! One WebSocket to a node. When it breaks, the next use opens it again, but not more often than the backoff allows.

use jsonrpsee::{
	client_transport::ws::WsHandshakeError,
	core::client::Error as RpcError,
	ws_client::{HeaderMap, HeaderValue, PingConfig, WsClient, WsClientBuilder},
};
use poaiw_primitives::token::Token;
use std::{
	sync::{
		atomic::{AtomicBool, Ordering::Relaxed},
		Arc,
	},
	time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer: a task report or a brief with all claims, in hex.
const MAX_ANSWER: u32 = 64 << 20;
/// Time between two pings.
const PING: Duration = Duration::from_secs(15);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(15);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
	/// There is no connection.
	#[error("no connection to the node at {url}: {reason}. Is it running, and is its RPC port reachable? It is tried again")]
	Offline {
		/// The node.
		url: String,
		/// What the transport said.
		reason: String,
	},
	/// The node wants another token, or any.
	#[error("the node at {url} did not let this worker in (HTTP 401): {reason}")]
	Unauthorized {
		/// The node.
		url: String,
		/// What to do.
		reason: &'static str,
	},
	/// The node refused the call.
	#[error("the node refused {method}: {message} (code {code})")]
	Refused {
		/// The method.
		method: &'static str,
		/// Code of the JSON-RPC error.
		code: i32,
		/// The node's words.
		message: String,
	},
	/// The answer was not understood.
	#[error("the answer to {method} was not understood: {reason}. Are node and worker of the same release?")]
	Answer {
		/// The method.
		method: &'static str,
		/// What is wrong with it.
		reason: String,
	},
}

impl NodeError {
	/// Whether the connection, not the request, is the problem.
	pub fn is_offline(&self) -> bool {
		matches!(self, Self::Offline { .. })
	}
}

/// Times between attempts to connect: doubling from a quarter of a second to 15 s.
#[derive(Debug)]
struct Backoff {
	delay: Duration,
	next: Option<Instant>,
	reason: String,
}

impl Backoff {
	fn new() -> Self {
		Self {
			delay: FIRST_DELAY,
			next: None,
			reason: String::new(),
		}
	}

	fn failed(&mut self, now: Instant, reason: String) {
		self.next = Some(now + self.delay);
		self.delay = (self.delay * 2).min(LONGEST_DELAY);
		self.reason = reason;
	}

	/// How long to wait before the next attempt.
	fn wait(&self, now: Instant) -> Option<Duration> {
		self.next
			.and_then(|next| next.checked_duration_since(now))
			.filter(|wait| !wait.is_zero())
	}
}

struct State {
	client: Option<Arc<WsClient>>,
	backoff: Backoff,
	unauthorized: bool,
}

/// The way to a node.
pub struct Link {
	url: String,
	token: Option<Token>,
	state: Mutex<State>,
	connected: AtomicBool,
}

impl Link {
	/// To a node by the URL of its WebSocket; nothing is connected yet.
	pub fn new(url: String, token: Option<Token>) -> Self {
		Self {
			url,
			token,
			state: Mutex::new(State {
				client: None,
				backoff: Backoff::new(),
				unauthorized: false,
			}),
			connected: AtomicBool::new(false),
		}
	}

	/// URL of the node.
	pub fn url(&self) -> &str {
		&self.url
	}

	/// Whether the last use found a connection.
	pub fn is_connected(&self) -> bool {
		self.connected.load(Relaxed)
	}

	fn offline(&self, reason: String) -> NodeError {
		self.connected.store(false, Relaxed);
		NodeError::Offline {
			url: self.url.clone(),
			reason,
		}
	}

	fn unauthorized(&self) -> NodeError {
		self.connected.store(false, Relaxed);
		NodeError::Unauthorized {
			url: self.url.clone(),
			reason: match self.token {
				Some(_) => {
					"it has another token: compare --token-file with the file of the node's --worker-token-file"
				}
				None => "it asks for a token: give --token-file FILE with the secret of the node's --worker-token-file",
			},
		}
	}

	/// The connection, opened if there is none.
	///
	/// # Errors
	/// If the node can't be reached now, or does not let this worker in.
	pub async fn get(&self) -> Result<Arc<WsClient>, NodeError> {
		let mut state = self.state.lock().await;
		if let Some(client) = state.client.as_ref().filter(|client| client.is_connected()) {
			return Ok(client.clone());
		}
		state.client = None;
		if state.backoff.wait(Instant::now()).is_some() {
			return Err(match state.unauthorized {
				true => self.unauthorized(),
				false => self.offline(state.backoff.reason.clone()),
			});
		}
		match self.open().await {
			Ok(client) => {
				let client = Arc::new(client);
				state.client = Some(client.clone());
				state.backoff = Backoff::new();
				self.connected.store(true, Relaxed);
				tracing::info!(node = %self.url, "connected");
				Ok(client)
			}
			Err(error) => {
				state.unauthorized = is_unauthorized(&error);
				let reason = error.to_string();
				state.backoff.failed(Instant::now(), reason.clone());
				Err(match state.unauthorized {
					true => self.unauthorized(),
					false => self.offline(reason),
				})
			}
		}
	}

	async fn open(&self) -> Result<WsClient, RpcError> {
		let mut headers = HeaderMap::new();
		if let Some(token) = &self.token {
			let mut value = HeaderValue::from_str(&token.header())
				.map_err(|_| RpcError::Custom("the token can't be sent in a header".into()))?;
			value.set_sensitive(true);
			headers.insert("authorization", value);
		}
		WsClientBuilder::default()
			.set_headers(headers)
			.request_timeout(PATIENCE)
			.connection_timeout(Duration::from_secs(10))
			.max_response_size(MAX_ANSWER)
			// Ends the subscription, too, when the node is gone without a word.
			.enable_ws_ping(PingConfig::new().ping_interval(PING).inactive_limit(3 * PING))
			.build(&self.url)
			.await
	}

	/// What a failed call means. A broken connection is given up.
	pub async fn failed(&self, method: &'static str, error: RpcError, used: &Arc<WsClient>) -> NodeError {
		match error {
			RpcError::Call(object) => NodeError::Refused {
				method,
				code: object.code(),
				message: object.message().into(),
			},
			RpcError::ParseError(error) => NodeError::Answer {
				method,
				reason: error.to_string(),
			},
			other => {
				let mut state = self.state.lock().await;
				if state
					.client
					.as_ref()
					.is_some_and(|client| Arc::ptr_eq(client, used))
				{
					state.client = None;
				}
				self.offline(other.to_string())
			}
		}
	}
}

/// Whether the node answered the handshake with 401.
fn is_unauthorized(error: &RpcError) -> bool {
	match error {
		RpcError::Transport(cause) => matches!(
			cause.downcast_ref(),
			Some(WsHandshakeError::Rejected { status_code: 401 })
		),
		_ => false,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use tokio::{
		io::{AsyncReadExt, AsyncWriteExt},
		net::TcpListener,
	};

	#[test]
	fn attempts_should_become_rarer_up_to_a_bound() {
		let (mut backoff, now) = (Backoff::new(), Instant::now());
		assert_eq!(backoff.wait(now), None);
		let mut waits = Vec::new();
		for _ in 0..10 {
			backoff.failed(now, "refused".into());
			waits.push(backoff.wait(now).unwrap());
		}
		assert_eq!(waits[..3], [250, 500, 1000].map(Duration::from_millis));
		assert_eq!(waits[9], LONGEST_DELAY);
		assert_eq!(backoff.wait(now + LONGEST_DELAY), None);
	}

	/// What a worker with this token sends to open the connection, and what it says when the answer is 401.
	async fn turned_away(token: Option<&str>) -> (String, NodeError) {
		let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
		let url = format!("ws://{}", listener.local_addr().unwrap());
		let link = Link::new(url, token.map(|text| Token::parse(text).unwrap()));
		let node = async {
			let (mut stream, _) = listener.accept().await.unwrap();
			let mut request = Vec::new();
			while !request.ends_with(b"\r\n\r\n") {
				request.push(stream.read_u8().await.unwrap());
			}
			let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
			stream.write_all(answer).await.unwrap();
			String::from_utf8(request).unwrap()
		};
		let (request, opened) = tokio::join!(node, link.get());
		let error = opened.unwrap_err();
		// Until the backoff allows another attempt, the same is said.
		assert_eq!(link.get().await.unwrap_err().to_string(), error.to_string());
		(request, error)
	}

	#[tokio::test]
	async fn token_should_be_sent_and_an_error_say_what_to_compare_when_it_is_refused() {
		let secret = "0123456789abcdef0123456789abcdef";
		let (request, error) = turned_away(Some(secret)).await;
		let header = format!("authorization: bearer {secret}\r\n");
		assert!(request.to_ascii_lowercase().contains(&header), "{request}");
		let words = error.to_string();
		assert!(
			words.contains("compare --token-file") && !words.contains(secret),
			"{words}"
		);
	}

	#[tokio::test]
	async fn error_should_ask_for_a_token_when_none_was_sent() {
		let (request, error) = turned_away(None).await;
		assert!(
			!request.to_ascii_lowercase().contains("authorization"),
			"{request}"
		);
		assert!(error.to_string().contains("give --token-file"), "{error}");
		assert!(!error.is_offline());
	}
}
