// SPDX-License-Identifier: Apache-2.0

//! Which code multiplies: chosen at run time by what the processor can do. Every choice gives the same bits.

/// A way to multiply that this machine can run.
///
/// The field is private: a value only exists if the instructions behind it do, which is what makes the calls into
/// the SIMD modules sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(pub(crate) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
	Scalar,
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	Avx2,
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	Avx512Vnni,
}

impl Kernel {
	/// Plain code: runs everywhere, wasm included, and is the reference.
	pub const SCALAR: Self = Self(Kind::Scalar);

	/// The fastest one.
	pub fn best() -> Self {
		#[cfg(all(feature = "std", target_arch = "x86_64"))]
		{
			if Self::has_avx512_vnni() {
				return Self(Kind::Avx512Vnni);
			}
			if std::is_x86_feature_detected!("avx2") {
				return Self(Kind::Avx2);
			}
		}
		Self::SCALAR
	}

	/// All that this machine can run, slowest first.
	pub fn available() -> impl Iterator<Item = Self> {
		#[cfg(all(feature = "std", target_arch = "x86_64"))]
		let simd = [
			std::is_x86_feature_detected!("avx2").then_some(Self(Kind::Avx2)),
			Self::has_avx512_vnni().then_some(Self(Kind::Avx512Vnni)),
		];
		#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
		let simd = [None, None];
		core::iter::once(Self::SCALAR).chain(simd.into_iter().flatten())
	}

	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	fn has_avx512_vnni() -> bool {
		// Packing is in AVX2.
		std::is_x86_feature_detected!("avx2")
			&& std::is_x86_feature_detected!("avx512f")
			&& std::is_x86_feature_detected!("avx512vnni")
	}

	/// Its name, for logs.
	pub fn name(self) -> &'static str {
		match self.0 {
			Kind::Scalar => "scalar",
			#[cfg(all(feature = "std", target_arch = "x86_64"))]
			Kind::Avx2 => "avx2",
			#[cfg(all(feature = "std", target_arch = "x86_64"))]
			Kind::Avx512Vnni => "avx512-vnni",
		}
	}
}
