// SPDX-License-Identifier: Apache-2.0

//! Vectors of the retarget rule.

use super::{number, text};
use crate::retarget::{next_target, work};
use primitive_types::U256;
use serde_json::{Map, Value};
use std::num::NonZeroU64;

pub(super) fn compute(case: &Map<String, Value>) -> Result<Map<String, Value>, String> {
	let anchor = text(case, "anchor_target")?;
	let digits = anchor
		.strip_prefix("0x")
		.ok_or("anchor_target: expected 0x and hexadecimal digits")?;
	let anchor = U256::from_str_radix(digits, 16).map_err(|error| format!("anchor_target: {error}"))?;
	let half_life = NonZeroU64::new(number(case, "half_life_ms")?).ok_or("half_life_ms: must not be zero")?;
	let target = next_target(
		anchor,
		number(case, "elapsed_ms")?,
		number(case, "height_delta")?,
		number(case, "block_ms")?,
		half_life,
	);
	let mut out = Map::new();
	out.insert("anchor_target".into(), format!("{anchor:#x}").into());
	for key in ["elapsed_ms", "height_delta", "block_ms", "half_life_ms"] {
		out.insert(key.into(), number(case, key)?.into());
	}
	out.insert("target".into(), format!("{target:#x}").into());
	out.insert("work".into(), work(target).to_string().into());
	Ok(out)
}
