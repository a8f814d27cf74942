// SPDX-License-Identifier: Apache-2.0

//! The shared vectors of the retarget rule, through the pallet: genesis, timestamps and heights included.

use crate::mock::*;
use poaiw_primitives::U256;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../../primitives/work/vectors/asert.json");

fn number(case: &Value, key: &str) -> u64 {
	case[key].as_u64().unwrap_or_else(|| panic!("{key} of {case}"))
}

fn target(case: &Value, key: &str) -> U256 {
	let text = case[key].as_str().unwrap_or_else(|| panic!("{key} of {case}"));
	U256::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn target_and_work_should_be_those_of_the_shared_vectors() {
	let cases: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
	let mut checked = 0;
	for case in &cases {
		let (elapsed, delta) = (number(case, "elapsed_ms"), number(case, "height_delta"));
		// The first block after genesis can't have the time of genesis; the rule itself is tested where it is defined.
		if elapsed == 0 {
			continue;
		}
		ExtBuilder::with(|genesis| {
			genesis.initial_target = target(case, "anchor_target");
			genesis.block_ms = number(case, "block_ms");
			genesis.half_life_ms = number(case, "half_life_ms");
			genesis.epoch_blocks = u32::MAX;
		})
		.build_and_execute(|| {
			// The anchor is block 1: the block that is `delta` above it states the time.
			System::set_block_number(u32::try_from(delta).unwrap());
			block(START + elapsed);
			assert_eq!(Difficulty::mac_target(), target(case, "target"), "{case}");
			let work = U256::from_dec_str(case["work"].as_str().unwrap()).unwrap();
			assert_eq!(Difficulty::block_work(), work, "{case}");
		});
		checked += 1;
	}
	assert!(checked >= 100, "only {checked} of {} cases", cases.len());
}
