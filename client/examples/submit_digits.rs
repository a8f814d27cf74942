// SPDX-License-Identifier: Apache-2.0

//! Posts the handwritten-digits task to a development network, follows it, and downloads the checked result:
//! `cargo run --release -p poaiw --example submit_digits -- ARTIFACT_STORE`

use poaiw::{receipt, results, submission, Client, Signer};
use std::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
	let store = submission::open_store(
		&std::env::args()
			.nth(1)
			.ok_or("name the artifact store of the worker")?,
	)?;
	let task = submission::load(Path::new("examples/digits/digits.toml"))?;
	let client = Client::connect("ws://127.0.0.1:9944").await?;
	let signer = Signer::development("//Ferdie")?;

	let spec = submission::spec(&task, client.node().head().await?.number)?;
	submission::upload(&store, &task, |part| {
		println!("{}: {} bytes", part.what, part.bytes)
	})
	.await?;
	let posted = client.submit(&signer, &spec).await?;
	println!(
		"task {} is in block {}",
		posted.task, posted.included.block.number
	);

	let mut watch = client.watch(posted.task).await?;
	let mut last = None;
	while let Some(update) = watch.next().await? {
		println!(
			"block {}: {}",
			update.head,
			poaiw::view::state_name(&update.report.state)
		);
		last = Some(update.report);
	}
	let result = results::download(&store, last.ok_or("no update")?).await?;
	let folder = Path::new("digits-result");
	receipt::prepare_folder(folder)?;
	receipt::write(
		folder,
		&result,
		&receipt::receipt(&result, watch.client().node().genesis(), 42),
	)?;
	println!(
		"{:?} held-out examples right, files in {}",
		result.attestation.metric,
		folder.display()
	);
	Ok(())
}
