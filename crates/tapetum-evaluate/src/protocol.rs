//! Protocols as data: what is done to images before they are compared, under a name that every table
//! prints.

use serde::{Deserialize, Serialize};
use tapetum_image::{Image, Srgb, resize};
use tapetum_metrics::Picture;

/// `f32` knows a level of 255 to about 1e-5: what a file holds as an integer must come back as one.
const ON_THE_GRID: f64 = 1e-4;

/// What is done to images before they are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Protocol {
    /// What columns call it.
    pub name: String,
    /// The values that are compared.
    #[serde(default)]
    pub values: Values,
    /// Pixels that are cut off at each side, after everything else.
    #[serde(default)]
    pub border_px: u32,
    /// Width and height to which all images are brought by an antialiased Lanczos-3 filter.
    #[serde(default)]
    pub resize: Option<[u32; 2]>,
    /// How the columns marked GT-mean weigh red, green and blue.
    #[serde(default)]
    pub gt_mean: GreyWeights,
}

/// The values that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Values {
    /// As a saved 8-bit file has them: clamped, times 255, rounded half up. The community's default.
    #[default]
    Saved,
    /// As an 8-bit file saved without rounding has them: times 255, the rest cut off (Semi-LLIE's code).
    Truncated,
    /// Floats, clamped to 0..1.
    Float,
    /// Floats as the network gave them (LRCR-Net's and LACR-VAE's evaluation).
    Unclamped,
}

/// How the grey value of GT-mean is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GreyWeights {
    /// 0.299 red, 0.587 green, 0.114 blue.
    #[default]
    Rec601,
    /// 0.114 red, 0.587 green, 0.299 blue: what evaluation code gives that takes RGB for BGR.
    Swapped,
}

impl GreyWeights {
    fn weights(self) -> [f64; 3] {
        match self {
            Self::Rec601 => [0.299, 0.587, 0.114],
            Self::Swapped => [0.114, 0.587, 0.299],
        }
    }
}

impl Protocol {
    /// The protocols that have a name here; the first is the default.
    pub fn built_in() -> Vec<Self> {
        let plain = |name: &str| Self {
            name: name.to_owned(),
            values: Values::Saved,
            border_px: 0,
            resize: None,
            gt_mean: GreyWeights::Rec601,
        };
        vec![
            plain("saved-8bit"),
            Self { values: Values::Truncated, ..plain("truncated-8bit") },
            Self { values: Values::Float, ..plain("float") },
            Self { values: Values::Unclamped, ..plain("unclamped") },
            Self { border_px: 4, ..plain("border-4") },
            Self { resize: Some([256, 256]), ..plain("resized-256") },
            Self { gt_mean: GreyWeights::Swapped, ..plain("gt-mean-swapped") },
        ]
    }

    /// The built-in protocol of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::built_in().into_iter().find(|protocol| protocol.name == name)
    }

    /// One sentence that says all of it.
    pub fn description(&self) -> String {
        let values = match self.values {
            Values::Saved => "8-bit values, rounded",
            Values::Truncated => "8-bit values, the results' fractions cut off",
            Values::Float => "floats clamped to 0..1",
            Values::Unclamped => "floats as they are, not clamped",
        };
        let resize = self.resize.map_or(", native size".to_owned(), |[width, height]| {
            format!(", all images resized to {width}x{height} (antialiased Lanczos-3)")
        });
        let border = match self.border_px {
            0 => ", no border cut".to_owned(),
            border => format!(", {border} pixels cut at each side"),
        };
        let [red, green, blue] = self.gt_mean.weights();
        format!(
            "{values}{resize}{border}; GT-mean columns scale the result so that the mean of {red} R + \
             {green} G + {blue} B is the reference's, then clip"
        )
    }

    /// A result as the metrics see it, 0..255.
    pub(crate) fn result(&self, image: &Image<Srgb>) -> Picture {
        let values = match self.values {
            Values::Truncated => |value: f64| (value.clamp(0.0, 255.0) + ON_THE_GRID).floor(),
            Values::Saved => rounded,
            Values::Float => |value: f64| value.clamp(0.0, 255.0),
            Values::Unclamped => |value: f64| value,
        };
        self.prepared(image, values)
    }

    /// An image from a file as the metrics see it: a file has no fractions to cut off, and one deeper than
    /// 8 bits is rounded where results are.
    pub(crate) fn file(&self, image: &Image<Srgb>) -> Picture {
        match self.values {
            Values::Saved | Values::Truncated => self.prepared(image, rounded),
            Values::Float | Values::Unclamped => self.prepared(image, |value| value),
        }
    }

    /// Saving comes before resizing, as it does where saved files are evaluated.
    fn prepared(&self, image: &Image<Srgb>, values: impl Fn(f64) -> f64) -> Picture {
        let picture = picture(image).map(values);
        let picture = match self.resize {
            Some([width, height]) => self::picture(&resize(&unit_image(&picture), width, height)),
            None => picture,
        };
        // An image that would vanish keeps its middle.
        let shortest = picture.width().min(picture.height());
        let border = (self.border_px as usize).min((shortest - 1) / 2);
        Picture { planes: picture.planes.each_ref().map(|plane| plane.without_border(border)) }
    }

    /// GT-mean: the result times what brings its mean grey value to the reference's, clipped to 0..255;
    /// a black result stays black.
    pub(crate) fn with_mean_of(&self, result: &Picture, reference: &Picture) -> Picture {
        let mean = |picture: &Picture| picture.mix(self.gt_mean.weights()).mean();
        let (found, wanted) = (mean(result), mean(reference));
        if found <= 0.0 {
            return result.clone();
        }
        result.map(|value| (value * wanted / found).clamp(0.0, 255.0))
    }
}

fn picture(image: &Image<Srgb>) -> Picture {
    Picture::from_rgb(image.width() as usize, image.height() as usize, &image.pixels)
}

fn unit_image(picture: &Picture) -> Image<Srgb> {
    let [red, green, blue] = &picture.planes;
    let pixels = red.values.iter().zip(&green.values).zip(&blue.values);
    let pixels = pixels.flat_map(|((&r, &g), &b)| [r, g, b].map(|value| (value / 255.0) as f32));
    Image::new(picture.width() as u32, picture.height() as u32, pixels.collect())
}

fn rounded(value: f64) -> f64 {
    (value.clamp(0.0, 255.0) + 0.5 + ON_THE_GRID).floor().min(255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(values: &[f32]) -> Image<Srgb> {
        Image::new(values.len() as u32, 1, values.iter().flat_map(|&value| [value; 3]).collect())
    }

    fn reds(picture: &Picture) -> &[f64] {
        &picture.planes[0].values
    }

    #[test]
    fn values_are_rounded_truncated_clamped_or_left_as_the_name_says() {
        let image = grey(&[-0.1, 0.6 / 255.0, 100.4 / 255.0, 1.2]);
        let found = |name: &str| reds(&Protocol::find(name).unwrap().result(&image)).to_vec();
        assert_eq!(found("saved-8bit"), [0.0, 1.0, 100.0, 255.0]);
        assert_eq!(found("truncated-8bit"), [0.0, 0.0, 100.0, 255.0]);
        let float = found("float");
        assert!(float[0] == 0.0 && (float[2] - 100.4).abs() < 1e-4 && float[3] == 255.0);
        assert!((found("unclamped")[3] - 306.0).abs() < 1e-4);
    }

    #[test]
    fn all_values_of_an_8_bit_file_survive() {
        let image = grey(&(0..=255).map(|value| value as f32 / 255.0).collect::<Vec<_>>());
        for protocol in Protocol::built_in().iter().filter(|protocol| protocol.resize.is_none()) {
            for found in [protocol.file(&image), protocol.result(&image)] {
                for (idx, value) in reds(&found).iter().enumerate() {
                    assert!((value - idx as f64).abs() < 1e-4, "{} {idx}", protocol.name);
                }
            }
        }
    }

    #[test]
    fn borders_are_cut_and_images_resized() {
        let image = Image::<Srgb>::new(20, 12, vec![0.5; 720]);
        let size = |name: &str| {
            let picture = Protocol::find(name).unwrap().result(&image);
            (picture.width(), picture.height())
        };
        assert_eq!(size("saved-8bit"), (20, 12));
        assert_eq!(size("border-4"), (12, 4));
        assert_eq!(size("resized-256"), (256, 256));
    }

    #[test]
    fn gt_mean_scales_to_the_references_grey_and_clips() {
        let protocol = Protocol::find("saved-8bit").unwrap();
        let picture = |values: &[f32]| protocol.result(&grey(values));
        let (result, reference) = (picture(&[0.2, 0.6]), picture(&[0.4, 0.8]));
        let scaled = protocol.with_mean_of(&result, &reference);
        assert!((scaled.grey().mean() - reference.grey().mean()).abs() < 1e-9);
        let clipped = protocol.with_mean_of(&picture(&[0.1, 0.9]), &picture(&[0.9, 0.9]));
        assert_eq!(reds(&clipped)[1], 255.0);
        let black = picture(&[0.0, 0.0]);
        assert_eq!(protocol.with_mean_of(&black, &reference), black);
    }

    #[test]
    fn the_swapped_weights_take_red_for_blue() {
        let red = Image::<Srgb>::new(1, 1, vec![0.5, 0.0, 0.0]);
        let reference = grey(&[0.1]);
        let factor = |name: &str| {
            let protocol = Protocol::find(name).unwrap();
            let (result, reference) = (protocol.result(&red), protocol.file(&reference));
            reds(&protocol.with_mean_of(&result, &reference))[0] / reds(&result)[0]
        };
        assert!((factor("gt-mean-swapped") / factor("saved-8bit") - 0.299 / 0.114).abs() < 0.5);
    }

    #[test]
    fn every_built_in_protocol_describes_itself_differently() {
        let mut descriptions: Vec<String> =
            Protocol::built_in().iter().map(Protocol::description).collect();
        descriptions.sort();
        descriptions.dedup();
        assert_eq!(descriptions.len(), Protocol::built_in().len());
    }
}
