//! Photographs that show one scene: resized, saved anew, or taken at another exposure.

use std::{
    f64::consts::PI,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use tapetum_image::{Image, Limits, Native, resize};

use crate::{error::DataError, folder::read_photo};

/// Sides of the grey picture that is hashed.
const SIDE: usize = 32;
/// Bits of a hash, one a frequency.
const N_BITS: usize = 64;
/// Grey levels that are told apart: 32 for each of 256, and far above what resizing rounds away.
const N_LEVELS: f32 = 8192.0;
/// Rec. 601 luma weights.
const GREY_WEIGHTS: [f32; 3] = [0.299, 0.587, 0.114];

/// Pairs of files, one of each list, whose [`perceptual_hash`]es differ in at most `distance_max` of 64
/// bits: the first, the second, and the bits that differ; ordered as the lists are. A file is no duplicate
/// of itself.
///
/// Unrelated photographs differ in about 32 bits. The dark and the bright photograph of one scene differ
/// in 2 or 3 (median of 445 pairs of LOL-v1 and 286 of SICE), in at most 7 for 95 % and in at most 13 for
/// all; of two scenes of SICE, 6 in 100,000 are so near at 12 bits and 6 in 10,000 at 18. So 8 is a good
/// bound, and what is found beyond 12 is worth a look.
///
/// # Errors
/// A file cannot be read, is larger than the limits allow, or is no image.
pub fn near_duplicates(
    a: &[PathBuf],
    b: &[PathBuf],
    distance_max: u32,
    limits: &Limits,
) -> Result<Vec<(PathBuf, PathBuf, u32)>, DataError> {
    let hashes = |paths: &[PathBuf]| -> Result<Vec<u64>, DataError> {
        paths.par_iter().map(|path| hash_file(path, limits)).collect()
    };
    let (a_hashes, b_hashes) = (hashes(a)?, hashes(b)?);
    let mut found = Vec::new();
    for (first, first_hash) in a.iter().zip(&a_hashes) {
        for (second, second_hash) in b.iter().zip(&b_hashes) {
            let distance = (first_hash ^ second_hash).count_ones();
            if distance <= distance_max && first != second {
                found.push((first.clone(), second.clone(), distance));
            }
        }
    }
    Ok(found)
}

/// 64 bits that stay nearly the same when a picture is resized, compressed, or made brighter or darker:
/// the signs of the lowest frequencies of its brightness ranks. Ranks know no exposure and no gamma.
///
/// # Panics
/// When the image has no pixels.
pub fn perceptual_hash(image: &Image<Native>) -> u64 {
    let ranks = ranks(&grey(&resize(image, SIDE as u32, SIDE as u32)));
    let rows = cosine_transform(&ranks);
    frequencies().fold(0, |hash, (u, v)| hash << 1 | u64::from(rows[v * SIDE + u] > 0.0))
}

fn hash_file(path: &Path, limits: &Limits) -> Result<u64, DataError> {
    let photo = read_photo(path, limits)?;
    Ok(perceptual_hash(&photo.raster.read_rgb(photo.raster.rect())))
}

/// Levels of 0..8192.
fn grey(image: &Image<Native>) -> Vec<u16> {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    let weighted =
        |pixel: &[f32; 3]| -> f32 { pixel.iter().zip(GREY_WEIGHTS).map(|(v, w)| v * w).sum() };
    pixels.iter().map(|pixel| (N_LEVELS * weighted(pixel)).round() as u16).collect()
}

/// For each value how many are smaller less how many are greater: -1023..1023 with mean 0, and 0
/// everywhere in a picture of one colour.
fn ranks(values: &[u16]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = |value: &u16| {
        let n_smaller = sorted.partition_point(|other| other < value);
        let n_not_greater = sorted.partition_point(|other| other <= value);
        n_smaller as f64 - (sorted.len() - n_not_greater) as f64
    };
    values.iter().map(rank).collect()
}

/// The first frequencies of the two-dimensional DCT-II, unscaled, in rows of [`SIDE`]; those that no
/// bit needs are 0.
fn cosine_transform(values: &[f64]) -> Vec<f64> {
    let n_frequencies = 1 + frequencies().map(|(u, v)| u.max(v)).max().unwrap_or(0);
    let wave = |frequency: usize, idx: usize| {
        (PI * frequency as f64 * (idx as f64 + 0.5) / SIDE as f64).cos()
    };
    let mut across = vec![0.0; SIDE * SIDE];
    for (row, sums) in values.chunks_exact(SIDE).zip(across.chunks_exact_mut(SIDE)) {
        for (u, sum) in sums.iter_mut().enumerate().take(n_frequencies) {
            *sum = row.iter().enumerate().map(|(x, value)| value * wave(u, x)).sum();
        }
    }
    let mut down = vec![0.0; SIDE * SIDE];
    for (v, sums) in down.chunks_exact_mut(SIDE).enumerate().take(n_frequencies) {
        for (u, sum) in sums.iter_mut().enumerate().take(n_frequencies) {
            *sum = (0..SIDE).map(|y| across[y * SIDE + u] * wave(v, y)).sum();
        }
    }
    down
}

/// The 64 lowest frequencies but the constant one, diagonal by diagonal, as (across, down).
fn frequencies() -> impl Iterator<Item = (usize, usize)> {
    (1..).flat_map(|sum| (0..=sum).map(move |u| (u, sum - u))).take(N_BITS)
}
