// SPDX-License-Identifier: Apache-2.0

//! Following a task block by block, across lost connections.

use crate::{
	chain::node::{answer, HeaderJson},
	client::Client,
	error::{Error, Result},
	view,
};
use jsonrpsee::core::client::Subscription;
use poaiw_primitives::{task::TaskReport, BlockNumber, TaskId};
use std::time::Duration;

/// Tries to connect again after a connection broke, with waits of 1, 2, 4, … seconds between them.
const RECONNECTS: u32 = 6;

/// A task at a height.
#[derive(Clone, Debug)]
pub struct TaskUpdate {
	/// Height of the best block.
	pub head: BlockNumber,
	/// The task in its state.
	pub report: TaskReport,
}

/// A followed task, see [`Client::watch`].
#[derive(Debug)]
pub struct Watch {
	client: Client,
	id: TaskId,
	heads: Subscription<HeaderJson>,
	first: Option<TaskReport>,
	ended: bool,
}

impl Watch {
	pub(crate) fn new(
		client: Client,
		id: TaskId,
		heads: Subscription<HeaderJson>,
		first: TaskReport,
	) -> Self {
		Self {
			client,
			id,
			heads,
			first: Some(first),
			ended: false,
		}
	}

	/// The connection.
	pub fn client(&self) -> &Client {
		&self.client
	}

	/// The task at once, then at every new best block; `None` after the update with which it ended.
	///
	/// # Errors
	/// If the connection broke and can't be made again within a minute. The task itself goes on.
	pub async fn next(&mut self) -> Result<Option<TaskUpdate>> {
		if self.ended {
			return Ok(None);
		}
		let (head, report) = match self.first.take() {
			Some(report) => (self.client.node().head().await?.number, report),
			None => match self.next_block().await {
				Err(error) if error.is_transport() => self.reconnect(error).await?,
				other => other?,
			},
		};
		self.ended = view::has_ended(&report.state);
		Ok(Some(TaskUpdate { head, report }))
	}

	async fn next_block(&mut self) -> Result<(BlockNumber, TaskReport)> {
		let header = self.heads.next().await.ok_or_else(|| self.client.node().lost())?;
		let head = header
			.map_err(|error| answer("chain_subscribeNewHeads", error))?
			.height()?;
		Ok((head, self.client.task(self.id).await?))
	}

	async fn reconnect(&mut self, first: Error) -> Result<(BlockNumber, TaskReport)> {
		let url = self.client.node().url().to_string();
		let genesis = self.client.node().genesis();
		for attempt in 0..RECONNECTS {
			tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
			let client = match Client::connect(&url).await {
				Err(error) if error.is_transport() => continue,
				other => other?,
			};
			if client.node().genesis() != genesis {
				return Err(Error::Metadata {
					reason: format!(
						"{url} now serves another network, where task {} is another one",
						self.id
					),
				});
			}
			self.heads = client.node().heads().await?;
			self.client = client;
			return Ok((
				self.client.node().head().await?.number,
				self.client.task(self.id).await?,
			));
		}
		Err(first)
	}
}
