// SPDX-License-Identifier: Apache-2.0

//! Re-execution on a device. Whatever a device accuses a worker of is confirmed on the CPU first, so that a wrong device
//! costs nobody a bond.

use super::judge::{Case, Finding};
use crate::{
	device::{DeviceError, Gpu},
	executor::{plain_product, GpuBackend, ProductSink},
	kernels::{commit, Matrix, Pool},
};
use poaiw_commitment::Hash32;
use poaiw_program::{drive_segment, CheckedData, Control, ProductSite, StepBackend, Tensor};
use poaiw_work::Dims;
use std::{collections::HashMap, sync::Arc};

/// What re-executes.
#[derive(Clone)]
pub enum Executor {
	/// The reference interpreter.
	Cpu,
	/// A device that passed the known-answer test.
	Gpu(Arc<Gpu>),
}

impl Executor {
	/// Judges a segment. The state has the root [`Case::state_before`].
	///
	/// # Errors
	/// In words, if it could not be executed, or if the device contradicts the CPU; then there is no verdict.
	pub fn judge(
		&self,
		case: &Case,
		segment: u32,
		state: Vec<Tensor>,
		data: &CheckedData,
	) -> Result<Finding, String> {
		let Self::Gpu(gpu) = self else {
			return case.judge_segment(segment, state, data);
		};
		let found = on_device(gpu, case, segment, state.clone(), data)?;
		if found.verdict.accepts() {
			return Ok(found);
		}
		let confirmed = case.judge_segment(segment, state, data)?;
		if confirmed.verdict.accepts() {
			return Err(format!(
				"{} (driver {}) finds: {}. The CPU agrees with the worker, so the device is wrong: no vote is based on it; \
				 use --executor cpu or change the driver",
				gpu.name(),
				gpu.driver(),
				found.reason
			));
		}
		Ok(confirmed)
	}
}

fn on_device(
	gpu: &Arc<Gpu>,
	case: &Case,
	segment: u32,
	state: Vec<Tensor>,
	data: &CheckedData,
) -> Result<Finding, String> {
	let Some(before) = case.state_before(segment) else {
		return Ok(case.no_record(segment));
	};
	let pool = Pool::new(gpu.clone());
	let mut witness = Witness::new(pool.clone(), case.claimed_sites(segment));
	let record = {
		let mut backend = GpuBackend::new(pool, &case.workload, &case.info, case.seed(), data, &mut witness)
			.map_err(|error| error.to_string())?;
		backend.load_state(state).map_err(|error| error.to_string())?;
		drive_segment(&mut backend, &case.workload, segment, before, |_, _| {
			Control::Continue
		})
		.map_err(|error| format!("segment {segment} could not be re-executed: {error}"))?
		.record
	};
	Ok(case.weigh(segment, &record, |step, instruction| {
		witness.at(step, instruction)
	}))
}

/// Computes products, and commits to the operands of those that seals name.
struct Witness {
	pool: Pool,
	/// By (step, instruction); `None` until it came by.
	sites: HashMap<(u32, u32), Option<(Hash32, Hash32)>>,
}

impl Witness {
	fn new(pool: Pool, sites: impl IntoIterator<Item = (u32, u32)>) -> Self {
		Self {
			pool,
			sites: sites.into_iter().map(|site| (site, None)).collect(),
		}
	}

	fn at(&self, step: u32, instruction: u32) -> Option<(Hash32, Hash32)> {
		self.sites.get(&(step, instruction)).copied().flatten()
	}
}

impl ProductSink for Witness {
	type Error = DeviceError;

	fn product(
		&mut self,
		site: ProductSite,
		(a, b): (&Matrix, &Matrix),
		c: &Matrix,
		dims: Dims,
	) -> Result<(), DeviceError> {
		if let Some(slot) = self.sites.get_mut(&(site.step, site.instruction)) {
			let (trees, _) = commit::trees(self.pool.gpu(), &[a, b], &[])?;
			if let [a, b] = trees.as_slice() {
				*slot = Some((a.root(), b.root()));
			}
		}
		plain_product(&self.pool, (a, b), c, dims)
	}
}
