// SPDX-License-Identifier: Apache-2.0

//! Integer tensor programs: what a task computes, exactly and everywhere.
//!
//! A [`Program`] is a straight line of [`Op`]s on `i8` and `i32` tensors. [`validate`](validate()) proves from shapes and
//! declared ranges that nothing leaves 32 bits; [`cost`](cost()) counts its work; [`execute`] runs it on a CPU, and
//! [`arbiter`] re-computes any single block of any instruction from the input blocks that it depends on.
//! A [`Workload`] joins the programs of a task with its data; [`run`] cuts it into segments and [`trace`] commits to them.
//!
//! # Adding an operation
//! Append a variant to [`Op`] with the next codec index and its line in the table of kinds, and document formula, ranges,
//! blocks and cost there. Then follow the compiler through `range`, `cost`, `execute` and `arbiter`, and the checklist test
//! through its sample and the GPU kernel. If it works row by row, say so in `plan/local.rs`: then it can run in a stage.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
	not(test),
	deny(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::panic,
		clippy::indexing_slicing
	)
)]

extern crate alloc;

pub mod adam;
pub mod arbiter;
pub mod arith;
pub mod cost;
pub mod error;
pub mod execute;
pub mod gelu;
pub mod interpreter;
mod movement;
pub mod normalise;
pub mod op;
pub mod plan;
pub mod probe;
pub mod program;
pub mod random;
pub mod range;
pub mod rows;
pub mod run;
mod slots;
pub mod softmax;
pub mod tensor;
pub mod trace;
pub mod validate;
pub mod workload;

pub use cost::{cost, Cost};
pub use error::{Place, Reason, ValidateError};
pub use execute::{execute_op, execute_op_with, Buffers, ExecError, Vectors};
pub use interpreter::{run_segment, CheckedData, Interpreter};
pub use op::{Op, OpKind, Rounding, Window, OPERAND_MAX, WIDE_MAX};
pub use plan::{Constant, Constants, Plan};
pub use probe::{OperandProbe, Operands};
pub use program::{DecodeError, Input, Instruction, Program, Role, TensorId};
pub use random::Context;
pub use run::{
	drive_segment, initial_state, Control, Observer, Product, ProductSite, RunError, SegmentOutput,
	StepBackend,
};
pub use tensor::{Element, Tensor, TensorDecl, TensorError, Values};
pub use trace::{
	check_links, leaf, state_root, task_metric, task_output_root, trace_root, EvaluationRecord, LinkError,
	SegmentRecord,
};
pub use validate::{validate, ProgramInfo};
pub use workload::{DataDecl, LossUnit, SegmentKind, Workload, WorkloadInfo};
