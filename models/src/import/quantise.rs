// SPDX-License-Identifier: Apache-2.0

//! From floats to the integers of a program.

use crate::{
	encoder::{Linear, Norm, STREAM_UNIT},
	safetensors_file::to_mantissas,
};

/// Largest magnitude of a mantissa of a product.
const OPERAND_MAX: i8 = 63;
/// Largest magnitude of a value in a fixed unit.
const FIXED_MAX: f64 = (1 << 27) as f64;
/// Bits of the largest gain: a normalised row times the gain fits a word.
const GAIN_BITS: i32 = 14;
/// Finest unit of a gain.
const FINEST_GAIN: i32 = -16;
/// Coarsest unit of a gain: that of the product is then the stream's.
const COARSEST_GAIN: i32 = -6;
/// Exponents of matrices stay within this; smaller weights count as zero beside the others.
const MAX_EXPONENT: i32 = 64;

/// Values in the unit `2^unit`, rounded to nearest.
///
/// # Errors
/// The number of the first value that does not fit, and the value.
pub fn fixed(values: &[f32], unit: i32) -> Result<Vec<i32>, String> {
	let scale = 2f64.powi(-unit);
	let convert = |(n, v): (usize, &f32)| {
		let scaled = (f64::from(*v) * scale).round();
		if scaled.abs() <= FIXED_MAX {
			Ok(scaled as i32)
		} else {
			let most = FIXED_MAX / scale;
			Err(format!(
				"value {n} is {v}: magnitudes up to {most} can be executed"
			))
		}
	};
	values.iter().enumerate().map(convert).collect()
}

/// Mantissas and exponent of a row: the exponent that cuts nothing off, or the one below it if the finer unit is worth
/// more than the largest values that are cut off, by the sum of squared errors.
fn mantissas_of_row(row: &[f32]) -> (Vec<i8>, i32) {
	let (whole, exponent) = to_mantissas(row, OPERAND_MAX);
	let most = f64::from(OPERAND_MAX);
	let scale = 2f64.powi(1 - exponent);
	let cut: Vec<i8> = row
		.iter()
		.map(|v| (f64::from(*v) * scale).round().clamp(-most, most) as i8)
		.collect();
	let error = |mantissas: &[i8], exponent: i32| -> f64 {
		let unit = 2f64.powi(exponent);
		let errors = row
			.iter()
			.zip(mantissas)
			.map(|(v, m)| f64::from(*v) - f64::from(*m) * unit);
		errors.map(|e| e * e).sum()
	};
	if error(&cut, exponent - 1) < error(&whole, exponent) {
		(cut, exponent - 1)
	} else {
		(whole, exponent)
	}
}

/// A matrix `[rows, cols]` as int7 mantissas with an exponent for every row, and its bias in the unit of its output.
///
/// # Errors
/// If an exponent is out of bounds, or as [`fixed`].
pub fn linear(values: &[f32], rows: usize, bias: Option<(&[f32], i32)>) -> Result<Linear, String> {
	let cols = values.len() / rows.max(1);
	let mut mantissas = Vec::with_capacity(values.len());
	let mut exponents: Vec<Option<i32>> = Vec::with_capacity(rows);
	for (n, row) in values.chunks_exact(cols.max(1)).enumerate() {
		let (of_row, exponent) = mantissas_of_row(row);
		let zero = of_row.iter().all(|m| *m == 0);
		if !zero && exponent.abs() > MAX_EXPONENT {
			return Err(format!(
				"row {n} has values around 2^{exponent}: rescale the model, magnitudes of 2^-{MAX_EXPONENT} to 2^{MAX_EXPONENT} can be executed"
			));
		}
		exponents.push((!zero).then_some(exponent));
		mantissas.extend(of_row);
	}
	// A row of zeros has any exponent: that of the smallest weights costs no range.
	let least = exponents.iter().flatten().min().copied().unwrap_or_default();
	Ok(Linear {
		mantissas,
		exponents: exponents.into_iter().map(|e| e.unwrap_or(least)).collect(),
		bias: bias.map(|(values, unit)| fixed(values, unit)).transpose()?,
	})
}

/// Gain and bias of a layer normalisation; the unit of the gain is the finest that its largest value allows.
///
/// # Errors
/// If the gain is too large, or as [`fixed`].
pub fn gain(values: &[f32], bias: &[f32]) -> Result<Norm, String> {
	let largest = values.iter().fold(0f32, |m, v| m.max(v.abs()));
	let fits = |unit: i32| f64::from(largest) * 2f64.powi(-unit) <= f64::from(1 << GAIN_BITS);
	let gain_unit = (FINEST_GAIN..=COARSEST_GAIN)
		.find(|unit| fits(*unit))
		.ok_or_else(|| format!("its largest gain is {largest}: gains up to 256 can be executed"))?;
	Ok(Norm {
		gain: fixed(values, gain_unit)?,
		gain_unit,
		bias: fixed(bias, STREAM_UNIT)?,
	})
}
