// SPDX-License-Identifier: Apache-2.0

//! Signs of life for a lease.

use super::compute::Pulse;
use crate::node::NodeClient;
use poaiw_primitives::{AccountId, TaskId};
use std::{
	sync::{atomic::Ordering::Relaxed, Arc},
	time::{Duration, Instant},
};
use tokio::time::{interval, MissedTickBehavior};

/// How often the node is told that the run goes on.
const BEAT: Duration = Duration::from_secs(3);
/// A run without any progress for this long is not reported as alive.
const STALLED: Duration = Duration::from_secs(300);

/// Tells the node every few seconds that the run goes on, for as long as it does.
pub async fn beat(node: NodeClient, account: AccountId, task: TaskId, pulse: Arc<Pulse>) {
	let mut beats = interval(BEAT);
	beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
	let (mut steps, mut moved) = (0, Instant::now());
	loop {
		beats.tick().await;
		let now = pulse.steps.load(Relaxed);
		if now != steps || pulse.done.load(Relaxed) {
			(steps, moved) = (now, Instant::now());
		}
		if moved.elapsed() > STALLED {
			tracing::error!(
				task,
				"no progress for {} s: the node is not told that the run goes on",
				STALLED.as_secs()
			);
			continue;
		}
		if let Err(error) = node.heartbeat(&account, task).await {
			tracing::debug!(task, %error, "no heartbeat");
		}
	}
}
