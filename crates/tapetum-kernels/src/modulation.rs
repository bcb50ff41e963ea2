//! Features scaled and shifted value by value, as a condition asks for.

use rayon::prelude::*;

use crate::{
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Values of one parallel piece.
const N_CHUNK: usize = 1 << 15;

/// `output = features · (scale + 1) + shift`.
///
/// # Panics
/// When the slices differ in length, or the instruction set is missing.
pub fn modulate(
    instructions: Instructions,
    [features, scale, shift]: [&[f32]; 3],
    output: &mut [f32],
) {
    let n = output.len();
    assert_eq!([features.len(), scale.len(), shift.len()], [n; 3], "slices of one length");
    let inputs = features.par_chunks(N_CHUNK).zip(scale.par_chunks(N_CHUNK));
    let inputs = inputs.zip(shift.par_chunks(N_CHUNK));
    let chunks = output.par_chunks_mut(N_CHUNK).zip(inputs);
    chunks.for_each(|(output, ((features, scale), shift))| {
        instructions.run(Modulate { features, scale, shift, output });
    });
}

/// The gradients of the features and of the scale, given that of [`modulate`]'s output, which is also that of
/// the shift.
///
/// # Panics
/// As [`modulate`].
pub fn modulate_backward(
    instructions: Instructions,
    [features, scale]: [&[f32]; 2],
    output_gradient: &[f32],
    [features_gradient, scale_gradient]: [&mut [f32]; 2],
) {
    let n = output_gradient.len();
    let lengths = [features.len(), scale.len(), features_gradient.len(), scale_gradient.len()];
    assert_eq!(lengths, [n; 4], "slices of one length");
    let inputs = features.par_chunks(N_CHUNK).zip(scale.par_chunks(N_CHUNK));
    let inputs = inputs.zip(output_gradient.par_chunks(N_CHUNK));
    let results =
        features_gradient.par_chunks_mut(N_CHUNK).zip(scale_gradient.par_chunks_mut(N_CHUNK));
    inputs.zip(results).for_each(|(((features, scale), gradient), results)| {
        let results = [results.0, results.1];
        instructions.run(ModulateBackward { features, scale, gradient, results });
    });
}

struct Modulate<'a> {
    features: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Modulate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { features, scale, shift, output } = self;
        let inputs = features.iter().zip(scale).zip(shift);
        for (output, ((feature, scale), shift)) in output.iter_mut().zip(inputs) {
            *output = feature * (scale + 1.0) + shift;
        }
    }
}

struct ModulateBackward<'a> {
    features: &'a [f32],
    scale: &'a [f32],
    gradient: &'a [f32],
    results: [&'a mut [f32]; 2],
}

impl Kernel for ModulateBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { features, scale, gradient, results: [to_features, to_scale] } = self;
        let inputs = features.iter().zip(scale).zip(gradient);
        let results = to_features.iter_mut().zip(to_scale);
        for ((to_feature, to_scale), ((feature, scale), gradient)) in results.zip(inputs) {
            *to_feature = gradient * (scale + 1.0);
            *to_scale = gradient * feature;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|idx| (idx as f32 * 0.37 + phase).sin()).collect()
    }

    #[test]
    fn every_instruction_set_gives_the_modulated_features_and_their_gradients() {
        for instructions in Instructions::available() {
            for n in [1, 7, 33, N_CHUNK + 5] {
                let [features, scale, shift, gradient] = [0.0, 1.0, 2.0, 3.0].map(|p| wave(n, p));
                let mut output = vec![0.0; n];
                modulate(instructions, [&features, &scale, &shift], &mut output);
                let mut gradients = [vec![0.0; n], vec![0.0; n]];
                let results = gradients.each_mut().map(Vec::as_mut_slice);
                modulate_backward(instructions, [&features, &scale], &gradient, results);
                for idx in 0..n {
                    let (f, s, g) = (features[idx], scale[idx], gradient[idx]);
                    let expected = [f * (s + 1.0) + shift[idx], g * (s + 1.0), g * f];
                    let found = [output[idx], gradients[0][idx], gradients[1][idx]];
                    for (found, expected) in found.iter().zip(expected) {
                        let error = (found - expected).abs();
                        assert!(error < 1e-6, "{instructions:?} {n}: {found} for {expected}");
                    }
                }
            }
        }
    }
}
