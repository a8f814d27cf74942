// SPDX-License-Identifier: Apache-2.0

//! The convolutional network: convolutions as products of image patches with filters, then dense layers, ReLU between all
//! of them, no biases. A stride takes the place of pooling.
//!
//! Products over few channels are thin: a convolution multiplies `[batch · positions, kernel² · channels]` with
//! `[filters, kernel² · channels]`, so filters in multiples of 16 and a batch of 128 or more fill the tiles of the products.

use crate::{
	classifier::Layer,
	dataset::Split,
	error::{field, ModelError},
	mlp,
};
use poaiw_program::op::Window;
use serde::{Deserialize, Serialize};

/// Most convolutions.
pub const MAX_CONVOLUTIONS: usize = 16;
/// Largest height, width or number of channels of an image.
pub const MAX_SIZE: u32 = 4096;
/// Largest kernel and stride.
pub const MAX_KERNEL: u32 = 15;

/// A convolutional network, as it stands in TOML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
	/// What an example is.
	pub input: Image,
	/// From the image on.
	pub convolutions: Vec<Convolution>,
	/// Widths after the last convolution; the last one is the number of classes.
	pub dense: Vec<u32>,
}

/// Sizes of an image: values lie row by row, the channels of a pixel side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
	/// Rows.
	pub height: u32,
	/// Columns.
	pub width: u32,
	/// Values of a pixel.
	pub channels: u32,
}

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
	/// Channels of its output.
	pub filters: u32,
	/// Rows and columns of its window.
	pub kernel: u32,
	/// How far the window moves.
	#[serde(default = "one")]
	pub stride: u32,
	/// Zeros around the image.
	#[serde(default)]
	pub padding: u32,
}

fn one() -> u32 {
	1
}

/// Height and width of what a window gives when it has moved over its image.
pub(crate) fn output_size(window: &Window) -> (u32, u32) {
	let along = |size: u32| {
		let room = size.saturating_add(window.padding.saturating_mul(2));
		match room.checked_sub(window.kernel) {
			Some(way) => way / window.stride.max(1) + 1,
			None => 0,
		}
	};
	(along(window.height), along(window.width))
}

impl Conv {
	/// Checks every value.
	///
	/// # Errors
	/// The first field that is out of its bounds, with what to do about it.
	pub fn check(&self) -> Result<(), ModelError> {
		let within = |name: &str, value: u32, least: u32, most: u32| {
			if (least..=most).contains(&value) {
				Ok(())
			} else {
				Err(field(name, value, format!("give {least} to {most}")))
			}
		};
		within("model.input.height", self.input.height, 1, MAX_SIZE)?;
		within("model.input.width", self.input.width, 1, MAX_SIZE)?;
		within("model.input.channels", self.input.channels, 1, MAX_SIZE)?;
		if self.convolutions.is_empty() || self.convolutions.len() > MAX_CONVOLUTIONS {
			return Err(field(
				"model.convolutions",
				format!("{} convolutions", self.convolutions.len()),
				format!("give 1 to {MAX_CONVOLUTIONS}, or use kind = \"mlp\""),
			));
		}
		let mut image = self.input;
		for (n, convolution) in self.convolutions.iter().enumerate() {
			let at = |name: &str| format!("model.convolutions[{n}].{name}");
			within(&at("filters"), convolution.filters, 1, MAX_SIZE)?;
			within(&at("kernel"), convolution.kernel, 1, MAX_KERNEL)?;
			within(&at("stride"), convolution.stride, 1, MAX_KERNEL)?;
			within(&at("padding"), convolution.padding, 0, convolution.kernel - 1)?;
			let (height, width) = output_size(&window(&image, convolution));
			if height == 0 || width == 0 {
				return Err(field(
					&at("kernel"),
					convolution.kernel,
					format!(
						"the image has {} x {} pixels there: make the kernel smaller or the padding larger",
						image.height, image.width
					),
				));
			}
			image = Image {
				height,
				width,
				channels: convolution.filters,
			};
		}
		if self.dense.is_empty() || self.dense.len() > crate::architecture::MAX_LAYERS {
			return Err(field(
				"model.dense",
				format!("{} widths", self.dense.len()),
				format!(
					"give 1 to {} widths, the last one the number of classes",
					crate::architecture::MAX_LAYERS
				),
			));
		}
		for (n, width) in self.dense.iter().enumerate() {
			within(
				&format!("model.dense[{n}]"),
				*width,
				1,
				crate::architecture::MAX_WIDTH,
			)?;
		}
		Ok(())
	}
}

fn window(image: &Image, convolution: &Convolution) -> Window {
	Window {
		height: image.height,
		width: image.width,
		kernel: convolution.kernel,
		stride: convolution.stride,
		padding: convolution.padding,
	}
}

/// The layers of a network that was checked, if they fit the data.
pub(crate) fn layers(model: &Conv, data: &Split) -> Result<Vec<Layer>, ModelError> {
	let values = |i: &Image| {
		u64::from(i.height)
			.saturating_mul(i.width.into())
			.saturating_mul(i.channels.into())
	};
	if values(&model.input) != u64::from(data.features) {
		return Err(field(
			"model.input",
			format!(
				"{} x {} x {}",
				model.input.height, model.input.width, model.input.channels
			),
			format!(
				"the data has {} values in each example: make height * width * channels equal",
				data.features
			),
		));
	}
	let classes = model.dense.last().copied().unwrap_or(0);
	if classes != data.classes {
		return Err(field(
			&format!("model.dense[{}]", model.dense.len().saturating_sub(1)),
			classes,
			format!("the data has {} classes: make the last width equal", data.classes),
		));
	}
	let (mut image, mut all) = (model.input, Vec::new());
	for convolution in &model.convolutions {
		let window = window(&image, convolution);
		let (height, width) = output_size(&window);
		all.push(Layer::Convolution {
			window,
			channels: image.channels,
			filters: convolution.filters,
		});
		image = Image {
			height,
			width,
			channels: convolution.filters,
		};
	}
	let flat = u32::try_from(values(&image)).map_err(|_| {
		field(
			"model.convolutions",
			format!("{} values at the end", values(&image)),
			"use a larger stride or fewer filters".into(),
		)
	})?;
	let widths: Vec<u32> = [flat].iter().chain(&model.dense).copied().collect();
	all.extend(mlp::dense(&widths));
	Ok(all)
}
