// SPDX-License-Identifier: Apache-2.0

//! Executes the items of a plan.

use super::{
	stage::{Home, Member, Source, Stage, StageTensor},
	Arg, Item, Node,
};
use crate::{
	execute::{
		compute, execute_op_with,
		product::{kernel, operand, stacked_pairs, Stack},
		Buffers, ExecError, Slice, Target, Vectors, View,
	},
	op::Op,
	program::Program,
	random::Context,
	slots::Slots,
	tensor::{Element, Tensor, TensorDecl},
};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use poaiw_work::gemm::{multiply_rows, Packed};

/// Bytes of a strip: most of a second-level cache, as some of it is read by every strip.
const STRIP_BYTES: u64 = 192 << 10;
/// Work of a stage, in additions, below which a second core costs more time than it saves.
const GRAIN: u64 = 1 << 16;

/// Memory of a stage run that is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workshop {
	benches: Vec<Bench>,
	packed: Vec<Packed>,
}

/// A thread's memory.
#[derive(Clone, Debug, Default)]
struct Bench {
	bytes: Vec<Vec<i8>>,
	words: Vec<Vec<i32>>,
	stack: Stack,
}

/// Runs an item; its outputs are put into `slots`.
///
/// # Errors
/// If a tensor has no value, or an operation refuses its inputs: excluded by validation.
pub(crate) fn run(
	item: &Item,
	program: &Program,
	context: &Context,
	slots: &mut Slots<'_>,
	buffers: &mut Buffers,
) -> Result<(), ExecError> {
	match item {
		Item::One(node) => one(node, program, context, slots, buffers),
		Item::Stage(stage) => {
			let mut workshop = core::mem::take(buffers.workshop());
			let done = stage_with(stage, context, slots, buffers, &mut workshop);
			*buffers.workshop() = workshop;
			done
		}
	}
}

fn at(context: &Context, node: &Node) -> Context {
	Context {
		instruction: node.instruction,
		..*context
	}
}

fn missing(node: &Node) -> ExecError {
	ExecError::Missing {
		instruction: node.instruction,
	}
}

fn refused(node: &Node) -> ExecError {
	ExecError::Operands { op: node.op.kind() }
}

fn one(
	node: &Node,
	program: &Program,
	context: &Context,
	slots: &mut Slots<'_>,
	buffers: &mut Buffers,
) -> Result<(), ExecError> {
	let flipped = flipped(node, slots, buffers)?;
	let mut inputs = Vec::with_capacity(node.inputs.len());
	for (arg, flipped) in node.inputs.iter().zip(&flipped) {
		let given = slots.get(arg.tensor).ok_or_else(|| missing(node))?;
		inputs.push(flipped.as_ref().unwrap_or(given));
	}
	let out = program.tensor(node.output).ok_or_else(|| missing(node))?;
	let value = execute_op_with(buffers, &node.op, &at(context, node), &inputs, out)?;
	for tensor in flipped.into_iter().flatten() {
		buffers.recycle(tensor);
	}
	slots.put(node.output, value);
	Ok(())
}

/// The operands of a product that are flipped, as they are: for who wants to see them.
pub(crate) fn flipped(
	node: &Node,
	slots: &Slots<'_>,
	buffers: &mut Buffers,
) -> Result<Vec<Option<Tensor>>, ExecError> {
	let flip = |arg: &Arg| {
		if !arg.flipped {
			return Ok(None);
		}
		let x = slots.get(arg.tensor).ok_or_else(|| missing(node))?;
		let (op, groups) = match node.op {
			Op::GroupProduct { groups } => (Op::GroupTranspose { groups }, groups.max(1)),
			_ => (Op::Transpose, 1),
		};
		let (rows, cols) = (x.cols().saturating_mul(groups), x.rows() / groups);
		let (lo, hi) = Element::I8.limits();
		let out = TensorDecl::new(Element::I8, rows, cols, lo, hi);
		let context = Context {
			seed: [0; 32],
			step: 0,
			instruction: node.instruction,
		};
		execute_op_with(buffers, &op, &context, &[x], &out).map(Some)
	};
	node.inputs.iter().map(flip).collect()
}

/// A buffer that a strip writes.
enum Buffer<'a> {
	Bytes(&'a mut [i8]),
	Words(&'a mut [i32]),
}

/// What is written and kept.
enum Stored {
	Bytes(Vec<i8>),
	Words(Vec<i32>),
}

/// A strip: its units, and its part of every stored tensor by number.
struct Strip<'a> {
	units: core::ops::Range<u32>,
	stored: Vec<Option<Buffer<'a>>>,
}

/// What all strips of a stage share.
struct Shared<'a> {
	stage: &'a Stage,
	contexts: Vec<Context>,
	slots: &'a Slots<'a>,
	/// The packed right operand of every product.
	packed: Vec<Option<&'a Packed>>,
	vectors: Vectors,
}

fn stage_with(
	stage: &Stage,
	context: &Context,
	slots: &mut Slots<'_>,
	buffers: &mut Buffers,
	workshop: &mut Workshop,
) -> Result<(), ExecError> {
	let threads = match stage.weight < GRAIN {
		true => 1,
		false => buffers.threads(),
	};
	let numbers = pack(stage, slots, buffers.vectors(), &mut workshop.packed)?;
	let packed = numbers
		.iter()
		.map(|n| n.and_then(|n| workshop.packed.get(n)))
		.collect();
	let mut stored: Vec<Option<Stored>> = stage.tensors.iter().map(|t| allocate(t, buffers)).collect();
	let shared = Shared {
		stage,
		contexts: stage.nodes.iter().map(|n| at(context, &n.node)).collect(),
		slots,
		packed,
		vectors: buffers.vectors(),
	};
	let strips = cut(stage, threads, &mut stored);
	if workshop.benches.len() < threads {
		workshop.benches.resize_with(threads, Bench::default);
	}
	let benches = workshop.benches.get_mut(..threads).unwrap_or_default();
	let failed = all_strips(&shared, strips, benches);
	if let Some(member) = failed.and_then(|n| stage.nodes.get(n)) {
		return Err(refused(&member.node));
	}
	for (tensor, stored) in stage.tensors.iter().zip(stored) {
		let decl = &tensor.decl;
		let value = match stored {
			None => continue,
			Some(Stored::Bytes(values)) => Tensor::from_i8(decl.rows, decl.cols, values),
			Some(Stored::Words(values)) => Tensor::from_i32(decl.rows, decl.cols, values),
		};
		// The length is that of the declaration.
		if let Ok(value) = value {
			slots.put(tensor.tensor, value);
		}
	}
	Ok(())
}

/// Packs the right operand of every product, each operand once; gives the number of every member's one.
fn pack(
	stage: &Stage,
	slots: &Slots<'_>,
	vectors: Vectors,
	packed: &mut Vec<Packed>,
) -> Result<Vec<Option<usize>>, ExecError> {
	let mut done: Vec<(Arg, u8)> = Vec::new();
	let mut numbers = Vec::with_capacity(stage.nodes.len());
	for member in &stage.nodes {
		let node = &member.node;
		let (Op::Product, [_, right]) = (&node.op, node.inputs.as_slice()) else {
			numbers.push(None);
			continue;
		};
		let wanted = (*right, crate::op::OPERAND_MAX as u8);
		let number = match done.iter().position(|d| *d == wanted) {
			Some(number) => number,
			None => {
				done.push(wanted);
				done.len() - 1
			}
		};
		numbers.push(Some(number));
	}
	if packed.len() < done.len() {
		packed.resize_with(done.len(), Packed::default);
	}
	for ((arg, most), packed) in done.iter().zip(packed) {
		let operands = || ExecError::Operands {
			op: crate::op::OpKind::Product,
		};
		let tensor = slots.get(arg.tensor).ok_or_else(operands)?;
		let matrix = operand(View::of(tensor), arg.flipped).ok_or_else(operands)?;
		packed
			.pack(kernel(vectors), matrix, *most)
			.map_err(|_| operands())?;
	}
	Ok(numbers)
}

fn allocate(tensor: &StageTensor, buffers: &mut Buffers) -> Option<Stored> {
	if tensor.home != Home::Stored {
		return None;
	}
	let count = usize::try_from(tensor.decl.elements()).ok()?;
	Some(match tensor.decl.element {
		Element::I8 => Stored::Bytes(buffers.any(count)),
		Element::I32 => Stored::Words(buffers.any(count)),
	})
}

/// Cuts a stage into strips, each with its part of every stored tensor.
fn cut<'a>(stage: &Stage, threads: usize, stored: &'a mut [Option<Stored>]) -> Vec<Strip<'a>> {
	let of_cache = (STRIP_BYTES / stage.unit_bytes.max(1)).max(1);
	let of_threads = match threads {
		1 => u64::from(stage.units),
		// Two strips for each core at least: other work on the machine delays one of them less than a half.
		threads => u64::from(stage.units).div_ceil(2 * threads as u64),
	};
	let step = of_cache.min(of_threads).clamp(1, u64::from(stage.units.max(1))) as u32;
	let count = stage.units.div_ceil(step);
	let mut strips: Vec<Strip<'a>> = (0..count)
		.map(|n| Strip {
			units: n * step..(n + 1).saturating_mul(step).min(stage.units),
			stored: Vec::with_capacity(stored.len()),
		})
		.collect();
	for (tensor, stored) in stage.tensors.iter().zip(stored) {
		let part = (step as usize) * (tensor.rows as usize) * (tensor.decl.cols as usize);
		match stored {
			None => strips.iter_mut().for_each(|s| s.stored.push(None)),
			Some(Stored::Bytes(values)) => {
				let mut parts = values.chunks_mut(part.max(1));
				strips
					.iter_mut()
					.for_each(|s| s.stored.push(parts.next().map(Buffer::Bytes)));
			}
			Some(Stored::Words(values)) => {
				let mut parts = values.chunks_mut(part.max(1));
				strips
					.iter_mut()
					.for_each(|s| s.stored.push(parts.next().map(Buffer::Words)));
			}
		}
	}
	strips
}

/// Runs all strips, a thread for every bench; gives the number of a member that refused its inputs.
fn all_strips(shared: &Shared<'_>, strips: Vec<Strip<'_>>, benches: &mut [Bench]) -> Option<usize> {
	let failed = AtomicUsize::new(usize::MAX);
	let run = |strip, bench: &mut Bench| {
		if let Err(member) = shared.strip(strip, bench) {
			failed.store(member, Ordering::Relaxed);
		}
	};
	#[cfg(feature = "std")]
	if benches.len() > 1 && strips.len() > 1 {
		let queue = std::sync::Mutex::new(strips.into_iter());
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
		for (n, member) in self.stage.nodes.iter().enumerate() {
			self.member(n, member, &mut strip, bench).ok_or(n)?;
		}
		Ok(())
	}

	/// Elements of a tensor in a strip.
	fn range(&self, tensor: &StageTensor, units: &core::ops::Range<u32>) -> core::ops::Range<usize> {
		let row = |unit: u32| unit.saturating_mul(tensor.rows).min(tensor.decl.rows) as usize;
		let cols = tensor.decl.cols as usize;
		row(units.start) * cols..row(units.end) * cols
	}

	/// Takes the output's buffer, computes, and puts it back.
	fn member(&self, n: usize, member: &Member, strip: &mut Strip<'_>, bench: &mut Bench) -> Option<()> {
		let tensor = self.stage.tensors.get(member.output)?;
		let range = self.range(tensor, &strip.units);
		match (tensor.home, tensor.decl.element) {
			(Home::Given, _) => None,
			(Home::Stored, _) => {
				let place = strip.stored.get_mut(member.output)?;
				let mut buffer = place.take()?;
				let to = match &mut buffer {
					Buffer::Bytes(to) => Target::I8(to),
					Buffer::Words(to) => Target::I32(to),
				};
				self.compute(n, member, range.start, strip, bench, to)?;
				*strip.stored.get_mut(member.output)? = Some(buffer);
				Some(())
			}
			(Home::Scratch(number), Element::I8) => {
				let mut buffer = core::mem::take(grown(&mut bench.bytes, number)?);
				if buffer.len() < range.len() {
					buffer.resize(range.len(), 0);
				}
				let to = Target::I8(buffer.get_mut(..range.len())?);
				self.compute(n, member, range.start, strip, bench, to)?;
				*bench.bytes.get_mut(number)? = buffer;
				Some(())
			}
			(Home::Scratch(number), Element::I32) => {
				let mut buffer = core::mem::take(grown(&mut bench.words, number)?);
				if buffer.len() < range.len() {
					buffer.resize(range.len(), 0);
				}
				let to = Target::I32(buffer.get_mut(..range.len())?);
				self.compute(n, member, range.start, strip, bench, to)?;
				*bench.words.get_mut(number)? = buffer;
				Some(())
			}
		}
	}

	/// The strip's rows of a source.
	fn view<'b>(&'b self, source: &Source, strip: &'b Strip<'_>, bench: &'b Bench) -> Option<View<'b>> {
		let number = match source {
			Source::Whole(id) => return self.slots.get(*id).map(View::of),
			Source::Strip(number) => *number,
		};
		let tensor = self.stage.tensors.get(number)?;
		let range = self.range(tensor, &strip.units);
		let slice = match (tensor.home, tensor.decl.element) {
			(Home::Given, _) => return View::of(self.slots.get(tensor.tensor)?).part(range),
			(Home::Stored, _) => match strip.stored.get(number)?.as_ref()? {
				Buffer::Bytes(x) => Slice::I8(x),
				Buffer::Words(x) => Slice::I32(x),
			},
			(Home::Scratch(buffer), Element::I8) => Slice::I8(bench.bytes.get(buffer)?.get(..range.len())?),
			(Home::Scratch(buffer), Element::I32) => Slice::I32(bench.words.get(buffer)?.get(..range.len())?),
		};
		Some(View::new(tensor.decl.cols, slice))
	}

	fn compute(
		&self,
		n: usize,
		member: &Member,
		origin: usize,
		strip: &Strip<'_>,
		bench: &mut Bench,
		to: Target<'_>,
	) -> Option<()> {
		let node = &member.node;
		let cols = self.stage.tensors.get(member.output)?.decl.cols;
		match (&node.op, member.sources.as_slice(), node.inputs.as_slice(), to) {
			(Op::Product, [left, _], [a, _], Target::I32(to)) => {
				let packed = self.packed.get(n).copied().flatten()?;
				let a = match left {
					Source::Whole(id) => operand(View::of(self.slots.get(*id)?), a.flipped)?,
					Source::Strip(_) => return None,
				};
				let first = origin.checked_div(cols as usize)?;
				multiply_rows(packed, a, first, &mut bench.stack.scratch, to).ok()
			}
			(Op::GroupProduct { groups }, [left, right], [a, b], Target::I32(to)) => {
				let all = self.stage.tensors.get(member.output)?.decl.elements() as usize;
				let groups = to.len().checked_div(all.checked_div(*groups as usize)?)?;
				let mut stack = core::mem::take(&mut bench.stack);
				let pair = [
					(self.view(left, strip, bench)?, a.flipped),
					(self.view(right, strip, bench)?, b.flipped),
				];
				let done = stacked_pairs(kernel(self.vectors), groups, pair, &mut stack, to);
				bench.stack = stack;
				done
			}
			(op, sources, _, to) => {
				let mut views = [View::new(1, Slice::I8(&[])); MAX_INPUTS];
				let views = views.get_mut(..sources.len())?;
				for (view, source) in views.iter_mut().zip(sources) {
					*view = self.view(source, strip, bench)?;
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

/// Most inputs of an operation.
const MAX_INPUTS: usize = 5;

/// The buffer of a number; there are as many as asked for.
fn grown<T>(buffers: &mut Vec<Vec<T>>, number: usize) -> Option<&mut Vec<T>> {
	if buffers.len() <= number {
		buffers.resize_with(number + 1, Vec::new);
	}
	buffers.get_mut(number)
}
