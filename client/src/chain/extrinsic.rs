// SPDX-License-Identifier: Apache-2.0

//! Signed transactions, with exactly the extensions that the runtime's metadata lists.

use super::{metadata::Metadata, value};
use crate::{
	error::{Error, Result},
	signer::Signer,
};
use codec::{Compact, Encode};
use poaiw_primitives::{Address, Balance, BlockNumber, Hash, Nonce};
use polkadot_sdk::{sp_crypto_hashing::blake2_256, sp_runtime::generic::Era};

/// Version byte of a signed transaction: format 4, signed.
const SIGNED_V4: u8 = 0x84;
/// Payloads that are longer than this are signed by their hash.
const MAX_PAYLOAD: usize = 256;
/// Blocks for which a transaction stays valid; a power of two.
const LIFETIME: u64 = 64;

/// State of chain and account that a signature binds to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
	/// Version of the runtime's rules.
	pub spec_version: u32,
	/// Version of the transaction format.
	pub transaction_version: u32,
	/// Hash of the genesis block.
	pub genesis: Hash,
	/// A recent block: the transaction is valid for 64 blocks from it.
	pub birth: (BlockNumber, Hash),
	/// Transactions that the account has sent.
	pub nonce: Nonce,
	/// Tip for the block's author.
	pub tip: Balance,
}

/// Signs `call` and gives the transaction as nodes take it, with its length in front.
///
/// # Errors
/// If the runtime asks for a transaction extension with content that this client does not know.
pub fn sign(metadata: &Metadata, signer: &Signer, call: &[u8], context: &Context) -> Result<Vec<u8>> {
	let (extra, implicit) = extensions(metadata, context)?;
	let payload = [call, &extra, &implicit].concat();
	let signature = if payload.len() > MAX_PAYLOAD {
		signer.sign(&blake2_256(&payload))
	} else {
		signer.sign(&payload)
	};
	let address = Address::Id(signer.account().clone());
	let body = [
		&[SIGNED_V4][..],
		&address.encode(),
		&signature.encode(),
		&extra,
		call,
	]
	.concat();
	Ok(body.encode())
}

/// What the extensions put into the transaction, and what they only sign.
fn extensions(metadata: &Metadata, context: &Context) -> Result<(Vec<u8>, Vec<u8>)> {
	let (mut extra, mut implicit) = (Vec::new(), Vec::new());
	for extension in metadata.extensions() {
		let (inside, signed) = match extension.identifier.as_str() {
			"CheckSpecVersion" => (vec![], context.spec_version.encode()),
			"CheckTxVersion" => (vec![], context.transaction_version.encode()),
			"CheckGenesis" => (vec![], context.genesis.encode()),
			"CheckMortality" | "CheckEra" => {
				let era = Era::mortal(LIFETIME, context.birth.0.into());
				(era.encode(), context.birth.1.encode())
			}
			"CheckNonce" => (Compact(context.nonce).encode(), vec![]),
			"ChargeTransactionPayment" => (Compact(context.tip).encode(), vec![]),
			// Mode 0, and no hash: the signature does not cover the metadata.
			"CheckMetadataHash" => (vec![0], vec![0]),
			name => (
				neutral(metadata, extension.ty.id).ok_or_else(|| unknown(name))?,
				neutral(metadata, extension.additional_signed.id).ok_or_else(|| unknown(name))?,
			),
		};
		let fits = |ty: u32, bytes: &[u8]| value::read_all(metadata.types(), ty, bytes).is_ok();
		if !fits(extension.ty.id, &inside) || !fits(extension.additional_signed.id, &signed) {
			return Err(unknown(&extension.identifier));
		}
		extra.extend(inside);
		implicit.extend(signed);
	}
	Ok((extra, implicit))
}

/// The only sensible content of an extension that is not known: nothing, or `None`.
fn neutral(metadata: &Metadata, ty: u32) -> Option<Vec<u8>> {
	if value::is_empty(metadata.types(), ty) {
		Some(vec![])
	} else if value::is_option(metadata.types(), ty) {
		Some(vec![0])
	} else {
		None
	}
}

fn unknown(name: &str) -> Error {
	Error::Metadata {
		reason: format!(
			"its transactions carry the extension {name} in a form that this client does not know"
		),
	}
}
