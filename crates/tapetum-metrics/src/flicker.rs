//! Flicker: how much a sequence of frames changes from one frame to the next without cause.

use crate::{
    MetricError, Picture, Plane,
    scorable::{expect_scorable, expect_scorable_pair, undefined},
};

const METRIC: &str = "flicker";

/// Mean changes from frame to frame, on the scale 0..255; lower is steadier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flicker {
    /// Of the frames' mean luma: the whole picture pulses.
    pub luma: f64,
    /// Of each pixel's luma, at its place: motion is not followed, so compare only sequences of one scene.
    pub pixel: f64,
}

/// `luma = mean_t |m'_t - m'_{t-1}|` and `pixel = mean_t mean_x |y'_t(x) - y'_{t-1}(x)|`, with luma `y'` of
/// 0.299, 0.587, 0.114 and its mean `m'`. Changes of the scene count too: see [`flicker_beyond`].
///
/// # Errors
/// When there are fewer than two frames, or they differ in size or are empty.
pub fn flicker(enhanced: impl IntoIterator<Item = Picture>) -> Result<Flicker, MetricError> {
    let mut changes = Changes::default();
    let mut previous: Option<Picture> = None;
    for frame in enhanced {
        expect_scorable(METRIC, 1, &frame)?;
        if let Some(previous) = &previous {
            expect_scorable_pair(METRIC, 1, previous, &frame)?;
            changes.add(&frame.grey().zip(&previous.grey(), |new, old| new - old));
        }
        previous = Some(frame);
    }
    changes.mean()
}

/// [`flicker`] without what the input sequence does itself: every change `Δ'` of luma is replaced with
/// `Δ' - g Δ`, where `Δ` is the input's change and `g = (m'_t + m'_{t-1}) / (m_t + m_{t-1})` the gain of
/// the two frames. So an enhancement that is a fixed gain has no flicker however the scene changes.
///
/// # Errors
/// When there are fewer than two frames, the sequences differ in length, or frames differ in size or are
/// empty.
pub fn flicker_beyond(
    low: impl IntoIterator<Item = Picture>,
    enhanced: impl IntoIterator<Item = Picture>,
) -> Result<Flicker, MetricError> {
    let mut changes = Changes::default();
    let (mut lows, mut enhanceds) = (low.into_iter(), enhanced.into_iter());
    let mut previous: Option<[Picture; 2]> = None;
    loop {
        let pair = match (lows.next(), enhanceds.next()) {
            (Some(low), Some(enhanced)) => [low, enhanced],
            (None, None) => return changes.mean(),
            _ => return undefined(METRIC, "expected sequences of one length"),
        };
        expect_scorable_pair(METRIC, 1, &pair[0], &pair[1])?;
        if let Some(previous) = &previous {
            expect_scorable_pair(METRIC, 1, &previous[0], &pair[0])?;
            changes.add(&unexplained(previous, &pair));
        }
        previous = Some(pair);
    }
}

/// [`flicker_beyond`] of one change, from mean lumas alone: `Δ' - g Δ` of an earlier and a later frame. Positive
/// where the result brightens more than its input explains; in the unit of the lumas.
pub fn unexplained_change(low: [f64; 2], enhanced: [f64; 2]) -> f64 {
    (enhanced[1] - enhanced[0]) - gain(low, enhanced) * (low[1] - low[0])
}

/// `g`; 0 for black frames.
fn gain(low: [f64; 2], enhanced: [f64; 2]) -> f64 {
    let brightness = low[0] + low[1];
    if brightness > 0.0 { (enhanced[0] + enhanced[1]) / brightness } else { 0.0 }
}

/// `Δ' - g Δ`, pixel by pixel.
fn unexplained(old: &[Picture; 2], new: &[Picture; 2]) -> Plane {
    let [old_low, old_enhanced] = old.each_ref().map(Picture::grey);
    let [new_low, new_enhanced] = new.each_ref().map(Picture::grey);
    let gain = gain([old_low.mean(), new_low.mean()], [old_enhanced.mean(), new_enhanced.mean()]);
    let change = new_low.zip(&old_low, |new, old| gain * (new - old));
    new_enhanced.zip(&old_enhanced, |new, old| new - old).zip(&change, |all, own| all - own)
}

#[derive(Default)]
struct Changes {
    luma: f64,
    pixel: f64,
    n_changes: usize,
}

impl Changes {
    fn add(&mut self, change: &Plane) {
        self.luma += change.mean().abs();
        self.pixel += change.map(f64::abs).mean();
        self.n_changes += 1;
    }

    fn mean(&self) -> Result<Flicker, MetricError> {
        if self.n_changes == 0 {
            return undefined(METRIC, "expected two frames or more");
        }
        let count = self.n_changes as f64;
        Ok(Flicker { luma: self.luma / count, pixel: self.pixel / count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp that starts at `start`, times a gain.
    fn frame(start: f64, gain: f64) -> Picture {
        let plane = Plane::new(4, 3, (0..12).map(|idx| gain * (start + f64::from(idx))).collect());
        Picture { planes: [plane.clone(), plane.clone(), plane] }
    }

    #[test]
    fn a_fixed_gain_does_not_flicker_and_a_changing_one_does() {
        let starts = [10.0, 14.0, 3.0, 8.0];
        let low = || starts.iter().map(|&start| frame(start, 1.0));
        let steady = flicker_beyond(low(), starts.iter().map(|&start| frame(start, 4.0))).unwrap();
        assert!(steady.luma < 1e-12 && steady.pixel < 1e-12, "{steady:?}");
        let still = || (0..4).map(|_| frame(10.0, 1.0));
        let gains = [4.0, 5.0, 4.0, 5.0].map(|gain| frame(10.0, gain));
        // The mean of the frame is 15.5, so the mean changes by that.
        for found in [flicker_beyond(still(), gains.clone()), flicker(gains)] {
            let found = found.unwrap();
            assert!((found.luma - 15.5).abs() < 1e-9 && (found.pixel - 15.5).abs() < 1e-9);
        }
    }

    #[test]
    fn one_change_is_that_of_the_pictures_means() {
        let low = [frame(10.0, 1.0), frame(14.0, 1.0)];
        let enhanced = [frame(10.0, 4.0), frame(14.0, 3.0)];
        let means = |frames: &[Picture; 2]| frames.each_ref().map(|frame| frame.grey().mean());
        let found = unexplained_change(means(&low), means(&enhanced));
        let expected = flicker_beyond(low, enhanced).unwrap().luma;
        assert!(found < 0.0 && (found.abs() - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn motion_counts_for_pixels_and_not_for_the_mean() {
        let mirrored = |is_mirrored: bool| {
            let values: Vec<f64> = (0..12).map(f64::from).collect();
            let turned = values.iter().rev().copied().collect();
            let plane = Plane::new(4, 3, if is_mirrored { turned } else { values });
            Picture { planes: [plane.clone(), plane.clone(), plane] }
        };
        let found = flicker([false, true, false].map(mirrored)).unwrap();
        assert!(found.luma < 1e-12 && (found.pixel - 6.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn one_frame_and_unequal_sequences_have_no_flicker_to_tell() {
        assert!(flicker([frame(1.0, 1.0)]).is_err());
        let two = [frame(1.0, 1.0), frame(2.0, 1.0)];
        assert!(flicker_beyond(two.clone(), [frame(1.0, 1.0)]).is_err());
        let other = Picture::from_rgb(1, 1, &[0.0; 3]);
        assert!(flicker([two[0].clone(), other]).is_err());
        let black = || [frame(0.0, 0.0), frame(0.0, 0.0)];
        assert_eq!(flicker_beyond(black(), black()).unwrap(), Flicker { luma: 0.0, pixel: 0.0 });
    }
}
