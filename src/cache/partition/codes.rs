//! Unit vectors as 16-bit fixed-point numbers: half the memory of `f32`.
//!
//! A code is `round(32767 · x)`. The rounding moves a vector by at most `√dimension / 2` steps, so a
//! similarity by at most `√dimension / 32767`: 0.0006 at 384 dimensions, and a tenth of that in
//! practice, which thresholds that were calibrated on `f32` don't notice. Eight bits would move it by
//! up to 0.0015 in practice and are slower to multiply without AVX. A sum of products stays within
//! `i32`, by Cauchy–Schwarz, so there is neither a scale per vector nor an overflow.

use std::sync::Arc;

use crate::units::dot;

/// Vectors in one block. A block that somebody else holds is copied before it grows.
pub(super) const BLOCK: usize = 1024;
/// The code of 1.
const ONE: f32 = 32767.0;

/// The code of the direction of `vector`; `None` if it has none.
pub(super) fn encode(vector: &[f32]) -> Option<Vec<i16>> {
    let length = dot(vector, vector).sqrt();
    // Zero, subnormal, infinite and NaN lengths alike.
    length.is_normal().then(|| {
        let code = |x: &f32| (x / length * ONE).round() as i16;
        vector.iter().map(code).collect()
    })
}

/// The vector of a code.
pub(super) fn decode(code: &[i16]) -> Vec<f32> {
    code.iter().map(|number| f32::from(*number) / ONE).collect()
}

/// The inner product of two codes, in steps of 32767⁻².
pub(super) fn product(a: &[i16], b: &[i16]) -> i32 {
    // Wrapping, because the check for overflow would keep the compiler from vector instructions.
    a.iter().zip(b).fold(0, |sum: i32, (a, b)| {
        sum.wrapping_add(i32::from(*a) * i32::from(*b))
    })
}

/// The cosine that a product of codes stands for.
pub(super) fn cosine(product: i32) -> f32 {
    (f64::from(product) / f64::from(ONE * ONE)) as f32
}

/// How many more a list of one block makes room for when it holds `rows`: a quarter, so that the
/// many partitions with a handful of vectors waste little.
pub(super) fn growth(rows: usize) -> usize {
    (rows / 4).clamp(1, (BLOCK - rows % BLOCK).max(1))
}

/// The codes of a partition, by place. Clones share the blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Codes {
    dimension: usize,
    blocks: Vec<Arc<Vec<i16>>>,
    len: usize,
}

impl Codes {
    /// `len` codes of zeros, which are near to nothing.
    pub(super) fn zeros(dimension: usize, len: usize) -> Self {
        let rows = (0..len).step_by(BLOCK).map(|from| BLOCK.min(len - from));
        Self {
            dimension,
            blocks: rows
                .map(|rows| Arc::new(vec![0; rows * dimension]))
                .collect(),
            len,
        }
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, place: u32) -> Option<&[i16]> {
        let place = place as usize;
        let at = place % BLOCK * self.dimension;
        self.blocks.get(place / BLOCK)?.get(at..at + self.dimension)
    }

    /// Writes over a code.
    pub(super) fn set(&mut self, place: u32, code: &[i16]) {
        let (place, dimension) = (place as usize, self.dimension);
        let at = place % BLOCK * dimension;
        if let Some(block) = self.blocks.get_mut(place / BLOCK)
            && let Some(old) = Arc::make_mut(block).get_mut(at..at + dimension)
            && old.len() == code.len()
        {
            old.copy_from_slice(code);
        }
    }

    /// Appends a code; `false` if it is of another dimension than those before it.
    pub(super) fn push(&mut self, code: &[i16]) -> bool {
        if self.len == 0 {
            self.dimension = code.len();
        }
        if code.len() != self.dimension {
            return false;
        }
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Arc::default());
        }
        if let Some(block) = self.blocks.last_mut() {
            let block = Arc::make_mut(block);
            if block.capacity() < block.len() + code.len() {
                block.reserve_exact(growth(self.len % BLOCK) * code.len());
            }
            block.extend_from_slice(code);
            self.len += 1;
        }
        true
    }

    /// The products of `query` with the codes from a place on, each with its place.
    pub(super) fn scan(&self, query: &[i16], from: usize) -> impl Iterator<Item = (i32, u32)> {
        let blocks = self.blocks.iter().enumerate().skip(from / BLOCK);
        let rows = blocks.flat_map(move |(block, codes)| {
            let first = block * BLOCK;
            codes
                .chunks_exact(self.dimension.max(1))
                .zip(first as u32..)
                .skip(from.saturating_sub(first))
        });
        rows.map(move |(code, place)| (product(query, code), place))
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let codes: usize = self.blocks.iter().map(|block| block.capacity()).sum();
        codes * size_of::<i16>()
    }
}
