// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! A second RPC server, for workers on other machines: every request, and the handshake of every WebSocket, must carry
//! the node's token as `Authorization: Bearer …`.
//!
//! The SDK's server hands no headers on, so it can't do this; and here nothing else is served, so a leaked token opens
//! neither the keystore nor the network of the node. The connection itself is not encrypted.

use jsonrpsee::{
	core::BoxError,
	server::{BatchRequestConfig, HttpBody, HttpRequest, HttpResponse, PingConfig, Server, ServerHandle},
	RpcModule,
};
use poaiw_primitives::token::Token;
use poaiw_work::MAX_SEAL_BYTES;
use polkadot_sdk::*;
use sc_rpc_api::DenyUnsafe;
use std::{
	future::Future,
	hint::black_box,
	net::{SocketAddr, TcpListener},
	pin::Pin,
	task::{Context, Poll},
	time::Duration,
};
use tower::{Layer, Service, ServiceBuilder};

/// Longest request: a seal or an attestation in hex with what stands around it.
pub const MAX_REQUEST: u32 = 4 << 20;
/// Longest answer, as on the SDK's server.
const MAX_ANSWER: u32 = 15 << 20;
/// Connections at a time.
pub const MAX_CONNECTIONS: u32 = 64;
/// Subscriptions of one connection; a worker has one.
const MAX_SUBSCRIPTIONS: u32 = 8;
/// Time between two pings; whoever does not answer for three of them is disconnected.
const PING: Duration = Duration::from_secs(20);

// A seal in hex must fit, or remote workers could not mine.
const _: () = assert!(MAX_SEAL_BYTES * 2 + 4_096 <= MAX_REQUEST as usize);

/// Serves the methods of `module` on an address to those who send the token. Ends when the handle is dropped.
///
/// # Errors
/// If the address can't be bound.
pub fn serve(
	listen: SocketAddr,
	token: &Token,
	module: RpcModule<()>,
	runtime: tokio::runtime::Handle,
) -> std::io::Result<(SocketAddr, ServerHandle)> {
	let listener = TcpListener::bind(listen)?;
	listener.set_nonblocking(true)?;
	let address = listener.local_addr()?;
	let _entered = runtime.enter();
	let server = Server::builder()
		.max_request_body_size(MAX_REQUEST)
		.max_response_body_size(MAX_ANSWER)
		.max_connections(MAX_CONNECTIONS)
		.max_subscriptions_per_connection(MAX_SUBSCRIPTIONS)
		.set_batch_request_config(BatchRequestConfig::Disabled)
		.enable_ws_ping(
			PingConfig::new()
				.ping_interval(PING)
				.inactive_limit(PING.saturating_mul(3)),
		)
		.set_http_middleware(ServiceBuilder::new().layer(TokenLayer::new(token)))
		.custom_tokio_runtime(runtime.clone())
		.build_from_tcp(listener)?;
	Ok((address, server.start(module)))
}

/// What is kept of the token: enough to recognise it.
#[derive(Clone, Copy)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
	fn of(secret: &[u8]) -> Self {
		Self(sp_io::hashing::blake2_256(secret))
	}

	/// In a time that depends on neither the secret nor on where the two differ: both are hashed to the same length
	/// first, and all bytes are looked at.
	fn matches(&self, offered: &[u8]) -> bool {
		let Self(offered) = Self::of(offered);
		let differing = self.0.iter().zip(offered).fold(0u8, |differing, (own, other)| {
			black_box(differing | (own ^ other))
		});
		black_box(differing) == 0
	}
}

/// Lets requests with the token through, and marks them as trusted.
#[derive(Clone)]
struct TokenLayer(Fingerprint);

impl TokenLayer {
	fn new(token: &Token) -> Self {
		Self(Fingerprint::of(token.secret().as_bytes()))
	}
}

impl<S> Layer<S> for TokenLayer {
	type Service = TokenService<S>;

	fn layer(&self, inner: S) -> Self::Service {
		TokenService { inner, token: self.0 }
	}
}

#[derive(Clone)]
struct TokenService<S> {
	inner: S,
	token: Fingerprint,
}

type Answer = Result<HttpResponse, BoxError>;

impl<S, B> Service<HttpRequest<B>> for TokenService<S>
where
	S: Service<HttpRequest<B>, Response = HttpResponse, Error = BoxError>,
	S::Future: Send + 'static,
{
	type Response = HttpResponse;
	type Error = BoxError;
	type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

	fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
		self.inner.poll_ready(context)
	}

	fn call(&mut self, mut request: HttpRequest<B>) -> Self::Future {
		let refusal = match request.headers().get("authorization").map(|value| value.as_bytes()) {
			None => "this port needs a token: start the worker with --token-file FILE, with the secret of the node's \
			         --worker-token-file",
			Some(header) => match Token::offered(header) {
				Some(offered) if self.token.matches(offered) => {
					// What the SDK's server says of local clients.
					request.extensions_mut().insert(DenyUnsafe::No);
					return Box::pin(self.inner.call(request));
				}
				Some(_) => "this is not the node's token: compare the worker's --token-file with the node's \
				            --worker-token-file",
				None => "the Authorization header is no bearer token: send `Authorization: Bearer TOKEN`",
			},
		};
		log::debug!(target: crate::LOG_TARGET, "refused a remote worker: {refusal}");
		Box::pin(std::future::ready(unauthorized(refusal)))
	}
}

fn unauthorized(reason: &'static str) -> Answer {
	HttpResponse::builder()
		.status(401u16)
		.header("www-authenticate", "Bearer")
		.header("content-type", "text/plain; charset=utf-8")
		.body(HttpBody::from(reason))
		.map_err(Into::into)
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::MaxEncodedLen;
	use poaiw_primitives::task::{Attestation, TaskSpec, Vote};

	#[test]
	fn everything_that_workers_send_should_fit_into_a_request() {
		let longest = Attestation::max_encoded_len()
			.max(Vote::max_encoded_len())
			.max(TaskSpec::max_encoded_len());
		assert!(longest * 2 + 4_096 <= MAX_REQUEST as usize, "{longest}");
	}

	#[test]
	fn fingerprint_should_match_the_secret_only() {
		let secret = b"0123456789abcdef0123456789abcdef";
		let own = Fingerprint::of(secret);
		assert!(own.matches(secret));
		for at in 0..secret.len() {
			let mut other = *secret;
			other[at] ^= 1;
			assert!(!own.matches(&other), "{at}");
		}
		assert!(!own.matches(&secret[..31]));
		assert!(!own.matches(&[secret.as_slice(), b"0"].concat()));
		assert!(!own.matches(b""));
	}
}
