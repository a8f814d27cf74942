// SPDX-License-Identifier: Apache-2.0

//! JSON-RPC calls to a node over HTTP.

use anyhow::{bail, Context, Result};
use serde_json::{json, Value};
use std::time::Duration;

/// Where a node answers.
#[derive(Clone)]
pub struct Rpc {
	url: String,
	agent: ureq::Agent,
}

impl Rpc {
	/// A node's RPC port on this machine.
	pub fn local(port: u16) -> Self {
		let config = ureq::Agent::config_builder()
			.timeout_global(Some(Duration::from_secs(20)))
			.build();
		Self {
			url: format!("http://127.0.0.1:{port}"),
			agent: config.into(),
		}
	}

	/// One call; the `result` of the answer.
	pub fn call(&self, method: &str, params: Value) -> Result<Value> {
		let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
		let mut answer = self
			.agent
			.post(&self.url)
			.send_json(&request)
			.with_context(|| format!("{method}: no answer from {}", self.url))?
			.body_mut()
			.read_json::<Value>()
			.with_context(|| format!("{method}: the answer of {} is no JSON", self.url))?;
		if let Some(error) = answer.get("error") {
			bail!("{method} {}: {error}", request["params"]);
		}
		Ok(answer["result"].take())
	}

	/// Height of a header answer.
	fn height(header: &Value) -> Result<u64> {
		let text = header["number"].as_str().context("the header has no number")?;
		Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
	}

	/// Height of the best block.
	pub fn best(&self) -> Result<u64> {
		Self::height(&self.call("chain_getHeader", json!([]))?)
	}

	/// Height of the last finalized block.
	pub fn finalized(&self) -> Result<u64> {
		let hash = self.call("chain_getFinalizedHead", json!([]))?;
		Self::height(&self.call("chain_getHeader", json!([hash]))?)
	}
}
