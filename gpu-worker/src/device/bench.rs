// SPDX-License-Identifier: Apache-2.0

//! Rates of the kernels of a device, and from them the size of its dispatches.

use super::{DeviceError, Gpu};
use crate::{
	kernels::{
		commit, noise,
		product::{Job, Variant},
		ticket::HIT_WORDS,
		Matrix, Pool,
	},
	miner::pipeline::{Draw, Pipeline},
};
use poaiw_work::{seeds::Seeds, Dims, Rank, U256};
use std::{
	ops::ControlFlow,
	sync::Arc,
	time::{Duration, Instant},
};

/// One measured kernel.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Line {
	/// Which kernel, with its sizes.
	pub kernel: String,
	/// What is counted.
	pub unit: &'static str,
	/// So many per second.
	pub per_second: f64,
	/// Time of one run.
	pub milliseconds: f64,
}

/// How long a kernel is measured.
const PATIENCE: Duration = Duration::from_millis(500);
/// At start-up, where only the order of magnitude matters.
const HASTE: Duration = Duration::from_millis(50);

/// Runs for about `time`, after one run that compiles; the best run counts.
fn measure(
	time: Duration,
	mut run: impl FnMut() -> Result<(), DeviceError>,
) -> Result<Duration, DeviceError> {
	run()?;
	let (began, mut best) = (Instant::now(), Duration::MAX);
	while best == Duration::MAX || began.elapsed() < time {
		let one = Instant::now();
		run()?;
		best = best.min(one.elapsed());
	}
	Ok(best)
}

fn line(kernel: String, unit: &'static str, work: u64, time: Duration) -> Line {
	let seconds = time.as_secs_f64().max(1e-9);
	Line {
		kernel,
		unit,
		per_second: work as f64 / seconds,
		milliseconds: seconds * 1e3,
	}
}

/// Work of a bench.
struct Bench {
	pool: Pool,
	dims: Dims,
	rank: Rank,
	a: Matrix,
	b: Matrix,
	c: Matrix,
}

impl Bench {
	fn new(gpu: &Arc<Gpu>, (m, n, k): (u32, u32, u32)) -> Result<Self, DeviceError> {
		let fit = |error: poaiw_work::Error| DeviceError::Sizes(error.to_string());
		let pool = Pool::new(gpu.clone());
		let mut recorder = gpu.record();
		let a = noise::synthetic(&pool, &mut recorder, &[1; 32], m, k)?;
		let b = noise::synthetic(&pool, &mut recorder, &[2; 32], n, k)?;
		recorder.submit();
		let c = pool.matrix(m, n * 4)?;
		Ok(Self {
			dims: Dims::new(m, n, k).map_err(fit)?,
			rank: Rank::new(64).map_err(fit)?,
			pool,
			a,
			b,
			c,
		})
	}

	fn gpu(&self) -> &Gpu {
		self.pool.gpu()
	}

	fn macs(&self) -> u64 {
		u64::from(self.dims.m()) * u64::from(self.dims.n()) * u64::from(self.dims.k())
	}

	fn name(&self, kernel: &str) -> String {
		format!("{kernel} {}x{}x{}", self.dims.m(), self.dims.n(), self.dims.k())
	}

	/// Only the product, without transcripts.
	fn product(&self, variant: Variant, time: Duration) -> Result<Duration, DeviceError> {
		let job = Job {
			variant,
			a: self.a.buffer(),
			b: self.b.buffer(),
			c: Some(&self.c),
			dims: self.dims,
			rank: None,
		};
		let none = self.gpu().buffer("no transcripts", 4)?;
		measure(time, || {
			let mut recorder = self.gpu().record();
			job.record(self.gpu(), &mut recorder, &none, 0, self.dims.m())?;
			let index = recorder.submit();
			self.gpu().wait(index)
		})
	}

	/// Noise, product with transcripts, tickets, peel.
	fn mined(&self, variant: Variant, rank: Rank) -> Result<Duration, DeviceError> {
		let mut pipeline = Pipeline::new(self.pool.clone());
		pipeline.variant = Some(variant);
		let seeds = Seeds {
			a: [3; 32],
			b: [4; 32],
		};
		let draw = Draw {
			dims: self.dims,
			rank,
			seeds,
			limit: U256::zero(),
			memory: None,
		};
		let hits = self.gpu().buffer("hits", HIT_WORDS)?;
		measure(PATIENCE, || {
			let noisy = pipeline.noisy(&draw, &self.a, &self.b)?;
			pipeline.draw(&draw, &noisy, Some(&self.c), &hits, || {
				Ok(ControlFlow::Continue(()))
			})?;
			pipeline.peel(&self.dims, &noisy, &self.b, &self.c)?;
			self.gpu().read(&hits, 1).map(|_| ())
		})
	}

	fn noise(&self) -> Result<Duration, DeviceError> {
		let pipeline = Pipeline::new(self.pool.clone());
		let seeds = Seeds {
			a: [3; 32],
			b: [4; 32],
		};
		let draw = Draw {
			dims: self.dims,
			rank: self.rank,
			seeds,
			limit: U256::zero(),
			memory: None,
		};
		measure(PATIENCE, || {
			let _noisy = pipeline.noisy(&draw, &self.a, &self.b)?;
			self.gpu().read(self.a.buffer(), 1).map(|_| ())
		})
	}

	fn lines(&self) -> Result<Vec<Line>, DeviceError> {
		let mut lines = Vec::new();
		for variant in Variant::ALL {
			lines.push(line(
				self.name(&format!("product {variant:?}")),
				"MAC",
				self.macs(),
				self.product(variant, PATIENCE)?,
			));
		}
		for variant in Variant::ALL {
			for rank in Rank::ALL {
				let name = self.name(&format!("mined {variant:?} r={}", rank.get()));
				lines.push(line(name, "MAC", self.macs(), self.mined(variant, rank)?));
			}
		}
		let bytes = u64::from(self.dims.m() + self.dims.n()) * u64::from(self.dims.k());
		lines.push(line(self.name("noise r=64"), "byte", bytes, self.noise()?));
		let leaves = measure(PATIENCE, || {
			commit::trees(self.gpu(), &[&self.a, &self.b], &[]).map(|_| ())
		})?;
		lines.push(line(self.name("commitment"), "byte", bytes, leaves));
		Ok(lines)
	}
}

/// Measures the product kernel of a device (MAC/s) and sets the size of its dispatches.
///
/// # Errors
/// If the device fails.
pub fn calibrate(gpu: &Arc<Gpu>) -> Result<f64, DeviceError> {
	let size = if gpu.is_software() { 256 } else { 2048 };
	let bench = Bench::new(gpu, (size, size, size))?;
	let time = bench.product(Variant::choose(gpu, &bench.dims), HASTE)?;
	let rate = bench.macs() as f64 / time.as_secs_f64().max(1e-6);
	gpu.set_rate(rate);
	Ok(rate)
}

/// Rates of all kernels, on a product that keeps the device busy.
///
/// # Errors
/// If the device fails.
pub fn rates(gpu: &Arc<Gpu>) -> Result<Vec<Line>, DeviceError> {
	let size = if gpu.is_software() {
		(1024, 1024, 1024)
	} else {
		(8192, 8192, 4096)
	};
	Bench::new(gpu, size)?.lines()
}
