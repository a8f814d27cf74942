// SPDX-License-Identifier: Apache-2.0

//! Using the worker as a library: prints the rate of every kernel of the best device (software devices allowed).

use poaiw_worker::device::{bench, open, DeviceChoice};

fn main() -> Result<(), Box<dyn std::error::Error>> {
	let gpu = open(&DeviceChoice {
		wanted: std::env::args().nth(1),
		allow_cpu: true,
	})?;
	println!(
		"{} ({}), {} MAC in a dispatch",
		gpu.name(),
		gpu.driver(),
		gpu.slice_macs()
	);
	for line in bench::rates(&gpu)? {
		println!(
			"{:<44} {:>9.3} G{}/s {:>9.2} ms",
			line.kernel,
			line.per_second / 1e9,
			line.unit,
			line.milliseconds
		);
	}
	Ok(())
}
