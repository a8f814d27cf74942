// SPDX-License-Identifier: Apache-2.0

//! Workloads without training: every evaluation is a segment of its own, and reads the batch of its number.

use poaiw_program::{
	check_links,
	interpreter::{run_all, run_segment},
	run::initial_state,
	state_root, task_metric, task_output_root,
	trace::output_root,
	CheckedData, Control, DataDecl, Element, Input, Instruction, Interpreter, LinkError, LossUnit, Observer,
	Op, Product, ProductSite, Program, Role, SegmentKind, SegmentOutput, Tensor, TensorDecl, TensorId,
	Workload,
};

const SEED: [u8; 32] = [7; 32];
const BATCHES: u32 = 3;
const BATCH: u32 = 4;
const WIDTH: u32 = 5;

/// Evaluation `n` multiplies rows `4n..4n+4` of the first data set with the second one.
fn program() -> Program {
	let i8s = |rows| TensorDecl::new(Element::I8, rows, WIDTH, -63, 63);
	let requests = BATCHES * BATCH;
	let most = (WIDTH * 63 * 63) as i32;
	let op = |op, inputs: &[u32], output| Instruction {
		op,
		inputs: inputs.iter().map(|n| TensorId(*n)).collect(),
		output: TensorId(output),
	};
	Program {
		tensors: vec![
			i8s(requests),
			i8s(2),
			TensorDecl::new(Element::I32, BATCH, 1, 0, requests as i32 - 1),
			i8s(BATCH),
			TensorDecl::new(Element::I32, BATCH, 2, -most, most),
		],
		inputs: (0..2)
			.map(|n| Input {
				role: Role::Data(n),
				tensor: TensorId(n.into()),
			})
			.collect(),
		instructions: vec![
			op(Op::StepIndices { population: requests }, &[], 2),
			op(Op::GatherRows, &[0, 2], 3),
			op(Op::Product, &[3, 1], 4),
		],
		outputs: vec![TensorId(4)],
		..Program::default()
	}
}

fn workload() -> (Workload, CheckedData) {
	let values = |rows: u32, step: u32| {
		let value = |p: u32| ((p * step) % 127) as i8 - 63;
		Tensor::from_i8(rows, WIDTH, (0..rows * WIDTH).map(value).collect()).unwrap()
	};
	let sets = vec![values(BATCHES * BATCH, 29), values(2, 41)];
	let data = sets.iter().map(|t| DataDecl {
		tensor: TensorDecl::new(Element::I8, t.rows(), WIDTH, -63, 63),
		root: t.root().unwrap(),
	});
	let workload = Workload {
		init: Program::default(),
		step: Program::default(),
		evaluate: Some(program()),
		data: data.collect(),
		steps: 0,
		steps_per_segment: 1,
		evaluations: BATCHES,
		loss: LossUnit::NONE,
		metric_total: 0,
	};
	let data = CheckedData::new(&workload, sets).unwrap();
	(workload, data)
}

fn run(workload: &Workload, data: &CheckedData) -> Vec<SegmentOutput> {
	let info = workload.validate().unwrap();
	let initial = initial_state(workload, &info, SEED).unwrap();
	assert!(initial.is_empty());
	let mut backend = Interpreter::new(workload, &info, SEED, data, ()).unwrap();
	let mut all = vec![];
	let root = state_root(&initial).unwrap();
	run_all(
		&mut backend,
		workload,
		&info,
		root,
		|_, _| Control::Continue,
		|output| all.push(output),
	)
	.unwrap();
	all
}

/// Notes where products are computed.
#[derive(Default)]
struct Sites(Vec<ProductSite>);

impl Observer for Sites {
	fn product(&mut self, site: ProductSite, _: Product<'_>) {
		self.0.push(site);
	}
}

#[test]
fn every_evaluation_should_be_a_segment_that_reads_its_own_batch() {
	let (workload, data) = workload();
	let info = workload.validate().unwrap();
	assert_eq!((info.segments, info.training_segments), (BATCHES, 0));
	assert_eq!(info.product_macs, u64::from(BATCHES * BATCH * 2 * WIDTH));
	assert_eq!(info.product_macs, info.evaluation_macs * u64::from(BATCHES));
	assert_eq!(workload.segment(2), Some(SegmentKind::Evaluation { run: 2 }));
	assert_eq!(workload.segment(3), None);
	let all = run(&workload, &data);
	let weights = data.sets()[1].i8s().unwrap();
	for (n, output) in all.iter().enumerate() {
		let rows = data.sets()[0].i8s().unwrap();
		let first = n * (BATCH * WIDTH) as usize;
		let batch = &rows[first..first + (BATCH * WIDTH) as usize];
		let dot = |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
		let expected: Vec<i32> = batch
			.chunks(WIDTH as usize)
			.flat_map(|a| weights.chunks(WIDTH as usize).map(move |b| dot(a, b)))
			.collect();
		assert_eq!(output.outputs[0].i32s().unwrap(), expected);
		assert_eq!(
			output.record.evaluation.unwrap().output_root,
			output_root(&output.outputs).unwrap()
		);
	}
}

#[test]
fn one_evaluation_should_be_re_executable_alone() {
	let (workload, data) = workload();
	for (n, expected) in (0..).zip(run(&workload, &data)) {
		let mut sites = Sites::default();
		let again = run_segment(&workload, SEED, vec![], &data, n, &mut sites).unwrap();
		assert_eq!(again, expected);
		let (segment, step, instruction) = (n, n, 2);
		assert_eq!(
			sites.0,
			[ProductSite {
				segment,
				step,
				instruction
			}]
		);
	}
	assert!(run_segment(&workload, SEED, vec![], &data, BATCHES, &mut ()).is_err());
}

#[test]
fn the_records_of_all_evaluations_should_chain_and_give_one_root() {
	let (workload, data) = workload();
	let records: Vec<_> = run(&workload, &data).iter().map(|o| o.record).collect();
	let root = state_root(&[]).unwrap();
	assert_eq!(check_links(&workload, &root, &records), Ok(()));
	let (expected, got) = (BATCHES, 2);
	assert_eq!(
		check_links(&workload, &root, &records[..2]),
		Err(LinkError::Count { expected, got })
	);
	let mut without = records.clone();
	without[1].evaluation = None;
	assert_eq!(
		check_links(&workload, &root, &without),
		Err(LinkError::Evaluation { at: 1 })
	);
	let whole = task_output_root(&records);
	for n in 0..records.len() {
		let mut other = records.clone();
		other[n].evaluation.as_mut().unwrap().output_root[0] ^= 1;
		assert_ne!(task_output_root(&other), whole);
	}
	let mut swapped = records.clone();
	swapped.swap(0, 1);
	assert_ne!(task_output_root(&swapped), whole);
	assert_ne!(task_output_root(&records[..2]), whole);
	assert_eq!(task_output_root(&[]), [0; 32]);
	assert_eq!(task_metric(&records), None);
	let counted: Vec<_> = records
		.iter()
		.map(|r| {
			let mut r = *r;
			if let Some(e) = r.evaluation.as_mut() {
				(e.hits, e.total) = (r.index, 4);
			}
			r
		})
		.collect();
	assert_eq!(task_metric(&counted), Some((3, 12)));
}

#[test]
fn inference_with_remains_of_training_should_be_refused() {
	let (good, _) = workload();
	let refused = |change: &dyn Fn(&mut Workload), why: &str| {
		let mut w = good.clone();
		change(&mut w);
		let text = w.validate().expect_err(why).to_string();
		assert!(text.contains(why), "`{text}` does not say `{why}`");
	};
	refused(&|w| w.evaluate = None, "steps is 0");
	refused(&|w| w.evaluations = 0, "evaluations is 0");
	refused(&|w| w.evaluations = 4097, "evaluations is 4097");
	refused(&|w| w.steps_per_segment = 2, "steps_per_segment is 2");
	refused(&|w| w.init = program(), "empty programs `init` and `step`");
	refused(&|w| w.step = program(), "empty programs `init` and `step`");
	refused(&|w| w.loss.divisor = 2, "loss unit");
	refused(&|w| w.loss.hi = 1, "loss unit");
	refused(&|w| w.metric_total = 4, "metric_total");
	refused(
		&|w| {
			w.evaluate = Some(Program {
				state: vec![TensorId(4)],
				..program()
			})
		},
		"state tensors",
	);
	let mut encoded = good.clone();
	encoded = Workload::from_bytes(&codec::Encode::encode(&encoded)).unwrap();
	assert_eq!(encoded, good);
}
