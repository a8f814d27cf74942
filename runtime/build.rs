// SPDX-License-Identifier: Apache-2.0

//! Builds the runtime's wasm when the `std` build is wanted.

fn main() {
	// `cargo clippy` puts its driver, which belongs to this compiler, in front of the wasm toolchain's as well.
	std::env::remove_var("RUSTC_WORKSPACE_WRAPPER");
	#[cfg(all(feature = "std", not(feature = "metadata-hash")))]
	substrate_wasm_builder::WasmBuilder::build_using_defaults();

	// What wallets check against is computed at release time only: it compiles the runtime twice.
	#[cfg(all(feature = "std", feature = "metadata-hash"))]
	substrate_wasm_builder::WasmBuilder::init_with_defaults()
		.enable_metadata_hash("POAI", 12)
		.build();
}
