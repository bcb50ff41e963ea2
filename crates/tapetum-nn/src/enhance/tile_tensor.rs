//! Images as tensors and back.

use burn::tensor::{Device, Tensor, TensorData};
use tapetum_image::{Image, Srgb};

/// An image as `[1, 3, height, width]`.
pub fn to_tensor(image: &Image<Srgb>, device: &Device) -> Tensor<4> {
    let shape = [1, image.height() as usize, image.width() as usize, 3];
    let data = TensorData::new(image.pixels.clone(), shape);
    Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2])
}

/// The image in `[1, 3, height, width]`.
pub fn from_tensor(tensor: Tensor<4>) -> Image<Srgb> {
    let [_, _, height, width] = tensor.dims();
    let data = tensor.permute([0, 2, 3, 1]).into_data();
    let values = data.convert::<f32>().try_into_vec().expect("converted to f32");
    Image::new(width as u32, height as u32, values)
}
