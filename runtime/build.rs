// SPDX-License-Identifier: Apache-2.0

//! Builds the runtime's wasm when the `std` build is wanted.

fn main() {
	#[cfg(all(feature = "std", not(feature = "metadata-hash")))]
	substrate_wasm_builder::WasmBuilder::build_using_defaults();

	// What wallets check against is computed at release time only: it compiles the runtime twice.
	#[cfg(all(feature = "std", feature = "metadata-hash"))]
	substrate_wasm_builder::WasmBuilder::init_with_defaults()
		.enable_metadata_hash("POAI", 12)
		.build();
}
