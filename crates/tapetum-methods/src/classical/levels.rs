//! Brightness in 256 levels: histograms, and curves that run on between the levels.

/// Levels of 8 bits.
pub(super) const N_LEVELS: usize = 256;
/// The highest level.
pub(super) const LEVEL_MAX: f32 = 255.0;

/// What becomes of each level; whole numbers in 0..255.
pub(super) type Curve = [f32; N_LEVELS];

/// How often each level occurs among brightnesses of 0..255, rounded.
pub(super) fn histogram(brightness: impl Iterator<Item = f32>) -> [u32; N_LEVELS] {
    let mut counts = [0; N_LEVELS];
    brightness.for_each(|value| counts[value.round() as usize & 255] += 1);
    counts
}

/// The curve at a brightness of 0..255: its own value on a level, linear in between.
pub(super) fn at(curve: &Curve, brightness: f32) -> f32 {
    let level = (brightness as usize).min(N_LEVELS - 2);
    let [below, above] = [curve[level], curve[level + 1]];
    below + (brightness - level as f32) * (above - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_its_own_value_on_levels_and_linear_in_between() {
        let curve: Curve = std::array::from_fn(|level| (level * level / 255) as f32);
        for level in 0..N_LEVELS {
            assert_eq!(at(&curve, level as f32), curve[level]);
        }
        assert_eq!(at(&curve, 100.25), 0.75 * curve[100] + 0.25 * curve[101]);
    }

    #[test]
    fn brightness_counts_for_its_nearest_level() {
        let counts = histogram([0.0, 0.4, 0.6, 254.6, 255.0].into_iter());
        assert_eq!((counts[0], counts[1], counts[254], counts[255]), (2, 1, 0, 2));
    }
}
