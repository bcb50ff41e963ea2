//! How well predicted classes agree with labels, over a whole set of images.

use crate::{MetricError, scorable::undefined};

const METRIC: &str = "segmentation";

/// The label of pixels that belong to no class of Cityscapes.
pub const CITYSCAPES_IGNORED: u8 = 255;

/// The labels of the 19 classes of Cityscapes, in the order of the classes.
const CITYSCAPES_LABELS: [u8; 19] =
    [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];

/// Cityscapes' label as the class 0..18 that is trained and scored, or [`CITYSCAPES_IGNORED`].
pub fn cityscapes_class(label: u8) -> u8 {
    let class = CITYSCAPES_LABELS.iter().zip(0..).find(|entry| *entry.0 == label);
    class.map_or(CITYSCAPES_IGNORED, |(_, class)| class)
}

/// Counts of pixels by label and prediction, summed over as many images as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    n_classes: usize,
    /// `n_classes` rows of labels, columns of predictions.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Without a pixel yet; at most 255 classes.
    ///
    /// # Panics
    /// When there are no classes or more than 255.
    pub fn new(n_classes: usize) -> Self {
        assert!((1..=255).contains(&n_classes), "1 to 255 classes, not {n_classes}");
        Self { n_classes, counts: vec![0; n_classes * n_classes] }
    }

    /// From counts: `n_classes` rows of labels, columns of predictions.
    ///
    /// # Panics
    /// When there are no classes, more than 255, or another number of counts.
    pub fn from_counts(n_classes: usize, counts: Vec<u64>) -> Self {
        assert_eq!(counts.len(), n_classes * n_classes, "a count for each pair of classes");
        Self { counts, ..Self::new(n_classes) }
    }

    /// How many classes there are.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The counts, row by row; a row is a label.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Adds the pixels whose label is not `ignored`.
    ///
    /// # Errors
    /// When the two differ in length, or a label or a prediction that counts is not a class. Nothing is
    /// added then.
    pub fn add(
        &mut self,
        labels: &[u8],
        predictions: &[u8],
        ignored: Option<u8>,
    ) -> Result<(), MetricError> {
        if labels.len() != predictions.len() {
            let (labels, predictions) = (labels.len(), predictions.len());
            return undefined(METRIC, format!("{labels} labels and {predictions} predictions"));
        }
        let pairs = labels.iter().zip(predictions).filter(|&(&label, _)| Some(label) != ignored);
        let mut counts = vec![0u64; 256 * 256];
        pairs.for_each(|(&label, &prediction)| {
            counts[usize::from(label) * 256 + usize::from(prediction)] += 1;
        });
        let found = counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        let found = found.map(|(idx, &count)| (idx / 256, idx % 256, count));
        let is_class = |class: usize| class < self.n_classes;
        if let Some((label, prediction, _)) =
            found.clone().find(|&(label, prediction, _)| !is_class(label) || !is_class(prediction))
        {
            let detail = format!(
                "expected classes below {}, got label {label} with prediction {prediction}",
                self.n_classes
            );
            return undefined(METRIC, detail);
        }
        for (label, prediction, count) in found {
            self.counts[label * self.n_classes + prediction] += count;
        }
        Ok(())
    }

    /// Intersection over union of each class, 0..1; `None` where neither labels nor predictions have it.
    pub fn iou(&self) -> Vec<Option<f64>> {
        (0..self.n_classes)
            .map(|class| {
                let union = self.labelled(class) + self.predicted(class) - self.correct(class);
                share(self.correct(class), union)
            })
            .collect()
    }

    /// The mean of [`ConfusionMatrix::iou`] over the classes that have one; 0..1, higher is better.
    ///
    /// # Errors
    /// When there is no pixel.
    pub fn mean_iou(&self) -> Result<f64, MetricError> {
        mean("mean-iou", &self.iou())
    }

    /// The share of pixels whose prediction is the label; 0..1, higher is better.
    ///
    /// # Errors
    /// When there is no pixel.
    pub fn pixel_accuracy(&self) -> Result<f64, MetricError> {
        let n_correct = (0..self.n_classes).map(|class| self.correct(class)).sum();
        mean("pixel-accuracy", &[share(n_correct, self.n_pixels())])
    }

    /// The share of each labelled class's pixels that are predicted so, averaged over the classes that
    /// labels have; 0..1, higher is better.
    ///
    /// # Errors
    /// When there is no pixel.
    pub fn mean_class_accuracy(&self) -> Result<f64, MetricError> {
        let accuracy = |class| share(self.correct(class), self.labelled(class));
        mean("mean-class-accuracy", &(0..self.n_classes).map(accuracy).collect::<Vec<_>>())
    }

    /// [`ConfusionMatrix::iou`] weighted by the classes' shares of the labels; 0..1, higher is better.
    ///
    /// # Errors
    /// When there is no pixel.
    pub fn frequency_weighted_iou(&self) -> Result<f64, MetricError> {
        let terms = self.iou().into_iter().enumerate();
        let weighted =
            terms.filter_map(|(class, iou)| iou.map(|iou| self.labelled(class) as f64 * iou));
        let sum: f64 = weighted.sum();
        match self.n_pixels() {
            0 => undefined("frequency-weighted-iou", "there is no pixel"),
            n_pixels => Ok(sum / n_pixels as f64),
        }
    }

    fn correct(&self, class: usize) -> u64 {
        self.counts[class * self.n_classes + class]
    }

    fn labelled(&self, class: usize) -> u64 {
        self.counts[class * self.n_classes..(class + 1) * self.n_classes].iter().sum()
    }

    fn predicted(&self, class: usize) -> u64 {
        self.counts.iter().skip(class).step_by(self.n_classes).sum()
    }

    fn n_pixels(&self) -> u64 {
        self.counts.iter().sum()
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(metric: &'static str, shares: &[Option<f64>]) -> Result<f64, MetricError> {
    let known: Vec<f64> = shares.iter().flatten().copied().collect();
    if known.is_empty() {
        return undefined(metric, "there is no pixel");
    }
    Ok(known.iter().sum::<f64>() / known.len() as f64)
}
