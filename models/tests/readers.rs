// SPDX-License-Identifier: Apache-2.0

//! Readers of data files: what is sound is read, and what is cut off, altered or hostile is refused with a reason.

use flate2::{write::GzEncoder, Compression};
use poaiw_models::{
	dataset::{read_tensors, Encoding},
	idx::{read_idx, read_labelled},
	safetensors_file::{to_mantissas, TensorFile},
};
use proptest::prelude::*;
use safetensors::{tensor::TensorView, Dtype};
use std::{fs, io::Write, path::Path, path::PathBuf};
use tempfile::{tempdir, TempDir};

/// Writes a file of a folder.
fn write_file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
	let path = folder.path().join(name);
	fs::write(&path, bytes).unwrap();
	path
}

fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
	let mut all = vec![0, 0, 8, sizes.len() as u8];
	all.extend(sizes.iter().flat_map(|s| s.to_be_bytes()));
	all.extend_from_slice(bytes);
	all
}

const HALF: Encoding = Encoding {
	offset: 0,
	shift: 2,
	exponent: -6,
};

#[test]
fn images_and_labels_should_be_read_packed_or_not() {
	let folder = tempdir().unwrap();
	let images = idx(&[3, 2, 2], &[0, 4, 8, 255, 1, 2, 3, 4, 100, 101, 102, 103]);
	let labels = idx(&[3], &[2, 0, 1]);
	let plain = write_file(&folder, "images", &images);
	let mut packer = GzEncoder::new(Vec::new(), Compression::default());
	packer.write_all(&images).unwrap();
	let packed = write_file(&folder, "images.gz", &packer.finish().unwrap());
	let labels = write_file(&folder, "labels", &labels);
	let examples = read_labelled(&plain, &labels, &HALF, 3).unwrap();
	assert_eq!(examples, read_labelled(&packed, &labels, &HALF, 3).unwrap());
	assert_eq!(examples.features, 4);
	assert_eq!(examples.values, [0, 1, 2, 63, 0, 0, 0, 1, 25, 25, 25, 25]);
	assert_eq!(examples.labels, [2, 0, 1]);
}

#[test]
fn image_files_with_errors_should_say_what_is_wrong() {
	let folder = tempdir().unwrap();
	let says = |bytes: &[u8], why: &str| {
		let error = read_idx(&write_file(&folder, "x", bytes))
			.unwrap_err()
			.to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	let good = idx(&[2, 3], &[1; 6]);
	assert_eq!(read_idx(&write_file(&folder, "x", &good)).unwrap().sizes, [2, 3]);
	says(&[], "ends inside of its header");
	says(&good[..7], "ends inside of its header");
	says(&good[..good.len() - 1], "there are fewer");
	says(&[&good[..], &[0]].concat(), "there are more");
	says(&[0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0], "unsigned bytes");
	says(b"\x89PNG....", "unsigned bytes");
	says(&idx(&[], &[]), "0 dimensions");
	says(&idx(&[1; 9], &[1]), "9 dimensions");
	says(&idx(&[0], &[]), "1 to 1073741824 are read");
	// A claim of 2^96 values allocates nothing.
	says(&idx(&[u32::MAX; 3], &[1]), "1 to 1073741824 are read");
	let unpacked = write_file(&folder, "x.gz", b"not gzip at all");
	assert!(read_idx(&unpacked).is_err());
	assert!(read_idx(Path::new("/nowhere/images"))
		.unwrap_err()
		.to_string()
		.contains("check the path"));
}

#[test]
fn labels_that_do_not_fit_their_images_should_be_refused() {
	let folder = tempdir().unwrap();
	let images = write_file(&folder, "images", &idx(&[2, 2], &[1, 2, 3, 200]));
	let plain = Encoding { shift: 0, ..HALF };
	let says = |labels: &[u8], encoding: &Encoding, why: &str| {
		let labels = write_file(&folder, "labels", labels);
		let error = read_labelled(&images, &labels, encoding, 3)
			.unwrap_err()
			.to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	says(
		&idx(&[3], &[0, 1, 2]),
		&HALF,
		"one label for each of the 2 examples",
	);
	says(
		&idx(&[2, 1], &[0, 1]),
		&HALF,
		"one label for each of the 2 examples",
	);
	says(
		&idx(&[2], &[0, 3]),
		&HALF,
		"row 2: label 3: it must be a class from 0 to 2",
	);
	says(&idx(&[2], &[0, 1]), &plain, "row 2: 200 - offset 0 is 200");
	let flat = write_file(&folder, "flat", &idx(&[2], &[0, 1]));
	let error = read_labelled(&flat, &flat, &HALF, 3).unwrap_err().to_string();
	assert!(error.contains("one dimension"), "{error}");
}

/// A file of named tensors.
fn tensors(all: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
	let views: Vec<_> = all
		.iter()
		.map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()))
		.collect();
	safetensors::serialize(views, None).unwrap()
}

fn floats(values: &[f32]) -> Vec<u8> {
	values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn open(bytes: Vec<u8>) -> Result<TensorFile, String> {
	TensorFile::from_bytes(Path::new("x.safetensors"), bytes).map_err(|e| e.to_string())
}

#[test]
fn every_number_type_should_be_read() {
	let file = open(tensors(&[
		("a", Dtype::F32, &[2], &floats(&[1.5, -2.0])),
		("b", Dtype::F16, &[3], &[0x00, 0x3c, 0x00, 0xc2, 0x01, 0x00]),
		("c", Dtype::BF16, &[1], &[0x80, 0x3f]),
		("d", Dtype::F64, &[1], &(-0.25f64).to_le_bytes()),
		("e", Dtype::I8, &[2], &[255, 3]),
		("f", Dtype::U16, &[1], &[1, 1]),
		("g", Dtype::I64, &[1], &(-7i64).to_le_bytes()),
		("h", Dtype::U64, &[1], &u64::MAX.to_le_bytes()),
		("i", Dtype::F8_E4M3, &[1], &[1]),
	]))
	.unwrap();
	let of = |name: &str| file.floats(name).unwrap().values;
	assert_eq!(of("a"), [1.5, -2.0]);
	assert_eq!(of("b"), [1.0, -3.0, 2f32.powi(-24)]);
	assert_eq!(
		(of("c"), of("d"), of("e")),
		(vec![1.0], vec![-0.25], vec![-1.0, 3.0])
	);
	assert_eq!(file.integers("f").unwrap().values, [257]);
	assert_eq!(file.integers("g").unwrap().values, [-7]);
	assert_eq!(file.shape("a").unwrap(), [2]);
	let says = |name: &str, why: &str| {
		let error = file.integers(name).unwrap_err().to_string();
		assert!(
			error.contains(why) && error.contains(&format!("`{name}`")),
			"`{error}` does not say `{why}`"
		);
	};
	says("a", "its type is F32");
	says("h", "exceeds 63 bits");
	says("i", "its type is F8_E4M3");
	says("z", "there is no such tensor; the file has ");
	assert!(file.floats("i").unwrap_err().to_string().contains("F8_E4M3"));
}

#[test]
fn numbers_that_are_not_finite_should_name_their_tensor() {
	for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
		let file = open(tensors(&[("w.1", Dtype::F32, &[2], &floats(&[0.0, value]))])).unwrap();
		let error = file.floats("w.1").unwrap_err().to_string();
		assert!(error.contains("`w.1`") && error.contains("value 1 is"), "{error}");
	}
	let half = open(tensors(&[("h", Dtype::F16, &[1], &[0x00, 0x7c])])).unwrap();
	assert!(half
		.floats("h")
		.unwrap_err()
		.to_string()
		.contains("value 0 is inf"));
	// A double that no float32 holds.
	let wide = open(tensors(&[("d", Dtype::F64, &[1], &1e300f64.to_le_bytes())])).unwrap();
	assert!(wide
		.floats("d")
		.unwrap_err()
		.to_string()
		.contains("value 0 is inf"));
}

fn header(text: &str, data: usize) -> Vec<u8> {
	let mut all = (text.len() as u64).to_le_bytes().to_vec();
	all.extend_from_slice(text.as_bytes());
	all.resize(all.len() + data, 0);
	all
}

#[test]
fn hostile_headers_should_be_refused_before_anything_is_read() {
	let says = |bytes: Vec<u8>, why: &str| {
		let error = open(bytes).unwrap_err();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	says(vec![], "ends before its header");
	says(vec![1; 7], "ends before its header");
	says(u64::MAX.to_le_bytes().to_vec(), "at most 16777216 are read");
	says(1000u64.to_le_bytes().to_vec(), "ends before its header");
	says(header("{", 0), "can't be read");
	says(header("[]", 0), "can't be read");
	let one = |offsets: &str, shape: &str| {
		header(
			&format!("{{\"a\":{{\"dtype\":\"U8\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}"),
			8,
		)
	};
	assert!(open(one("[0,8]", "[8]")).is_ok());
	says(one("[0,9]", "[9]"), "tensor `a` claims bytes 0 to 9 of 8");
	says(one("[8,0]", "[8]"), "claims bytes 8 to 0");
	says(one("[0,8]", "[9]"), "not a sound safetensors file");
	says(one("[0,7]", "[7]"), "not a sound safetensors file");
	says(one("[1,8]", "[7]"), "not a sound safetensors file");
	// Sizes whose product or sum leaves 64 bits.
	says(
		one("[0,8]", "[4294967296,4294967296,4294967296]"),
		"not a sound safetensors file",
	);
	says(
		one("[0,18446744073709551615]", "[18446744073709551615]"),
		"claims bytes",
	);
	says(one("[0,-1]", "[1]"), "can't be read");
	says(one("[0,1e99]", "[1]"), "can't be read");
}

#[test]
fn tensors_should_become_examples() {
	let folder = tempdir().unwrap();
	let labels: Vec<u8> = [1i32, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
	let values = floats(&[0.0, 1.0, -0.5, 0.25]);
	let write = |values: (Dtype, &[usize], &[u8]), labels: (Dtype, &[usize], &[u8])| {
		let all = [
			("values", values.0, values.1, values.2),
			("labels", labels.0, labels.1, labels.2),
		];
		write_file(&folder, "x.safetensors", &tensors(&all))
	};
	let good_labels = (Dtype::I32, &[2usize][..], &labels[..]);
	let file = write((Dtype::F32, &[2, 2], &values), good_labels);
	let (examples, exponent) = read_tensors(&file, &Encoding::plain(), 2).unwrap();
	// 1.0 needs 2^-5 to stay below 63.
	assert_eq!((exponent, examples.features), (-5, 2));
	assert_eq!(examples.values, [0, 32, -16, 8]);
	assert_eq!(examples.labels, [1, 0]);
	let file = write((Dtype::U8, &[2, 1, 2], &[0, 4, 8, 252]), good_labels);
	let (examples, exponent) = read_tensors(&file, &HALF, 2).unwrap();
	assert_eq!((examples.values, exponent), (vec![0, 1, 2, 63], -6));

	let says = |file: PathBuf, encoding: &Encoding, why: &str| {
		let error = read_tensors(&file, encoding, 2).unwrap_err().to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	let floats_file = write((Dtype::F32, &[2, 2], &values), good_labels);
	says(floats_file, &HALF, "`data.encoding` is given");
	says(
		write((Dtype::U8, &[4], &[0; 4]), good_labels),
		&HALF,
		"give [examples, values]",
	);
	says(
		write((Dtype::U8, &[1, 4], &[0; 4]), good_labels),
		&HALF,
		"one label for each of 1",
	);
	says(
		write((Dtype::U8, &[2, 2], &[0; 4]), (Dtype::U8, &[2], &[0, 2])),
		&HALF,
		"tensor `labels`: label 2",
	);
	says(
		write((Dtype::U8, &[2, 2], &[0, 0, 0, 64]), good_labels),
		&Encoding::plain(),
		"64 - offset 0",
	);
	let nan = floats(&[0.0, 1.0, f32::NAN, 0.0]);
	says(
		write((Dtype::F32, &[2, 2], &nan), good_labels),
		&Encoding::plain(),
		"tensor `values`: value 2 is NaN",
	);
	let lonely = write_file(
		&folder,
		"y.safetensors",
		&tensors(&[("values", Dtype::U8, &[1, 1], &[1])]),
	);
	says(
		lonely,
		&Encoding::plain(),
		"tensor `labels`: there is no such tensor",
	);
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn altered_tensor_files_should_never_panic(at: usize, with: [u8; 3], cut: usize) {
		let mut bytes = tensors(&[
			("values", Dtype::F32, &[2, 2], &floats(&[0.0, 1.0, 2.0, 3.0])),
			("labels", Dtype::I64, &[2], &[0; 16]),
		]);
		let at = at % (bytes.len() - 3);
		bytes[at..at + 3].copy_from_slice(&with);
		bytes.truncate(bytes.len() - if cut % 3 == 0 { cut % bytes.len() } else { 0 });
		if let Ok(file) = open(bytes) {
			for name in file.names() {
				let _ = file.floats(&name);
				let _ = file.integers(&name);
			}
		}
	}

	#[test]
	fn altered_image_files_should_never_panic(at: usize, with: [u8; 2], keep: usize) {
		let mut bytes = idx(&[3, 2, 2], &[7; 12]);
		let at = at % (bytes.len() - 2);
		bytes[at..at + 2].copy_from_slice(&with);
		bytes.truncate(keep % (bytes.len() + 1));
		let folder = tempdir().unwrap();
		let path = write_file(&folder, "x", &bytes);
		if let Ok(read) = read_idx(&path) {
			prop_assert_eq!(read.sizes.iter().product::<usize>(), read.bytes.len());
		}
	}

	#[test]
	fn mantissas_should_be_the_closest_of_their_exponent(
		values in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, 1..40),
		most in 1i8..=127,
	) {
		let (mantissas, exponent) = to_mantissas(&values, most);
		let largest = values.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
		for (m, v) in mantissas.iter().zip(&values) {
			prop_assert!(m.unsigned_abs() <= most as u8);
			let error = f64::from(*m) - f64::from(*v) * 2f64.powi(-exponent);
			prop_assert!(error.abs() <= 0.5, "{v} became {m} * 2^{exponent}");
		}
		// One bit finer would not fit.
		prop_assert!(largest == 0.0 || (largest * 2f64.powi(1 - exponent)).round() > f64::from(most));
	}
}
