//! NIQE: how far an image's local statistics are from those of good photographs.

use nalgebra::{DMatrix, DVector};

use crate::{
    MetricError, NiqeModel, Picture, Plane,
    mscn::{Border, Normalized, normalize},
    natural_scene::{AsymmetricGaussian, SignedMoments},
    niqe_model::{N_FEATURES, Provenance},
    scorable::{expect_scorable, undefined},
    statistics::round_half_up,
};

const METRIC: &str = "niqe";
/// The side of a block at full size (authors' code).
const BLOCK: usize = 96;
/// Blocks below this share of the sharpest block's sharpness are left out of a fit [Mittal 2013, §II-C].
const SHARPNESS_SHARE_MIN: f64 = 0.75;
/// Eigenvalues below this share of the largest count as zero (`numpy.linalg.pinv`).
const EIGENVALUE_SHARE_MIN: f64 = 1e-15;
/// Steps down and right to the neighbours that a pixel is multiplied with.
const SHIFTS: [(usize, isize); 4] = [(0, 1), (1, 0), (1, 1), (1, -1)];

/// NIQE [Mittal 2013] as BasicSR computes it: `√((μ₁-μ₂)ᵀ ((Σ₁+Σ₂)/2)⁺ (μ₁-μ₂))` over 36 features of
/// 96x96 blocks. 0 upwards, about 3 for good photographs; lower is better.
///
/// Takes Y of BT.601, rounded (halves up), of the largest multiple of 96 pixels a side from the top left.
///
/// # Errors
/// When a side is below 96 pixels, or fewer than two blocks have texture at both scales.
pub fn niqe(picture: &Picture, model: &NiqeModel) -> Result<f64, MetricError> {
    let blocks: Vec<Features> = blocks(picture)?.into_iter().map(|block| block.features).collect();
    let complete: Vec<&Features> = blocks.iter().filter(|features| is_complete(features)).collect();
    if complete.len() < 2 {
        let detail =
            format!("expected two blocks of 96x96 pixels with texture, got {}", complete.len());
        return undefined(METRIC, detail);
    }
    let mean =
        DVector::from_iterator(N_FEATURES, (0..N_FEATURES).map(|idx| nan_mean(&blocks, idx)));
    let pristine_mean = DVector::from_column_slice(model.mean());
    let pristine = DMatrix::from_row_slice(N_FEATURES, N_FEATURES, model.covariance());
    let mixed = 0.5 * (pristine + covariance(&complete));
    Ok(distance(&(pristine_mean - mean), mixed))
}

/// A model of what good photographs look like, from the sharpest blocks of each picture: those whose
/// mean local deviation is above 0.75 of the picture's largest [Mittal 2013, §II-C].
///
/// # Errors
/// When a picture has a side below 96 pixels, or when all together have 36 sharp blocks or fewer: the
/// covariance of 36 features would not have full rank.
pub fn fit_niqe(
    pictures: impl IntoIterator<Item = Picture>,
    provenance: Provenance,
) -> Result<NiqeModel, MetricError> {
    let mut sharp = Vec::new();
    for picture in pictures {
        let blocks = blocks(&picture)?;
        let sharpest = blocks.iter().map(|block| block.sharpness).fold(0.0, f64::max);
        let is_kept = |block: &Block| {
            block.sharpness > SHARPNESS_SHARE_MIN * sharpest && is_complete(&block.features)
        };
        sharp.extend(blocks.into_iter().filter(is_kept).map(|block| block.features));
    }
    if sharp.len() <= N_FEATURES {
        return undefined(
            "niqe fit",
            format!("expected more than 36 sharp blocks, got {}", sharp.len()),
        );
    }
    let mean = (0..N_FEATURES).map(|idx| nan_mean(&sharp, idx)).collect();
    let covariance = covariance(&sharp.iter().collect::<Vec<_>>());
    NiqeModel::new(mean, covariance.as_slice().to_vec(), provenance)
}

type Features = [f64; N_FEATURES];

struct Block {
    features: Features,
    /// Mean local deviation at full size.
    sharpness: f64,
}

/// All blocks, row by row; features may be NaN where a block has no texture.
fn blocks(picture: &Picture) -> Result<Vec<Block>, MetricError> {
    expect_scorable(METRIC, BLOCK, picture)?;
    let luma = picture.luma_601();
    let (columns, rows) = (luma.width / BLOCK, luma.height / BLOCK);
    let kept = (0..rows * BLOCK).flat_map(|y| &luma.row(y)[..columns * BLOCK]);
    let values = kept.map(|&value| round_half_up(value)).collect();
    let full = Plane::new(columns * BLOCK, rows * BLOCK, values);
    let [full, half] =
        [normalize(&full, Border::Replicate), normalize(&halve(&full), Border::Replicate)];
    let corners = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    Ok(corners.map(|corner| block(&full, &half, corner)).collect())
}

fn block(full: &Normalized, half: &Normalized, (column, row): (usize, usize)) -> Block {
    let mut features = [0.0; N_FEATURES];
    let (fine, coarse) = features.split_at_mut(N_FEATURES / 2);
    fine.copy_from_slice(&scale_features(&Square::cut(&full.values, column, row, BLOCK)));
    coarse.copy_from_slice(&scale_features(&Square::cut(&half.values, column, row, BLOCK / 2)));
    let deviations = Square::cut(&full.deviation, column, row, BLOCK);
    let sum: f64 = deviations.rows().flatten().sum();
    Block { features, sharpness: sum / (BLOCK * BLOCK) as f64 }
}

/// 18 features: shape and mean scale of the values, then shape, mean and both scales of the products
/// with each of four neighbours.
fn scale_features(square: &Square) -> [f64; N_FEATURES / 2] {
    let mut features = [0.0; N_FEATURES / 2];
    let values = SignedMoments::of(square.rows().flatten().copied());
    let own = AsymmetricGaussian::fit(&values);
    features[..2].copy_from_slice(&[own.shape, 0.5 * (own.left + own.right)]);
    for (found, shift) in features[2..].chunks_exact_mut(4).zip(SHIFTS) {
        let fitted = AsymmetricGaussian::fit(&square.neighbour_products(shift));
        found.copy_from_slice(&[fitted.shape, fitted.mean(), fitted.left, fitted.right]);
    }
    features
}

/// A block of a plane, seen in place.
struct Square<'a> {
    plane: &'a Plane,
    left: usize,
    top: usize,
    side: usize,
}

impl<'a> Square<'a> {
    fn cut(plane: &'a Plane, column: usize, row: usize, side: usize) -> Self {
        Self { plane, left: column * side, top: row * side, side }
    }

    fn row(&self, y: usize) -> &'a [f64] {
        &self.plane.row(self.top + y)[self.left..self.left + self.side]
    }

    fn rows(&self) -> impl Iterator<Item = &'a [f64]> {
        (0..self.side).map(|y| self.row(y))
    }

    /// Each value times its neighbour up and left (or up and right), which wraps round within the block.
    fn neighbour_products(&self, (down, right): (usize, isize)) -> SignedMoments {
        let turn = (self.side as isize - right) as usize % self.side;
        let products = (0..self.side).flat_map(|y| {
            let partner = self.row((y + self.side - down) % self.side);
            let turned = partner[turn..].iter().chain(&partner[..turn]);
            self.row(y).iter().zip(turned).map(|(value, neighbour)| value * neighbour)
        });
        SignedMoments::of(products)
    }
}

fn is_complete(features: &Features) -> bool {
    features.iter().all(|value| value.is_finite())
}

/// The mean over the blocks in which the feature is a number.
fn nan_mean(blocks: &[Features], feature_idx: usize) -> f64 {
    let numbers = blocks.iter().map(|block| block[feature_idx]).filter(|value| value.is_finite());
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// The sample covariance (divisor n - 1).
fn covariance(blocks: &[&Features]) -> DMatrix<f64> {
    let mut centred = DMatrix::from_fn(blocks.len(), N_FEATURES, |block, idx| blocks[block][idx]);
    for mut column in centred.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    centred.transpose() * &centred / (blocks.len() as f64 - 1.0)
}

/// `√(dᵀ S⁺ d)` of a symmetric `S`, through its eigenvalues.
fn distance(difference: &DVector<f64>, symmetric: DMatrix<f64>) -> f64 {
    let eigen = symmetric.symmetric_eigen();
    let smallest = EIGENVALUE_SHARE_MIN * eigen.eigenvalues.amax();
    let projected = eigen.eigenvectors.transpose() * difference;
    let terms = projected.iter().zip(&eigen.eigenvalues);
    let kept = terms.filter(|&(_, eigenvalue)| eigenvalue.abs() > smallest);
    kept.map(|(length, eigenvalue)| length * length / eigenvalue).sum::<f64>().max(0.0).sqrt()
}

/// Half the size by MATLAB's antialiased bicubic `imresize` (a = -0.5, mirrored border). Both sides
/// must be even.
fn halve(plane: &Plane) -> Plane {
    let rows: Vec<f64> = (0..plane.height).flat_map(|y| halve_row(plane.row(y))).collect();
    let narrow = transpose(&Plane::new(plane.width / 2, plane.height, rows));
    let rows: Vec<f64> = (0..narrow.height).flat_map(|y| halve_row(narrow.row(y))).collect();
    transpose(&Plane::new(plane.height / 2, plane.width / 2, rows))
}

fn transpose(plane: &Plane) -> Plane {
    let values = (0..plane.width).flat_map(|x| (0..plane.height).map(move |y| plane.at(x, y)));
    Plane::new(plane.height, plane.width, values.collect())
}

fn halve_row(row: &[f64]) -> Vec<f64> {
    // Eight taps at distances 1.75, 1.25, .75, .25 and mirrored, in units of the output's pixels.
    const SIDE: [f64; 4] = [-0.023_437_5, -0.070_312_5, 0.226_562_5, 0.867_187_5];
    let weights = [0, 1, 2, 3, 3, 2, 1, 0].map(|idx| 0.5 * SIDE[idx]);
    let (start, end) = (row[..3].iter().rev(), row[row.len() - 3..].iter().rev());
    let padded: Vec<f64> = start.chain(row).chain(end).copied().collect();
    let dot =
        |window: &[f64]| window.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
    padded.windows(8).step_by(2).map(dot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_keeps_what_is_flat_and_the_slope_of_a_ramp() {
        let ramp = Plane::new(24, 20, (0..480).map(|idx| f64::from(idx % 24)).collect());
        let half = halve(&ramp);
        assert_eq!((half.width, half.height), (12, 10));
        for x in 2..10 {
            assert!((half.at(x, 5) - (2.0 * x as f64 + 0.5)).abs() < 1e-12, "column {x}");
        }
        let flat = halve(&Plane::new(8, 8, vec![7.0; 64]));
        assert!(flat.values.iter().all(|value| (value - 7.0).abs() < 1e-12));
    }
}
