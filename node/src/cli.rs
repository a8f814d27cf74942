// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Command line.

use clap::Parser;
use poaiw_primitives::AccountId;
use polkadot_sdk::*;
use sc_cli::RunCmd;
use sp_core::crypto::Ss58Codec;
use sp_keyring::Sr25519Keyring;
use std::{net::SocketAddr, path::PathBuf, str::FromStr};

/// Command line of the node.
#[derive(Debug, Parser)]
pub struct Cli {
	/// What to do instead of running a node.
	#[command(subcommand)]
	pub subcommand: Option<Subcommand>,

	/// Options of the SDK.
	#[clap(flatten)]
	pub run: RunCmd,

	/// Options of mining.
	#[clap(flatten)]
	pub mining: MiningParams,

	/// Options of remote workers.
	#[clap(flatten)]
	pub workers: WorkerParams,
}

/// Options of mining.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MiningParams {
	/// Account that makes the blocks: SS58 address, 0x-hex or a development name such as `alice`
	/// (default with --dev: alice).
	#[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
	pub author: Option<AccountId>,

	/// Account that is paid (default: the author).
	#[arg(long, value_name = "ACCOUNT", value_parser = parse_account, requires = "author")]
	pub payout: Option<AccountId>,

	/// Threads of the built-in CPU miner (default: 1 with --dev, 0 otherwise).
	#[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1024))]
	pub mine_threads: Option<u16>,

	/// Share of the time in which these threads work, in percent.
	#[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
	pub mine_duty: u8,
}

/// Options of remote workers. Without them, workers are served on this machine only, by the RPC port.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WorkerParams {
	/// Address and port on which workers of other machines are served, if they know the token.
	#[arg(long, value_name = "ADDR", requires = "worker_token_file")]
	pub worker_rpc_listen: Option<SocketAddr>,

	/// File with the secret that remote workers must send: at least 32 characters, readable by its owner only.
	#[arg(long, value_name = "FILE", requires = "worker_rpc_listen")]
	pub worker_token_file: Option<PathBuf>,
}

/// What the node can do besides running.
#[derive(Debug, clap::Subcommand)]
#[allow(clippy::large_enum_variant)]
pub enum Subcommand {
	/// Key management.
	#[command(subcommand)]
	Key(sc_cli::KeySubcommand),

	/// Print a chain specification.
	ExportChainSpec(sc_cli::ExportChainSpecCmd),

	/// Validate blocks.
	CheckBlock(sc_cli::CheckBlockCmd),

	/// Export blocks.
	ExportBlocks(sc_cli::ExportBlocksCmd),

	/// Export the state of a block as a chain specification.
	ExportState(sc_cli::ExportStateCmd),

	/// Import blocks.
	ImportBlocks(sc_cli::ImportBlocksCmd),

	/// Remove the whole chain.
	PurgeChain(sc_cli::PurgeChainCmd),

	/// Take blocks back.
	Revert(sc_cli::RevertCmd),

	/// Meta information of the chain's database.
	ChainInfo(sc_cli::ChainInfoCmd),
}

/// An account as people write it.
///
/// # Errors
/// In words, if it is none of the forms.
pub fn parse_account(text: &str) -> Result<AccountId, String> {
	let name = text.trim_start_matches("//");
	let known = Sr25519Keyring::iter().find(|key| <&'static str>::from(*key).eq_ignore_ascii_case(name));
	if let Some(key) = known {
		return Ok(key.to_account_id());
	}
	if text.starts_with("0x") {
		return AccountId::from_str(text).map_err(|e| format!("{text}: not 32 bytes of hex: {e}"));
	}
	AccountId::from_ss58check(text)
		.map_err(|e| format!("{text}: neither a development name, nor 0x-hex, nor an SS58 address: {e:?}"))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn account_should_be_read_in_each_form() {
		let alice = Sr25519Keyring::Alice.to_account_id();
		for text in [
			"alice",
			"Alice",
			"//Alice",
			&alice.to_ss58check(),
			&format!("0x{}", hex::encode(&alice)),
		] {
			assert_eq!(parse_account(text), Ok(alice.clone()), "{text}");
		}
	}

	#[test]
	fn account_should_be_refused_when_it_is_none_of_the_forms() {
		for text in [
			"",
			"nobody",
			"0x12",
			"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQX",
		] {
			assert!(parse_account(text).is_err(), "{text}");
		}
	}

	#[test]
	fn mining_options_should_be_bounded() {
		assert!(Cli::try_parse_from(["poaiw-node", "--mine-duty", "0"]).is_err());
		assert!(Cli::try_parse_from(["poaiw-node", "--mine-duty", "101"]).is_err());
		assert!(Cli::try_parse_from(["poaiw-node", "--payout", "bob"]).is_err());
		assert!(Cli::try_parse_from([
			"poaiw-node",
			"--author",
			"alice",
			"--payout",
			"bob",
			"--mine-threads",
			"2"
		])
		.is_ok());
	}
	#[test]
	fn remote_workers_should_need_both_an_address_and_a_token() {
		let parse = |args: &[&str]| Cli::try_parse_from([&["poaiw-node"], args].concat());
		assert!(parse(&["--worker-rpc-listen", "0.0.0.0:9955"]).is_err());
		assert!(parse(&["--worker-token-file", "token"]).is_err());
		assert!(parse(&["--worker-rpc-listen", "9955", "--worker-token-file", "token"]).is_err());
		let both = parse(&["--worker-rpc-listen", "[::]:9955", "--worker-token-file", "token"]).unwrap();
		assert_eq!(both.workers.worker_rpc_listen.map(|addr| addr.port()), Some(9955));
	}
}
