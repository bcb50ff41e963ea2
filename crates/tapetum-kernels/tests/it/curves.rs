//! Curves and their gradients against the formula in f64.

use tapetum_kernels::{CurveGradients, CurveInputs, apply_curves_to_row, curve, curve_backward};

use crate::comparison::{check, differences, dot, has_nonzero, numbers, random, shifted, wide};

/// Pixels (around blocks and parallel pieces) and steps.
const SIZES: [[usize; 2]; 9] =
    [[0, 8], [1, 1], [1, 8], [5, 3], [15, 8], [16, 8], [17, 2], [50, 8], [4150, 4]];

/// One pixel.
fn curved(pixel: &[f64], maps: &[f64]) -> Vec<f64> {
    let step = |values: Vec<f64>, maps: &[f64]| {
        values.iter().zip(maps).map(|(u, m)| u + m.tanh() * (u * u - u)).collect()
    };
    maps.chunks_exact(3).fold(pixel.to_vec(), step)
}

/// An image in 0..1 and maps, both off a register's boundary.
fn values([pixels, steps]: [usize; 2], seed: u64) -> [Vec<f32>; 2] {
    let mut numbers = numbers(seed);
    let image: Vec<f32> = random(pixels * 3, 1.0, &mut numbers).iter().map(|v| v.abs()).collect();
    [shifted(&image), shifted(&random(pixels * 3 * steps, 2.0, &mut numbers))]
}

#[test]
fn images_equal_the_formula() {
    for (size, seed) in SIZES.into_iter().zip(80..) {
        let [image, maps] = values(size, seed);
        let (pixels, wide_maps) = (wide(&image[1..]), wide(&maps[1..]));
        let pixels = pixels.chunks_exact(3).zip(wide_maps.chunks_exact(3 * size[1]));
        let expected: Vec<f64> = pixels.flat_map(|(pixel, maps)| curved(pixel, maps)).collect();
        // Eight steps, each with a rate off by 4e-7 times a quarter at most.
        check(&format!("{size:?}"), &expected, [2e-6, 4e-7], |set, output| {
            curve(set, &image[1..], &maps[1..], output);
        });
    }
}

#[test]
fn gradients_equal_differences_of_the_formula() {
    for (size @ [n_pixels, steps], seed) in SIZES.into_iter().zip(90..) {
        let [image, maps] = values(size, seed);
        let gradient = shifted(&random(n_pixels * 3, 1.0, &mut numbers(seed + 100)));
        let (mut expected, mut expected_maps) = (Vec::new(), Vec::new());
        for pixel in 0..n_pixels {
            let part = |values: &[f32], n: usize| wide(&values[1 + pixel * n..][..n]);
            let (pixel, maps) = (part(&image, 3), part(&maps, 3 * steps));
            let gradient = part(&gradient, 3);
            let inputs = [pixel, maps].concat();
            let gradients =
                differences(&inputs, |inputs| dot(&curved(&inputs[..3], &inputs[3..]), &gradient));
            expected.extend(&gradients[..3]);
            expected_maps.extend(&gradients[3..]);
        }
        let n_image = expected.len();
        assert!(n_image == 0 || has_nonzero(&expected) && has_nonzero(&expected_maps));
        expected.extend(expected_maps);
        let inputs = CurveInputs { image: &image[1..], maps: &maps[1..] };
        // A step at most doubles a gradient, and its error.
        check(&format!("{size:?}"), &expected, [2e-5, 2e-6], |set, found| {
            let (image, maps) = found.split_at_mut(n_image);
            curve_backward(set, &inputs, &gradient[1..], CurveGradients { image, maps });
        });
    }
}

#[test]
fn rows_of_padded_maps_equal_whole_images() {
    for width in [1, 16, 50] {
        let [image, maps] = values([width, 8], 99);
        let padded: Vec<f32> =
            maps[1..].chunks_exact(24).flat_map(|maps| [maps, &[7.0; 8]].concat()).collect();
        let mut found = vec![f32::NAN; width * 3];
        apply_curves_to_row(&image[1..], &padded, &mut found);
        let mut expected = vec![f32::NAN; width * 3];
        let best = tapetum_kernels::Instructions::best();
        curve(best, &image[1..], &maps[1..], &mut expected);
        assert_eq!(found, expected);
    }
}
