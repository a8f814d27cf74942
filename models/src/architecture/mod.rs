// SPDX-License-Identifier: Apache-2.0

//! Description of a model and its training, as it stands in TOML.

mod transformer;

pub use transformer::{Objective, ReluMask, Transformer};

use crate::{
	conv::Conv,
	error::{field, ModelError},
};
use serde::{Deserialize, Serialize};

/// Widest layer.
pub const MAX_WIDTH: u32 = 65_535;
/// Largest peak rate in its unit.
const MAX_INTEGER_RATE: u32 = 1 << 16;
/// Largest weight decay in its unit.
const MAX_INTEGER_DECAY: u32 = 255;
/// Finest exponent of the unit of master weights.
pub(crate) const FINEST_UNIT: i32 = -24;
/// Coarsest exponent of the unit of master weights.
const COARSEST_UNIT: i32 = -20;
/// Most layers.
pub const MAX_LAYERS: usize = 64;

/// Most blocks of a transformer: with the optimiser's tensors their matrices fit a state.
pub const MAX_BLOCKS: u32 = 48;

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
	/// Convolutional network: convolutions, then dense layers, ReLU between them, no biases.
	Conv(Conv),
	/// Decoder-only transformer: predicts the next token of a text.
	Transformer(Transformer),
	/// Transformer encoder: predicts hidden tokens of a text from both sides.
	#[serde(deserialize_with = "transformer::encoder")]
	Encoder(Transformer),
}

impl Model {
	/// The name that stands in `model.kind`.
	pub fn kind(&self) -> &'static str {
		match self {
			Model::Mlp { .. } => "mlp",
			Model::Conv(_) => "conv",
			Model::Transformer(_) => "transformer",
			Model::Encoder(_) => "encoder",
		}
	}

	/// The transformer of a model that reads text; `None` for the others.
	pub fn transformer(&self) -> Option<&Transformer> {
		match self {
			Model::Transformer(model) | Model::Encoder(model) => Some(model),
			Model::Mlp { .. } | Model::Conv(_) => None,
		}
	}
}

/// A number within bounds.
fn number(name: &str, value: u32, least: u32, most: u32) -> Result<(), ModelError> {
	if (least..=most).contains(&value) {
		Ok(())
	} else {
		Err(field(name, value, format!("give a number of {least} to {most}")))
	}
}

/// Batches, epochs and segments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
	/// Examples of one step.
	pub batch: u32,
	/// Passes over the training set; a pass has as many steps as there are whole batches. Instead of `steps`.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub epochs: Option<u32>,
	/// Number of steps. Instead of `epochs`.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub steps: Option<u32>,
	/// Steps of one segment of the trace.
	pub steps_per_segment: u32,
}

impl Training {
	/// Steps of the whole training on a set of `examples`.
	///
	/// # Errors
	/// If a batch has more examples than there are.
	pub fn total_steps(&self, examples: u32) -> Result<u32, ModelError> {
		let per_epoch = examples / self.batch.max(1);
		if per_epoch == 0 {
			return Err(field(
				"training.batch",
				self.batch,
				format!("the training set has {examples} examples: make the batch no larger"),
			));
		}
		Ok(match self.steps {
			Some(steps) => steps,
			None => per_epoch.saturating_mul(self.epochs.unwrap_or(1)),
		})
	}

	fn check(&self) -> Result<(), ModelError> {
		let given = [
			("training.batch", Some(self.batch)),
			("training.epochs", self.epochs),
			("training.steps", self.steps),
			("training.steps_per_segment", Some(self.steps_per_segment)),
		];
		for (name, value) in given {
			if let Some(value) = value {
				number(name, value, 1, 1 << 20)?;
			}
		}
		let remedy = || "give either training.epochs or training.steps".to_string();
		match (self.epochs, self.steps) {
			(Some(_), Some(_)) => Err(field("training.steps", "given beside training.epochs", remedy())),
			(None, None) => Err(field("training.epochs", "missing", remedy())),
			_ => Ok(()),
		}
	}
}

/// An optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimiser {
	/// Adam.
	Adam {
		/// Peak learning rate, at most 0.062.
		rate: f64,
		/// Decoupled weight decay, 0 to 0.99, less above a rate of 0.0039; embeddings don't decay.
		#[serde(default)]
		weight_decay: f64,
		/// Whether tiny second moments are raised to a floor: without it, weights whose gradient has vanished for
		/// thousands of steps drift.
		#[serde(default = "yes")]
		floor: bool,
	},
	/// Adam with a mean of magnitudes in the denominator.
	L1Adam {
		/// Peak learning rate, at most 0.062.
		rate: f64,
		/// Decoupled weight decay, 0 to 0.99, less above a rate of 0.0039.
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
	/// The peak rate in the unit of the update: that of the weights (Adam) or 2^-12 (gradient descent).
	pub fn integer_rate(&self) -> u32 {
		match self {
			Optimiser::Adam { rate, .. } | Optimiser::L1Adam { rate, .. } => {
				(rate * f64::from(-self.weight_unit()).exp2()).round() as u32
			}
			Optimiser::Sgd { rate } => (rate * f64::from(1 << 12)).round() as u32,
		}
	}

	/// Exponent of the unit of master weights: the finest one in which Adam's peak rate has 16 bits, -24 up to 0.0039. A
	/// coarser unit gives larger weights room too: they stay within ±2^27 units.
	pub fn weight_unit(&self) -> i32 {
		let (Optimiser::Adam { rate, .. } | Optimiser::L1Adam { rate, .. }) = self else {
			return FINEST_UNIT;
		};
		let fits = |unit: &i32| (rate * f64::from(-unit).exp2()).round() <= f64::from(MAX_INTEGER_RATE);
		(FINEST_UNIT..COARSEST_UNIT).find(fits).unwrap_or(COARSEST_UNIT)
	}

	/// Weight decay in the unit of the update operations.
	pub fn integer_decay(&self) -> u32 {
		match self {
			Optimiser::Adam { weight_decay, .. } | Optimiser::L1Adam { weight_decay, .. } => {
				(weight_decay * self.decay_scale()).round() as u32
			}
			Optimiser::Sgd { .. } => 0,
		}
	}

	/// What one is in that unit, which is relative to the rate in its own: 2^8 beside weights of unit 2^-24.
	fn decay_scale(&self) -> f64 {
		f64::from(self.weight_unit() - FINEST_UNIT + 8).exp2()
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

fn yes() -> bool {
	true
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
	/// Steps of the whole training on a set of `examples`.
	///
	/// # Errors
	/// If a batch has more examples than there are, or the schedule of the rate has too many steps.
	pub fn total_steps(&self, examples: u32) -> Result<u32, ModelError> {
		let steps = self.training.total_steps(examples)?;
		let most = u32::MAX / self.optimiser.integer_rate().max(1);
		if steps > most {
			let remedy = format!("at this peak rate give at most {most} steps, or a lower rate");
			return Err(field("training.steps", steps, remedy));
		}
		Ok(steps)
	}

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
		match &self.model {
			Model::Mlp { layers } => widths(layers)?,
			Model::Conv(conv) => conv.check()?,
			Model::Transformer(transformer) => transformer.check_decoder()?,
			Model::Encoder(transformer) => transformer.check_encoder()?,
		}
		self.training.check()?;
		let rate = match self.optimiser {
			Optimiser::Adam {
				rate, weight_decay, ..
			}
			| Optimiser::L1Adam { rate, weight_decay } => {
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
		let fits = (1..=MAX_INTEGER_RATE).contains(&self.optimiser.integer_rate());
		if !rate.is_finite() || rate <= 0.0 || !fits {
			return Err(field(
				"optimiser.rate",
				rate,
				"give a rate above 0 and up to 0.062 (adam, l1-adam) or 16 (sgd)".into(),
			));
		}
		let decay = self.optimiser.integer_decay();
		if decay > MAX_INTEGER_DECAY {
			let most = f64::from(MAX_INTEGER_DECAY) / self.optimiser.decay_scale();
			return Err(field(
				"optimiser.weight_decay",
				format!("too large for a rate of {rate}"),
				format!("give at most {most:.3}, or a lower rate"),
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

/// Widths of a multilayer perceptron.
fn widths(layers: &[u32]) -> Result<(), ModelError> {
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
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_unit_of_weights_should_be_the_finest_that_the_rate_allows() {
		let adam = |rate| Optimiser::Adam {
			rate,
			weight_decay: 0.06,
			floor: true,
		};
		for (rate, unit, integer_rate, integer_decay) in [
			(0.0001, -24, 1678, 15),
			(0.00390625, -24, 65536, 15),
			(0.0039063, -23, 32768, 31),
			(0.008, -22, 33554, 61),
			(0.0624, -20, 65431, 246),
			// Refused by `check`.
			(1.0, -20, 1 << 20, 246),
		] {
			let optimiser = adam(rate);
			let got = (
				optimiser.weight_unit(),
				optimiser.integer_rate(),
				optimiser.integer_decay(),
			);
			assert_eq!(got, (unit, integer_rate, integer_decay), "{rate}");
		}
		let sgd = Optimiser::Sgd { rate: 4.0 };
		assert_eq!((sgd.weight_unit(), sgd.integer_rate()), (-24, 1 << 14));
	}
}
