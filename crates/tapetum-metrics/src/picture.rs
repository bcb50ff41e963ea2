//! What the metrics look at: planes of `f64`.

/// One channel of an image, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` values; the scale is the caller's, 0..255 unless said otherwise.
    pub values: Vec<f64>,
}

/// Red, green and blue, sRGB-encoded, on the scale 0..255; not rounded unless a protocol did so.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Red, green and blue, of one size.
    pub planes: [Plane; 3],
}

impl Plane {
    /// # Panics
    /// When `values` does not hold exactly `width * height` of them.
    pub fn new(width: usize, height: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), width * height, "{width}x{height} values");
        Self { width, height, values }
    }

    /// The same size, each value changed.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        let values = self.values.iter().map(|&value| change(value)).collect();
        Self::new(self.width, self.height, values)
    }

    /// The same size, from the values of two planes.
    ///
    /// # Panics
    /// When the two differ in size.
    pub fn zip(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        assert_eq!((self.width, self.height), (other.width, other.height), "planes of one size");
        let pairs = self.values.iter().zip(&other.values);
        Self::new(self.width, self.height, pairs.map(|(&a, &b)| combine(a, b)).collect())
    }

    /// The value at column `x` and row `y`.
    pub fn at(&self, x: usize, y: usize) -> f64 {
        self.values[y * self.width + x]
    }

    /// Row `y`.
    pub fn row(&self, y: usize) -> &[f64] {
        &self.values[y * self.width..(y + 1) * self.width]
    }

    /// Arithmetic mean.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// The part without `border` pixels on each side.
    ///
    /// # Panics
    /// When nothing is left.
    pub fn without_border(&self, border: usize) -> Self {
        let (width, height) = (self.width - 2 * border, self.height - 2 * border);
        let rows = (border..border + height).map(|y| &self.row(y)[border..border + width]);
        Self::new(width, height, rows.flatten().copied().collect())
    }
}

impl Picture {
    /// From interleaved red, green and blue, 0..1.
    ///
    /// # Panics
    /// When `pixels` does not hold exactly `width * height * 3` values.
    pub fn from_rgb(width: usize, height: usize, pixels: &[f32]) -> Self {
        assert_eq!(pixels.len(), width * height * 3, "{width}x{height} pixels of three channels");
        let channel = |idx: usize| {
            let values = pixels.iter().skip(idx).step_by(3).map(|&value| 255.0 * f64::from(value));
            Plane::new(width, height, values.collect())
        };
        Self { planes: [0, 1, 2].map(channel) }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// Every value changed.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        Self { planes: self.planes.each_ref().map(|plane| plane.map(&change)) }
    }

    /// `0.299 R + 0.587 G + 0.114 B` on the scale 0..255: luma as OpenCV and PIL have it.
    pub fn grey(&self) -> Plane {
        self.mix([0.299, 0.587, 0.114])
    }

    /// `16 + (65.481 R + 128.553 G + 24.966 B) / 255`, 16..235: Y of BT.601 as MATLAB's `rgb2ycbcr` has
    /// it.
    pub fn luma_601(&self) -> Plane {
        self.mix([65.481 / 255.0, 128.553 / 255.0, 24.966 / 255.0]).map(|value| 16.0 + value)
    }

    /// A weighted sum of red, green and blue.
    pub fn mix(&self, weights: [f64; 3]) -> Plane {
        let [red, green, blue] = &self.planes;
        let rows = red.values.iter().zip(&green.values).zip(&blue.values);
        let values = rows.map(|((r, g), b)| weights[0] * r + weights[1] * g + weights[2] * b);
        Plane::new(red.width, red.height, values.collect())
    }
}
