// SPDX-License-Identifier: Apache-2.0

//! The multilayer perceptron: dense layers with ReLU between them, no biases.

use crate::{
	classifier::Layer,
	dataset::Split,
	error::{field, ModelError},
};

pub use crate::classifier::compile;

/// The layers of these widths, if they fit the data.
pub(crate) fn layers(widths: &[u32], data: &Split) -> Result<Vec<Layer>, ModelError> {
	let (Some(inputs), Some(classes)) = (widths.first(), widths.last()) else {
		return Err(field("model.layers", "empty", "give 2 widths or more".into()));
	};
	if *inputs != data.features {
		return Err(field(
			"model.layers[0]",
			inputs,
			format!(
				"the data has {} values in each example: make the first width equal",
				data.features
			),
		));
	}
	if *classes != data.classes {
		return Err(field(
			&format!("model.layers[{}]", widths.len() - 1),
			classes,
			format!("the data has {} classes: make the last width equal", data.classes),
		));
	}
	Ok(dense(widths))
}

/// Dense layers between neighbouring widths.
pub(crate) fn dense(widths: &[u32]) -> Vec<Layer> {
	widths
		.iter()
		.zip(widths.iter().skip(1))
		.map(|(inputs, outputs)| Layer::Dense {
			inputs: *inputs,
			outputs: *outputs,
		})
		.collect()
}
