// SPDX-License-Identifier: Apache-2.0

//! `poaiw account`: keys, balances, transfers.

use super::{connect, Out, SignerArgs};
use clap::Subcommand;
use poaiw::{
	chain::submit::Until,
	format::{amount, parse_amount},
	signer::{address, parse_account},
	Error, Result, Signer,
};
use poaiw_primitives::Balance;
use serde_json::json;
use std::path::PathBuf;

/// Prefix of addresses of networks without one of their own.
const GENERIC_PREFIX: u16 = 42;

/// Commands for accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
	/// Make a new key and write its mnemonic to a file that only you can read.
	New {
		/// File to make; never overwritten.
		#[arg(long, value_name = "FILE")]
		key_file: PathBuf,
	},
	/// Show what an account owns.
	Balance {
		/// Address, 0x and 64 digits, or a path such as //Ferdie; by default the signer's.
		account: Option<String>,
		#[command(flatten)]
		signer: SignerArgs,
	},
	/// Send tokens.
	Transfer {
		/// Who gets them.
		to: String,
		/// Tokens, such as 12 or 0.5.
		#[arg(value_parser = parse_amount)]
		amount: Balance,
		/// Show what it would cost, and send nothing.
		#[arg(long)]
		dry_run: bool,
		#[command(flatten)]
		signer: SignerArgs,
	},
}

pub async fn run(node: &str, out: Out, command: AccountCommand) -> Result<u8> {
	match command {
		AccountCommand::New { key_file } => {
			let signer = Signer::create_key_file(&key_file)?;
			let address = address(signer.account(), GENERIC_PREFIX);
			out.value(&json!({ "account": address, "key_file": key_file.display().to_string() }));
			out.text(&address);
			out.text(format!(
				"Secret: {} (mode 0600). Keep a copy: whoever has it has the account.",
				key_file.display()
			));
		}
		AccountCommand::Balance { account, signer } => {
			let account = match (account, signer.optional()?) {
				(Some(text), _) => parse_account(&text)?,
				(None, Some(signer)) => signer.account().clone(),
				(None, None) => {
					return Err(Error::Argument {
						argument: "account",
						reason: "none given: name an address, or --signer or --key-file".into(),
					})
				}
			};
			let client = connect(node, out).await?;
			let found = client.balance(&account).await?;
			let available = found.available(client.existential_deposit().await?);
			out.value(&json!({
				"account": client.address(&account),
				"free": amount(found.free),
				"held": amount(found.held),
				"available": amount(available),
			}));
			let tokens = |value| format!("{} {}", amount(value), client.info().symbol);
			out.table(&[
				("account", client.address(&account)),
				("free", tokens(found.free)),
				("held (tasks, bonds)", tokens(found.held)),
				("available to spend", tokens(available)),
			]);
		}
		AccountCommand::Transfer {
			to,
			amount: value,
			dry_run,
			signer,
		} => {
			let (signer, to) = (signer.required()?, parse_account(&to)?);
			let client = connect(node, out).await?;
			let prepared = client.prepare_transfer(&signer, &to, value).await?;
			out.table(&[
				("from", client.address(signer.account())),
				("to", client.address(&to)),
				("amount", amount(value)),
				("transaction fee", amount(prepared.fee)),
			]);
			if dry_run {
				out.value(&json!({ "dry_run": true, "amount": amount(value), "fee": amount(prepared.fee) }));
				out.text("Dry run: nothing was sent.");
				return Ok(0);
			}
			let spinner = out.spinner("transfer");
			let sent = client.node().submit(&prepared, Until::Included).await;
			spinner.finish_and_clear();
			let sent = sent?;
			out.value(
				&json!({ "transaction": sent.transaction, "block": sent.block, "fee": amount(prepared.fee) }),
			);
			out.text(format!(
				"Sent in block {} ({:?}).",
				sent.block.number, sent.block.hash
			));
		}
	}
	Ok(0)
}
