//! Images as tensors and back.

use burn::tensor::{Device, Tensor, TensorData};
use tapetum_image::{Image, Rect, Srgb};

/// `[1, 3, height, width]`.
pub(crate) fn to_tensor(image: &Image<Srgb>, device: &Device) -> Tensor<4> {
    let shape = [1, image.height() as usize, image.width() as usize, 3];
    let data = TensorData::new(image.pixels.clone(), shape);
    Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2])
}

/// The part `rect` of `[1, 3, height, width]`.
pub(crate) fn from_tensor(tensor: Tensor<4>, rect: Rect) -> Image<Srgb> {
    let tensor = tensor
        .narrow(2, rect.y as usize, rect.height as usize)
        .narrow(3, rect.x as usize, rect.width as usize)
        .permute([0, 2, 3, 1]);
    let values = tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32");
    Image::new(rect.width, rect.height, values)
}
