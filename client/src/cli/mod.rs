// SPDX-License-Identifier: Apache-2.0

//! Commands and their arguments.

mod account;
mod chain;
mod model;
mod out;
mod task;

pub use out::Out;

use clap::{Args, Parser, Subcommand};
use poaiw::{Client, Error, Result, Signer};
use std::path::PathBuf;

/// Post AI work to a PoAIW network, follow it, and download verified results.
#[derive(Debug, Parser)]
#[command(name = "poaiw", version, after_help = EXIT_CODES)]
pub struct Cli {
	/// Address of a node.
	#[arg(
		long,
		global = true,
		env = "POAIW_NODE",
		default_value = "ws://127.0.0.1:9944",
		value_name = "URL"
	)]
	pub node: String,
	/// JSON lines on standard output instead of text; amounts are decimal strings in tokens.
	#[arg(long, global = true)]
	pub json: bool,
	/// What to do.
	#[command(subcommand)]
	pub command: Command,
}

const EXIT_CODES: &str =
	"Exit codes: 0 done (watch: settled), 1 other errors, 2 wrong usage, 3 node or network, \
4 refused before anything was sent, 5 transaction failed, 6 artifact missing or not what was committed to, \
10 task expired, 11 task cancelled.";

/// Groups of commands.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Post, follow, list and cancel tasks; download results.
	#[command(subcommand)]
	Task(task::TaskCommand),
	/// Models that tasks have trained.
	#[command(subcommand)]
	Model(model::ModelCommand),
	/// Keys, balances and transfers.
	#[command(subcommand)]
	Account(account::AccountCommand),
	/// The network.
	#[command(subcommand)]
	Chain(chain::ChainCommand),
}

/// Who signs.
#[derive(Debug, Args)]
pub struct SignerArgs {
	/// Development account, such as //Ferdie. Everybody knows its key.
	#[arg(long, value_name = "PATH", conflicts_with = "key_file")]
	pub signer: Option<String>,
	/// File with the secret (mode 0600), as made by `poaiw account new`.
	#[arg(long, env = "POAIW_KEY_FILE", value_name = "FILE")]
	pub key_file: Option<PathBuf>,
}

impl SignerArgs {
	/// The signer, if one was named.
	pub fn optional(&self) -> Result<Option<Signer>> {
		match (&self.signer, &self.key_file) {
			(Some(path), _) => Signer::development(path).map(Some),
			(None, Some(file)) => Signer::from_key_file(file).map(Some),
			(None, None) => Ok(None),
		}
	}

	/// The signer.
	pub fn required(&self) -> Result<Signer> {
		self.optional()?.ok_or_else(|| Error::Signer {
			reason: "this needs a key, none was named".into(),
			next: "add --key-file FILE (make one with `poaiw account new`), or --signer //Ferdie on a development network"
				.into(),
		})
	}
}

/// Runs a command; gives the exit code.
pub async fn run(cli: Cli) -> Result<u8> {
	let out = Out { json: cli.json };
	match cli.command {
		Command::Task(command) => task::run(&cli.node, out, command).await,
		Command::Model(command) => model::run(out, command),
		Command::Account(command) => account::run(&cli.node, out, command).await,
		Command::Chain(command) => chain::run(&cli.node, out, command).await,
	}
}

/// Connects to the node, saying so while it takes long.
async fn connect(url: &str, out: Out) -> Result<Client> {
	let spinner = out.spinner("connect");
	spinner.set_message(url.to_string());
	let client = Client::connect(url).await;
	spinner.finish_and_clear();
	client
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn arguments_should_be_consistent() {
		Cli::command().debug_assert();
	}

	#[test]
	fn signer_and_key_file_should_exclude_each_other() {
		let args = [
			"poaiw",
			"task",
			"cancel",
			"3",
			"--signer",
			"//Bob",
			"--key-file",
			"x",
		];
		assert!(Cli::try_parse_from(args).is_err());
	}

	#[test]
	fn global_options_should_be_taken_after_the_command() {
		let args = ["poaiw", "chain", "status", "--json", "--node", "ws://127.0.0.1:1"];
		let cli = Cli::try_parse_from(args).unwrap();
		assert!(cli.json && cli.node == "ws://127.0.0.1:1");
	}

	#[tokio::test]
	async fn sampling_should_name_a_folder_that_is_no_result() {
		let args = [
			"poaiw",
			"model",
			"sample",
			"--json",
			"--model",
			"/does/not/exist",
			"--prompt",
			"a",
		];
		let error = run(Cli::try_parse_from(args).unwrap()).await.unwrap_err();
		assert_eq!(error.exit_code(), 6);
		let text = error.to_string();
		assert!(
			text.contains("/does/not/exist") && text.contains("index.json"),
			"{text}"
		);
		assert!(text.contains("poaiw task result"), "{text}");
	}

	#[tokio::test]
	async fn embedding_should_name_a_folder_that_has_no_encoder() {
		let args = [
			"poaiw",
			"model",
			"embed",
			"--json",
			"--model",
			"/does/not/exist",
			"--text",
			"a",
		];
		let error = run(Cli::try_parse_from(args).unwrap()).await.unwrap_err();
		assert_eq!(error.exit_code(), 6);
		let text = error.to_string();
		assert!(text.contains("/does/not/exist"), "{text}");
		assert!(text.contains("poaiw task result"), "{text}");
		let without_text = &args[..6];
		assert!(Cli::try_parse_from(without_text).is_err());
	}

	#[tokio::test]
	async fn commands_should_name_the_node_that_does_not_answer() {
		// Port 1 of the own machine: nothing listens there.
		let cli = Cli::try_parse_from(["poaiw", "chain", "status", "--json", "--node", "ws://127.0.0.1:1"])
			.unwrap();
		let error = run(cli).await.unwrap_err();
		assert_eq!(error.exit_code(), 3);
		assert!(error.to_string().contains("ws://127.0.0.1:1"), "{error}");
		assert!(error.to_string().contains("next:"), "{error}");
	}

	#[tokio::test]
	async fn commands_should_refuse_an_address_that_is_none() {
		let cli =
			Cli::try_parse_from(["poaiw", "chain", "status", "--json", "--node", "localhost:9944"]).unwrap();
		assert!(run(cli).await.unwrap_err().to_string().contains("ws://HOST:PORT"));
	}
}
