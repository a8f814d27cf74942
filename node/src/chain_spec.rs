// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Chain specifications: presets of the runtime with a name around them.

use polkadot_sdk::*;
use sc_service::{ChainType, Properties};

/// Specification of this node: no extensions.
pub type ChainSpec = sc_service::GenericChainSpec;

fn properties() -> Properties {
	let mut properties = Properties::new();
	properties.insert("tokenSymbol".into(), "POAI".into());
	properties.insert("tokenDecimals".into(), 12.into());
	properties.insert("ss58Format".into(), 42.into());
	properties
}

fn preset(name: &str, id: &str, chain_type: ChainType, preset: &str) -> Result<ChainSpec, String> {
	let code = poaiw_runtime::WASM_BINARY.ok_or(
		"this binary was built without the runtime's wasm (SKIP_WASM_BUILD): build it without that variable",
	)?;
	Ok(ChainSpec::builder(code, None)
		.with_name(name)
		.with_id(id)
		.with_chain_type(chain_type)
		.with_protocol_id("poaiw")
		.with_genesis_config_preset_name(preset)
		.with_properties(properties())
		.build())
}

/// One node that does everything.
///
/// # Errors
/// If the runtime's wasm was not built.
pub fn development() -> Result<ChainSpec, String> {
	preset(
		"PoAIW Development",
		"dev",
		ChainType::Development,
		sp_genesis_builder::DEV_RUNTIME_PRESET,
	)
}

/// Three verifiers with well-known keys.
///
/// # Errors
/// If the runtime's wasm was not built.
pub fn local_testnet() -> Result<ChainSpec, String> {
	preset(
		"PoAIW Local Testnet",
		"local_testnet",
		ChainType::Local,
		sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET,
	)
}
