// SPDX-License-Identifier: Apache-2.0

//! The software Vulkan device on which the tests run.
#![allow(dead_code)]

use poaiw_worker::{
	device::{open, DeviceChoice, Gpu},
	kernels::Pool,
};
use std::sync::{Arc, OnceLock};

/// The software device, after its known-answer test.
pub fn gpu() -> Arc<Gpu> {
	static GPU: OnceLock<Arc<Gpu>> = OnceLock::new();
	GPU.get_or_init(|| {
		let driver = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
		if std::env::var_os("VK_DRIVER_FILES").is_none() && std::path::Path::new(driver).exists() {
			std::env::set_var("VK_DRIVER_FILES", driver);
			std::env::set_var("VK_ICD_FILENAMES", driver);
		}
		let choice = DeviceChoice {
			wanted: None,
			allow_cpu: true,
		};
		let gpu = open(&choice).expect("a Vulkan device: run `cargo xtask setup` for the software driver");
		if std::env::var_os("POAIW_TEST_ANY_DEVICE").is_none() {
			assert!(
				gpu.is_software(),
				"tests run on the software device, got {}",
				gpu.name()
			);
		}
		gpu
	})
	.clone()
}

/// A pool on it.
pub fn pool() -> Pool {
	Pool::new(gpu())
}

/// A small generator of test data (xorshift), so that a failing case can be repeated by its seed.
pub struct Random(u64);

impl Random {
	pub fn new(seed: u64) -> Self {
		Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
	}

	pub fn next(&mut self) -> u64 {
		self.0 ^= self.0 << 13;
		self.0 ^= self.0 >> 7;
		self.0 ^= self.0 << 17;
		self.0 >> 11
	}

	pub fn coin(&mut self) -> bool {
		self.next() & 1 == 1
	}

	pub fn range(&mut self, lo: i64, hi: i64) -> i32 {
		(lo + (self.next() % (hi - lo + 1) as u64) as i64) as i32
	}

	pub fn i8s(&mut self, count: usize) -> Vec<i8> {
		(0..count).map(|_| self.range(-63, 63) as i8).collect()
	}
}
