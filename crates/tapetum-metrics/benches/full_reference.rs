//! Milliseconds that each metric of two pictures takes on one core, at 600x400.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{hint::black_box, time::Instant};

use tapetum_metrics::{
    MetricError, Picture, SsimVariant, fsim_color, mae_255, mean_ciede2000, mean_delta_e76,
    ms_ssim, psnr_rgb, psnr_y, ssim, uqi, vif,
};

const N_RUNS: usize = 15;

fn main() {
    let [enhanced, reference] = [3, 5].map(picture);
    let time = |name: &str, metric: &dyn Fn(&Picture, &Picture) -> Result<f64, MetricError>| {
        let mut times_ms = [(); N_RUNS].map(|()| {
            let start = Instant::now();
            black_box(metric(black_box(&enhanced), black_box(&reference)).unwrap());
            1e3 * start.elapsed().as_secs_f64()
        });
        times_ms.sort_by(f64::total_cmp);
        println!("{name:18} {:6.1} ms, fastest {:6.1}", times_ms[N_RUNS / 2], times_ms[0]);
    };
    time("psnr-rgb", &psnr_rgb);
    time("psnr-y", &psnr_y);
    time("mae", &mae_255);
    time("ciede2000", &mean_ciede2000);
    time("delta-e76", &mean_delta_e76);
    for variant in SsimVariant::ALL {
        time(variant.name(), &|a, b| ssim(a, b, variant));
    }
    time("ms-ssim", &ms_ssim);
    time("uqi", &uqi);
    time("vif", &vif);
    time("fsimc", &fsim_color);
}

/// Waves and a pattern that looks like noise, in whole levels.
fn picture(seed: u32) -> Picture {
    let level = |idx: u32| {
        let wave = 90.0 * (0.01 * f64::from(idx * seed)).sin();
        let noise = (idx * seed).wrapping_mul(0x9e37_79b9) >> 27;
        (100.0 + wave + f64::from(noise)).round() as f32 / 255.0
    };
    let pixels: Vec<f32> = (0..600 * 400 * 3).map(level).collect();
    Picture::from_rgb(600, 400, &pixels).map(f64::round)
}
