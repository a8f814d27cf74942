// SPDX-License-Identifier: Apache-2.0

//! Every kernel, both layouts of both operands and all kinds of strips against the definition of the product.

use super::*;
use proptest::prelude::*;

fn reference(a: &[i8], b: &[i8], (m, n, k): Sizes) -> Vec<i32> {
	let mut c = vec![0; m * n];
	for i in 0..m {
		for j in 0..n {
			c[i * n + j] = (0..k)
				.map(|l| i32::from(a[i * k + l]) * i32::from(b[j * k + l]))
				.sum::<i32>();
		}
	}
	c
}

fn all_equal(a: &[i8], b: &[i8], (m, n, k): Sizes) {
	let expected = reference(a, b, (m, n, k));
	for kernel in Kernel::available() {
		// What C held before must not matter.
		let mut c = vec![77; m * n];
		gemm_i8_with(kernel, a, b, m, n, k, &mut c).unwrap();
		assert_eq!(c, expected, "{} {m} {n} {k}", kernel.name());
	}
	both_layouts(a, b, (m, n, k), &expected);
	let mut c = vec![77; m * n];
	gemm_i8_parallel(a, b, m, n, k, &mut c, 3).unwrap();
	assert_eq!(c, expected, "parallel {m} {n} {k}");
}

/// All layouts, as a whole and in strips, with memory that other products have used.
fn both_layouts(a: &[i8], b: &[i8], (m, n, k): Sizes, expected: &[i32]) {
	let (turned_a, turned_b) = (turned(a, m, k), turned(b, n, k));
	let (mut packed, mut scratch) = (Packed::default(), Scratch::default());
	for kernel in Kernel::available() {
		for b in [Matrix::by_row(b, n, k), Matrix::by_depth(&turned_b, n, k)] {
			packed.pack(kernel, b.unwrap(), magnitude(a)).unwrap();
			assert_eq!((packed.rows(), packed.depth()), (n, k));
			for a in [Matrix::by_row(a, m, k), Matrix::by_depth(&turned_a, m, k)] {
				for (first, count) in [(0, m), (m / 3, m - m / 3), (m / 2, m / 3), (m, 0)] {
					let mut c = vec![77; count * n];
					multiply_rows(&packed, a.unwrap(), first, &mut scratch, &mut c).unwrap();
					let name = kernel.name();
					assert_eq!(
						c,
						expected[first * n..][..count * n],
						"{name} {m} {n} {k} {first}"
					);
				}
			}
		}
	}
}

/// Left operands in two parts: every kernel, both orders of the right operand, both layouts, whole and in strips.
fn parts_equal([high, low]: [&[i8]; 2], scale: u8, b: &[i8], (m, n, k): Sizes) {
	let [of_high, of_low] = [high, low].map(|a| reference(a, b, (m, n, k)));
	let sum = |(high, low): (&i32, &i32)| high * i32::from(scale) + low;
	let expected: Vec<i32> = of_high.iter().zip(&of_low).map(sum).collect();
	let [turned_high, turned_low] = [high, low].map(|a| turned(a, m, k));
	let (mut packed, mut scratch) = (Packed::default(), Scratch::default());
	let most = magnitude(high).max(magnitude(low));
	for kernel in Kernel::available() {
		for for_parts in [true, false] {
			let right = Matrix::by_row(b, n, k).unwrap();
			match for_parts {
				true => packed.pack_for_parts(kernel, right, most).unwrap(),
				false => packed.pack(kernel, right, most).unwrap(),
			}
			for high in [Matrix::by_row(high, m, k), Matrix::by_depth(&turned_high, m, k)] {
				for low in [Matrix::by_row(low, m, k), Matrix::by_depth(&turned_low, m, k)] {
					let parts = Parts::new(high.unwrap(), low.unwrap(), scale).unwrap();
					for (first, count) in [(0, m), (m / 3, m - m / 3), (m, 0)] {
						let mut c = vec![77; count * n];
						multiply_parts(&packed, &parts, first, &mut scratch, &mut c).unwrap();
						let place = (kernel.name(), for_parts, first);
						assert_eq!(
							c,
							expected[first * n..][..count * n],
							"{place:?} {m} {n} {k} {scale}"
						);
					}
				}
			}
			// The order for parts serves whole operands too.
			let mut c = vec![77; m * n];
			let whole = Matrix::by_row(low, m, k).unwrap();
			multiply_rows(&packed, whole, 0, &mut scratch, &mut c).unwrap();
			assert_eq!(c, of_low, "{} {m} {n} {k}", kernel.name());
		}
	}
}

#[test]
fn operands_in_two_parts_should_be_exact_on_extremes() {
	let (m, n, k) = (13, 35, 70);
	for scale in [0, 1, 64, 254, 255] {
		for (x, y) in [(-128, -128), (127, 127), (63, 63), (-63, 63), (127, -128)] {
			for z in [-128, 63, 127] {
				parts_equal(
					[&vec![x; m * k], &vec![y; m * k]],
					scale,
					&vec![z; n * k],
					(m, n, k),
				);
			}
		}
	}
	parts_equal([&[], &[]], 64, &[1; 4], (0, 1, 4));
	parts_equal([&[], &[]], 64, &[], (2, 2, 0));
}

#[test]
fn parts_that_do_not_belong_together_should_be_refused() {
	let matrix = |rows: usize, depth: usize| Matrix::by_row(&[1; 12][..rows * depth], rows, depth).unwrap();
	assert!(Parts::new(matrix(3, 4), matrix(4, 3), 64).is_err());
	assert!(Parts::new(matrix(3, 4), matrix(3, 2), 64).is_err());
	let parts =
		|low: &'static [i8]| Parts::new(matrix(3, 4), Matrix::by_row(low, 3, 4).unwrap(), 64).unwrap();
	for kernel in Kernel::available() {
		let mut packed = Packed::default();
		packed.pack_for_parts(kernel, matrix(2, 4), 1).unwrap();
		let run = |low, len| {
			let mut c = vec![0; len];
			multiply_parts(&packed, &parts(low), 0, &mut Scratch::default(), &mut c)
		};
		assert_eq!(run(&[1; 12], 6), Ok(()));
		assert!(matches!(run(&[1; 12], 5), Err(Error::Length { .. })));
		assert!(matches!(run(&[1; 12], 8), Err(Error::OutOfRange { .. })));
		let large = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -2];
		let refused = Err(Error::Magnitude { most: 1, got: 2 });
		assert_eq!(run(Box::leak(Box::new(large)), 6), refused, "{}", kernel.name());
		// Other rows do not matter.
		assert_eq!(run(Box::leak(Box::new(large)), 4), Ok(()));
	}
}

fn turned(x: &[i8], rows: usize, depth: usize) -> Vec<i8> {
	(0..depth)
		.flat_map(|l| (0..rows).map(move |row| x[row * depth + l]))
		.collect()
}

fn bytes(label: u8, len: usize) -> Vec<i8> {
	(0..len.div_ceil(32))
		.flat_map(|i| poaiw_commitment::hash(&[&[label], &i.to_le_bytes()]))
		.take(len)
		.map(|byte| byte as i8)
		.collect()
}

/// Values up to some magnitude, the extremes among them often.
fn narrow(label: u8, len: usize, most: u8) -> Vec<i8> {
	let most = i32::from(most.min(127));
	let clamp = |x: i8| (2 * i32::from(x)).clamp(-most, most) as i8;
	bytes(label, len).into_iter().map(clamp).collect()
}

#[test]
fn all_kernels_should_be_exact_on_extremes() {
	for (m, n, k) in [(13, 33, 131), (1, 1, 1), (12, 32, 1028), (7, 17, 2050)] {
		for x in [-128i8, -127, -63, 63, 127] {
			for y in [-128i8, -63, 63, 127] {
				all_equal(&vec![x; m * k], &vec![y; n * k], (m, n, k));
			}
		}
	}
}

#[test]
fn the_largest_sums_of_every_format_should_be_exact() {
	let (m, n, k) = (5, 19, 70);
	// Products of magnitudes at and next to the limits 4,095 and 8,191, and the largest of all.
	let magnitudes = [
		(63, 63),
		(63, 65),
		(65, 63),
		(64, 64),
		(63, 128),
		(128, 63),
		(64, 127),
		(127, 64),
		(64, 128),
		(91, 90),
		(91, 91),
		(128, 127),
		(128, 128),
		(1, 128),
		(128, 1),
		(128, 31),
		(31, 128),
	];
	for (x, y) in magnitudes {
		// −128 is the only value of its magnitude.
		let signs = |i: usize, most: u8, phase: usize| {
			let sign = [1, -1, -1, 1, -1][(i + phase) % 5];
			(sign * i32::from(most)).clamp(-128, 127) as i8
		};
		for phase in 0..5 {
			let a: Vec<i8> = (0..m * k).map(|i| signs(i % k, x, 0)).collect();
			let b: Vec<i8> = (0..n * k).map(|i| signs(i % k, y, phase)).collect();
			all_equal(&a, &b, (m, n, k));
			all_equal(&vec![a[1]; m * k], &b, (m, n, k));
			all_equal(&a, &vec![b[1]; n * k], (m, n, k));
		}
	}
}

/// Rows of A that give the largest sums of all with rows of B whose magnitudes are small, so that a kernel may add more
/// of them in int16 than the largest magnitude would let it.
#[test]
fn the_largest_sums_of_small_values_should_be_exact() {
	for k in [16, 32, 48, 70, 130, 1040] {
		let (m, n) = (9, 37);
		for most_b in [20, 31, 32, 33, 34, 40, 63] {
			// Means of magnitudes around 32.5: with A of 63 that is where sums of sixteen products leave int16.
			for least in [0, 25, most_b] {
				let magnitude = |x: i8| (x.unsigned_abs() / 2).clamp(least.min(most_b), most_b) as i8;
				let b: Vec<i8> = bytes(most_b, n * k)
					.into_iter()
					.map(|x| x.signum() * magnitude(x))
					.collect();
				for sign in [1, -1] {
					let a: Vec<i8> = b[..m * k].iter().map(|x| sign * 63 * x.signum()).collect();
					all_equal(&a, &b, (m, n, k));
				}
			}
		}
	}
}

#[test]
fn the_deepest_product_should_be_exact() {
	for x in [-128, 63] {
		all_equal(&vec![x; MAX_DEPTH], &vec![x; 3 * MAX_DEPTH], (1, 3, MAX_DEPTH));
	}
}

#[test]
fn products_over_several_blocks_should_be_exact() {
	for (m, n, k) in [(29, 1100, 1500), (401, 34, 2100), (200, 8, 1025)] {
		all_equal(&bytes(1, m * k), &bytes(2, n * k), (m, n, k));
		all_equal(&narrow(3, m * k, 63), &narrow(4, n * k, 63), (m, n, k));
		all_equal(&narrow(5, m * k, 63), &bytes(6, n * k), (m, n, k));
	}
}

#[test]
fn empty_products_should_be_zero() {
	all_equal(&[], &[], (0, 0, 0));
	all_equal(&[], &[], (3, 5, 0));
	all_equal(&[], &[1; 4], (0, 1, 4));
	all_equal(&[1; 4], &[], (1, 0, 4));
	all_equal(&[0; 12], &[0; 20], (3, 5, 4));
}

#[test]
fn wrong_lengths_should_be_refused() {
	let mut c = [0; 4];
	assert!(gemm_i8(&[1; 3], &[1; 4], 2, 2, 2, &mut c).is_err());
	assert!(gemm_i8(&[1; 4], &[1; 3], 2, 2, 2, &mut c).is_err());
	assert!(gemm_i8(&[1; 4], &[1; 4], 2, 2, 2, &mut c[1..]).is_err());
	assert!(product(&[1; 4], &[1; 4], usize::MAX, 2, 2).is_err());
	let long = vec![0; MAX_DEPTH + 1];
	assert!(gemm_i8(&long, &long, 1, 1, MAX_DEPTH + 1, &mut c[..1]).is_err());
	for layout in [Layout::ByRow, Layout::ByDepth] {
		assert!(Matrix::new(&long, 1, MAX_DEPTH + 1, layout).is_err());
		assert!(Matrix::new(&long, usize::MAX, 2, layout).is_err());
		assert!(Matrix::new(&long[..7], 2, 4, layout).is_err());
	}
}

#[test]
fn strips_that_do_not_fit_should_be_refused() {
	let a = Matrix::by_row(&[1; 12], 4, 3).unwrap();
	for kernel in Kernel::available() {
		let mut packed = Packed::default();
		packed
			.pack(kernel, Matrix::by_row(&[1; 6], 2, 3).unwrap(), 1)
			.unwrap();
		let strip = |first, len| multiply_rows(&packed, a, first, &mut Scratch::default(), &mut vec![0; len]);
		assert_eq!(strip(0, 8), Ok(()));
		assert_eq!(strip(4, 0), Ok(()));
		assert!(matches!(strip(0, 7), Err(Error::Length { .. })));
		assert!(matches!(strip(0, 10), Err(Error::OutOfRange { .. })));
		assert!(matches!(strip(3, 4), Err(Error::OutOfRange { .. })));
		assert!(matches!(strip(usize::MAX, 2), Err(Error::OutOfRange { .. })));
		let other = Matrix::by_row(&[1; 8], 2, 4).unwrap();
		let done = multiply_rows(&packed, other, 0, &mut Scratch::default(), &mut [0; 4]);
		assert!(matches!(done, Err(Error::Length { .. })));
		packed
			.pack(kernel, Matrix::by_row(&[], 0, 3).unwrap(), 1)
			.unwrap();
		let done = multiply_rows(&packed, a, 0, &mut Scratch::default(), &mut [0; 4]);
		assert!(matches!(done, Err(Error::Length { .. })));
	}
}

#[test]
fn values_larger_than_promised_should_be_refused() {
	let (m, n, k) = (9, 5, 37);
	for (most, value) in [
		(0, 1),
		(0, -1),
		(63, 64),
		(63, -64),
		(63, -128),
		(100, 127),
		(127, -128),
	] {
		for place in [0, k - 1, k, m * k - 1] {
			let mut a = vec![most as i8; m * k];
			a[place] = value;
			let turned = turned(&a, m, k);
			for kernel in Kernel::available() {
				let mut packed = Packed::default();
				packed
					.pack(kernel, Matrix::by_row(&vec![1; n * k], n, k).unwrap(), most)
					.unwrap();
				let row = place / k;
				for a in [Matrix::by_row(&a, m, k), Matrix::by_depth(&turned, m, k)] {
					let strip = |first: usize, count: usize| {
						let mut c = vec![0; count * n];
						multiply_rows(&packed, a.unwrap(), first, &mut Scratch::default(), &mut c)
					};
					let refused = Err(Error::Magnitude {
						most,
						got: value.unsigned_abs(),
					});
					assert_eq!(strip(0, m), refused, "{} {most} {value} {place}", kernel.name());
					assert_eq!(strip(row, 1), refused);
					// Other rows do not matter.
					assert_eq!(strip(0, row), Ok(()));
					assert_eq!(strip(row + 1, m - row - 1), Ok(()));
				}
			}
		}
	}
}

#[test]
fn magnitudes_should_be_found() {
	assert_eq!(magnitude(&[]), 0);
	for (value, most) in [(0, 0), (5, 5), (-5, 5), (127, 127), (-128, 128)] {
		for len in 1..100 {
			let mut x = vec![0; len];
			x[len * 7 % 11 % len] = value;
			assert_eq!(magnitude(&x), most);
		}
	}
}

#[test]
fn packed_memory_should_be_usable_again() {
	let mut packed = Packed::default();
	let mut scratch = Scratch::default();
	for (m, n, k) in [(40, 70, 90), (3, 5, 7), (17, 33, 1030), (2, 1, 1)] {
		for most in [63, 127] {
			let (a, b) = (narrow(1, m * k, most), narrow(2, n * k, most));
			for kernel in Kernel::available() {
				packed
					.pack(kernel, Matrix::by_row(&b, n, k).unwrap(), most)
					.unwrap();
				let mut c = vec![77; m * n];
				multiply_rows(
					&packed,
					Matrix::by_row(&a, m, k).unwrap(),
					0,
					&mut scratch,
					&mut c,
				)
				.unwrap();
				assert_eq!(
					c,
					reference(&a, &b, (m, n, k)),
					"{} {m} {n} {k} {most}",
					kernel.name()
				);
			}
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(48))]

	#[test]
	fn all_kernels_should_agree(m in 1usize..40, n in 1usize..70, k in 1usize..200, label in any::<u8>()) {
		all_equal(&bytes(label, m * k), &bytes(label.wrapping_add(1), n * k), (m, n, k));
	}

	#[test]
	fn all_kernels_should_agree_on_operands_in_two_parts(
		(m, n, k) in (1usize..30, 1usize..50, 1usize..150),
		(most, scale) in (0u8..=128, any::<u8>()),
		label in any::<u8>(),
	) {
		let part = |label: u8| narrow(label, m * k, most);
		let b = bytes(label, n * k);
		parts_equal([&part(label.wrapping_add(1)), &part(label.wrapping_add(2))], scale, &b, (m, n, k));
	}

	#[test]
	fn all_kernels_should_agree_on_narrow_operands(
		(m, n, k) in (1usize..40, 1usize..70, 1usize..200),
		(most_a, most_b) in prop_oneof![Just((63u8, 63u8)), (0u8..=128, 0u8..=128)],
		label in any::<u8>(),
	) {
		let (a, b) = (narrow(label, m * k, most_a), narrow(label.wrapping_add(1), n * k, most_b));
		all_equal(&a, &b, (m, n, k));
	}
}
