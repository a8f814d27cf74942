// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Prometheus metrics of mining and import. Every one works without a registry, and then counts for `work_stats` only.

use poaiw_primitives::U256;
use polkadot_sdk::substrate_prometheus_endpoint::{
	self as prometheus, register, Counter, CounterVec, Gauge, Histogram, HistogramOpts, Opts,
	PrometheusError, Registry, F64, U64,
};
use std::{
	collections::BTreeMap,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::Duration,
};

/// Counters that RPC reports, whether or not there is a registry.
#[derive(Default)]
struct Counts {
	templates: AtomicU64,
	accepted: AtomicU64,
	stale: AtomicU64,
	rejected: parking_lot::Mutex<BTreeMap<&'static str, u64>>,
	task_seals: AtomicU64,
	synthetic_seals: AtomicU64,
	cpu_macs: AtomicU64,
	reorgs: AtomicU64,
	deepest_reorg: AtomicU64,
}

struct Exported {
	templates: Counter<U64>,
	template_age: Gauge<F64>,
	seals_accepted: CounterVec<U64>,
	seals_stale: Counter<U64>,
	seals_rejected: CounterVec<U64>,
	cpu_macs: Counter<U64>,
	target_log2: Gauge<F64>,
	reorg_depth: Histogram,
	verify_seconds: Histogram,
	import_seconds: Histogram,
}

/// What `work_stats` says of the counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
	/// Templates built.
	pub templates: u64,
	/// Seals that became blocks here.
	pub seals_accepted: u64,
	/// Seals for templates that were gone.
	pub seals_stale: u64,
	/// Refused seals (of workers and of blocks from the network) by reason.
	pub seals_rejected: BTreeMap<String, u64>,
	/// Accepted here, made of a task's product.
	pub task_seals: u64,
	/// Accepted here, synthetic.
	pub synthetic_seals: u64,
	/// Multiply-accumulates of the built-in CPU miner.
	pub cpu_macs: u64,
	/// Reorganisations seen.
	pub reorgs: u64,
	/// Most blocks that one of them took back.
	pub deepest_reorg: u64,
}

/// Metrics of the node. Clones share the counters.
#[derive(Clone)]
pub struct Metrics {
	counts: Arc<Counts>,
	exported: Option<Arc<Exported>>,
}

impl Metrics {
	/// Metrics, registered when there is a registry.
	///
	/// # Errors
	/// If a name is taken already.
	pub fn new(registry: Option<&Registry>) -> Result<Self, PrometheusError> {
		let exported = registry.map(Exported::register).transpose()?.map(Arc::new);
		Ok(Self {
			counts: Arc::default(),
			exported,
		})
	}

	/// A template was built for the child of a block with this target.
	pub fn template_built(&self, mac_target: U256) {
		self.counts.templates.fetch_add(1, Ordering::Relaxed);
		if let Some(exported) = &self.exported {
			exported.templates.inc();
			exported.template_age.set(0.0);
			exported.target_log2.set(log2(mac_target));
		}
	}

	/// Age of the newest template.
	pub fn template_age(&self, age: Duration) {
		if let Some(exported) = &self.exported {
			exported.template_age.set(age.as_secs_f64());
		}
	}

	/// A seal became a block.
	pub fn seal_accepted(&self, is_task: bool) {
		self.counts.accepted.fetch_add(1, Ordering::Relaxed);
		let (count, source) = if is_task {
			(&self.counts.task_seals, "task")
		} else {
			(&self.counts.synthetic_seals, "synthetic")
		};
		count.fetch_add(1, Ordering::Relaxed);
		if let Some(exported) = &self.exported {
			exported.seals_accepted.with_label_values(&[source]).inc();
		}
	}

	/// A seal came for a template that is gone.
	pub fn seal_stale(&self) {
		self.counts.stale.fetch_add(1, Ordering::Relaxed);
		if let Some(exported) = &self.exported {
			exported.seals_stale.inc();
		}
	}

	/// A seal was refused. `reason` is one of the fixed names of the predicate.
	pub fn seal_rejected(&self, reason: &'static str) {
		let mut rejected = self.counts.rejected.lock();
		let count = rejected.entry(reason).or_default();
		*count = count.saturating_add(1);
		if let Some(exported) = &self.exported {
			exported.seals_rejected.with_label_values(&[reason]).inc();
		}
	}

	/// The CPU miner finished a product.
	pub fn cpu_product(&self, macs: u64) {
		self.counts.cpu_macs.fetch_add(macs, Ordering::Relaxed);
		if let Some(exported) = &self.exported {
			exported.cpu_macs.inc_by(macs);
		}
	}

	/// The best chain changed and took `depth` blocks back.
	pub fn reorg(&self, depth: u64) {
		self.counts.reorgs.fetch_add(1, Ordering::Relaxed);
		self.counts.deepest_reorg.fetch_max(depth, Ordering::Relaxed);
		if let Some(exported) = &self.exported {
			exported.reorg_depth.observe(depth as f64);
		}
	}

	/// A seal was judged in this time.
	pub fn observe_verification(&self, time: Duration) {
		if let Some(exported) = &self.exported {
			exported.verify_seconds.observe(time.as_secs_f64());
		}
	}

	/// A block was imported in this time.
	pub fn observe_import(&self, time: Duration) {
		if let Some(exported) = &self.exported {
			exported.import_seconds.observe(time.as_secs_f64());
		}
	}

	/// The counters now.
	pub fn snapshot(&self) -> Snapshot {
		let counts = &self.counts;
		let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
		Snapshot {
			templates: read(&counts.templates),
			seals_accepted: read(&counts.accepted),
			seals_stale: read(&counts.stale),
			seals_rejected: counts
				.rejected
				.lock()
				.iter()
				.map(|(name, count)| (name.to_string(), *count))
				.collect(),
			task_seals: read(&counts.task_seals),
			synthetic_seals: read(&counts.synthetic_seals),
			cpu_macs: read(&counts.cpu_macs),
			reorgs: read(&counts.reorgs),
			deepest_reorg: read(&counts.deepest_reorg),
		}
	}
}

impl Exported {
	fn register(registry: &Registry) -> Result<Self, PrometheusError> {
		let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
			register(
				Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?,
				registry,
			)
		};
		Ok(Self {
			templates: register(
				Counter::new("poaiw_templates_total", "Block templates built")?,
				registry,
			)?,
			template_age: register(
				Gauge::new("poaiw_template_age_seconds", "Age of the newest block template")?,
				registry,
			)?,
			seals_accepted: register(
				CounterVec::new(
					Opts::new("poaiw_seals_accepted_total", "Seals that became blocks here"),
					&["source"],
				)?,
				registry,
			)?,
			seals_stale: register(
				Counter::new("poaiw_seals_stale_total", "Seals for templates that were gone")?,
				registry,
			)?,
			seals_rejected: register(
				CounterVec::new(
					Opts::new("poaiw_seals_rejected_total", "Refused seals by reason"),
					&["reason"],
				)?,
				registry,
			)?,
			cpu_macs: register(
				Counter::new(
					"poaiw_cpu_macs_total",
					"Multiply-accumulates of the built-in CPU miner",
				)?,
				registry,
			)?,
			target_log2: register(
				Gauge::new(
					"poaiw_mac_target_log2",
					"log2 of the target: chance of one MAC times 2^256",
				)?,
				registry,
			)?,
			reorg_depth: histogram(
				"poaiw_reorg_depth_blocks",
				"Blocks taken back by a reorganisation",
				vec![1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 100.0],
			)?,
			verify_seconds: histogram(
				"poaiw_seal_verify_seconds",
				"Time to judge one seal",
				prometheus::prometheus::exponential_buckets(0.000_1, 2.0, 12)?,
			)?,
			import_seconds: histogram(
				"poaiw_block_import_seconds",
				"Time to import one block, verification of its inherents included",
				prometheus::prometheus::exponential_buckets(0.000_5, 2.0, 14)?,
			)?,
		})
	}
}

/// log2 of a 256-bit number, for people (never for consensus); 0 for 0.
pub fn log2(value: U256) -> f64 {
	let bits = value.bits();
	if bits <= 64 {
		return if bits == 0 {
			0.0
		} else {
			(value.low_u64() as f64).log2()
		};
	}
	let shift = bits.saturating_sub(64);
	((value >> shift).low_u64() as f64).log2() + shift as f64
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn log2_should_be_exact_at_powers_of_two() {
		for bit in [0usize, 1, 31, 63, 64, 100, 236, 255] {
			assert_eq!(log2(U256::one() << bit), bit as f64);
		}
		assert_eq!(log2(U256::zero()), 0.0);
	}

	#[test]
	fn snapshot_should_count_without_a_registry() {
		let metrics = Metrics::new(None).unwrap();
		metrics.seal_rejected("root");
		metrics.seal_rejected("root");
		metrics.seal_accepted(true);
		metrics.reorg(3);
		metrics.reorg(1);
		let snapshot = metrics.snapshot();
		assert_eq!(snapshot.seals_rejected.get("root"), Some(&2));
		assert_eq!(
			(
				snapshot.task_seals,
				snapshot.synthetic_seals,
				snapshot.reorgs,
				snapshot.deepest_reorg
			),
			(1, 0, 2, 3)
		);
	}

	#[test]
	fn registering_twice_should_be_an_error() {
		let registry = Registry::new();
		assert!(Metrics::new(Some(&registry)).is_ok());
		assert!(Metrics::new(Some(&registry)).is_err());
	}
}
