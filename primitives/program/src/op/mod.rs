// SPDX-License-Identifier: Apache-2.0

//! The operations of a program: what each one reads, writes, and computes.
//!
//! Notation. `[r, c]` is a matrix of `r` rows and `c` columns. A *scalar* is an `i32` tensor `[1, 1]`; power-of-two
//! exponents are scalars, so that every operation is a pure function of tensors. `x[i,j]` is an element,
//! `p = i * cols + j` its row-major position. `>>` on signed words is arithmetic, `/` truncates towards zero.
//!
//! ```text
//! bl(x)      bit length of x >= 0: 32 - clz(x)
//! rsh(x,s)   s == 0 ? x : (x >> s) + ((x >> (s-1)) & 1)          round half up, 0 <= s <= 31
//! sh(x,s)    s >= 0 ? rsh(x, min(s,31)) : clamp(x, -L, L) << n    with n = min(-s,30), L = 2^30 >> n
//! mix(x)     x ^= x>>16; x *= 0x7feb352d; x ^= x>>15; x *= 0x846ca68b; x ^= x>>16          (u32, wrapping)
//! random(p)  mix(mix(p + k0) ^ k1)                                                       (u32, wrapping)
//! k0, k1     first two little-endian words of H("PoAIW/random/1" ‖ seed ‖ le32(counter, instruction))
//!            counter = global step number (2^32 - 1 in the initial program, the number of steps in the evaluation);
//!            for `BatchIndices` the epoch
//! ```
//!
//! A second input that is *spread* over `[r, c]` is `[1, 1]`, `[r, 1]`, `[1, c]` or `[r, c]`; where it has one row (column), that
//! row (column) stands beside every row (column).
//!
//! A *block* is 16 rows x 512 bytes (512 columns of `i8`, 128 of `i32`). "Blocks" below states which input blocks one
//! output block depends on. Every operation is defined by [`crate::arbiter`], element by element; [`crate::execute`]
//! computes the same bits for whole tensors.
//!
//! The kinds, in codec order:
//! `Constant, RandomUniform, BatchIndices, Schedule, Product, Transpose, GatherRows, Add, Sub, Abs, Clip, Ema,
//! Decay, ExcessBits, MaxAbsPartials, MaxReduce, RowMaxAbs, SumPartials, SumReduce, Requantise, Rescale, Relu,
//! ReluGrad, SoftmaxGradient, CrossEntropy, BiasCorrection, L1Adam, Sgd, Argmax, Equal, Multiply, Min, Max, Select,
//! RoundShift, LeakyRelu, LeakyReluGrad, RowSum, RowMax, RowSumSquares, RowDivide, Roll, Reshape, SplitColumns,
//! MergeColumns, GroupTranspose, GroupProduct, RequantiseWide, GatherElements, ScatterAddRows, Iota, StepIndices,
//! Patches, PatchesGradient, Softmax, SoftmaxBackward, RmsNorm, RmsFactor, RmsExponent, RmsNormGradient, Centre,
//! Gelu, AdamSquare, Adam, AdamCorrection`.
//! New operations are appended with the next codec index; the meaning of an existing index never changes.

mod kind;

pub use kind::OpKind;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Largest magnitude of an int7 operand of a product: noise is added to operands, and the sum must fit `i8`.
pub const OPERAND_MAX: i32 = 63;
/// Largest magnitude of an int8 operand of a stacked product, to which no noise is added.
pub const WIDE_MAX: i32 = 127;

/// Rounding of [`Op::Requantise`].
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Rounding {
	/// `q = rsh(x, s)`.
	#[codec(index = 0)]
	HalfUp,
	/// `q = (x + ((random(p) >> 1) & (2^s - 1))) >> s`: stochastic rounding with keyed random bits.
	#[codec(index = 1)]
	Keyed,
}

/// Where a convolution looks: sizes of an image and of the window that moves over it.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Window {
	/// Rows of the image.
	pub height: u32,
	/// Columns of the image.
	pub width: u32,
	/// Rows and columns of the window.
	pub kernel: u32,
	/// How far the window moves.
	pub stride: u32,
	/// Zeros around the image.
	pub padding: u32,
}

/// One operation. All outputs are `i32` unless the text says otherwise.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Op {
	/// `() -> [r, c]`.
	/// Formula: `y = value`.
	/// Ranges: none.
	/// Blocks: none.
	/// Cost: 1 per element.
	#[codec(index = 0)]
	Constant {
		/// The value of every element.
		value: i32,
	},
	/// `() -> [r, c]`, uniform between about `-scale * 2^(15-shift)` and `+scale * 2^(15-shift)`.
	/// Formula: `y = rsh((i32(random(p) >> 16) - 32768) * scale, shift)`.
	/// Ranges: `1 <= scale <= 32768`, `shift <= 31`.
	/// Blocks: none.
	/// Cost: 8 per element.
	#[codec(index = 1)]
	RandomUniform {
		/// Multiplier of the 16 random bits.
		scale: u32,
		/// Right shift after the multiplication.
		shift: u32,
	},
	/// `() -> [b, 1]`: row numbers of the batch of this step. Each epoch is a fresh permutation of `0..population`;
	/// it has `population / b` whole batches, the rest of the permutation is not used.
	/// Formula: `n = population`, `per = n / b`, `epoch = step / per`, `x = (step % per) * b + i`; keys from the epoch; for
	/// `round` in `0..32`: `K = random(2*round) % n; t = K + n - x; t = t >= n ? t - n : t;
	/// if mix(max(x, t) + random(2*round+1)) >> 31 == 1 { x = t }`; `y = x`. ("Swap or not": every round is a permutation.)
	/// Ranges: `1 <= b <= population <= 2^30`.
	/// Blocks: none.
	/// Cost: 128 per element.
	#[codec(index = 2)]
	BatchIndices {
		/// Number of rows to draw from.
		population: u32,
	},
	/// `() -> [1, 1]`: linear warm-up and linear decay, by the global step number.
	/// Formula: (u32) `t = step`; `t < warmup ? peak * (t+1) / warmup : max(floor, peak - (peak - floor) *
	/// min(t - warmup, total - warmup) / (total - warmup))`.
	/// Ranges: `floor <= peak <= 65536`, `warmup < total`, `peak * total < 2^32`.
	/// Blocks: none.
	/// Cost: 16 per element.
	#[codec(index = 3)]
	Schedule {
		/// Largest value, reached at the end of the warm-up.
		peak: u32,
		/// Value at `total` and after it.
		floor: u32,
		/// Steps of the warm-up; may be 0.
		warmup: u32,
		/// Steps of the whole schedule.
		total: u32,
	},
	/// `i8 [m, k], i8 [n, k] -> [m, n]`: product with the second operand stored transposed.
	/// Formula: `y[i,j] = sum over l of a[i,l] * b[j,l]`.
	/// Ranges: operands in `[-63, 63]`; `k <= 131071`; `k * max|a| * max|b| < 2^31`.
	/// Blocks: the block row `i` of `a`; the 8 block rows of `b` under the output's 128 columns (1 for a 16 x 16 tile).
	/// Cost: `m * n * k`.
	#[codec(index = 4)]
	Product,
	/// `[r, c] -> [c, r]`, same element type.
	/// Formula: `y[i,j] = x[j,i]`.
	/// Ranges: unchanged.
	/// Blocks: 32 (`i8`) or 8 (`i32`) blocks of one block column.
	/// Cost: 1 per element.
	#[codec(index = 5)]
	Transpose,
	/// `x [n, c], i32 index [r, 1] -> [r, c]`, element type of `x`.
	/// Formula: `y[i,j] = x[index[i], j]`.
	/// Ranges: the index within `0..n`.
	/// Blocks: 1 of the index; for each of the 16 rows the block of `x` that holds it.
	/// Cost: 1 per element.
	#[codec(index = 6)]
	GatherRows,
	/// `i32 [r, c], i32 b -> [r, c]`; `b` is spread.
	/// Formula: `y = a + b`.
	/// Ranges: the sum fits.
	/// Blocks: the same block of `a`, the block of `b` that covers it.
	/// Cost: 1 per element.
	#[codec(index = 7)]
	Add,
	/// `i32 [r, c], i32 b -> [r, c]`; `b` is spread.
	/// Formula: `y = a - b`.
	/// Ranges: the difference fits.
	/// Blocks: the same block of `a`, the block of `b` that covers it.
	/// Cost: 1 per element.
	#[codec(index = 8)]
	Sub,
	/// `i32 [r, c] -> [r, c]`.
	/// Formula: `y = |x|`.
	/// Ranges: `x > -2^31`.
	/// Blocks: the same block.
	/// Cost: 1 per element.
	#[codec(index = 9)]
	Abs,
	/// `i32 [r, c] -> [r, c]`.
	/// Formula: `y = clamp(x, lo, hi)`.
	/// Ranges: `lo <= hi`.
	/// Blocks: the same block.
	/// Cost: 1 per element.
	#[codec(index = 10)]
	Clip {
		/// Lower end.
		lo: i32,
		/// Upper end.
		hi: i32,
	},
	/// `average i32 [r, c], value i32 [r, c] -> [r, c]`: exponential moving average.
	/// Formula: `y = a + rsh(v - a, shift)`.
	/// Ranges: `1 <= shift <= 30`; `v - a` fits.
	/// Blocks: the same block of each.
	/// Cost: 2 per element.
	#[codec(index = 11)]
	Ema {
		/// The average moves by `2^-shift` of the difference.
		shift: u32,
	},
	/// `i32 [r, c] -> [r, c]`.
	/// Formula: `y = x - (x >> shift)`.
	/// Ranges: `1 <= shift <= 31`; `x >= 0`.
	/// Blocks: the same block.
	/// Cost: 1 per element.
	#[codec(index = 12)]
	Decay {
		/// The value loses `2^-shift` of itself.
		shift: u32,
	},
	/// `i32 [r, c] -> [r, c]`: how many bits a magnitude is too long.
	/// Formula: `y = max(0, bl(x) - bits)`.
	/// Ranges: `x >= 0`; `bits <= 31`.
	/// Blocks: the same block.
	/// Cost: 1 per element.
	#[codec(index = 13)]
	ExcessBits {
		/// Bits that are kept.
		bits: u32,
	},
	/// `i32 [r, c] -> [blocks, 1]`, one number for each 16-row x 128-column block of the input, blocks in row-major order:
	/// `blocks = ceil(r / 16) * ceil(c / 128)`.
	/// Formula: `y[b] = max |x|` over the block.
	/// Ranges: `x > -2^31`.
	/// Blocks: 16, one for each output row.
	/// Cost: 1 per input element.
	#[codec(index = 14)]
	MaxAbsPartials,
	/// `i32 [n, 1] -> [1, 1]`.
	/// Formula: `y = max x[i]`.
	/// Ranges: `n <= 1024`; longer inputs go through [`Op::MaxAbsPartials`] again.
	/// Blocks: all of the input, at most 64.
	/// Cost: 1 per input element.
	#[codec(index = 15)]
	MaxReduce,
	/// `i32 [r, c] -> [r, 1]`.
	/// Formula: `y[i] = max over j of |x[i,j]|`.
	/// Ranges: `x > -2^31`; `c <= 65535`.
	/// Blocks: the block row.
	/// Cost: 1 per input element.
	#[codec(index = 16)]
	RowMaxAbs,
	/// `i32 [r, c] -> [blocks, 1]`, blocks as in [`Op::MaxAbsPartials`].
	/// Formula: `y[b] = sum of x` over the block.
	/// Ranges: the sum of 2,048 elements (fewer when the tensor is smaller) fits.
	/// Blocks: 16, one for each output row.
	/// Cost: 1 per input element.
	#[codec(index = 17)]
	SumPartials,
	/// `i32 [n, 1] -> [1, 1]`.
	/// Formula: `y = sum of x[i]`.
	/// Ranges: `n <= 1024`; the sum fits.
	/// Blocks: all of the input, at most 64.
	/// Cost: 1 per input element.
	#[codec(index = 18)]
	SumReduce,
	/// `i32 [r, c], shift i32 [1, 1] or [r, 1] -> i8 [r, c]`: int7 mantissas for a product.
	/// Formula: `s = shift` (of the tensor or of the row); `q` by [`Rounding`]; `y = clamp(q, -63, 63)`.
	/// Ranges: half up: `0 <= s <= 31`; keyed: `0 <= s <= 30` and `|x| <= 2^30`.
	/// Blocks: 4 blocks of `x` (an `i8` block is 512 columns wide), 1 of the shift.
	/// Cost: 2 (half up) or 8 (keyed) per element.
	#[codec(index = 19)]
	Requantise {
		/// How the bits that fall off are rounded.
		rounding: Rounding,
	},
	/// `i32 [r, c], exponent i32 -> [r, c]`: from unit `2^e` to the fixed unit `2^unit`; the exponent is spread.
	/// Formula: `y = clamp(sh(x, unit - e), -limit, limit)`.
	/// Ranges: `1 <= limit <= 2^30`; `|unit|` and `|e|` at most 2^20; `x > -2^31`.
	/// Blocks: the same block, and the block of the exponent that covers it.
	/// Cost: 2 per element.
	#[codec(index = 20)]
	Rescale {
		/// Exponent of the output's unit.
		unit: i32,
		/// Saturation of the output.
		limit: i32,
	},
	/// `i32 [r, c] -> [r, c]`.
	/// Formula: `y = max(x, 0)`.
	/// Ranges: none.
	/// Blocks: the same block.
	/// Cost: 1 per element.
	#[codec(index = 21)]
	Relu,
	/// `gradient i32 [r, c], activation i8 or i32 [r, c] -> [r, c]`.
	/// Formula: `y = a > 0 ? g : 0`.
	/// Ranges: none.
	/// Blocks: the same block of the gradient, the block of the activation that covers it.
	/// Cost: 1 per element.
	#[codec(index = 22)]
	ReluGrad,
	/// `logits i32 [r, c], labels i32 [r, 1], exponent i32 [1, 1] -> [r, c]`: gradient of the cross-entropy, unit `2^-16`
	/// (not divided by the number of rows).
	/// Formula: `u[j] = max(z) - z[j]`; `x[j] = exp2n(tlog2(u[j], e))`; `y[j] = (x[j] << 16) / sum(x) - (j == label ? 65536 : 0)`
	/// (u32 division), with
	/// `tlog2(u, e)`: `n = max(0, bl(u) - 21); p = (u >> n) * 1477 (u32); s = -(e + n + 2);
	/// t = s > 0 ? p >> min(s,31) : min(p, 2^17 >> min(-s,17)) << min(-s,17); min(t, 31 << 12)` and
	/// `exp2n(t)`: `ip = (t + 4095) >> 12; f = (ip << 12) - t; r = 2556; r = 7411 + ((r*f) >> 12); r = 22801 + ((r*f) >> 12);
	/// r = 32768 + ((r*f) >> 12); ip > 20 ? 0 : r >> ip`.
	/// Ranges: `c <= 65535`; `max z - min z < 2^31`; labels within `0..c`; `|e| <= 2^20`.
	/// Blocks: the block row of the logits, 1 of the labels, the exponent.
	/// Cost: 32 per element.
	#[codec(index = 23)]
	SoftmaxGradient,
	/// `logits i32 [r, c], labels i32 [r, 1], exponent i32 [1, 1] -> [r, 1]`: cross-entropy of each row in nats, unit `2^-12`.
	/// Formula: `x`, `tlog2` as in [`Op::SoftmaxGradient`], `S = sum(x)`; `y = ((log2q(S) + tlog2(u[label], e)) * 2839) >> 12` with
	/// `log2q(S)`, S >= 2^15: `b = bl(S) - 1; w = b > 15 ? S >> (b-15) : S << (15-b); r = 0; 12 times { w = (w*w) >> 15;
	/// r = 2r; if w >= 2^16 { w >>= 1; r += 1 } }; ((b - 15) << 12) + r`.
	/// Ranges: as [`Op::SoftmaxGradient`].
	/// Blocks: the block row of the logits, 1 of the labels, the exponent.
	/// Cost: 32 per input element.
	#[codec(index = 24)]
	CrossEntropy,
	/// `p1 i32 [1, 1], p2 i32 [1, 1] -> [1, 1]`: bias correction of [`Op::L1Adam`], unit `2^-14`; `p` are `2^30 * beta^t`.
	/// Formula: `y = min(65535, ((2^30 - p2) >> 1) / max(1, (2^30 - p1) >> 15))`.
	/// Ranges: `0 <= p <= 2^30`.
	/// Blocks: both scalars.
	/// Cost: 4 per element.
	#[codec(index = 25)]
	BiasCorrection,
	/// `w, m, v i32 [r, c], rate i32 [1, 1], correction i32 [1, 1] -> [r, c]`: Adam with a mean of magnitudes in place of the
	/// root of the mean square. `w` and the rate have one unit (`2^-24` unless the rate needs a
	/// coarser one), `m` and `v` the gradient's unit, the correction `2^-14`.
	/// Formula: `m = |m| < 8 ? 0 : m; v = max(v, 64); n = max(bl(v) - 15, 0);
	/// u = clamp((clamp(m >> n, -2^18, 2^18) << 12) / max(v >> n, 1), -16384, 16384);
	/// u = clamp(rsh(u * correction, 14), -16384, 16384);
	/// d = rsh(rsh(rsh(w, 14) * rate, 8) * decay, 10);
	/// y = clamp(w - rsh(u * rate, 12) - d, -limit, limit)`.
	/// Ranges: `|w| <= 2^28`; `m > -2^31`; `v >= 0`; `0 <= rate <= 65536`; `0 <= correction <= 65535`; `decay <= 255`; `1 <= limit <= 2^28`.
	/// Blocks: the same block of each matrix, both scalars.
	/// Cost: 24 per element.
	#[codec(index = 26)]
	L1Adam {
		/// Saturation of the weights.
		limit: i32,
		/// Weight decay times 256, relative to the rate.
		decay: u32,
	},
	/// `w, m i32 [r, c], rate i32 [1, 1] -> [r, c]`: gradient descent along an averaged gradient `m`.
	/// Formula: `q = clamp(rsh(m, 14), -32767, 32767); y = clamp(w - rsh(q * rate, shift), -limit, limit)`.
	/// Ranges: `|w| <= 2^28`; `0 <= rate <= 65536`; `4 <= shift <= 31`; `1 <= limit <= 2^28`.
	/// Blocks: the same block of each matrix, the rate.
	/// Cost: 6 per element.
	#[codec(index = 27)]
	Sgd {
		/// Right shift of rate times gradient.
		shift: u32,
		/// Saturation of the weights.
		limit: i32,
	},
	/// `i32 [r, c] -> [r, 1]`.
	/// Formula: the smallest `j` with `x[i,j] = max of row i`.
	/// Ranges: `c <= 65535`.
	/// Blocks: the block row.
	/// Cost: 1 per input element.
	#[codec(index = 28)]
	Argmax,
	/// `i32 [r, c], i32 [r, c] -> [r, c]`.
	/// Formula: `y = a == b ? 1 : 0`.
	/// Ranges: none.
	/// Blocks: the same block of each.
	/// Cost: 1 per element.
	#[codec(index = 29)]
	Equal,
	/// `i32 [r, c], i32 b -> [r, c]`; `b` is spread over the rows and columns of the first input.
	/// Formula: `y = rsh(a * b, shift)`.
	/// Ranges: `shift <= 31`; the product fits.
	/// Blocks: the same block of `a`, the block of `b` that covers it.
	/// Cost: 2 per element.
	#[codec(index = 30)]
	Multiply {
		/// Right shift of the product.
		shift: u32,
	},
	/// `i32 [r, c], i32 b -> [r, c]`; `b` is spread.
	/// Formula: `y = min(a, b)`.
	/// Ranges: none.
	/// Blocks: as [`Op::Multiply`].
	/// Cost: 1 per element.
	#[codec(index = 31)]
	Min,
	/// `i32 [r, c], i32 b -> [r, c]`; `b` is spread.
	/// Formula: `y = max(a, b)`.
	/// Ranges: none.
	/// Blocks: as [`Op::Multiply`].
	/// Cost: 1 per element.
	#[codec(index = 32)]
	Max,
	/// `condition i32 [r, c], a i32 [r, c], b i32 [r, c] -> [r, c]`.
	/// Formula: `y = condition > 0 ? a : b`.
	/// Ranges: none.
	/// Blocks: the same block of each.
	/// Cost: 1 per element.
	#[codec(index = 33)]
	Select,
	/// `i32 [r, c] -> [r, c]`.
	/// Formula: `y = rsh(x, shift)`.
	/// Ranges: `shift <= 31`.
	/// Blocks: the same block.
	/// Cost: 1 per element.
	#[codec(index = 34)]
	RoundShift {
		/// Bits that fall off.
		shift: u32,
	},
	/// `i32 [r, c] -> [r, c]`.
	/// Formula: `y = x > 0 ? x : x >> shift`.
	/// Ranges: `1 <= shift <= 31`.
	/// Blocks: the same block.
	/// Cost: 1 per element.
	#[codec(index = 35)]
	LeakyRelu {
		/// The slope below zero is `2^-shift`.
		shift: u32,
	},
	/// `gradient i32 [r, c], activation i8 or i32 [r, c] -> [r, c]`.
	/// Formula: `y = a > 0 ? g : g >> shift`.
	/// Ranges: `1 <= shift <= 31`.
	/// Blocks: as [`Op::ReluGrad`].
	/// Cost: 1 per element.
	#[codec(index = 36)]
	LeakyReluGrad {
		/// As in [`Op::LeakyRelu`].
		shift: u32,
	},
	/// `i8 or i32 [r, c] -> [r, 1]`.
	/// Formula: `y[i] = sum over j of x[i,j]`.
	/// Ranges: `c <= 65535`; the sum fits, in any order.
	/// Blocks: the block row.
	/// Cost: 1 per input element.
	#[codec(index = 37)]
	RowSum,
	/// `i32 [r, c] -> [r, 1]`.
	/// Formula: `y[i] = max over j of x[i,j]`.
	/// Ranges: `c <= 65535`.
	/// Blocks: the block row.
	/// Cost: 1 per input element.
	#[codec(index = 38)]
	RowMax,
	/// `i8 or i32 [r, c] -> [r, 1]`.
	/// Formula: `y[i] = sum over j of x[i,j]^2`.
	/// Ranges: `c <= 65535`; the sum fits.
	/// Blocks: the block row.
	/// Cost: 1 per input element.
	#[codec(index = 39)]
	RowSumSquares,
	/// `x i32 [r, c], divisor i32 [r, 1] -> [r, c]`.
	/// Formula: `y[i,j] = (x[i,j] << shift) / d[i]`.
	/// Ranges: `shift <= 16`; `d >= 1`; `x << shift` fits.
	/// Blocks: the same block, 1 of the divisor.
	/// Cost: 4 per element.
	#[codec(index = 40)]
	RowDivide {
		/// Left shift before the division.
		shift: u32,
	},
	/// `i8 or i32 [r, c] -> [r, c]`, element type of `x`: what leaves on one side comes in on the other.
	/// Formula: `y[i,j] = x[(i + r - down) % r, (j + c - right) % c]`.
	/// Ranges: `down < r`, `right < c`.
	/// Blocks: those that hold the rows and columns, at most 9 and one more row and column of blocks at the edges.
	/// Cost: 1 per element.
	#[codec(index = 41)]
	Roll {
		/// Rows that everything moves down.
		down: u32,
		/// Columns that everything moves to the right.
		right: u32,
	},
	/// `i8 or i32 [n, m] -> [r, c]` with `n * m = r * c`, element type of `x`.
	/// Formula: element number `p` of `y` is element number `p` of `x`, both row-major.
	/// Ranges: unchanged.
	/// Blocks: those that hold the elements.
	/// Cost: 1 per element.
	#[codec(index = 42)]
	Reshape,
	/// `i8 or i32 [g * rows, parts * w] -> [g * parts * rows, w]`, element type of `x`: every group of rows is cut into
	/// `parts` columns of matrices, which are stacked (the heads of an attention).
	/// Formula: `y[(n * parts + h) * rows + t, j] = x[n * rows + t, h * w + j]`.
	/// Ranges: `rows` divides the rows of `x`, `parts` its columns.
	/// Blocks: those that hold the elements.
	/// Cost: 1 per element.
	#[codec(index = 43)]
	SplitColumns {
		/// Rows of a group.
		rows: u32,
		/// Parts of a group.
		parts: u32,
	},
	/// `i8 or i32 [g * parts * rows, w] -> [g * rows, parts * w]`, element type of `x`: undoes [`Op::SplitColumns`].
	/// Formula: `y[n * rows + t, h * w + j] = x[(n * parts + h) * rows + t, j]`.
	/// Ranges: `rows * parts` divides the rows of `x`.
	/// Blocks: those that hold the elements.
	/// Cost: 1 per element.
	#[codec(index = 44)]
	MergeColumns {
		/// Rows of a group.
		rows: u32,
		/// Parts of a group.
		parts: u32,
	},
	/// `i8 or i32 [g * r, c] -> [g * c, r]`, element type of `x`: the transpose of each of `groups` stacked matrices.
	/// Formula: `y[n * c + j, i] = x[n * r + i, j]`.
	/// Ranges: `groups` divides the rows of `x`.
	/// Blocks: those that hold the elements.
	/// Cost: 1 per element.
	#[codec(index = 45)]
	GroupTranspose {
		/// Stacked matrices.
		groups: u32,
	},
	/// `i8 [g * m, k], i8 [g * n, k] -> [g * m, n]`: the product of each of `groups` pairs, the second operand stored transposed.
	/// No ticket is drawn from it, so operands are int8.
	/// Formula: `y[q * m + i, j] = sum over l of a[q * m + i, l] * b[q * n + j, l]`.
	/// Ranges: operands in `[-127, 127]`; `groups` divides the rows of both; `k * max|a| * max|b| < 2^31`.
	/// Blocks: the block row of `a`; the rows of `b` of the groups that the block touches.
	/// Cost: `groups * m * n * k`.
	#[codec(index = 46)]
	GroupProduct {
		/// Pairs of matrices.
		groups: u32,
	},
	/// `i32 [r, c], shift i32 [1, 1] or [r, 1] -> i8 [r, c]`: int8 mantissas for [`Op::GroupProduct`].
	/// Formula, ranges, blocks, cost: as [`Op::Requantise`], with 127 in place of 63.
	#[codec(index = 47)]
	RequantiseWide {
		/// How the bits that fall off are rounded.
		rounding: Rounding,
	},
	/// `x i8 or i32 [n, m], index i32 [r, c] -> i32 [r, c]`.
	/// Formula: `y[i,j] = x[index[i,j] / m, index[i,j] % m]`.
	/// Ranges: the index within `0..n * m`.
	/// Blocks: the same block of the index; for each element the block of `x` that holds it.
	/// Cost: 1 per element.
	#[codec(index = 48)]
	GatherElements,
	/// `x i32 [n, c], index i32 [n, 1] -> [r, c]`: the gradient of [`Op::GatherRows`].
	/// Formula: `y[v,j] = sum over the i with index[i] = v of x[i,j]`.
	/// Ranges: `n <= 65535`; the index within `0..r`; `n * max|x|` fits.
	/// Blocks: all of the index; the block column of `x`.
	/// Cost: 1 per element of `x` and of `y`.
	#[codec(index = 49)]
	ScatterAddRows,
	/// `() -> [r, c]`: positions and repetitions.
	/// Formula: `y[p] = (p / divisor) % modulus + offset`.
	/// Ranges: `divisor >= 1`, `1 <= modulus <= 2^30`, `|offset| <= 2^30`.
	/// Blocks: none.
	/// Cost: 1 per element.
	#[codec(index = 50)]
	Iota {
		/// How many neighbours get the same number.
		divisor: u32,
		/// Where counting starts again.
		modulus: u32,
		/// Added.
		offset: i32,
	},
	/// `() -> [b, 1]`: row numbers of the batch of this step, in order.
	/// Formula: `y[i] = (step % (population / b)) * b + i`.
	/// Ranges: `1 <= b <= population <= 2^30`.
	/// Blocks: none.
	/// Cost: 1 per element.
	#[codec(index = 51)]
	StepIndices {
		/// Number of rows to go through.
		population: u32,
	},
	/// `i8 or i32 [n * height * width, c] -> [n * oh * ow, kernel^2 * c]`, element type of `x`: the patches of `n` images, whose
	/// product with `[filters, kernel^2 * c]` is a convolution. `oh = (height + 2 * padding - kernel) / stride + 1`, `ow` likewise.
	/// Formula: `y[(n * oh + v) * ow + u, (ky * kernel + kx) * c + j] = x[(n * height + v * stride + ky - padding) * width +
	/// u * stride + kx - padding, j]`, 0 outside of the image.
	/// Ranges: `1 <= kernel <= 15`, `1 <= stride <= 15`, `padding < kernel`, `kernel <= height + 2 * padding`, likewise the width;
	/// `height * width` divides the rows of `x`.
	/// Blocks: those that hold the elements.
	/// Cost: 1 per element.
	#[codec(index = 52)]
	Patches(Window),
	/// `i32 [n * oh * ow, kernel^2 * c] -> [n * height * width, c]`: the gradient of [`Op::Patches`].
	/// Formula: `y` is the sum of all elements that [`Op::Patches`] copies from its place.
	/// Ranges: as [`Op::Patches`]; the sum of `kernel^2` elements fits.
	/// Blocks: those that hold the elements.
	/// Cost: 1 per input element.
	#[codec(index = 53)]
	PatchesGradient(Window),
	/// `scores i32 [r, c], visible i32 [r, 1], exponent i32 [1, 1] or [r, 1] -> i8 [r, c]`: attention weights, relative to the
	/// row's largest, which is `top`; divide by their [`Op::RowSum`] after the product with the values.
	/// Formula: `u[j] = max over l < visible of z[l] - z[j]`; `y[j] = j < visible ? rsh(exp2n(tlog2(u[j], e)) * top, 15) : 0`, with
	/// `tlog2`, `exp2n` as in [`Op::SoftmaxGradient`].
	/// Ranges: `1 <= top <= 127`; `1 <= visible <= c <= 65535`; `max z - min z < 2^31`; `|e| <= 2^20`.
	/// Blocks: the block row of the scores, 1 each of the others.
	/// Cost: 32 per element.
	#[codec(index = 54)]
	Softmax {
		/// Weight of the row's maximum.
		top: u32,
	},
	/// `weights i8 [r, c], gradient i32 [r, c], sum i32 [r, 1] -> [r, c]`: gradient of [`Op::Softmax`], not scaled by `1 / sum`.
	/// Formula: `t = clamp((sum over j of p[j] * g[j]) / sum, -limit, limit)`; `y[j] = p[j] * (g[j] - t)`.
	/// Ranges: `c <= 65535`; `p >= 0`; `sum >= 1`; `|g| <= limit`; `c * max p * limit` and `max p * 2 * limit` fit.
	/// (With `sum` the sum of `p` the clamp never acts: `t` is a mean of `g`.)
	/// Blocks: the block rows of weights and gradient, 1 of the sum.
	/// Cost: 6 per element.
	#[codec(index = 55)]
	SoftmaxBackward {
		/// Largest magnitude of the gradient.
		limit: i32,
	},
	/// `i32 [r, c] -> [r, c]`, unit `2^-10`: every row divided by its root mean square. The result does not depend on the unit of `x`.
	/// Formula: `n = (31 - ceil(log2 c)) / 2; s = bl(max|x|) - n; q = sh(x, s); S = sum of q^2 (u32);
	/// k = min(clz(S) & ~1, 30); R = max(isqrt(S << k), 2^15); g` the least with `c < 2^(10 + 2g)`; `C = isqrt(c << (20 - 2g));
	/// F = (C << 17) / R (u32); y = rsh(q * F, 17 - g - k/2)`; `isqrt(x) = floor(sqrt(x))` of a u32.
	/// Ranges: `c <= 8192`; `|x| <= 2^30`.
	/// Blocks: the block row.
	/// Cost: 8 per element.
	#[codec(index = 56)]
	RmsNorm,
	/// `i32 [r, c] -> [r, 1]`: mantissa of the inverse root mean square.
	/// Formula: `y = F` of [`Op::RmsNorm`]. Ranges: as [`Op::RmsNorm`].
	/// Blocks: the block row.
	/// Cost: 4 per input element.
	#[codec(index = 57)]
	RmsFactor,
	/// `i32 [r, c] -> [r, 1]`: exponent of the inverse root mean square for an `x` of unit `2^-16`, plus 32 (so that it is not
	/// negative): `1 / rms = F * 2^(y - 32)`.
	/// Formula: `y = k/2 - s - 11 + g + 32` of [`Op::RmsNorm`]. Ranges: as [`Op::RmsNorm`].
	/// Blocks: the block row.
	/// Cost: 4 per input element.
	#[codec(index = 58)]
	RmsExponent,
	/// `gradient i32 [r, c], y i32 [r, c], factor i32 [r, 1], exponent i32 [r, 1], largest i32 [1, 1] -> [r, c]`: gradient of
	/// [`Op::RmsNorm`], whose output `y` is; `factor` and `exponent` are those of [`Op::RmsFactor`] and [`Op::RmsExponent`],
	/// `largest` is the largest exponent of all rows. Exponent of the result: that of the gradient `+ 3 + largest - 32`.
	/// Formula: `v = rsh(y, 3); t = floor((sum of g * v + c/2) / c); t = clamp(t, -2^(bits+8), 2^(bits+8)); h = g - rsh(t * v, 14);
	/// z = rsh(h * rsh(F, 3), clamp(largest - exponent, 0, 31))`. (The clamp of `t` never acts on a row of unit mean square.)
	/// Ranges: `bits <= 16`; `|g| <= 2^bits`; `c <= 8192`; all sums and products fit.
	/// Blocks: the block rows of gradient and `y`, 1 each of the columns and the scalar.
	/// Cost: 8 per element.
	#[codec(index = 59)]
	RmsNormGradient {
		/// Bits of the gradient's magnitude.
		bits: u32,
	},
	/// `i32 [r, c] -> [r, c]`: every row less its mean.
	/// Formula: `y = x - floor((sum over j of x[j] + c/2) / c)`, the sum exact (in two 16-bit limbs).
	/// Ranges: `c <= 8192`; `|x| <= 2^30`.
	/// Blocks: the block row.
	/// Cost: 2 per element.
	#[codec(index = 60)]
	Centre,
	/// `i32 [r, c] -> [r, c]`, both of unit `2^-10`: the Gaussian error linear unit by its tanh form.
	/// Formula: `a = min(|x|, 8191); q = (a * a) >> 10; z = a + ((((q * a) >> 10) * 183) >> 12); t = (z * 2357) >> 8;
	/// s = 2^30 / (32768 + exp2n(t)); w = rsh(a * s, 15); y = x >= 0 ? w + (x - a) : w - a`, with `exp2n` as in
	/// [`Op::SoftmaxGradient`] (`a` is `x` itself in the first case unless `x > 8191`).
	/// Ranges: `|x| <= 2^30`.
	/// Blocks: the same block.
	/// Cost: 24 per element.
	#[codec(index = 61)]
	Gelu,
	/// `square i32 [r, c], gradient i32 [r, c] -> [r, c]`: moving average of the squared gradient, by 1/128. A square is
	/// `mantissa * 2^exponent`, packed as `exponent << 25 | mantissa`, `-64 <= exponent <= 63`, `0 <= mantissa <= 2^24`.
	/// Formula: `V = min(v & (2^25 - 1), 2^24); E = v >> 25; n = bl(|g|) - 15; a = n >= 0 ? |g| >> n : |g| << -n; b = (a * a) >> 7;
	/// eb = g == 0 ? -64 : 2n; A = V << 6; A = A - (A >> 7); ea = V == 0 ? -64 : E - 6; x = max(ea, eb);
	/// s = (A >> min(x - ea, 31)) + (b >> min(x - eb, 31)); n = bl(s) - 24; V = n >= 0 ? rsh(s, n) : s << -n;
	/// E = s == 0 ? 0 : clamp(x + n, -64, 63); floor and E < -40: V = E = 0`.
	/// Ranges: `|g| <= 2^30`; any bits are a square.
	/// Blocks: the same block of each.
	/// Cost: 24 per element.
	#[codec(index = 62)]
	AdamSquare {
		/// Whether tiny squares become zero.
		floor: bool,
	},
	/// `w, m, v i32 [r, c], rate i32 [1, 1], correction i32 [1, 1] -> [r, c]`: Adam. `v` is packed as [`Op::AdamSquare`] says,
	/// the rest has the units of [`Op::L1Adam`].
	/// Formula: `V, E` of `v`; floor and (V == 0 or E < -11): `V = 2^23, E = -11`; floor and `|m| < 8`: `m = 0`; `odd = E & 1;
	/// R = max(isqrt(V << (6 + odd)), 1); e = (E - 6 - odd) >> 1; z = clamp(-e, 0, 18); L = 2^18 >> z;
	/// q = e >= 0 ? clamp(m >> min(e, 31), -2^18, 2^18) : clamp(m, -L, L) << z;
	/// u = V == 0 ? 0 : clamp((q << 12) / R, -16384, 16384)`; then as [`Op::L1Adam`] from its second line of `u` on.
	/// Ranges: as [`Op::L1Adam`]; any bits are a square.
	/// Blocks: the same block of each matrix, both scalars.
	/// Cost: 48 per element.
	#[codec(index = 63)]
	Adam {
		/// Saturation of the weights.
		limit: i32,
		/// Weight decay times 256, relative to the rate.
		decay: u32,
		/// Whether tiny squares count as `2^23 * 2^-11` and tiny means as zero.
		floor: bool,
	},
	/// `p1 i32 [1, 1], p2 i32 [1, 1] -> [1, 1]`: bias correction of [`Op::Adam`], unit `2^-14`; `p` are `2^30 * beta^t`.
	/// Formula: `y = min(65535, (isqrt(2^30 - p2) << 14) / max(1, (2^30 - p1) >> 15))`.
	/// Ranges: `0 <= p <= 2^30`.
	/// Blocks: both scalars.
	/// Cost: 4 per element.
	#[codec(index = 64)]
	AdamCorrection,
}
