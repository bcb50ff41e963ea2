//! Class indices of pixels, and pictures whose pixels are copies of another's.

use tapetum_image::Image;

/// The class of each pixel, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelMap {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `width * height` indices.
    pub(crate) classes: Vec<u8>,
}

impl LabelMap {
    /// A map of `size` whose label at a place is the one that lies here at `source` of the place.
    pub(super) fn gathered(
        &self,
        size @ (width, height): (u32, u32),
        source: impl Fn(u32, u32) -> (u32, u32),
    ) -> Self {
        Self { width, height, classes: gather(&self.classes, self.width, size, source) }
    }
}

/// An image of `size` whose pixel at a place is the one that lies in `image` at `source` of it.
pub(super) fn gathered<E>(
    image: &Image<E>,
    size @ (width, height): (u32, u32),
    source: impl Fn(u32, u32) -> (u32, u32),
) -> Image<E> {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    let pixels = gather(pixels, image.width(), size, source);
    Image::new(width, height, pixels.into_flattened())
}

fn gather<T: Copy>(
    cells: &[T],
    source_width: u32,
    (width, height): (u32, u32),
    source: impl Fn(u32, u32) -> (u32, u32),
) -> Vec<T> {
    let mut gathered = Vec::with_capacity(width as usize * height as usize);
    for y in 0..height {
        gathered.extend((0..width).map(|x| {
            let (x, y) = source(x, y);
            cells[y as usize * source_width as usize + x as usize]
        }));
    }
    gathered
}
