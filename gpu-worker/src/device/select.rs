// SPDX-License-Identifier: Apache-2.0

//! Listing and choosing adapters.

use super::{
	bench::calibrate,
	gpu::{ready, DotPath, Gpu},
	known_answer::known_answer,
	DeviceError,
};
use std::sync::Arc;

/// What identifies an adapter to a person.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AdapterLine {
	/// Position in the list; `--device` takes it.
	pub index: usize,
	/// Name that the driver gives.
	pub name: String,
	/// Discrete, integrated, virtual, software or other.
	pub kind: String,
	/// PCI vendor.
	pub vendor: u32,
	/// Driver and its version.
	pub driver: String,
	/// Largest buffer that a kernel can bind, in MiB.
	pub max_binding_mib: u64,
}

/// How to choose a device.
#[derive(Clone, Debug, Default)]
pub struct DeviceChoice {
	/// Index in the list, part of the name, or vendor (`nvidia`, `amd`, `intel`, `0x10de`); `None` for the best.
	pub wanted: Option<String>,
	/// Whether a software device may be used.
	pub allow_cpu: bool,
}

fn instance() -> wgpu::Instance {
	let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
	descriptor.backends = wgpu::Backends::VULKAN;
	wgpu::Instance::new(descriptor)
}

fn adapters() -> Vec<wgpu::Adapter> {
	ready(instance().enumerate_adapters(wgpu::Backends::VULKAN))
}

fn line(index: usize, adapter: &wgpu::Adapter) -> AdapterLine {
	let info = adapter.get_info();
	AdapterLine {
		index,
		name: info.name,
		kind: kind_name(info.device_type).into(),
		vendor: info.vendor,
		driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
		max_binding_mib: adapter.limits().max_storage_buffer_binding_size >> 20,
	}
}

fn kind_name(kind: wgpu::DeviceType) -> &'static str {
	match kind {
		wgpu::DeviceType::DiscreteGpu => "discrete",
		wgpu::DeviceType::IntegratedGpu => "integrated",
		wgpu::DeviceType::VirtualGpu => "virtual",
		wgpu::DeviceType::Cpu => "software",
		wgpu::DeviceType::Other => "other",
	}
}

/// All Vulkan adapters.
pub fn list() -> Vec<AdapterLine> {
	adapters()
		.iter()
		.enumerate()
		.map(|(index, adapter)| line(index, adapter))
		.collect()
}

fn vendor_number(text: &str) -> Option<u32> {
	match text.to_ascii_lowercase().as_str() {
		"nvidia" => Some(0x10de),
		"amd" => Some(0x1002),
		"intel" => Some(0x8086),
		"apple" => Some(0x106b),
		"mesa" => Some(0x10005),
		hex => u32::from_str_radix(hex.strip_prefix("0x")?, 16).ok(),
	}
}

fn matches(line: &AdapterLine, wanted: &str) -> bool {
	wanted.parse::<usize>() == Ok(line.index)
		|| vendor_number(wanted) == Some(line.vendor)
		|| line
			.name
			.to_ascii_lowercase()
			.contains(&wanted.to_ascii_lowercase())
}

/// Smaller is better: real hardware first.
fn preference(kind: wgpu::DeviceType) -> u8 {
	match kind {
		wgpu::DeviceType::DiscreteGpu => 0,
		wgpu::DeviceType::VirtualGpu => 1,
		wgpu::DeviceType::IntegratedGpu => 2,
		wgpu::DeviceType::Other => 3,
		wgpu::DeviceType::Cpu => 4,
	}
}

fn choose(choice: &DeviceChoice) -> Result<wgpu::Adapter, DeviceError> {
	let all = adapters();
	let lines: Vec<AdapterLine> = all.iter().enumerate().map(|(i, a)| line(i, a)).collect();
	if all.is_empty() {
		return Err(DeviceError::NoAdapter);
	}
	let mut fitting: Vec<(AdapterLine, wgpu::Adapter)> = lines
		.iter()
		.cloned()
		.zip(all)
		.filter(|(line, _)| choice.wanted.as_ref().is_none_or(|wanted| matches(line, wanted)))
		.collect();
	fitting.sort_by_key(|(line, adapter)| (preference(adapter.get_info().device_type), line.index));
	let Some((line, adapter)) = fitting.into_iter().next() else {
		let known: Vec<String> = lines
			.iter()
			.map(|x| format!("{}: {} ({})", x.index, x.name, x.kind))
			.collect();
		return Err(DeviceError::NoMatch {
			wanted: choice.wanted.clone().unwrap_or_default(),
			known: known.join(", "),
		});
	};
	if adapter.get_info().device_type == wgpu::DeviceType::Cpu && !choice.allow_cpu {
		return Err(DeviceError::CpuAdapter { name: line.name });
	}
	Ok(adapter)
}

/// Opens the chosen device and lets it pass the known-answer test: first with the packed dot product, and if that
/// gives wrong bits (some drivers do), with shifts and multiplications instead.
///
/// # Errors
/// If no device fits, it can't be opened, or it fails the test both ways.
pub fn open(choice: &DeviceChoice) -> Result<Arc<Gpu>, DeviceError> {
	let adapter = choose(choice)?;
	let mut last = None;
	for dot in [DotPath::Packed, DotPath::Shifts] {
		let gpu = Arc::new(Gpu::open(&adapter, dot)?);
		match known_answer(&gpu) {
			Ok(_) => {
				let rate = calibrate(&gpu)?;
				tracing::debug!(device = gpu.name(), ?dot, rate, "known-answer test passed");
				return Ok(gpu);
			}
			Err(error @ DeviceError::WrongAnswer { .. }) => {
				tracing::warn!(%error, ?dot, "known-answer test failed");
				last = Some(error);
			}
			Err(error) => return Err(error),
		}
	}
	Err(last.unwrap_or(DeviceError::NoAdapter))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn sample() -> AdapterLine {
		AdapterLine {
			index: 1,
			name: "Example RTX 1".into(),
			kind: "discrete".into(),
			vendor: 0x10de,
			driver: String::new(),
			max_binding_mib: 128,
		}
	}

	#[test]
	fn a_device_should_be_found_by_index_name_and_vendor() {
		for wanted in ["1", "rtx", "nvidia", "0x10de"] {
			assert!(matches(&sample(), wanted), "{wanted}");
		}
		for wanted in ["0", "radeon", "amd", "0x1002"] {
			assert!(!matches(&sample(), wanted), "{wanted}");
		}
	}

	#[test]
	fn opening_should_fail_with_the_list_when_nothing_matches() {
		let choice = DeviceChoice {
			wanted: Some("no such device".into()),
			allow_cpu: true,
		};
		let error = open(&choice).err().unwrap().to_string();
		assert!(
			error.contains("no such device") || error.contains("no Vulkan device"),
			"{error}"
		);
	}

	#[test]
	fn a_software_device_should_be_refused_when_it_is_not_allowed() {
		let choice = DeviceChoice {
			wanted: Some("llvmpipe".into()),
			allow_cpu: false,
		};
		assert!(matches!(open(&choice), Err(DeviceError::CpuAdapter { .. })));
	}
}
