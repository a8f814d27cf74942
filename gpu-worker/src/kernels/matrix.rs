// SPDX-License-Identifier: Apache-2.0

//! Matrices on a device: bytes in whole blocks of 16 rows × 512 bytes, padded with zeros.
//!
//! The padding is that of the commitment, so leaves are hashed and windows cut without copying. It stays zero: kernels
//! write real elements only, and a buffer is used again only for a matrix of the same sizes.

use crate::device::{DeviceError, Gpu};
use poaiw_commitment::{Shape, CHUNK_BYTES, TILE_ROWS};
use poaiw_program::{Element, Tensor};
use std::{
	collections::HashMap,
	sync::{Arc, Mutex},
};

type Free = Mutex<HashMap<(u32, u32), Vec<wgpu::Buffer>>>;

/// Makes matrices on one device and keeps the buffers of dropped ones.
#[derive(Clone)]
pub struct Pool {
	gpu: Arc<Gpu>,
	free: Arc<Free>,
}

/// A matrix on a device. Clones share the memory.
#[derive(Clone)]
pub struct Matrix {
	inner: Arc<Inner>,
}

struct Inner {
	rows: u32,
	row_bytes: u32,
	element: Element,
	buffer: wgpu::Buffer,
	free: Arc<Free>,
}

impl Drop for Inner {
	fn drop(&mut self) {
		// The queue runs in order: whoever takes the buffer next writes it after its last reader.
		let mut free = self.free.lock().unwrap_or_else(|e| e.into_inner());
		free.entry((self.rows, self.row_bytes))
			.or_default()
			.push(self.buffer.clone());
	}
}

impl Pool {
	/// An empty pool.
	pub fn new(gpu: Arc<Gpu>) -> Self {
		Self {
			gpu,
			free: Arc::default(),
		}
	}

	/// The device.
	pub fn gpu(&self) -> &Arc<Gpu> {
		&self.gpu
	}

	/// A matrix of `rows` × `row_bytes` bytes. They are zero or left over from an earlier matrix: write all of them.
	///
	/// # Errors
	/// If the sizes are out of bounds or do not fit a buffer.
	pub fn matrix(&self, rows: u32, row_bytes: u32) -> Result<Matrix, DeviceError> {
		self.make(Element::I8, rows, row_bytes)
	}

	/// A matrix of `rows` × `cols` elements, which are zero or left over like those of [`Pool::matrix`].
	///
	/// # Errors
	/// If the sizes are out of bounds or do not fit a buffer.
	pub fn elements(&self, element: Element, rows: u32, cols: u32) -> Result<Matrix, DeviceError> {
		self.make(element, rows, cols.saturating_mul(element.bytes()))
	}

	fn make(&self, element: Element, rows: u32, row_bytes: u32) -> Result<Matrix, DeviceError> {
		Shape::new(rows, row_bytes).map_err(|error| DeviceError::Sizes(error.to_string()))?;
		let reused = {
			let mut free = self.free.lock().unwrap_or_else(|e| e.into_inner());
			free.get_mut(&(rows, row_bytes)).and_then(Vec::pop)
		};
		let words = u64::from(padded_rows(rows)) * u64::from(stride_words(row_bytes));
		let buffer = match reused {
			Some(buffer) => buffer,
			None => self.gpu.buffer("matrix", words)?,
		};
		Ok(Matrix {
			inner: Arc::new(Inner {
				rows,
				row_bytes,
				element,
				buffer,
				free: self.free.clone(),
			}),
		})
	}

	/// A matrix with the given bytes, row-major and unpadded.
	///
	/// # Errors
	/// If the sizes are out of bounds, do not fit a buffer, or do not belong to the bytes.
	pub fn upload(&self, bytes: &[u8], rows: u32, row_bytes: u32) -> Result<Matrix, DeviceError> {
		let matrix = self.matrix(rows, row_bytes)?;
		self.fill(&matrix, bytes)?;
		Ok(matrix)
	}

	/// A matrix with the elements of a tensor.
	///
	/// # Errors
	/// If it does not fit a buffer.
	pub fn upload_tensor(&self, tensor: &Tensor) -> Result<Matrix, DeviceError> {
		let matrix = self.elements(tensor.element(), tensor.rows(), tensor.cols())?;
		self.fill(&matrix, &tensor.to_bytes())?;
		Ok(matrix)
	}

	fn fill(&self, matrix: &Matrix, bytes: &[u8]) -> Result<(), DeviceError> {
		let (rows, row_bytes) = (matrix.rows(), matrix.row_bytes());
		if bytes.len() as u64 != u64::from(rows) * u64::from(row_bytes) {
			return Err(DeviceError::Sizes(format!(
				"{} bytes for a matrix of {rows} x {row_bytes}",
				bytes.len()
			)));
		}
		let stride = stride_words(row_bytes) as usize * 4;
		let mut padded = vec![0u8; rows as usize * stride];
		for (to, row) in padded
			.chunks_exact_mut(stride)
			.zip(bytes.chunks_exact(row_bytes as usize))
		{
			to[..row.len()].copy_from_slice(row);
		}
		self.gpu.queue.write_buffer(matrix.buffer(), 0, &padded);
		Ok(())
	}

	/// The bytes of several matrices, row-major and unpadded, with one wait.
	///
	/// # Errors
	/// If the device fails.
	pub fn download(&self, matrices: &[&Matrix]) -> Result<Vec<Vec<u8>>, DeviceError> {
		let wanted: Vec<_> = matrices
			.iter()
			.map(|m| (m.buffer(), u64::from(m.rows()) * u64::from(m.stride())))
			.collect();
		let all = self.gpu.read_many(&wanted)?;
		Ok(matrices
			.iter()
			.zip(all)
			.map(|(matrix, words)| matrix.unpad(&words))
			.collect())
	}

	/// Frees the buffers that no matrix uses.
	pub fn trim(&self) {
		self.free.lock().unwrap_or_else(|e| e.into_inner()).clear();
	}
}

impl Matrix {
	/// Rows without padding.
	pub fn rows(&self) -> u32 {
		self.inner.rows
	}

	/// Bytes of a row without padding.
	pub fn row_bytes(&self) -> u32 {
		self.inner.row_bytes
	}

	/// Type of the elements; bytes if the matrix was not made as one of elements.
	pub fn element(&self) -> Element {
		self.inner.element
	}

	/// Columns without padding.
	pub fn cols(&self) -> u32 {
		self.inner.row_bytes / self.inner.element.bytes()
	}

	/// Rows with padding.
	pub fn padded_rows(&self) -> u32 {
		padded_rows(self.inner.rows)
	}

	/// Words from one row to the next.
	pub fn stride(&self) -> u32 {
		stride_words(self.inner.row_bytes)
	}

	/// The memory.
	pub fn buffer(&self) -> &wgpu::Buffer {
		&self.inner.buffer
	}

	fn unpad(&self, words: &[u32]) -> Vec<u8> {
		let mut out = Vec::with_capacity(self.rows() as usize * self.row_bytes() as usize);
		for row in words.chunks_exact(self.stride() as usize) {
			let bytes: &[u8] = bytemuck::cast_slice(row);
			out.extend_from_slice(&bytes[..self.row_bytes() as usize]);
		}
		out
	}
}

fn padded_rows(rows: u32) -> u32 {
	rows.next_multiple_of(TILE_ROWS as u32)
}

fn stride_words(row_bytes: u32) -> u32 {
	row_bytes.next_multiple_of(CHUNK_BYTES as u32) / 4
}
