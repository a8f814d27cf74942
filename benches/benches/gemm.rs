// SPDX-License-Identifier: Apache-2.0

//! Products of int8 matrices on one thread: billions of multiply-accumulates a second for the shapes of training, both
//! layouts of both operands, every kernel; and left operands in two parts, as two products that are added up and as one.
//! Packing is part of the time. The ways run in turn, and the fastest of each counts.
//!
//! ```text
//! cargo bench --package poaiw-benches --bench gemm
//! ```

use poaiw_program::random::mix;
use poaiw_work::{
	gemm::{multiply_parts, multiply_rows, Layout, Matrix, Packed, Parts, Scratch},
	kernel::Kernel,
};
use std::{
	hint::black_box,
	time::{Duration, Instant},
};

/// Rows of A, rows of B, depth, and how many such products follow one another.
const SHAPES: [(usize, usize, usize, usize); 13] = [
	(512, 128, 128, 1),
	(512, 512, 128, 1),
	(512, 128, 512, 1),
	(64, 128, 1024, 1),
	(256, 128, 1024, 1),
	(64, 256, 784, 1),
	(128, 784, 128, 1),
	(256, 384, 384, 1),
	(256, 1536, 384, 1),
	(256, 384, 1536, 1),
	(1024, 1024, 1024, 1),
	(64, 64, 32, 64),
	(64, 32, 64, 64),
];
const LAYOUTS: [Layout; 2] = [Layout::ByRow, Layout::ByDepth];

/// Largest magnitudes: int7 and int8.
const MOST: [u8; 2] = [63, 127];

fn main() {
	println!(
		"{:<20}{:<14}{:>10}{:>10}{:>10}{:>10}{:>12}{:>10}",
		"m x n x k", "kernel", "int7", "by depth", "int8", "by depth", "two parts", "as one"
	);
	let kernels: Vec<Kernel> = Kernel::available().collect();
	for shape in SHAPES {
		let (m, n, k, count) = shape;
		for (kernel, best) in kernels.iter().zip(fastest(&kernels, shape)) {
			print!("{:<20}{:<14}", format!("{m} x {n} x {k}"), kernel.name());
			let rates = best.map(|time| (count * m * n * k) as f64 / time.as_secs_f64() / 1e9);
			for (rate, width) in rates.into_iter().zip([10, 10, 10, 10, 12, 10]) {
				print!("{rate:>width$.1}");
			}
			println!();
		}
	}
}

/// Ways of multiplying: magnitudes, and of each both layouts; two parts of int7, one by one and as one.
const WAYS: usize = 6;

/// The times of every kernel, in all ways.
fn fastest(kernels: &[Kernel], shape: (usize, usize, usize, usize)) -> Vec<[Duration; WAYS]> {
	let (m, n, k, count) = shape;
	let operands = MOST.map(|most| (data(1, count * m * k, most), data(2, count * n * k, most)));
	let mut memory = (
		Packed::default(),
		Scratch::default(),
		vec![0; m * n],
		vec![0; m * n],
	);
	let mut best = vec![[Duration::MAX; WAYS]; kernels.len()];
	let end = Instant::now() + Duration::from_millis(500);
	while Instant::now() < end {
		for (kernel, best) in kernels.iter().zip(&mut best) {
			for (way, best) in best.iter_mut().enumerate() {
				let (a, b) = &operands[way / 2 % 2];
				let mut run = || {
					let start = Instant::now();
					match way {
						4 | 5 => parts(*kernel, (a, b), shape, way == 5, &mut memory),
						_ => {
							let kind = (LAYOUTS[way % 2], MOST[way / 2]);
							products(*kernel, (a, b), shape, kind, &mut memory);
						}
					}
					start.elapsed()
				};
				// Once to have the operands in the caches, whatever ran before.
				run();
				*best = run().min(*best);
			}
		}
	}
	best
}

/// Pseudo-random values of magnitude `most` at most.
fn data(seed: u32, len: usize, most: u8) -> Vec<i8> {
	let most = u32::from(most);
	let value = |i: u32| (mix(i ^ seed << 28) % (2 * most + 1)) as i32 - most as i32;
	(0..len as u32).map(|i| value(i) as i8).collect()
}

/// What products are packed into, a product, and that of a low part.
type Memory = (Packed, Scratch, Vec<i32>, Vec<i32>);

fn products(
	kernel: Kernel,
	(a, b): (&[i8], &[i8]),
	(m, n, k, _): (usize, usize, usize, usize),
	(layout, most): (Layout, u8),
	(packed, scratch, c, _): &mut Memory,
) {
	for (a, b) in a.chunks_exact(m * k).zip(b.chunks_exact(n * k)) {
		let (a, b) = (
			Matrix::new(a, m, k, layout).unwrap(),
			Matrix::new(b, n, k, layout).unwrap(),
		);
		packed.pack(kernel, b, most).unwrap();
		multiply_rows(packed, a, 0, scratch, black_box(c)).unwrap();
	}
}

/// Products of `64 · a + a`: the right operand is packed once, whichever way.
fn parts(
	kernel: Kernel,
	(a, b): (&[i8], &[i8]),
	(m, n, k, _): (usize, usize, usize, usize),
	as_one: bool,
	(packed, scratch, c, low): &mut Memory,
) {
	for (a, b) in a.chunks_exact(m * k).zip(b.chunks_exact(n * k)) {
		let (a, b) = (Matrix::by_row(a, m, k).unwrap(), Matrix::by_row(b, n, k).unwrap());
		if as_one {
			packed.pack_for_parts(kernel, b, MOST[0]).unwrap();
			let a = Parts::new(a, a, 64).unwrap();
			multiply_parts(packed, &a, 0, scratch, black_box(c)).unwrap();
			continue;
		}
		packed.pack(kernel, b, MOST[0]).unwrap();
		multiply_rows(packed, a, 0, scratch, black_box(c)).unwrap();
		multiply_rows(packed, a, 0, scratch, black_box(low)).unwrap();
		for (c, low) in c.iter_mut().zip(&*low) {
			*c = 64 * *c + *low;
		}
	}
}
