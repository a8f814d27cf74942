// SPDX-License-Identifier: Apache-2.0

//! Description of a model and its training, as it stands in TOML.

use crate::error::{field, ModelError};
use serde::{Deserialize, Serialize};

/// Widest layer.
pub const MAX_WIDTH: u32 = 65_535;
/// Most layers.
pub const MAX_LAYERS: usize = 64;

/// A model and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
	/// The network.
	pub model: Model,
	/// Batches, epochs and segments.
	pub training: Training,
	/// The optimiser.
	pub optimiser: Optimiser,
	/// The learning rate over time.
	#[serde(default)]
	pub schedule: Schedule,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Model {
	/// Multilayer perceptron: products with ReLU between them, no biases.
	Mlp {
		/// Widths from the input to the classes.
		layers: Vec<u32>,
	},
}

/// Batches, epochs and segments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
	/// Examples of one step.
	pub batch: u32,
	/// Passes over the training set; a pass has as many steps as there are whole batches.
	pub epochs: u32,
	/// Steps of one segment of the trace.
	pub steps_per_segment: u32,
}

/// An optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimiser {
	/// Adam with a mean of magnitudes in the denominator.
	L1Adam {
		/// Peak learning rate, at most 0.0039.
		rate: f64,
		/// Decoupled weight decay, 0 to 0.99.
		#[serde(default)]
		weight_decay: f64,
	},
	/// Gradient descent with momentum.
	Sgd {
		/// Peak learning rate, at most 16.
		rate: f64,
	},
}

impl Optimiser {
	/// The peak rate in the unit of the update: 2^-24 (Adam) or 2^-12 (gradient descent).
	pub fn integer_rate(&self) -> u32 {
		match self {
			Optimiser::L1Adam { rate, .. } => (rate * f64::from(1 << 24)).round() as u32,
			Optimiser::Sgd { rate } => (rate * f64::from(1 << 12)).round() as u32,
		}
	}
}

/// Linear warm-up, then linear decay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
	/// Steps of the warm-up.
	#[serde(default)]
	pub warmup_steps: u32,
	/// Share of the peak rate that is left at the end, 0 to 1.
	#[serde(default = "default_floor")]
	pub floor: f64,
}

fn default_floor() -> f64 {
	0.1
}

impl Default for Schedule {
	fn default() -> Self {
		Self {
			warmup_steps: 0,
			floor: default_floor(),
		}
	}
}

impl Architecture {
	/// From TOML.
	///
	/// # Errors
	/// If the text is not TOML, a field is unknown or missing, or a value is out of its bounds.
	pub fn from_toml(text: &str) -> Result<Self, ModelError> {
		let this: Self = toml::from_str(text).map_err(|e| ModelError::Toml(e.to_string()))?;
		this.check()?;
		Ok(this)
	}

	/// Checks every value.
	///
	/// # Errors
	/// The first field that is out of its bounds, with what to do about it.
	pub fn check(&self) -> Result<(), ModelError> {
		let Model::Mlp { layers } = &self.model;
		if layers.len() < 2 || layers.len() > MAX_LAYERS {
			return Err(field(
				"model.layers",
				format!("{} widths", layers.len()),
				format!("give 2 to {MAX_LAYERS} widths, from the input to the classes"),
			));
		}
		for (n, width) in layers.iter().enumerate() {
			if !(1..=MAX_WIDTH).contains(width) {
				return Err(field(
					&format!("model.layers[{n}]"),
					width,
					format!("give a width of 1 to {MAX_WIDTH}"),
				));
			}
		}
		let positive = [
			("training.batch", self.training.batch),
			("training.epochs", self.training.epochs),
			("training.steps_per_segment", self.training.steps_per_segment),
		];
		for (name, value) in positive {
			if !(1..=1 << 20).contains(&value) {
				return Err(field(name, value, "give a number of 1 to 1048576".into()));
			}
		}
		let rate = match self.optimiser {
			Optimiser::L1Adam { rate, weight_decay } => {
				if !(0.0..=0.99).contains(&weight_decay) {
					return Err(field(
						"optimiser.weight_decay",
						weight_decay,
						"give 0 to 0.99 (0.1 is usual)".into(),
					));
				}
				rate
			}
			Optimiser::Sgd { rate } => rate,
		};
		if !rate.is_finite() || rate <= 0.0 || !(1..=65536).contains(&self.optimiser.integer_rate()) {
			return Err(field(
				"optimiser.rate",
				rate,
				"give a rate above 0 and up to 0.0039 (l1-adam) or 16 (sgd)".into(),
			));
		}
		if !(0.0..=1.0).contains(&self.schedule.floor) {
			return Err(field(
				"schedule.floor",
				self.schedule.floor,
				"give a share of 0 to 1".into(),
			));
		}
		Ok(())
	}
}
