// SPDX-License-Identifier: Apache-2.0

//! Strips: some units of a stage, which go through all of its instructions before the next ones do. First the products of
//! a whole strip are computed; then its parts, of a few units each, go through everything else.

use super::{
	stage::{Home, Member, Source, Stage, StageTensor},
	Arg,
};
use crate::{
	execute::{
		compute,
		product::{kernel, operand, stacked_pairs, Stack},
		Buffers, Item, Slice, Target, Vectors, View,
	},
	op::Op,
	random::Context,
	slots::Slots,
	tensor::Element,
};
use alloc::vec::Vec;
use core::{
	ops::Range,
	slice::ChunksMut,
	sync::atomic::{AtomicUsize, Ordering},
};
use poaiw_work::gemm::{multiply_parts, multiply_rows, Matrix, Packed, Parts};

/// Most inputs of an operation.
const MAX_INPUTS: usize = 5;

/// A thread's memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Bench {
	panels: Vec<Vec<i32>>,
	bytes: Vec<Vec<i8>>,
	words: Vec<Vec<i32>>,
	stack: Stack,
}

/// Most bytes of panels that a thread keeps from stage to stage.
const MAX_KEPT_PANELS: usize = 64 << 20;

impl Bench {
	/// Gives back panels that have become large in all: every stage numbers its own ones from 0.
	pub(super) fn trim(&mut self) {
		let words: usize = self.panels.iter().map(Vec::capacity).sum();
		if words > MAX_KEPT_PANELS / size_of::<i32>() {
			self.panels.clear();
		}
	}
}

/// A buffer that a strip writes.
enum Buffer<'a> {
	Bytes(&'a mut [i8]),
	Words(&'a mut [i32]),
}

/// What is written and kept.
pub(super) enum Stored {
	Bytes(Vec<i8>),
	Words(Vec<i32>),
}

/// A strip: its units, and its part of every stored tensor by number.
pub(super) struct Strip<'a> {
	units: Range<u32>,
	stored: Vec<Option<Buffer<'a>>>,
}

/// The parts of a stored tensor that are left.
enum Pieces<'a> {
	Bytes(ChunksMut<'a, i8>),
	Words(ChunksMut<'a, i32>),
}

/// The strips of a stage that are left. They are made when they are asked for: a stage may have a great many.
pub(super) struct Strips<'a> {
	next: u32,
	step: u32,
	units: u32,
	parts: Vec<Pieces<'a>>,
}

impl<'a> Iterator for Strips<'a> {
	type Item = Strip<'a>;

	fn next(&mut self) -> Option<Strip<'a>> {
		if self.next >= self.units {
			return None;
		}
		let first = self.next;
		self.next = first.saturating_add(self.step).min(self.units);
		let part = |parts: &mut Pieces<'a>| match parts {
			Pieces::Bytes(parts) => parts.next().map(Buffer::Bytes),
			Pieces::Words(parts) => parts.next().map(Buffer::Words),
		};
		Some(Strip {
			units: first..self.next,
			stored: self.parts.iter_mut().map(part).collect(),
		})
	}
}

/// What all strips of a stage share.
pub(super) struct Shared<'a> {
	/// The stage.
	pub(super) stage: &'a Stage,
	/// Where every member runs.
	pub(super) contexts: Vec<Context>,
	/// The values that were there before.
	pub(super) slots: &'a Slots<'a>,
	/// The packed right operand of every product.
	pub(super) packed: Vec<Option<&'a Packed>>,
	/// With which vectors.
	pub(super) vectors: Vectors,
}

/// Memory for a tensor that is kept.
pub(super) fn allocate(tensor: &StageTensor, buffers: &mut Buffers) -> Option<Stored> {
	let count = usize::try_from(tensor.decl.elements()).ok()?;
	Some(match tensor.decl.element {
		Element::I8 => Stored::Bytes(buffers.any(count)),
		Element::I32 => Stored::Words(buffers.any(count)),
	})
}

/// Cuts a stage into strips; `stored` are the tensors that it keeps, by their number.
pub(super) fn cut<'a>(stage: &Stage, threads: usize, stored: &'a mut [Stored]) -> Strips<'a> {
	let units = stage.units.max(1);
	let of_cache = match stage.products {
		0 => part_units(stage).into(),
		_ => (stage.strip_bytes / stage.panel_bytes.max(1)).max(1),
	};
	let of_threads = match threads {
		1 => u64::from(units),
		// Two strips for each core at least: other work on the machine delays one of them less than a half.
		threads => u64::from(units).div_ceil(2 * threads as u64),
	};
	let step = of_cache
		.min(of_threads)
		.next_multiple_of(stage.product_units.max(1).into());
	let step = step.min(units.into()) as u32;
	let tensors = stage.tensors.iter().filter(|t| matches!(t.home, Home::Stored(_)));
	let parts = tensors.zip(stored).map(|(tensor, stored)| {
		let part = (step as usize) * (tensor.rows as usize) * (tensor.decl.cols as usize);
		match stored {
			Stored::Bytes(values) => Pieces::Bytes(values.chunks_mut(part.max(1))),
			Stored::Words(values) => Pieces::Words(values.chunks_mut(part.max(1))),
		}
	});
	Strips {
		next: 0,
		step,
		units: stage.units,
		parts: parts.collect(),
	}
}

/// Units of a part of a strip.
fn part_units(stage: &Stage) -> u32 {
	let units = stage.strip_bytes / 2 / stage.unit_bytes.max(1);
	units.clamp(1, stage.units.max(1).into()) as u32
}

/// Runs all strips, a thread for every bench; gives the number of a member that refused its inputs.
pub(super) fn all_strips(shared: &Shared<'_>, strips: Strips<'_>, benches: &mut [Bench]) -> Option<usize> {
	let failed = AtomicUsize::new(usize::MAX);
	let run = |strip, bench: &mut Bench| {
		if let Err(member) = shared.strip(strip, bench) {
			failed.store(member, Ordering::Relaxed);
		}
	};
	#[cfg(feature = "std")]
	if benches.len() > 1 {
		let queue = std::sync::Mutex::new(strips);
		let next = || match queue.lock() {
			Ok(mut queue) => queue.next(),
			Err(poisoned) => poisoned.into_inner().next(),
		};
		rayon::scope(|scope| {
			for bench in benches {
				let (next, run) = (&next, &run);
				scope.spawn(move |_| {
					while let Some(strip) = next() {
						run(strip, bench);
					}
				});
			}
		});
		return Some(failed.into_inner()).filter(|member| *member != usize::MAX);
	}
	if let Some(bench) = benches.first_mut() {
		for strip in strips {
			run(strip, bench);
		}
	}
	Some(failed.into_inner()).filter(|member| *member != usize::MAX)
}

impl Shared<'_> {
	/// Runs all members on a strip; the number of the one that refuses its inputs is the error.
	fn strip(&self, mut strip: Strip<'_>, bench: &mut Bench) -> Result<(), usize> {
		let members = || self.stage.nodes.iter().enumerate();
		let whole = strip.units.clone();
		for (n, member) in members().take(self.stage.products) {
			self.member(n, member, &whole, &mut strip, bench).ok_or(n)?;
		}
		let step = part_units(self.stage);
		for first in whole.clone().step_by(step as usize) {
			let part = first..first.saturating_add(step).min(whole.end);
			for (n, member) in members().skip(self.stage.products) {
				self.member(n, member, &part, &mut strip, bench).ok_or(n)?;
			}
		}
		Ok(())
	}

	/// Elements of a tensor in some units.
	fn range(&self, tensor: &StageTensor, units: &Range<u32>) -> Range<usize> {
		let row = |unit: u32| unit.saturating_mul(tensor.rows).min(tensor.decl.rows) as usize;
		let cols = tensor.decl.cols as usize;
		row(units.start) * cols..row(units.end) * cols
	}

	/// Elements of a tensor in some units of a strip, counted from the strip's first one.
	fn inside(&self, tensor: &StageTensor, units: &Range<u32>, strip: &Strip<'_>) -> Range<usize> {
		let (range, first) = (self.range(tensor, units), self.range(tensor, &strip.units).start);
		range.start - first..range.end - first
	}

	/// Takes the output's buffer, computes some units, and puts it back.
	fn member(
		&self,
		n: usize,
		member: &Member,
		units: &Range<u32>,
		strip: &mut Strip<'_>,
		bench: &mut Bench,
	) -> Option<()> {
		let tensor = self.stage.tensors.get(member.output)?;
		let range = self.range(tensor, units);
		let run = |strip: &Strip<'_>, bench: &mut Bench, to: Target<'_>| {
			self.compute((n, member), (units, range.start), strip, bench, to)
		};
		match (tensor.home, tensor.decl.element) {
			(Home::Given, _) => None,
			(Home::Stored(number), _) => {
				let inside = self.inside(tensor, units, strip);
				let mut buffer = strip.stored.get_mut(number)?.take()?;
				let to = match &mut buffer {
					Buffer::Bytes(to) => Target::I8(to.get_mut(inside)?),
					Buffer::Words(to) => Target::I32(to.get_mut(inside)?),
				};
				run(strip, bench, to)?;
				*strip.stored.get_mut(number)? = Some(buffer);
				Some(())
			}
			(Home::Panel(number), _) => {
				let inside = self.inside(tensor, units, strip);
				let mut buffer = taken(&mut bench.panels, number, inside.end)?;
				run(strip, bench, Target::I32(buffer.get_mut(inside)?))?;
				*bench.panels.get_mut(number)? = buffer;
				Some(())
			}
			(Home::Scratch(number), Element::I8) => {
				let mut buffer = taken(&mut bench.bytes, number, range.len())?;
				run(strip, bench, Target::I8(buffer.get_mut(..range.len())?))?;
				*bench.bytes.get_mut(number)? = buffer;
				Some(())
			}
			(Home::Scratch(number), Element::I32) => {
				let mut buffer = taken(&mut bench.words, number, range.len())?;
				run(strip, bench, Target::I32(buffer.get_mut(..range.len())?))?;
				*bench.words.get_mut(number)? = buffer;
				Some(())
			}
		}
	}

	/// The rows of some units of a source.
	fn view<'b>(
		&'b self,
		source: &Source,
		units: &Range<u32>,
		strip: &'b Strip<'_>,
		bench: &'b Bench,
	) -> Option<View<'b>> {
		let number = match source {
			Source::Whole(id) => return self.slots.get(*id).map(View::of),
			Source::Strip(number) => *number,
		};
		let tensor = self.stage.tensors.get(number)?;
		let range = self.range(tensor, units);
		let slice = match (tensor.home, tensor.decl.element) {
			(Home::Given, _) => return View::of(self.slots.get(tensor.tensor)?).part(range),
			(Home::Stored(stored), _) => {
				let inside = self.inside(tensor, units, strip);
				match strip.stored.get(stored)?.as_ref()? {
					Buffer::Bytes(x) => Slice::I8(x.get(inside)?),
					Buffer::Words(x) => Slice::I32(x.get(inside)?),
				}
			}
			(Home::Panel(panel), _) => {
				let inside = self.inside(tensor, units, strip);
				Slice::I32(bench.panels.get(panel)?.get(inside)?)
			}
			(Home::Scratch(buffer), Element::I8) => Slice::I8(bench.bytes.get(buffer)?.get(..range.len())?),
			(Home::Scratch(buffer), Element::I32) => Slice::I32(bench.words.get(buffer)?.get(..range.len())?),
		};
		Some(View::new(tensor.decl.cols, slice))
	}

	/// A left operand of a product: a whole tensor that was there before.
	fn left(&self, arg: Arg) -> Option<Matrix<'_>> {
		operand(View::of(self.slots.get(arg.tensor)?), arg.flipped)
	}

	/// Computes some units, whose first element has the number `origin` in the whole output.
	fn compute(
		&self,
		(n, member): (usize, &Member),
		(units, origin): (&Range<u32>, usize),
		strip: &Strip<'_>,
		bench: &mut Bench,
		to: Target<'_>,
	) -> Option<()> {
		let node = &member.node;
		let cols = self.stage.tensors.get(member.output)?.decl.cols;
		match (&node.op, member.sources.as_slice(), node.inputs.as_slice(), to) {
			(Op::Product, _, &[high, _, ref low @ ..], Target::I32(to)) => {
				let packed = self.packed.get(n).copied().flatten()?;
				let (first, scratch) = (origin.checked_div(cols as usize)?, &mut bench.stack.scratch);
				let high = self.left(high)?;
				match (node.low, low) {
					(Some(by), &[low]) => {
						let parts = Parts::new(high, self.left(low)?, by.scale).ok()?;
						multiply_parts(packed, &parts, first, scratch, to).ok()
					}
					_ => multiply_rows(packed, high, first, scratch, to).ok(),
				}
			}
			(Op::GroupProduct { groups }, [left, right], [a, b], Target::I32(to)) => {
				let all = self.stage.tensors.get(member.output)?.decl.elements() as usize;
				let groups = to.len().checked_div(all.checked_div(*groups as usize)?)?;
				let mut stack = core::mem::take(&mut bench.stack);
				let pair = [
					(self.view(left, units, strip, bench)?, a.flipped),
					(self.view(right, units, strip, bench)?, b.flipped),
				];
				let done = stacked_pairs(kernel(self.vectors), groups, pair, &mut stack, to);
				bench.stack = stack;
				done
			}
			(op, sources, _, to) => {
				let mut views = [View::new(1, Slice::I8(&[])); MAX_INPUTS];
				let views = views.get_mut(..sources.len())?;
				for (view, source) in views.iter_mut().zip(sources) {
					*view = self.view(source, units, strip, bench)?;
				}
				compute(
					op,
					self.contexts.get(n)?,
					views,
					cols,
					to,
					origin,
					self.vectors,
					1,
				)
			}
		}
	}
}

/// Takes the buffer of a number, with room for `len` elements; there are as many buffers as are asked for.
fn taken<T: Item>(buffers: &mut Vec<Vec<T>>, number: usize, len: usize) -> Option<Vec<T>> {
	if buffers.len() <= number {
		buffers.resize_with(number + 1, Vec::new);
	}
	let mut buffer = core::mem::take(buffers.get_mut(number)?);
	if buffer.len() < len {
		buffer.resize(len, T::default());
	}
	Some(buffer)
}
