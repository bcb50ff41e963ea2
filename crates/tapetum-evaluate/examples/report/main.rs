//! Writes a made-up report with painted pictures, to look at the page: `report FOLDER`.

#[path = "../../tests/it/made_up.rs"]
mod made_up;
mod painted;

use std::{env, error::Error, fs, path::Path};

use tapetum_evaluate::{csv, html, markdown, report::Showcase};

use made_up::Size;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("expected a folder, got no argument")?;
    let folder = Path::new(&folder);
    let report = made_up::report(Size { n_sets: 3, n_contestants: 6, n_columns: 20, n_images: 20 });
    let mut showcases = Vec::new();
    for (set_idx, set) in report.sets.iter().enumerate() {
        for (skill, contestant) in report.contestants.iter().enumerate().skip(1) {
            for (reason, image_idx) in [("worst", 3), ("median", 8), ("best", 11)] {
                let scores = report
                    .images
                    .iter()
                    .filter(|i| i.set == set.name && i.contestant == contestant.name)
                    .nth(image_idx)
                    .ok_or("the report has too few images")?;
                let seed = (set_idx * 100 + image_idx) as u64;
                let painted = painted::paint(seed, skill)?;
                let is_paired = set.kind == "paired";
                showcases.push(Showcase {
                    set: set.name.clone(),
                    image: scores.image.clone(),
                    contestant: contestant.name.clone(),
                    reason: format!("{reason} {}", if is_paired { "PSNR" } else { "NIQE" }),
                    width: painted::WIDTH,
                    height: painted::HEIGHT,
                    low: painted.low,
                    enhanced: painted.enhanced,
                    reference: is_paired.then_some(painted.reference),
                    error_map: is_paired.then_some(painted.error_map),
                    scores: scores.scores.clone(),
                });
            }
        }
    }
    fs::create_dir_all(folder)?;
    let page = html(&report, &showcases);
    let n_picture_bytes: usize = showcases.iter().map(n_picture_bytes).sum();
    println!("page {} bytes, of which pictures {n_picture_bytes}", page.len());
    fs::write(folder.join("report.html"), page)?;
    fs::write(folder.join("report.md"), markdown(&report))?;
    fs::write(folder.join("images.csv"), csv(&report))?;
    Ok(())
}

fn n_picture_bytes(showcase: &Showcase) -> usize {
    let others = [&showcase.reference, &showcase.error_map];
    let others = others.into_iter().flatten().map(String::len).sum::<usize>();
    showcase.low.len() + showcase.enhanced.len() + others
}
