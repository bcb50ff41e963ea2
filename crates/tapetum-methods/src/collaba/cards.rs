//! The facts of the generator's other sizes; those of the default are on the front page.

use tapetum_nn::MethodCard;

use super::CARD_FACTS;

pub(super) static COMPACT_X1: MethodCard = of(1_287_249, 61_000, 400);
pub(super) static COMPACT_X4: MethodCard = of(1_269_969, 605_000, 3_600);
pub(super) static LARGE_X1: MethodCard = of(10_685_777, 620_000, 1_400);
pub(super) static LARGE_X2: MethodCard = of(10_651_217, 1_300_000, 2_800);
pub(super) static LARGE_X4: MethodCard = of(10_642_577, 3_900_000, 9_000);

const fn of(n_parameters: usize, macs_per_pixel: u64, working_bytes_per_pixel: u64) -> MethodCard {
    MethodCard {
        n_parameters,
        macs_per_pixel: Some(macs_per_pixel),
        working_bytes_per_pixel,
        ..CARD_FACTS
    }
}
