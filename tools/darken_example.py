"""Makes examples/cat-dark.jpg: takes a well-lit sRGB photograph and shows it as taken in the dark.

usage: python3 tools/darken_example.py PHOTO.png examples/cat-dark.jpg

Needs numpy and pillow. The same photograph and the same versions give the same file.
"""

import sys

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

EXPOSURE = 0.06
# A lamp in the evening: more red and less blue than the daylight of the original.
CAST_RGB = np.array([1.10, 1.00, 0.86])
# Photons that a pixel counts at full scale, and the sensor's own noise as a part of full scale.
FULL_WELL_PHOTONS = 9000.0
READ_SIGMA = 0.0008
SEED = 20240229
JPEG_QUALITY = 92


def to_linear(srgb):
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear):
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def photograph_in_the_dark(srgb, random):
    """Maps sRGB in 0..1, shape (height, width, 3), to the same scene under-exposed, with noise."""
    light = to_linear(srgb) * EXPOSURE * CAST_RGB
    photons = random.poisson(light * FULL_WELL_PHOTONS) / FULL_WELL_PHOTONS
    linear = photons + random.normal(0.0, READ_SIGMA, light.shape)
    return to_srgb(np.clip(linear, 0.0, 1.0))


def exif():
    tags = Image.Exif()
    tags[Base.Orientation] = 1
    tags[Base.ImageDescription] = "A cat in the dark, made from the photograph 'chelsea'"
    tags[Base.Artist] = "Stefan van der Walt"
    tags[Base.Copyright] = "CC0"
    return tags


def main(source, target):
    with Image.open(source) as photo:
        srgb = np.asarray(photo.convert("RGB"), dtype=np.float64) / 255.0
    dark = photograph_in_the_dark(srgb, np.random.default_rng(SEED))
    samples = np.floor(dark * 255.0 + 0.5).astype(np.uint8)
    Image.fromarray(samples).save(target, quality=JPEG_QUALITY, exif=exif())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
