//! Segmentation scores against the numbers that `tools/golden/no_reference.py` prints.

use tapetum_metrics::{CITYSCAPES_IGNORED, ConfusionMatrix, MetricError, cityscapes_class};

use crate::{golden::check, scene};

#[test]
fn segmentation_scores_are_those_of_the_script() {
    let mut matrix = ConfusionMatrix::new(7);
    let (labels, predictions) = made_up_classes();
    for (labels, predictions) in labels.chunks(1234).zip(predictions.chunks(1234)) {
        matrix.add(labels, predictions, Some(CITYSCAPES_IGNORED)).unwrap();
    }
    check("mean iou", matrix.mean_iou(), 0.4847206724768316);
    check("pixel accuracy", matrix.pixel_accuracy(), 0.7163556531284303);
    check("mean class accuracy", matrix.mean_class_accuracy(), 0.7162019978673908);
    check("frequency-weighted iou", matrix.frequency_weighted_iou(), 0.5820732895854897);
    let is_absent: Vec<bool> = matrix.iou().iter().map(Option::is_none).collect();
    assert_eq!(is_absent, [false, false, false, false, false, false, true]);
}

#[test]
fn a_wrong_class_adds_nothing_and_no_pixel_has_no_score() {
    let mut matrix = ConfusionMatrix::new(3);
    assert!(matrix.add(&[0, 1, 3], &[0, 1, 1], Some(255)).is_err());
    assert!(matrix.add(&[0, 1, 2], &[0, 1, 3], Some(255)).is_err());
    assert!(matrix.add(&[0, 1], &[0], None).is_err());
    matrix.add(&[255, 255], &[0, 77], Some(255)).unwrap();
    for found in [
        matrix.mean_iou(),
        matrix.pixel_accuracy(),
        matrix.mean_class_accuracy(),
        matrix.frequency_weighted_iou(),
    ] {
        assert!(matches!(found, Err(MetricError::Undefined { .. })), "{found:?}");
    }
}

#[test]
fn cityscapes_labels_become_the_classes_that_are_scored() {
    let cases = [(7, 0), (8, 1), (11, 2), (17, 5), (26, 13), (31, 16), (33, 18)];
    cases.iter().for_each(|&(label, class)| assert_eq!(cityscapes_class(label), class));
    let n_scored = (0..=255).filter(|&label| cityscapes_class(label) != CITYSCAPES_IGNORED).count();
    assert_eq!((n_scored, cityscapes_class(29)), (19, CITYSCAPES_IGNORED));
}

/// Labels 0..4 and ignored ones, predictions 0..5.
fn made_up_classes() -> (Vec<u8>, Vec<u8>) {
    let pixels = (0..5000).map(|idx| {
        let random = |salt, below| (scene::hash([idx, salt, 9]) % below) as u8;
        let label = random(1, 5);
        let prediction = if random(2, 3) == 0 { random(3, 6) } else { label };
        (if random(4, 11) == 0 { CITYSCAPES_IGNORED } else { label }, prediction)
    });
    pixels.unzip()
}
