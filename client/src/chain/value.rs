// SPDX-License-Identifier: Apache-2.0

//! Reading SCALE by the types that a runtime's metadata describes, so that events and storage of any fork can be shown.
//!
//! Structs become objects, newtypes their content, enums `{"Variant": fields}` (`"Variant"` without fields), bytes `0x…`,
//! integers numbers, and integers over 64 bits decimal strings.

use codec::{Compact, Decode};
use scale_info::{form::PortableForm, Field, PortableRegistry, TypeDef, TypeDefPrimitive};
use serde_json::{Map, Value};

/// Deepest nesting of types that is followed.
const MAX_DEPTH: u32 = 64;

/// Why bytes don't have a type.
pub type Problem = String;

/// Takes a value of type `id` from the front of `input`.
///
/// # Errors
/// If the bytes end early, name a variant that does not exist, or the type is not supported. Memory is bounded by the
/// length of the input.
pub fn read(types: &PortableRegistry, id: u32, input: &mut &[u8]) -> Result<Value, Problem> {
	at_depth(types, id, input, 0)
}

/// A value of type `id` that fills all of `input`.
///
/// # Errors
/// As [`read`], and if bytes are left.
pub fn read_all(types: &PortableRegistry, id: u32, mut input: &[u8]) -> Result<Value, Problem> {
	let value = read(types, id, &mut input)?;
	match input.len() {
		0 => Ok(value),
		left => Err(format!("{left} bytes are left after the value")),
	}
}

/// Whether values of type `id` take no bytes.
pub fn is_empty(types: &PortableRegistry, id: u32) -> bool {
	empty_at_depth(types, id, 0)
}

/// Whether type `id` is an `Option`.
pub fn is_option(types: &PortableRegistry, id: u32) -> bool {
	types
		.resolve(id)
		.is_some_and(|ty| ty.path.segments.iter().map(|x| x.as_str()).eq(["Option"]))
}

/// An integer of a value, of any size.
pub fn integer(value: &Value) -> Option<u128> {
	match value {
		Value::Number(number) => number.as_u64().map(u128::from),
		Value::String(text) => text.parse().ok(),
		_ => None,
	}
}

/// Name and fields of an enum's value.
pub fn variant(value: &Value) -> Option<(&str, &Value)> {
	match value {
		Value::Object(map) if map.len() == 1 => {
			map.iter().next().map(|(name, fields)| (name.as_str(), fields))
		}
		Value::String(name) => Some((name, &Value::Null)),
		_ => None,
	}
}

fn empty_at_depth(types: &PortableRegistry, id: u32, depth: u32) -> bool {
	let inner = |id: u32| empty_at_depth(types, id, depth + 1);
	match types.resolve(id).map(|ty| &ty.type_def) {
		_ if depth > MAX_DEPTH => false,
		Some(TypeDef::Composite(x)) => x.fields.iter().all(|field| inner(field.ty.id)),
		Some(TypeDef::Tuple(x)) => x.fields.iter().all(|field| inner(field.id)),
		Some(TypeDef::Array(x)) => x.len == 0 || inner(x.type_param.id),
		_ => false,
	}
}

fn at_depth(types: &PortableRegistry, id: u32, input: &mut &[u8], depth: u32) -> Result<Value, Problem> {
	if depth > MAX_DEPTH {
		return Err(format!("types are nested more than {MAX_DEPTH} deep"));
	}
	let ty = types
		.resolve(id)
		.ok_or_else(|| format!("the metadata has no type {id}"))?;
	match &ty.type_def {
		TypeDef::Composite(x) => fields(types, &x.fields, input, depth),
		TypeDef::Tuple(x) => {
			let mut items = x
				.fields
				.iter()
				.map(|field| at_depth(types, field.id, input, depth + 1))
				.collect::<Result<Vec<_>, _>>()?;
			Ok(if items.len() == 1 {
				items.remove(0)
			} else {
				Value::Array(items)
			})
		}
		TypeDef::Variant(x) => {
			let index: u8 = take(input)?;
			let variant = x
				.variants
				.iter()
				.find(|variant| variant.index == index)
				.ok_or_else(|| format!("{} has no variant {index}", ty.path))?;
			if variant.fields.is_empty() {
				return Ok(Value::String(variant.name.clone()));
			}
			let inner = fields(types, &variant.fields, input, depth)?;
			Ok(Value::Object(Map::from_iter([(variant.name.clone(), inner)])))
		}
		TypeDef::Sequence(x) => {
			let Compact(len) = take::<Compact<u32>>(input)?;
			items(types, x.type_param.id, len, input, depth)
		}
		TypeDef::Array(x) => items(types, x.type_param.id, x.len, input, depth),
		TypeDef::Compact(_) => take::<Compact<u128>>(input).map(|Compact(x)| number(x)),
		TypeDef::Primitive(x) => primitive(x, input),
		TypeDef::BitSequence(_) => Err("bit sequences are not supported".into()),
	}
}

fn fields(
	types: &PortableRegistry,
	fields: &[Field<PortableForm>],
	input: &mut &[u8],
	depth: u32,
) -> Result<Value, Problem> {
	let mut map = Map::new();
	for (i, field) in fields.iter().enumerate() {
		let value = at_depth(types, field.ty.id, input, depth + 1)?;
		match &field.name {
			None if fields.len() == 1 => return Ok(value),
			None => map.insert(i.to_string(), value),
			Some(name) => map.insert(name.clone(), value),
		};
	}
	Ok(Value::Object(map))
}

fn items(
	types: &PortableRegistry,
	item: u32,
	len: u32,
	input: &mut &[u8],
	depth: u32,
) -> Result<Value, Problem> {
	let is_byte = matches!(
		types.resolve(item).map(|ty| &ty.type_def),
		Some(TypeDef::Primitive(TypeDefPrimitive::U8))
	);
	// Every item takes a byte at least (items without content are not worth the memory that a length could ask for).
	if len as usize > input.len() {
		return Err(format!("{len} items announced, {} bytes left", input.len()));
	}
	if is_byte {
		let (bytes, rest) = input
			.split_at_checked(len as usize)
			.ok_or("the bytes end early")?;
		*input = rest;
		return Ok(Value::String(format!("0x{}", hex::encode(bytes))));
	}
	(0..len)
		.map(|_| at_depth(types, item, input, depth + 1))
		.collect::<Result<Vec<_>, _>>()
		.map(Value::Array)
}

fn primitive(kind: &TypeDefPrimitive, input: &mut &[u8]) -> Result<Value, Problem> {
	use TypeDefPrimitive::*;
	Ok(match kind {
		Bool => Value::Bool(take(input)?),
		Char => {
			let code: u32 = take(input)?;
			Value::String(char::from_u32(code).ok_or("not a character")?.into())
		}
		Str => Value::String(take(input)?),
		U8 => take::<u8>(input)?.into(),
		U16 => take::<u16>(input)?.into(),
		U32 => take::<u32>(input)?.into(),
		U64 => take::<u64>(input)?.into(),
		U128 => number(take(input)?),
		I8 => take::<i8>(input)?.into(),
		I16 => take::<i16>(input)?.into(),
		I32 => take::<i32>(input)?.into(),
		I64 => take::<i64>(input)?.into(),
		I128 => Value::String(take::<i128>(input)?.to_string()),
		U256 | I256 => Value::String(format!("0x{}", hex::encode(take::<[u8; 32]>(input)?))),
	})
}

fn number(value: u128) -> Value {
	u64::try_from(value).map_or_else(|_| Value::String(value.to_string()), Value::from)
}

fn take<T: Decode>(input: &mut &[u8]) -> Result<T, Problem> {
	T::decode(input).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;
	use proptest::prelude::*;
	use scale_info::{MetaType, Registry, TypeInfo};

	#[derive(Encode, TypeInfo)]
	struct Sample {
		small: u8,
		big: u128,
		bytes: Vec<u8>,
		root: [u8; 32],
		list: Vec<(u16, Option<bool>)>,
		choice: Choice,
		#[codec(compact)]
		packed: u64,
	}

	#[derive(Encode, TypeInfo)]
	enum Choice {
		Plain,
		One(u32),
		Named { text: String, minus: i32 },
	}

	#[derive(Encode, TypeInfo)]
	struct Nothing((), core::marker::PhantomData<u8>);

	fn registry<T: TypeInfo + 'static>() -> (PortableRegistry, u32) {
		let mut registry = Registry::new();
		let id = registry.register_type(&MetaType::new::<T>()).id;
		(registry.into(), id)
	}

	fn sample(choice: Choice) -> Sample {
		Sample {
			small: 7,
			big: u128::MAX,
			bytes: vec![1, 2],
			root: [9; 32],
			list: vec![(1, None), (2, Some(true))],
			choice,
			packed: 1 << 40,
		}
	}

	#[test]
	fn read_all_should_show_every_kind_of_type() {
		let (types, id) = registry::<Sample>();
		let value = read_all(
			&types,
			id,
			&sample(Choice::Named {
				text: "x".into(),
				minus: -3,
			})
			.encode(),
		)
		.unwrap();
		assert_eq!(value["small"], 7);
		assert_eq!(integer(&value["big"]), Some(u128::MAX));
		assert_eq!(value["bytes"], "0x0102");
		assert_eq!(value["root"], format!("0x{}", "09".repeat(32)));
		assert_eq!(
			value["list"],
			serde_json::json!([[1, "None"], [2, { "Some": true }]])
		);
		assert_eq!(
			variant(&value["choice"]).unwrap().1,
			&serde_json::json!({ "text": "x", "minus": -3 })
		);
		assert_eq!(value["packed"], 1u64 << 40);
		let value = read_all(&types, id, &sample(Choice::Plain).encode()).unwrap();
		assert_eq!(variant(&value["choice"]), Some(("Plain", &Value::Null)));
		let value = read_all(&types, id, &sample(Choice::One(4)).encode()).unwrap();
		assert_eq!(value["choice"], serde_json::json!({ "One": 4 }));
	}

	#[test]
	fn read_all_should_refuse_bytes_of_another_type() {
		let (types, id) = registry::<Sample>();
		let good = sample(Choice::Plain).encode();
		assert!(read_all(&types, id, &good[..good.len() - 1]).is_err());
		assert!(read_all(&types, id, &[good.clone(), vec![0]].concat())
			.unwrap_err()
			.contains("1 bytes are left"));
		let (types, id) = registry::<Choice>();
		assert!(read_all(&types, id, &[9]).unwrap_err().contains("no variant 9"));
		assert!(read_all(&types, id + 1000, &[]).unwrap_err().contains("no type"));
	}

	#[test]
	fn is_empty_should_know_types_without_content() {
		let (types, id) = registry::<Nothing>();
		assert!(is_empty(&types, id));
		let (types, id) = registry::<Sample>();
		assert!(!is_empty(&types, id));
		let (types, id) = registry::<Option<u8>>();
		assert!(is_option(&types, id) && !is_empty(&types, id));
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(512))]

		#[test]
		fn read_should_survive_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
			let (types, id) = registry::<Vec<Sample>>();
			let _ = read_all(&types, id, &bytes);
		}
	}
}
