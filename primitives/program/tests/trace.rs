// SPDX-License-Identifier: Apache-2.0

//! The trace: records chain, and whatever does not chain is refused.

use poaiw_program::{
	check_links, leaf, state_root,
	trace::{loss_hash, state_root_of},
	trace_root, EvaluationRecord, LinkError, LossUnit, Program, SegmentKind, SegmentRecord, Tensor, Workload,
};
use std::slice::from_ref;

/// Ten steps in segments of four, and an evaluation of twenty examples.
fn workload() -> Workload {
	Workload {
		init: Program::default(),
		step: Program::default(),
		evaluate: Some(Program::default()),
		data: Vec::new(),
		steps: 10,
		steps_per_segment: 4,
		evaluations: 1,
		loss: LossUnit {
			divisor: 1,
			lo: 0,
			hi: 9,
		},
		metric_total: 20,
	}
}

fn records(w: &Workload) -> Vec<SegmentRecord> {
	let state = |n: u8| [n; 32];
	let mut all: Vec<SegmentRecord> = (0..3u8)
		.map(|n| SegmentRecord {
			index: n.into(),
			state_before: state(n),
			inputs_root: w.input_root(),
			loss_hash: loss_hash(&[n.into(); 4]),
			state_after: state(n + 1),
			evaluation: None,
		})
		.collect();
	all.push(SegmentRecord {
		index: 3,
		state_before: state(3),
		inputs_root: w.input_root(),
		loss_hash: loss_hash(&[]),
		state_after: state(3),
		evaluation: Some(EvaluationRecord {
			output_root: [9; 32],
			hits: 19,
			total: 20,
		}),
	});
	all
}

#[test]
fn segments_should_cover_all_steps_and_end_with_the_evaluation() {
	let mut w = workload();
	let training = |first, count| Some(SegmentKind::Training { first, count });
	assert_eq!(w.segment(0), training(0, 4));
	assert_eq!(w.segment(2), training(8, 2));
	assert_eq!(w.segment(3), Some(SegmentKind::Evaluation { run: 0 }));
	assert_eq!(w.segment(4), None);
	assert_eq!(w.segment(u32::MAX), None);
	w.evaluate = None;
	assert_eq!(w.segment(3), None);
}

#[test]
fn broken_links_should_be_refused() {
	let w = workload();
	let good = records(&w);
	let check = |r: &[SegmentRecord]| check_links(&w, &[0; 32], r);
	assert_eq!(check(&good), Ok(()));
	assert_eq!(check_links(&w, &[1; 32], &good), Err(LinkError::State { at: 0 }));
	assert_eq!(check(&good[..3]), Err(LinkError::Count { expected: 4, got: 3 }));
	let with = |n: usize, f: &dyn Fn(&mut SegmentRecord)| {
		let mut all = good.clone();
		f(&mut all[n]);
		check(&all)
	};
	assert_eq!(with(1, &|r| r.index = 2), Err(LinkError::Index { at: 1, got: 2 }));
	assert_eq!(
		with(1, &|r| r.state_before = [7; 32]),
		Err(LinkError::State { at: 1 })
	);
	assert_eq!(
		with(1, &|r| r.state_after = [7; 32]),
		Err(LinkError::State { at: 2 })
	);
	assert_eq!(
		with(2, &|r| r.inputs_root = [7; 32]),
		Err(LinkError::Inputs { at: 2 })
	);
	assert_eq!(
		with(1, &|r| r.evaluation = good[3].evaluation),
		Err(LinkError::Evaluation { at: 1 })
	);
	assert_eq!(
		with(3, &|r| r.evaluation = None),
		Err(LinkError::Evaluation { at: 3 })
	);
	let content = Err(LinkError::EvaluationContent { at: 3 });
	assert_eq!(with(3, &|r| r.state_after = [7; 32]), content);
	assert_eq!(with(3, &|r| r.loss_hash = loss_hash(&[1])), content);
	let claim = |hits, total| {
		with(3, &move |r: &mut SegmentRecord| {
			r.evaluation = Some(EvaluationRecord {
				output_root: [9; 32],
				hits,
				total,
			})
		})
	};
	assert_eq!(claim(21, 20), content);
	assert_eq!(claim(10, 10), content);
	assert_eq!(claim(20, 20), Ok(()));
}

#[test]
fn leaves_should_bind_task_worker_and_every_field() {
	let w = workload();
	let record = records(&w)[0];
	let base = leaf(1, &[1; 32], &record);
	assert_ne!(base, leaf(2, &[1; 32], &record));
	assert_ne!(base, leaf(1, &[2; 32], &record));
	let changes: [fn(&mut SegmentRecord); 5] = [
		|r| r.index += 1,
		|r| r.state_before[0] ^= 1,
		|r| r.inputs_root[0] ^= 1,
		|r| r.loss_hash[0] ^= 1,
		|r| r.state_after[0] ^= 1,
	];
	for change in changes {
		let mut other = record;
		change(&mut other);
		assert_ne!(base, leaf(1, &[1; 32], &other));
	}
	let all = records(&w);
	let mut swapped = all.clone();
	swapped.swap(0, 1);
	assert_ne!(trace_root(1, &[1; 32], &all), trace_root(1, &[1; 32], &swapped));
	assert_ne!(trace_root(1, &[1; 32], &all), trace_root(1, &[1; 32], &all[..3]));
}

#[test]
fn state_roots_should_depend_on_order_type_and_sizes() {
	let t = |rows, cols| Tensor::from_i32(rows, cols, vec![1; 6]).unwrap();
	let (a, b) = (t(2, 3), t(3, 2));
	let root = |s: &[Tensor]| state_root(s).unwrap();
	assert_ne!(root(&[a.clone(), b.clone()]), root(&[b.clone(), a.clone()]));
	assert_ne!(root(from_ref(&a)), root(from_ref(&b)));
	assert_ne!(root(from_ref(&a)), root(&[a.clone(), a.clone()]));
	let roots = [a.root().unwrap(), b.root().unwrap()];
	assert_eq!(state_root_of(&roots).unwrap(), root(&[a, b]));
	assert_ne!(loss_hash(&[]), loss_hash(&[0]));
}
