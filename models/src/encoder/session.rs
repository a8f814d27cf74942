// SPDX-License-Identifier: Apache-2.0

//! Runs an encoder here, batch after batch: programs and their plans, and the packed weights, are made once.

use super::run::{Prepared, Set};
use crate::{
	error::{field, ModelError},
	inference::{Bucket, Joined, Place},
	sequences::REQUESTS,
};
use poaiw_program::{
	interpreter::{run_planned, Given},
	validate, Buffers, Constants, Context, Plan, Program, Tensor,
};
use std::collections::BTreeMap;

/// Programs that are kept; with more shapes than this the first ones are written again.
const MAX_PROGRAMS: usize = 256;

/// What a program depends on: length, sequences of a batch, batches.
type Shape = (u32, u32, u32);

/// A program, validated, and its plan.
struct Planned {
	program: Program,
	plan: Plan,
}

/// An encoder that runs again and again.
pub struct Session<'a> {
	model: &'a Prepared,
	/// Packed for the plan of the first program; all of them read the same weights in the same way.
	weights: Option<Constants<'a>>,
	programs: BTreeMap<Shape, Planned>,
	buffers: Buffers,
}

impl<'a> Session<'a> {
	pub(super) fn new(model: &'a Prepared) -> Self {
		Self {
			model,
			weights: None,
			programs: BTreeMap::new(),
			buffers: Buffers::default(),
		}
	}

	/// Runs joined requests; gives the output row of every sequence of every request.
	///
	/// # Errors
	/// As [`Prepared::inference`].
	pub fn run(&mut self, joined: &Joined) -> Result<Vec<Vec<Vec<i32>>>, ModelError> {
		let mut batches: Vec<Vec<Tensor>> = Vec::with_capacity(joined.buckets.len());
		for bucket in &joined.buckets {
			batches.push(self.run_bucket(bucket)?);
		}
		let row = |place: &Place| -> Option<Vec<i32>> {
			let output = batches.get(place.bucket)?.get(place.batch as usize)?;
			let mut rows = output.i32s()?.chunks_exact(output.cols() as usize);
			rows.nth(place.row as usize).map(<[i32]>::to_vec)
		};
		joined
			.places
			.iter()
			.map(|places| places.iter().map(row).collect::<Option<Vec<_>>>())
			.collect::<Option<Vec<_>>>()
			.ok_or_else(|| {
				field(
					"places",
					"outside of the batches",
					"join the requests anew".into(),
				)
			})
	}

	/// The program of a bucket.
	fn prepare(&mut self, bucket: &Bucket, requests: &[Set; 2]) -> Result<Shape, ModelError> {
		let shape = (bucket.length, bucket.sequences, bucket.batches());
		if !self.programs.contains_key(&shape) {
			let program = self.model.write(bucket, requests)?;
			validate(&program)?;
			let plan = Plan::new(&program);
			if self.weights.is_none() {
				let sets = (REQUESTS..).zip(self.model.weights.iter().map(|set| &set.tensor));
				self.weights = Some(Constants::new(&program, &plan, self.buffers.vectors(), sets));
			}
			if self.programs.len() >= MAX_PROGRAMS {
				self.programs.pop_first();
			}
			self.programs.insert(shape, Planned { program, plan });
		}
		Ok(shape)
	}

	/// The output of every batch of a bucket.
	fn run_bucket(&mut self, bucket: &Bucket) -> Result<Vec<Tensor>, ModelError> {
		let requests = self.model.requests(bucket)?;
		let shape = self.prepare(bucket, &requests)?;
		let fault = |reason: String| {
			let remedy = format!("{reason}: report this as a fault of the compiler");
			field("model", "program", remedy)
		};
		let (Some(weights), Some(Planned { program, plan })) = (&self.weights, self.programs.get(&shape))
		else {
			return Err(fault("it was not kept".into()));
		};
		let mut outputs = Vec::with_capacity(bucket.batches() as usize);
		for step in 0..bucket.batches() {
			let context = Context {
				seed: [0; 32],
				step,
				instruction: 0,
			};
			let of_requests = (0..).zip(&requests).map(|(n, set)| Given::Data(n, &set.tensor));
			let given = of_requests.chain(weights.given()).collect();
			let buffers = &mut self.buffers;
			let done = run_planned(buffers, program, plan, context, given, |_| false, |_, _| ());
			outputs.extend(done.map_err(|e| fault(e.to_string()))?.outputs);
		}
		Ok(outputs)
	}
}
