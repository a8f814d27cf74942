// SPDX-License-Identifier: Apache-2.0

//! Vectors of tickets: with given operands (SHAKE-128 of the case's name, or zeros) and synthetic ones.

use super::{hash, hex, number, number32};
use crate::{
	dims::{Dims, Rank, STRIPES},
	memory::{LightCache, LightDataset},
	noise::{left_row, right_stripe},
	operand::Operand,
	profile::MAX_ACCESSES,
	seeds::{job_key, Seeds},
	synthetic::{self, SyntheticSeeds},
	ticket::{tile_ticket, wins, Position, TileTicket},
};
use poaiw_commitment::{
	block_bytes_of, hash as blake, root_from_path, Hash32, TensorTree, CHUNK_BYTES, ZERO_HASH,
};
use primitive_types::U256;
use serde_json::{Map, Value};
use sha3::{
	digest::{ExtendableOutput, Update, XofReader},
	Shake128,
};
use std::{format, string::String, vec, vec::Vec};

/// Bounds on what a file may make us allocate.
const MAX_ELEMENTS: u64 = 1 << 24;
const MAX_CACHE: u32 = 1 << 18;

/// The inputs that both kinds of case share.
struct Inputs<'a> {
	name: &'a str,
	case: &'a Map<String, Value>,
	dims: Dims,
	rank: Rank,
	position: Position,
	accesses: u32,
}

impl<'a> Inputs<'a> {
	fn read(name: &'a str, case: &'a Map<String, Value>) -> Result<Self, String> {
		let dims = Dims::new(number32(case, "m")?, number32(case, "n")?, number32(case, "k")?)
			.map_err(|error| error.to_string())?;
		let rank = Rank::new(number32(case, "rank")?).map_err(|error| error.to_string())?;
		if u64::from(dims.m().max(dims.n())) * u64::from(dims.padded_k()) > MAX_ELEMENTS {
			return Err(format!(
				"operands of more than {MAX_ELEMENTS} elements are not checked"
			));
		}
		let position = Position {
			tile_row: number32(case, "tile_a")?,
			tile_col: number32(case, "tile_b")?,
			window: number32(case, "window")?,
		};
		if position.tile_row >= dims.tile_rows()
			|| position.tile_col >= dims.tile_cols()
			|| position.window >= dims.windows(rank)
		{
			return Err("tile_a, tile_b or window lie outside of the product".into());
		}
		let accesses = number32(case, "accesses")?;
		if accesses > MAX_ACCESSES {
			return Err(format!("accesses: at most {MAX_ACCESSES}"));
		}
		Ok(Self {
			name,
			case,
			dims,
			rank,
			position,
			accesses,
		})
	}

	fn named(&self, suffix: &str) -> Hash32 {
		blake(&[self.name.as_bytes(), suffix.as_bytes()])
	}

	/// The fields that both kinds of case begin with.
	fn head(&self) -> Map<String, Value> {
		let mut out = Map::new();
		out.insert("name".into(), self.name.into());
		let numbers = [
			("m", self.dims.m()),
			("n", self.dims.n()),
			("k", self.dims.k()),
			("rank", self.rank.get() as u32),
			("tile_a", self.position.tile_row),
			("tile_b", self.position.tile_col),
			("window", self.position.window),
			("accesses", self.accesses),
		];
		for (key, value) in numbers {
			out.insert(key.into(), value.into());
		}
		out.insert("pre_hash".into(), hex(&self.named("/pre")).into());
		out.insert("source_hash".into(), hex(&self.named("/source")).into());
		out
	}

	/// Seeds from the header and source hashes *in the file*, which [`Inputs::head`] compares with the name's.
	fn seeds(&self, root_a: &Hash32, root_b: &Hash32, out: &mut Map<String, Value>) -> Result<Seeds, String> {
		let (pre_hash, source) = (hash(self.case, "pre_hash")?, hash(self.case, "source_hash")?);
		let key = job_key(&pre_hash, &source, self.rank, self.accesses, &self.dims);
		let seeds = Seeds::new(&key, root_a, root_b);
		out.insert("job_key".into(), hex(&key).into());
		out.insert("seed_a".into(), hex(&seeds.a).into());
		out.insert("seed_b".into(), hex(&seeds.b).into());
		Ok(seeds)
	}
}

pub(super) fn compute(name: &str, case: &Map<String, Value>) -> Result<Map<String, Value>, String> {
	let inputs = Inputs::read(name, case)?;
	if case.contains_key("synthetic") {
		synthetic_case(&inputs)
	} else {
		operand_case(&inputs)
	}
}

fn finish(tile: &TileTicket, rank: Rank, out: &mut Map<String, Value>) {
	out.insert("transcript".into(), tile.transcript.to_vec().into());
	out.insert("ticket".into(), hex(&tile.ticket).into());
	out.insert("work".into(), rank.work().into());
}

fn synthetic_case(inputs: &Inputs<'_>) -> Result<Map<String, Value>, String> {
	let Inputs {
		case,
		dims,
		rank,
		position,
		..
	} = inputs;
	if inputs.accesses != 0 {
		return Err("accesses: synthetic cases have none".into());
	}
	let mut out = inputs.head();
	let author = hash(case, "author")?;
	out.insert("synthetic".into(), true.into());
	out.insert("author".into(), hex(&inputs.named("/author")).into());
	let generated = SyntheticSeeds::new(&hash(case, "pre_hash")?, &author);
	let cols = dims.k();
	let first = synthetic::rows(&generated.a, 0, 1, cols);
	let last = synthetic::rows(&generated.b, dims.n() - 1, 1, cols);
	out.insert(
		"first_row_a".into(),
		first.iter().take(64).copied().collect::<Vec<_>>().into(),
	);
	out.insert(
		"last_row_b".into(),
		last.iter()
			.skip(cols as usize - 64)
			.copied()
			.collect::<Vec<_>>()
			.into(),
	);
	let seeds = inputs.seeds(&ZERO_HASH, &ZERO_HASH, &mut out)?;
	let block_a = synthetic::window_block(&generated.a, position.tile_row, position.window, *rank);
	let block_b = synthetic::window_block(&generated.b, position.tile_col, position.window, *rank);
	let tile = tile_ticket(
		&block_a,
		&block_b,
		&seeds,
		*position,
		*rank,
		None::<(&LightDataset<'_>, u32)>,
	)
	.map_err(|error| error.to_string())?;
	finish(&tile, *rank, &mut out);
	Ok(out)
}

/// int7 test operand: SHAKE-128 of its name, byte mod 127 − 63.
fn named_operand(name: &str, rows: u32, cols: u32) -> Vec<i8> {
	let mut bytes = vec![0u8; rows as usize * cols as usize];
	let mut hasher = Shake128::default();
	hasher.update(name.as_bytes());
	hasher.finalize_xof().read(&mut bytes);
	bytes.iter().map(|byte| (byte % 127) as i8 - 63).collect()
}

fn operand_case(inputs: &Inputs<'_>) -> Result<Map<String, Value>, String> {
	let Inputs {
		name,
		case,
		dims,
		rank,
		position,
		accesses,
	} = inputs;
	let zero = case
		.get("zero_operands")
		.and_then(Value::as_bool)
		.ok_or("zero_operands: expected true or false")?;
	let operand = |side: &str, rows: u32| match zero {
		true => vec![0i8; rows as usize * dims.k() as usize],
		false => named_operand(&format!("{name}/{side}"), rows, dims.k()),
	};
	let (a, b) = (operand("A", dims.m()), operand("B", dims.n()));
	let text = |error: crate::Error| error.to_string();
	let a = Operand::new(&a, dims.m(), dims.k()).map_err(text)?;
	let b = Operand::new(&b, dims.n(), dims.k()).map_err(text)?;
	let tree_a = TensorTree::build(a.bytes(), a.rows(), a.cols()).map_err(|error| error.to_string())?;
	let tree_b = TensorTree::build(b.bytes(), b.rows(), b.cols()).map_err(|error| error.to_string())?;

	let mut out = inputs.head();
	out.insert("zero_operands".into(), zero.into());
	out.insert("root_a".into(), hex(&tree_a.root()).into());
	out.insert("root_b".into(), hex(&tree_b.root()).into());
	let seeds = inputs.seeds(&tree_a.root(), &tree_b.root(), &mut out)?;
	let left = left_row(&seeds.a, position.tile_row * 16, *rank);
	let stripe = right_stripe(&seeds.b, position.window * STRIPES as u32, *rank);
	out.insert("noise_left_a_row0".into(), left.into());
	out.insert("noise_right_b_pi".into(), stripe.pi().to_vec().into());
	out.insert("noise_right_b_sign".into(), stripe.sign().to_vec().into());
	out.insert("path_a".into(), path_a(inputs, &a, &tree_a)?);

	let cache = memory(inputs, &mut out)?;
	let dataset = cache
		.as_ref()
		.map(|(cache, items)| LightDataset { cache, items: *items });
	let tile = tile_ticket(
		&a.window_block(position.tile_row, position.window, *rank),
		&b.window_block(position.tile_col, position.window, *rank),
		&seeds,
		*position,
		*rank,
		dataset.as_ref().map(|dataset| (dataset, *accesses)),
	)
	.map_err(text)?;
	finish(&tile, *rank, &mut out);
	out.insert("final_words".into(), tile.final_words.to_vec().into());
	out.insert(
		"smallest_winning_mac_target".into(),
		smallest_target(&tile.ticket, *rank)?.into(),
	);
	Ok(out)
}

/// The path of the window's first leaf in A; it must lead to the root.
fn path_a(inputs: &Inputs<'_>, a: &Operand<'_>, tree: &TensorTree) -> Result<Value, String> {
	let text = |error: poaiw_commitment::Error| error.to_string();
	let row = inputs.position.tile_row;
	let col = inputs.position.window * (inputs.rank.window() / CHUNK_BYTES) as u32;
	let index = tree.shape().leaf_index(row, col).map_err(text)?;
	let path = tree.path(index).map_err(text)?;
	let block = block_bytes_of(a.bytes(), a.rows(), a.cols(), row, col).map_err(text)?;
	if root_from_path(&block, index, &path, a.rows(), a.cols()) != Ok(tree.root()) {
		return Err("path_a: does not lead to the root".into());
	}
	Ok(path
		.iter()
		.map(|node| Value::from(hex(node)))
		.collect::<Vec<_>>()
		.into())
}

fn memory(inputs: &Inputs<'_>, out: &mut Map<String, Value>) -> Result<Option<(LightCache, u32)>, String> {
	let cache_items = number32(inputs.case, "cache_items")?;
	let dataset_items = number32(inputs.case, "dataset_items")?;
	out.insert("cache_items".into(), cache_items.into());
	out.insert("dataset_items".into(), dataset_items.into());
	if inputs.accesses == 0 {
		// Without reads there is neither a cache nor a dataset.
		for key in ["cache_items", "dataset_items"] {
			if number(inputs.case, key)? != 0 {
				return Err(format!("{key}: must be 0 without accesses"));
			}
		}
		out.insert("epoch_seed".into(), Value::Null);
		return Ok(None);
	}
	if cache_items > MAX_CACHE || dataset_items == 0 {
		return Err(format!(
			"cache_items must be 1 to {MAX_CACHE} and dataset_items not zero"
		));
	}
	out.insert("epoch_seed".into(), hex(&inputs.named("/epoch")).into());
	let cache = LightCache::build(&hash(inputs.case, "epoch_seed")?, cache_items)
		.map_err(|error| error.to_string())?;
	let item = |index| Value::from(cache.dataset_item(index).to_vec());
	out.insert("dataset_item_0".into(), item(0));
	out.insert("dataset_item_last".into(), item(dataset_items - 1));
	Ok(Some((cache, dataset_items)))
}

/// `ceil(ticket / work)`, which wins while one less does not.
fn smallest_target(ticket: &Hash32, rank: Rank) -> Result<String, String> {
	let (target, rest) = U256::from_little_endian(ticket).div_mod(U256::from(rank.work()));
	let target = target + U256::from(u8::from(!rest.is_zero()));
	let less_wins = !target.is_zero() && wins(ticket, target - 1, rank);
	if !wins(ticket, target, rank) || less_wins {
		return Err("the smallest winning target does not win, or a smaller one does".into());
	}
	Ok(format!("{target:#x}"))
}
