// SPDX-License-Identifier: Apache-2.0

//! A real run of a small task, and every way in which a worker could lie about it.

use super::judge::{judge_workload, Case, Finding};
use crate::session::{
	attest::attestation,
	job::{Job, Parts},
};
use poaiw_artifacts::Trace;
use poaiw_models::{architecture::Architecture, dataset::Split, mlp::compile};
use poaiw_primitives::{
	task::{Lease, TaskClass, TaskSpec, Verdict, VerificationLevel},
	worker::{SealClaim, VerificationBrief},
	AccountId,
};
use poaiw_program::{
	initial_state, interpreter::run_all, state_root, trace::loss_hash, trace_root, CheckedData, Control,
	Interpreter, Op, OperandProbe, SegmentRecord, StepBackend, Tensor,
};
use std::sync::{Arc, OnceLock};

const SEED: [u8; 32] = [5; 32];
const TASK: u64 = 4;

/// An honest run with all that belongs to it.
#[derive(Clone)]
struct Run {
	brief: VerificationBrief,
	parts: Arc<Parts>,
	trace: Trace,
	/// State before each segment.
	states: Vec<Vec<Tensor>>,
}

/// A small training task.
pub(crate) fn parts() -> Parts {
	let architecture = Architecture::from_toml(
		r#"
		model = { kind = "mlp", layers = [8, 16, 3] }
		training = { batch = 16, epochs = 3, steps_per_segment = 2 }
		optimiser = { kind = "l1-adam", rate = 0.003 }
		"#,
	)
	.unwrap();
	let values = |rows: u32| {
		(0..rows * 8)
			.map(|i| ((i * 37 + i / 8 * 11) % 17) as i8 - 8)
			.collect()
	};
	let labels = |rows: u32| (0..rows).map(|i| (i % 3) as i32).collect();
	let split = Split {
		features: 8,
		classes: 3,
		exponent: -3,
		tensors: [
			Tensor::from_i8(32, 8, values(32)).unwrap(),
			Tensor::from_i32(32, 1, labels(32)).unwrap(),
			Tensor::from_i8(12, 8, values(12)).unwrap(),
			Tensor::from_i32(12, 1, labels(12)).unwrap(),
		],
	};
	let workload = compile(&architecture, &split).unwrap();
	let info = workload.validate().unwrap();
	let data = CheckedData::new(&workload, split.tensors.to_vec()).unwrap();
	Parts { workload, info, data }
}

/// What a requester would post of it.
pub(crate) fn spec(parts: &Parts) -> TaskSpec {
	TaskSpec {
		class: TaskClass::Training,
		program_root: parts.workload.hash(),
		input_root: parts.workload.input_root(),
		held_out: None,
		macs: parts.info.product_macs,
		segments: parts.info.segments,
		memory_mib: 1,
		locator: Vec::new().try_into().unwrap(),
		tip_per_gmac: 1,
		max_price: 1,
		deadline: 1,
		min_reputation: 0,
		level: VerificationLevel {
			sampled: 1,
			verifiers: 1,
		},
	}
}

/// Instruction of the first product of the step program.
fn product_of(parts: &Parts) -> u32 {
	let found = parts
		.workload
		.step
		.instructions
		.iter()
		.position(|i| matches!(i.op, Op::Product));
	found.unwrap() as u32
}

fn execute(parts: Arc<Parts>, seed: [u8; 32]) -> Run {
	let (workload, info) = (&parts.workload, &parts.info);
	let initial = initial_state(workload, info, seed).unwrap();
	let root = state_root(&initial).unwrap();
	let mut probe = OperandProbe::new([(2, product_of(&parts))]);
	let mut trace = Trace::default();
	let mut states = vec![initial.clone()];
	{
		let mut state = initial.clone();
		let mut before = root;
		for segment in 0..info.segments {
			let out =
				poaiw_program::run_segment(workload, seed, state, &parts.data, segment, &mut probe).unwrap();
			assert_eq!(out.record.state_before, before);
			before = out.record.state_after;
			trace.records.push(out.record);
			trace.losses.push(out.losses);
			state = out.state;
			states.push(state.clone());
		}
	}
	let worker = AccountId::new([7; 32]);
	let job = Job {
		task: TASK,
		attempt: 2,
		worker: worker.clone(),
		seed,
		parts: parts.clone(),
	};
	let trace_root = trace_root(TASK, job.worker_bytes(), &trace.records).unwrap();
	let operands = probe.at(2, product_of(&parts)).unwrap();
	let claim = SealClaim {
		block: 9,
		segment: 1,
		step: 2,
		instruction: product_of(&parts),
		root_a: operands.root_a,
		root_b: operands.root_b,
	};
	let brief = VerificationBrief {
		spec: spec(&parts),
		lease: Lease {
			worker,
			attempt: 2,
			since: 1,
			heartbeat: 1,
			seed: Some(SEED),
			base_fee_per_gmac: 1,
		},
		attestation: attestation(&job, &trace, trace_root).unwrap(),
		claims: vec![claim],
	};
	Run {
		brief,
		parts,
		trace,
		states,
	}
}

fn honest() -> Run {
	static RUN: OnceLock<Run> = OnceLock::new();
	RUN.get_or_init(|| execute(Arc::new(parts()), SEED)).clone()
}

impl Run {
	/// The attestation again, as a worker would make it of the present trace.
	fn attest(&mut self) {
		let job = Job {
			task: TASK,
			attempt: 2,
			worker: self.brief.lease.worker.clone(),
			seed: SEED,
			parts: self.parts.clone(),
		};
		let root = trace_root(TASK, job.worker_bytes(), &self.trace.records).unwrap();
		self.brief.attestation = attestation(&job, &self.trace, root).unwrap();
	}

	fn open(&self) -> Result<Case, Finding> {
		let workload = self.parts.workload.clone();
		let info = judge_workload(&self.brief, &workload)?;
		Case::open(self.brief.clone(), workload, info, self.trace.clone())
	}

	fn verdict_of(&self, segment: u32) -> Verdict {
		match self.open() {
			Err(finding) => finding.verdict,
			Ok(case) => {
				let state = self.states[segment as usize].clone();
				case.judge_segment(segment, state, &self.parts.data)
					.unwrap()
					.verdict
			}
		}
	}

	fn last(&mut self) -> &mut SegmentRecord {
		self.trace.records.last_mut().unwrap()
	}
}

#[test]
fn every_segment_of_an_honest_run_should_be_accepted() {
	let run = honest();
	assert_eq!(run.parts.info.segments, 4);
	for segment in 0..4 {
		assert_eq!(run.verdict_of(segment), Verdict::Accept, "{segment}");
	}
	// Another backend gives the same trace, so it can be verified anywhere.
	let (workload, info) = (&run.parts.workload, &run.parts.info);
	let mut backend = Interpreter::new(workload, info, SEED, &run.parts.data, ()).unwrap();
	backend.load_state(run.states[0].clone()).unwrap();
	let (mut records, root) = (Vec::new(), state_root(&run.states[0]).unwrap());
	run_all(
		&mut backend,
		workload,
		info,
		root,
		|_, _| Control::Continue,
		|out| records.push(out.record),
	)
	.unwrap();
	assert_eq!(records, run.trace.records);
}

#[test]
fn a_flipped_weight_of_the_final_state_should_be_found() {
	let mut run = honest();
	let mut state = run.states[3].clone();
	let bytes = {
		let mut bytes = state[0].to_bytes();
		bytes[0] ^= 1;
		bytes
	};
	state[0] = Tensor::from_bytes(&run.parts.info.state[0], &bytes).unwrap();
	let root = state_root(&state).unwrap();
	// The rest of the trace follows from the lie, as a careful cheater would see to.
	run.trace.records[2].state_after = root;
	let mut unwatched = ();
	let (workload, data) = (&run.parts.workload, &run.parts.data);
	let evaluated =
		poaiw_program::run_segment(workload, SEED, state.clone(), data, 3, &mut unwatched).unwrap();
	*run.last() = evaluated.record;
	run.states[3] = state;
	run.attest();
	assert_eq!(run.verdict_of(2), Verdict::WrongResult);
	assert_eq!(run.verdict_of(0), Verdict::Accept);
	assert_eq!(run.verdict_of(3), Verdict::Accept);
}

#[test]
fn a_run_from_another_seed_should_be_found_without_re_execution() {
	let mut run = execute(honest().parts, [6; 32]);
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
	// Nor does it help to state the right initial root.
	run.brief.attestation.initial_state_root = honest().brief.attestation.initial_state_root;
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
	let mut run = honest();
	run.brief.lease.seed = None;
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
}

#[test]
fn records_that_do_not_chain_should_be_found() {
	let mut run = honest();
	run.trace.records[1].state_before = [1; 32];
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
	let mut run = honest();
	run.trace.records.swap(0, 1);
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
	let mut run = honest();
	run.trace.records.pop();
	run.trace.losses.pop();
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
	let mut run = honest();
	run.brief.attestation.final_state_root = [1; 32];
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
	let mut run = honest();
	run.brief.attestation.output_root = [1; 32];
	assert_eq!(run.verdict_of(0), Verdict::BrokenTrace);
}

#[test]
fn forged_losses_should_be_found() {
	// In the attestation only.
	let mut run = honest();
	run.brief.attestation.losses[0] -= 1;
	assert_eq!(run.verdict_of(0), Verdict::WrongMetric);
	// In the trace, with a hash that fits.
	let mut run = honest();
	run.trace.losses[1][0] -= 1;
	run.trace.records[1].loss_hash = loss_hash(&run.trace.losses[1]);
	run.attest();
	assert_eq!(run.verdict_of(1), Verdict::WrongMetric);
	assert_eq!(run.verdict_of(0), Verdict::Accept);
	// Losses of more or fewer steps than there are.
	let mut run = honest();
	run.trace.losses[1].push(0);
	run.trace.records[1].loss_hash = loss_hash(&run.trace.losses[1]);
	run.attest();
	assert_eq!(run.verdict_of(0), Verdict::WrongMetric);
}

#[test]
fn a_forged_metric_should_be_found() {
	let mut run = honest();
	let (hits, total) = run.brief.attestation.metric.unwrap();
	let other = if hits == total { hits - 1 } else { hits + 1 };
	run.brief.attestation.metric = Some((other, total));
	assert_eq!(run.verdict_of(0), Verdict::WrongMetric);
	let mut run = honest();
	run.last().evaluation.as_mut().unwrap().hits = other;
	run.attest();
	assert_eq!(run.verdict_of(3), Verdict::WrongMetric);
	let mut run = honest();
	run.last().evaluation.as_mut().unwrap().output_root = [1; 32];
	run.attest();
	assert_eq!(run.verdict_of(3), Verdict::WrongResult);
}

#[test]
fn a_seal_that_names_wrong_operands_should_be_found() {
	let changed = |change: fn(&mut SealClaim)| {
		let mut run = honest();
		change(&mut run.brief.claims[0]);
		run
	};
	assert_eq!(honest().verdict_of(1), Verdict::Accept);
	for lie in [
		|claim: &mut SealClaim| claim.root_a[0] ^= 1,
		|claim: &mut SealClaim| claim.root_b[31] ^= 1,
		|claim: &mut SealClaim| std::mem::swap(&mut claim.root_a, &mut claim.root_b),
		|claim: &mut SealClaim| claim.step = 3,
		|claim: &mut SealClaim| claim.step = 0,
		|claim: &mut SealClaim| claim.instruction = 0,
		|claim: &mut SealClaim| claim.instruction = u32::MAX,
	] {
		let run = changed(lie);
		assert_eq!(run.verdict_of(1), Verdict::WrongOperands);
		assert_eq!(run.verdict_of(0), Verdict::Accept);
	}
	// Of two seals for one product, each has to be right.
	let mut run = honest();
	let mut second = run.brief.claims[0].clone();
	second.root_a = [1; 32];
	run.brief.claims.push(second);
	assert_eq!(run.verdict_of(1), Verdict::WrongOperands);
}

#[test]
fn a_workload_that_is_not_the_task_s_should_be_found() {
	let lies: [fn(&mut VerificationBrief); 6] = [
		|brief| brief.spec.program_root[0] ^= 1,
		|brief| brief.spec.input_root[0] ^= 1,
		|brief| brief.spec.macs += 1,
		|brief| brief.spec.segments -= 1,
		|brief| brief.attestation.macs += 1,
		|brief| brief.attestation.segments += 1,
	];
	for lie in lies {
		let mut run = honest();
		lie(&mut run.brief);
		assert_eq!(run.verdict_of(0), Verdict::WrongWorkload);
	}
}

#[test]
fn a_segment_that_does_not_exist_should_not_be_accepted() {
	let run = honest();
	let case = run.open().unwrap();
	let finding = case
		.judge_segment(99, run.states[0].clone(), &run.parts.data)
		.unwrap();
	assert_eq!(finding.verdict, Verdict::BrokenTrace);
	assert_eq!(case.state_before(99), None);
}

#[test]
fn a_device_should_find_the_same_verdicts_as_the_cpu() {
	let choice = crate::device::DeviceChoice {
		wanted: None,
		allow_cpu: true,
	};
	let executor = super::gpu::Executor::Gpu(crate::device::open(&choice).unwrap());
	let judged = |run: &Run, segment: u32| {
		let case = run.open().unwrap();
		let state = run.states[segment as usize].clone();
		executor
			.judge(&case, segment, state, &run.parts.data)
			.unwrap()
			.verdict
	};
	let run = honest();
	for segment in [0, 1, 3] {
		assert_eq!(judged(&run, segment), Verdict::Accept, "{segment}");
	}
	let mut run = honest();
	run.brief.claims[0].root_a[0] ^= 1;
	assert_eq!(judged(&run, 1), Verdict::WrongOperands);
	let mut run = honest();
	run.trace.losses[1][0] -= 1;
	run.trace.records[1].loss_hash = loss_hash(&run.trace.losses[1]);
	run.attest();
	assert_eq!(judged(&run, 1), Verdict::WrongMetric);
}
