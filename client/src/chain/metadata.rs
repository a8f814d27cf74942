// SPDX-License-Identifier: Apache-2.0

//! The runtime's description of itself: where calls, storage, events and errors are found on this very network.
//!
//! Nothing is compiled in but names, so the client works with forks that moved or added pallets; and every argument is
//! checked against the described type before anything is signed.

use super::value;
use crate::error::{Error, Result};
use codec::{Decode, Encode};
use frame_metadata::{
	v14::{PalletMetadata, SignedExtensionMetadata, StorageEntryType, StorageHasher},
	RuntimeMetadata, RuntimeMetadataPrefixed,
};
use polkadot_sdk::sp_crypto_hashing::{blake2_128, blake2_256, twox_128, twox_256, twox_64};
use scale_info::{form::PortableForm, PortableRegistry, TypeDef, Variant};
use serde_json::Value;

/// Metadata of a runtime, version 14: the one that every SDK node serves without being asked for a version.
#[derive(Debug)]
pub struct Metadata {
	types: PortableRegistry,
	pallets: Vec<PalletMetadata<PortableForm>>,
	extensions: Vec<SignedExtensionMetadata<PortableForm>>,
}

/// Something that happened in a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
	/// Index of the transaction in its block; `None` outside of transactions.
	pub extrinsic: Option<u32>,
	/// Pallet.
	pub pallet: String,
	/// Name of the event.
	pub name: String,
	/// Its fields.
	pub fields: Value,
}

fn unfit(reason: impl Into<String>) -> Error {
	Error::Metadata {
		reason: reason.into(),
	}
}

impl Metadata {
	/// Reads what `state_getMetadata` gives.
	///
	/// # Errors
	/// If it is no metadata, or of a version that this client can't read.
	pub fn decode(mut bytes: &[u8]) -> Result<Self> {
		let RuntimeMetadataPrefixed(_, metadata) = RuntimeMetadataPrefixed::decode(&mut bytes)
			.map_err(|error| unfit(format!("its metadata can't be decoded ({error})")))?;
		match metadata {
			RuntimeMetadata::V14(x) => Ok(Self {
				types: x.types,
				pallets: x.pallets,
				extensions: x.extrinsic.signed_extensions,
			}),
			other => Err(unfit(format!(
				"its metadata has version {}, this client reads 14",
				other.version()
			))),
		}
	}

	/// Types that everything else refers to.
	pub fn types(&self) -> &PortableRegistry {
		&self.types
	}

	/// What a signed transaction carries besides its call, in order.
	pub fn extensions(&self) -> &[SignedExtensionMetadata<PortableForm>] {
		&self.extensions
	}

	fn pallet(&self, name: &str) -> Result<&PalletMetadata<PortableForm>> {
		self.pallets
			.iter()
			.find(|pallet| pallet.name == name)
			.ok_or_else(|| {
				let names: Vec<_> = self.pallets.iter().map(|pallet| pallet.name.as_str()).collect();
				unfit(format!("there is no pallet {name} (it has {})", names.join(", ")))
			})
	}

	fn variants(&self, id: u32) -> &[Variant<PortableForm>] {
		match self.types.resolve(id).map(|ty| &ty.type_def) {
			Some(TypeDef::Variant(x)) => &x.variants,
			_ => &[],
		}
	}

	/// The encoded call `pallet.name(args…)`, each argument given as SCALE bytes.
	///
	/// # Errors
	/// If pallet or call don't exist, or an argument is not of the type that the runtime expects.
	pub fn call(&self, pallet: &str, name: &str, args: &[Vec<u8>]) -> Result<Vec<u8>> {
		let found = self.pallet(pallet)?;
		let variants = found
			.calls
			.as_ref()
			.map_or(&[][..], |calls| self.variants(calls.ty.id));
		let call = variants
			.iter()
			.find(|call| call.name == name)
			.ok_or_else(|| unfit(format!("pallet {pallet} has no call {name}")))?;
		if call.fields.len() != args.len() {
			return Err(unfit(format!(
				"{pallet}.{name} takes {} arguments, this client knows {}",
				call.fields.len(),
				args.len()
			)));
		}
		for (field, arg) in call.fields.iter().zip(args) {
			value::read_all(&self.types, field.ty.id, arg).map_err(|problem| {
				let field = field.name.as_deref().unwrap_or("an argument");
				unfit(format!(
					"`{field}` of {pallet}.{name} has another type than this client knows ({problem})"
				))
			})?;
		}
		Ok([vec![found.index, call.index], args.concat()].concat())
	}

	/// Key and value type of a storage entry under `keys` (SCALE bytes of each; none for a plain value).
	///
	/// # Errors
	/// If there is no such entry, or it has another number of keys.
	pub fn storage_key(&self, pallet: &str, entry: &str, keys: &[Vec<u8>]) -> Result<(Vec<u8>, u32)> {
		let (prefix, found) = self
			.pallet(pallet)?
			.storage
			.as_ref()
			.and_then(|storage| Some((&storage.prefix, storage.entries.iter().find(|x| x.name == entry)?)))
			.ok_or_else(|| unfit(format!("pallet {pallet} has no storage {entry}")))?;
		let (hashers, ty): (&[StorageHasher], u32) = match &found.ty {
			StorageEntryType::Plain(ty) => (&[], ty.id),
			StorageEntryType::Map { hashers, value, .. } => (hashers, value.id),
		};
		if hashers.len() != keys.len() {
			return Err(unfit(format!(
				"storage {pallet}.{entry} has {} keys, not {}",
				hashers.len(),
				keys.len()
			)));
		}
		let mut key = [twox_128(prefix.as_bytes()), twox_128(entry.as_bytes())].concat();
		for (hasher, part) in hashers.iter().zip(keys) {
			key.extend(hash_key(hasher, part));
		}
		Ok((key, ty))
	}

	/// Encoded value of a constant.
	///
	/// # Errors
	/// If there is no such constant.
	pub fn constant(&self, pallet: &str, name: &str) -> Result<&[u8]> {
		let found = self.pallet(pallet)?.constants.iter().find(|x| x.name == name);
		Ok(&found
			.ok_or_else(|| unfit(format!("pallet {pallet} has no constant {name}")))?
			.value)
	}

	/// Reads the events of a block from the value of `System.Events`.
	///
	/// # Errors
	/// If they don't have the described type.
	pub fn events(&self, bytes: &[u8]) -> Result<Vec<Event>> {
		let wrong = |reason: String| Error::Answer {
			what: "System.Events".into(),
			reason,
		};
		let (_, ty) = self.storage_key("System", "Events", &[])?;
		let Value::Array(records) = value::read_all(&self.types, ty, bytes).map_err(wrong)? else {
			return Err(wrong("not a list".into()));
		};
		records
			.iter()
			.map(|record| {
				let (pallet, event) = record.get("event").and_then(value::variant)?;
				let (name, fields) = value::variant(event)?;
				let extrinsic = record
					.get("phase")
					.and_then(|phase| phase.get("ApplyExtrinsic"))
					.and_then(|index| u32::try_from(index.as_u64()?).ok());
				Some(Event {
					extrinsic,
					pallet: pallet.into(),
					name: name.into(),
					fields: fields.clone(),
				})
			})
			.collect::<Option<_>>()
			.ok_or_else(|| wrong("a record has no event".into()))
	}

	/// Name (`Pallet.Error`) and documentation of a dispatch error in a failed transaction's event.
	pub fn describe_error(&self, error: &Value) -> (String, String) {
		let module = value::variant(error)
			.filter(|(name, _)| *name == "Module")
			.and_then(|(_, fields)| {
				let index = fields.get("index")?.as_u64()?;
				let code = fields.get("error")?.as_str()?.get(2..4)?;
				self.module_error(u8::try_from(index).ok()?, u8::from_str_radix(code, 16).ok()?)
			});
		module.unwrap_or_else(|| (error.to_string(), String::new()))
	}

	fn module_error(&self, pallet: u8, code: u8) -> Option<(String, String)> {
		let pallet = self.pallets.iter().find(|x| x.index == pallet)?;
		let error = self
			.variants(pallet.error.as_ref()?.ty.id)
			.iter()
			.find(|x| x.index == code)?;
		let docs = error
			.docs
			.iter()
			.map(|line| line.trim())
			.collect::<Vec<_>>()
			.join(" ");
		Some((format!("{}.{}", pallet.name, error.name), docs))
	}
}

fn hash_key(hasher: &StorageHasher, key: &[u8]) -> Vec<u8> {
	match hasher {
		StorageHasher::Blake2_128 => blake2_128(key).to_vec(),
		StorageHasher::Blake2_256 => blake2_256(key).to_vec(),
		StorageHasher::Blake2_128Concat => [&blake2_128(key)[..], key].concat(),
		StorageHasher::Twox128 => twox_128(key).to_vec(),
		StorageHasher::Twox256 => twox_256(key).to_vec(),
		StorageHasher::Twox64Concat => [&twox_64(key)[..], key].concat(),
		StorageHasher::Identity => key.to_vec(),
	}
}

/// SCALE bytes of each argument, for [`Metadata::call`].
pub fn arg(value: &impl Encode) -> Vec<u8> {
	value.encode()
}
