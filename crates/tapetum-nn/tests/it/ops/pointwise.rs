//! Sums, activations and curves.

use burn::tensor::Tensor;
use tapetum_nn::ops::{self, Activation, composed};

use super::{Numbers, check_close, check_same, leaf, values};

#[test]
fn curves_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(25);
    for n_steps in [1, 8] {
        // Outside of 0..1 the steps run away.
        let image: Vec<f32> =
            values(&numbers.tensor([2, 3, 5, 7])).iter().map(|v| v.abs()).collect();
        let image = leaf(image, [2, 3, 5, 7]).require_grad();
        let maps = numbers.tensor([2, 3 * n_steps, 5, 7]);
        check_same(
            &[&image, &maps],
            2e-5,
            &format!("{n_steps} steps"),
            ops::apply_curves(image.clone(), maps.clone()),
            composed::apply_curves(image.clone(), maps.clone()),
        );
    }
}

#[test]
fn every_activation_equals_the_engines() {
    let mut numbers = Numbers::new(26);
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
    ] {
        let input = numbers.tensor([1, 5, 3, 4]);
        check_same(
            &[&input],
            2e-5,
            &format!("{activation:?}"),
            ops::activate(input.clone(), activation),
            composed::activate(input.clone(), activation),
        );
    }
}

#[test]
fn sums_equal_the_engines_in_any_memory_order() {
    let mut numbers = Numbers::new(31);
    let [plain, permuted] = numbers.both_orders([2, 13, 5, 7]);
    let [other, _] = numbers.both_orders([2, 13, 5, 7]);
    for (a, b) in [(&plain, &permuted), (&permuted, &plain), (&plain, &other)] {
        let (output, reference) =
            (ops::add(a.clone(), b.clone()), composed::add(a.clone(), b.clone()));
        check_same(&[a, b], 0.0, "images", output, reference);
    }
    let [a, b] = numbers.both_orders([3, 11, 5]);
    let (output, reference) = (ops::add(a.clone(), b.clone()), composed::add(a.clone(), b.clone()));
    check_same(&[&a, &b], 0.0, "tokens", output, reference);
    // Both gradients come together in one tensor.
    let doubled = ops::add(a.clone(), a.clone());
    check_same(&[&a], 0.0, "the same tensor twice", doubled, a.clone() * 2.0);
}

#[test]
fn rectifiers_with_learned_slopes_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(37);
    for shape in [[2, 19, 5, 7], [1, 3, 37, 41], [3, 1, 2, 2]] {
        let slopes = numbers.tensor([shape[1]]);
        for input in numbers.both_orders(shape) {
            check_same(
                &[&input, &slopes],
                1e-5,
                &format!("{shape:?}"),
                ops::prelu(input.clone(), slopes.clone()),
                composed::prelu(input.clone(), slopes.clone()),
            );
        }
    }
}

#[test]
fn gated_images_equal_the_engines_in_any_memory_order() {
    let mut numbers = Numbers::new(41);
    for activation in [Activation::Silu, Activation::Gelu, Activation::Identity] {
        for gate in numbers.both_orders([2, 5, 3, 4]) {
            let value = numbers.tensor([2, 5, 3, 4]);
            check_same(
                &[&value, &gate],
                2e-5,
                &format!("{activation:?}"),
                ops::gated(value.clone(), gate.clone(), activation),
                composed::gated(value.clone(), gate.clone(), activation),
            );
        }
    }
}

#[test]
fn weighted_sums_equal_the_engines_with_weights_for_all_images_or_for_each() {
    let mut numbers = Numbers::new(42);
    for n_sets in [[1, 1], [1, 3], [3, 3]] {
        for a in numbers.both_orders([3, 5, 4, 7]) {
            let b = numbers.tensor([3, 5, 4, 7]);
            let [a_weights, b_weights] = n_sets.map(|n_sets| numbers.tensor([n_sets, 5, 1, 1]));
            let images = [a.clone(), b.clone()];
            let weights = [a_weights.clone(), b_weights.clone()];
            check_same(
                &[&a, &b, &a_weights, &b_weights],
                2e-5,
                &format!("{n_sets:?} sets of weights"),
                ops::weighted_sum(images.clone(), weights.clone()),
                composed::weighted_sum(images, weights),
            );
        }
    }
}

#[test]
fn attention_to_channels_and_places_equals_the_engines() {
    let mut numbers = Numbers::new(43);
    for shape in [[3, 5, 4, 7], [1, 32, 9, 11], [2, 40, 1, 3]] {
        let [batch, n_channels, height, width] = shape;
        for features in numbers.both_orders(shape) {
            let image = numbers.tensor(shape);
            let channels = numbers.tensor([batch, n_channels, 1, 1]);
            let places = numbers.tensor([batch, 1, height, width]);
            check_same(
                &[&features, &channels],
                2e-5,
                &format!("statistics of {shape:?}"),
                ops::channel_statistics(features.clone(), channels.clone()),
                composed::channel_statistics(features.clone(), channels.clone()),
            );
            let [a, b] = [image.clone(), features.clone()];
            let [c, d] = [channels.clone(), places.clone()];
            let reference = composed::attend(a.clone(), b.clone(), c.clone(), d.clone());
            check_same(
                &[&image, &features, &channels, &places],
                2e-5,
                &format!("{shape:?}"),
                ops::attend(a, b, c, d),
                reference,
            );
        }
    }
}

#[test]
fn modulated_features_equal_the_engines_in_any_memory_order() {
    let mut numbers = Numbers::new(43);
    for features in numbers.both_orders([2, 5, 3, 4]) {
        let [scale, shift] = [0, 1].map(|_| numbers.tensor([2, 5, 3, 4]));
        check_same(
            &[&features, &scale, &shift],
            2e-5,
            "modulate",
            ops::modulate(features.clone(), scale.clone(), shift.clone()),
            composed::modulate(features.clone(), scale.clone(), shift.clone()),
        );
    }
}

#[test]
fn features_added_in_context_equal_the_engines_in_any_memory_order() {
    let mut numbers = Numbers::new(44);
    for activation in [Activation::LeakyRelu(0.2), Activation::Identity] {
        for features in numbers.both_orders([3, 18, 4, 7]) {
            let (shift, input) = (numbers.tensor([3, 18, 1, 1]), numbers.tensor([3, 18, 4, 7]));
            let three = [&features, &shift, &input].map(Clone::clone);
            let [a, b, c] = three.clone();
            check_same(
                &[&features, &shift, &input],
                2e-5,
                &format!("{activation:?}"),
                ops::add_in_context(a, b, c, activation),
                {
                    let [a, b, c] = three;
                    composed::add_in_context(a, b, c, activation)
                },
            );
        }
    }
}

#[test]
fn a_continued_image_is_mirrored_as_often_as_needed() {
    let row = |n: usize| (0..n).map(|x| x as f32).collect::<Vec<_>>();
    for (side, target, expected) in [
        (1, 4, vec![0.0; 4]),
        (2, 5, vec![0.0, 1.0, 0.0, 1.0, 0.0]),
        (3, 8, vec![0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0]),
        (4, 4, row(4)),
    ] {
        let wide = leaf(row(side), [1, 1, 1, side]);
        assert_eq!(values(&ops::continued(wide.clone(), [1, target])), expected);
        let tall = ops::continued(wide.swap_dims(2, 3), [target, 1]);
        assert_eq!(values(&tall), expected);
    }
}

#[test]
fn a_weighted_sum_with_a_doubled_image_is_the_same_with_gradients_and_without() {
    let mut numbers = Numbers::new(45);
    for half in numbers.both_orders([2, 5, 3, 4]) {
        let image = numbers.tensor([2, 5, 6, 8]);
        let weights = [0, 1].map(|_| numbers.tensor([2, 5, 1, 1]));
        let doubled = composed::resize2d(half.clone(), [6, 8], ops::Interpolation::Bilinear);
        let expected = composed::weighted_sum([image.clone(), doubled], weights.clone());
        check_same(
            &[&image, &half, &weights[0], &weights[1]],
            2e-5,
            "a weighted sum with a doubled image",
            ops::weighted_sum_of_doubled(image.clone(), half.clone(), weights.clone()),
            expected.clone(),
        );
        let [image, half, first, second] =
            [image, half, weights[0].clone(), weights[1].clone()].map(Tensor::inner);
        let found = ops::weighted_sum_of_doubled(image, half, [first, second]);
        check_close(&values(&found), &values(&expected), 2e-5, "without gradients");
    }
}
