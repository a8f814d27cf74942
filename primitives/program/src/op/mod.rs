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
//! A *block* is 16 rows x 512 bytes (512 columns of `i8`, 128 of `i32`). "Blocks" below states which input blocks one
//! output block depends on. Every operation is defined by [`crate::arbiter`], element by element; [`crate::execute`]
//! computes the same bits for whole tensors.
//!
//! The kinds, in codec order:
//! `Constant, RandomUniform, BatchIndices, Schedule, Product, Transpose, GatherRows, Add, Sub, Abs, Clip, Ema, Decay,
//! ExcessBits, MaxAbsPartials, MaxReduce, RowMaxAbs, SumPartials, SumReduce, Requantise, Rescale, Relu, ReluGrad,
//! SoftmaxGradient, CrossEntropy, BiasCorrection, L1Adam, Sgd, Argmax, Equal`.
//! New operations are appended with the next codec index; the meaning of an existing index never changes.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Largest magnitude of an int7 operand of a product: noise is added to operands, and the sum must fit `i8`.
pub const OPERAND_MAX: i32 = 63;

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
	/// `i32 [r, c], i32 [r, c] -> [r, c]`.
	/// Formula: `y = a + b`.
	/// Ranges: the sum fits.
	/// Blocks: the same block of each.
	/// Cost: 1 per element.
	#[codec(index = 7)]
	Add,
	/// `i32 [r, c], i32 [r, c] -> [r, c]`.
	/// Formula: `y = a - b`.
	/// Ranges: the difference fits.
	/// Blocks: the same block of each.
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
	/// `i32 [r, c], exponent i32 [1, 1] -> [r, c]`: from unit `2^e` to the fixed unit `2^unit`.
	/// Formula: `y = clamp(sh(x, unit - e), -limit, limit)`.
	/// Ranges: `1 <= limit <= 2^30`; `|unit|` and `|e|` at most 2^20; `x > -2^31`.
	/// Blocks: the same block, and the exponent.
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
	/// root of the mean square. `w` has unit `2^-24`, `m` and `v` the gradient's unit, the rate `2^-24`, the correction `2^-14`.
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
}

macro_rules! kinds {
	($($kind:ident => $pattern:pat, $inputs:expr;)*) => {
		/// An operation without its parameters: for tables and checklists.
		#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
		#[allow(missing_docs)]
		pub enum OpKind { $($kind),* }

		impl OpKind {
			/// Every kind, in codec order.
			pub const ALL: &'static [OpKind] = &[$(OpKind::$kind),*];

			/// The kind's name, as in the source.
			pub fn name(self) -> &'static str {
				match self { $(OpKind::$kind => stringify!($kind)),* }
			}

			/// Number of input tensors.
			pub fn inputs(self) -> usize {
				match self { $(OpKind::$kind => $inputs),* }
			}
		}

		impl Op {
			/// The operation without its parameters.
			pub fn kind(&self) -> OpKind {
				match self { $($pattern => OpKind::$kind),* }
			}
		}
	};
}

kinds! {
	Constant => Op::Constant { .. }, 0;
	RandomUniform => Op::RandomUniform { .. }, 0;
	BatchIndices => Op::BatchIndices { .. }, 0;
	Schedule => Op::Schedule { .. }, 0;
	Product => Op::Product, 2;
	Transpose => Op::Transpose, 1;
	GatherRows => Op::GatherRows, 2;
	Add => Op::Add, 2;
	Sub => Op::Sub, 2;
	Abs => Op::Abs, 1;
	Clip => Op::Clip { .. }, 1;
	Ema => Op::Ema { .. }, 2;
	Decay => Op::Decay { .. }, 1;
	ExcessBits => Op::ExcessBits { .. }, 1;
	MaxAbsPartials => Op::MaxAbsPartials, 1;
	MaxReduce => Op::MaxReduce, 1;
	RowMaxAbs => Op::RowMaxAbs, 1;
	SumPartials => Op::SumPartials, 1;
	SumReduce => Op::SumReduce, 1;
	Requantise => Op::Requantise { .. }, 2;
	Rescale => Op::Rescale { .. }, 2;
	Relu => Op::Relu, 1;
	ReluGrad => Op::ReluGrad, 2;
	SoftmaxGradient => Op::SoftmaxGradient, 3;
	CrossEntropy => Op::CrossEntropy, 3;
	BiasCorrection => Op::BiasCorrection, 2;
	L1Adam => Op::L1Adam { .. }, 5;
	Sgd => Op::Sgd { .. }, 3;
	Argmax => Op::Argmax, 1;
	Equal => Op::Equal, 2;
}
