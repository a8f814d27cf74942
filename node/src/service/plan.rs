// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! What the node shall do about mining and remote workers, checked before anything is opened.

use crate::{
	cli::{MiningParams, WorkerParams},
	consensus::cpu::CpuParams,
};
use poaiw_primitives::{digest::Author, token::Token};
use polkadot_sdk::*;
use sc_service::{error::Error as ServiceError, ChainType, Configuration};
use sp_keyring::Sr25519Keyring;
use std::net::SocketAddr;

/// What the node shall do about mining.
#[derive(Clone, Debug)]
pub(super) struct MiningPlan {
	pub author: Option<Author>,
	pub cpu: CpuParams,
	pub alone: bool,
}

impl MiningPlan {
	/// Of the command line and the kind of chain.
	///
	/// # Errors
	/// If nobody could be paid for what is mined.
	pub fn new(config: &Configuration, params: &MiningParams) -> Result<Self, ServiceError> {
		let dev = matches!(config.chain_spec.chain_type(), ChainType::Development);
		let account = params
			.author
			.clone()
			.or_else(|| dev.then(|| Sr25519Keyring::Alice.to_account_id()));
		let author = account.map(|author| Author {
			payout: params.payout.clone().unwrap_or_else(|| author.clone()),
			author,
		});
		let threads = params.mine_threads.unwrap_or(u16::from(dev));
		if threads > 0 && author.is_none() {
			return Err(ServiceError::Other(
				"--mine-threads needs an account to mine for: add --author ACCOUNT".into(),
			));
		}
		Ok(Self {
			author,
			cpu: CpuParams {
				threads,
				duty: params.mine_duty,
			},
			alone: dev || config.force_authoring,
		})
	}
}

/// Where remote workers are served, and the secret that they must know.
#[derive(Clone, Debug)]
pub(super) struct RemotePlan {
	pub listen: SocketAddr,
	pub token: Token,
}

impl RemotePlan {
	/// Of the command line: none if no remote workers are wanted.
	///
	/// # Errors
	/// If the token file can't be used.
	pub fn new(params: &WorkerParams) -> Result<Option<Self>, ServiceError> {
		match (&params.worker_rpc_listen, &params.worker_token_file) {
			(Some(listen), Some(file)) => Token::read(file)
				.map(|token| {
					Some(Self {
						listen: *listen,
						token,
					})
				})
				.map_err(|e| ServiceError::Other(format!("--worker-token-file: {e}"))),
			(None, None) => Ok(None),
			(Some(_), None) => Err(ServiceError::Other(
				"--worker-rpc-listen needs a secret: add --worker-token-file FILE".into(),
			)),
			(None, Some(_)) => Err(ServiceError::Other(
				"--worker-token-file needs an address for remote workers: add --worker-rpc-listen ADDR"
					.into(),
			)),
		}
	}
}
