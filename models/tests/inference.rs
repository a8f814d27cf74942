// SPDX-License-Identifier: Apache-2.0

//! An encoder as an inference program: close to floats, and no request sees another.

mod bert;

use bert::{cosine, reference, Rng, POSITIONS, VOCABULARY};
use poaiw_models::{
	encoder::{Encoder, Prepared},
	inference::{join, Joined, Packing, Request},
};
use poaiw_program::{interpreter::run_segment, task_output_root, Op};
use std::sync::OnceLock;

fn model() -> &'static Prepared {
	static MODEL: OnceLock<Prepared> = OnceLock::new();
	MODEL.get_or_init(|| {
		let file = bert::file(&bert::tensors());
		Encoder::from_bert(&bert::config(), &file)
			.unwrap()
			.prepare()
			.unwrap()
	})
}

fn sequence(rng: &mut Rng, length: usize) -> Vec<u32> {
	(0..length).map(|_| rng.below(VOCABULARY) as u32).collect()
}

fn requests(seed: u64, count: usize) -> Vec<Request> {
	let mut rng = Rng(seed);
	let request = |rng: &mut Rng| {
		let count = 1 + rng.below(3);
		let lengths: Vec<usize> = (0..count).map(|_| 1 + rng.below(POSITIONS)).collect();
		Request {
			sequences: lengths.into_iter().map(|length| sequence(rng, length)).collect(),
		}
	};
	(0..count).map(|_| request(&mut rng)).collect()
}

fn packing(lengths: &[u32], tokens: u32) -> Packing {
	Packing {
		lengths: lengths.to_vec(),
		tokens,
	}
}

fn outputs(requests: &[Request], packing: &Packing) -> Vec<Vec<Vec<i32>>> {
	model().run(&join(requests, packing).unwrap()).unwrap()
}

#[test]
fn embeddings_should_be_close_to_floats() {
	let (tensors, requests) = (bert::tensors(), requests(1, 20));
	let outputs = outputs(&requests, &packing(&[8, 16, 24], 96));
	let (mut sum, mut count, mut least) = (0.0, 0, f64::INFINITY);
	for (request, rows) in requests.iter().zip(&outputs) {
		assert_eq!(request.sequences.len(), rows.len());
		for (sequence, row) in request.sequences.iter().zip(rows) {
			let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
			let c = cosine(&row, &reference(&tensors, sequence));
			(sum, count, least) = (sum + c, count + 1, least.min(c));
		}
	}
	let mean = sum / f64::from(count);
	println!("{count} sequences, cosine: mean {mean:.5}, least {least:.5}");
	assert!(mean > 0.998 && least > 0.995, "mean {mean}, least {least}");
}

#[test]
fn the_bits_of_a_request_should_not_depend_on_its_neighbours() {
	let all = requests(2, 12);
	let joined = outputs(&all, &packing(&[8, 16, 24], 96));
	for (n, request) in all.iter().enumerate() {
		let alone = std::slice::from_ref(request);
		for other in [
			packing(&[24], 1),
			packing(&[24], 200),
			packing(&[6, 12, 18, 24], 48),
		] {
			assert_eq!(outputs(alone, &other)[0], joined[n], "request {n}, {other:?}");
		}
	}
	let mut order: Vec<usize> = (0..all.len()).collect();
	let mut rng = Rng(9);
	for _ in 0..3 {
		for n in (1..order.len()).rev() {
			order.swap(n, rng.below(n + 1));
		}
		let shuffled: Vec<Request> = order.iter().map(|n| all[*n].clone()).collect();
		let got = outputs(&shuffled, &packing(&[10, 24], 72));
		for (at, n) in order.iter().enumerate() {
			assert_eq!(got[at], joined[*n]);
		}
	}
}

#[test]
fn a_session_should_give_what_a_single_run_gives() {
	let mut session = model().session();
	// The same shapes with other tokens, other shapes, and again the first ones.
	for seed in [5, 6, 5] {
		let all = requests(seed, 7);
		for packing in [packing(&[24], 96), packing(&[8, 24], 48)] {
			let joined = join(&all, &packing).unwrap();
			assert_eq!(
				session.run(&joined).unwrap(),
				outputs(&all, &packing),
				"{seed} {packing:?}"
			);
		}
	}
	let unknown = Request {
		sequences: vec![vec![VOCABULARY as u32]],
	};
	let joined = join(&[unknown], &packing(&[24], 96)).unwrap();
	assert!(session.run(&joined).is_err());
	// What was refused leaves no trace.
	let (all, packing) = (requests(5, 7), packing(&[24], 96));
	let joined = join(&all, &packing).unwrap();
	assert_eq!(session.run(&joined).unwrap(), outputs(&all, &packing));
}

#[test]
fn an_inference_task_should_leave_the_outputs_of_a_local_run() {
	let all = requests(3, 6);
	let packing = packing(&[24], 96);
	let joined = join(&all, &packing).unwrap();
	let task = model().inference(&joined.buckets[0]).unwrap();
	let info = task.workload.validate().unwrap();
	assert_eq!(
		(info.training_segments, info.segments),
		(0, joined.buckets[0].batches())
	);
	assert!(info.segments > 1);
	let program = task.workload.evaluate.as_ref().unwrap();
	let in_products = |op: &Op| matches!(op, Op::Product);
	assert!(program.instructions.iter().filter(|i| in_products(&i.op)).count() > 10);
	let run = |n| run_segment(&task.workload, [1; 32], vec![], &task.data, n, &mut ()).unwrap();
	let segments: Vec<_> = (0..info.segments).map(run).collect();
	let records: Vec<_> = segments.iter().map(|s| s.record).collect();
	assert_ne!(task_output_root(&records), [0; 32]);
	let local = model().run(&joined).unwrap();
	for (request, places) in local.iter().zip(&joined.places) {
		for (row, place) in request.iter().zip(places) {
			let output = &segments[place.batch as usize].outputs[0];
			let start = place.row as usize * row.len();
			assert_eq!(&output.i32s().unwrap()[start..start + row.len()], row.as_slice());
		}
	}
}

#[test]
fn requests_should_be_packed_completely() {
	let all = requests(4, 40);
	let packing = packing(&[4, 8, 16, 24], 64);
	let Joined { buckets, places } = join(&all, &packing).unwrap();
	let mut used = std::collections::BTreeSet::new();
	for (request, places) in all.iter().zip(&places) {
		for (sequence, place) in request.sequences.iter().zip(places) {
			let bucket = &buckets[place.bucket];
			let number = (place.batch * bucket.sequences + place.row) as usize;
			assert!(place.row < bucket.sequences && place.batch < bucket.batches());
			assert!(bucket.sequences * bucket.length <= 64);
			assert_eq!(bucket.lengths[number] as usize, sequence.len());
			let tokens = &bucket.tokens[number * bucket.length as usize..][..sequence.len()];
			assert!(tokens.iter().zip(sequence).all(|(a, b)| *a as u32 == *b));
			assert!(used.insert((place.bucket, number)));
		}
	}
	for bucket in &buckets {
		assert_eq!(bucket.lengths.len() as u32, bucket.batches() * bucket.sequences);
		assert_eq!(bucket.tokens.len(), bucket.lengths.len() * bucket.length as usize);
	}
}

#[test]
fn requests_that_do_not_fit_should_be_refused() {
	let one = |sequence: Vec<u32>| {
		[Request {
			sequences: vec![sequence],
		}]
	};
	let refused = |requests: &[Request], packing: &Packing, why: &str| {
		let result = join(requests, packing).and_then(|joined| model().run(&joined));
		let text = result.expect_err(why).to_string();
		assert!(text.contains(why), "`{text}` does not say `{why}`");
	};
	let good = packing(&[24], 48);
	refused(&[], &good, "no sequences");
	refused(&one(vec![]), &good, "request 0, sequence 0");
	refused(&one(vec![1; 25]), &good, "25 tokens long");
	refused(&one(vec![50]), &good, "tokens 0 to 49");
	refused(&one(vec![u32::MAX]), &good, "token");
	refused(&one(vec![1; 25]), &packing(&[32], 48), "24 positions");
	refused(&one(vec![1]), &packing(&[], 48), "packing.lengths");
	refused(&one(vec![1]), &packing(&[8, 8], 48), "packing.lengths");
	refused(&one(vec![1]), &packing(&[0, 8], 48), "packing.lengths");
	refused(&one(vec![1]), &packing(&[8], 0), "packing.tokens");
}
