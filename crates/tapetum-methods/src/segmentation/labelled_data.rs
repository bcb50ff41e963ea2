//! The labelled photographs that segmenters were trained on: their classes, and how they are normalised.

/// What a network learned from. An input `x`, 0..1, is normalised to
/// `(255 x - mean) / deviation / 255`, channel by channel, blue first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledData {
    /// The data set.
    pub name: &'static str,
    /// The names of the classes, in the order of the network's logits.
    pub classes: &'static [&'static str],
    /// Mean of blue, green and red, 0..255.
    pub mean_bgr_255: [f32; 3],
    /// Standard deviation of blue, green and red, 0..255.
    pub deviation_bgr_255: [f32; 3],
}

impl LabelledData {
    /// The classes without the last, which stands for all else: those of a network that was trained to
    /// leave such pixels out.
    pub fn classes_without_void(&self) -> &'static [&'static str] {
        let (_void, classes) = self.classes.split_last().expect("every data set has classes");
        classes
    }
}

/// CamVid in the eleven classes of SegNet's labels (Brostow et al. 2009; Badrinarayanan et al. 2017).
///
/// Mean over the pixels of the 367 training images of 480x360, and mean of their images' deviations, as
/// the authors' `loadData.py` computes them.
pub static CAMVID: LabelledData = LabelledData {
    name: "CamVid",
    classes: &[
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
        "void",
    ],
    mean_bgr_255: [110.2224, 108.356, 104.9686],
    deviation_bgr_255: [72.0556, 72.6263, 69.8382],
};

/// Cityscapes (Cordts et al. 2016): its nineteen training classes and one for all else.
///
/// Mean and deviation from the authors' `VisualizeResults.py`.
pub static CITYSCAPES: LabelledData = LabelledData {
    name: "Cityscapes",
    classes: &[
        "road",
        "sidewalk",
        "building",
        "wall",
        "fence",
        "pole",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
        "void",
    ],
    mean_bgr_255: [72.3923, 82.9089, 73.1584],
    deviation_bgr_255: [45.3192, 46.1529, 44.9148],
};
