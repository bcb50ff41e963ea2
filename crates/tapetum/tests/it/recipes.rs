//! The recipes of the repository say what the presets in the code say.

use std::path::Path;

use tapetum::train::RecipeFile;
use tapetum_methods::collaba::{
    NetworkConfig, Scale, Size,
    training::{Adversary, Implicit, TrainingConfig},
};

fn recipe(name: &str) -> RecipeFile {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    RecipeFile::read(&recipes.join(name), &[]).unwrap()
}

#[test]
fn those_of_collaba_are_its_presets() {
    let attached = TrainingConfig { implicit: Implicit::Attached, ..TrainingConfig::released_x4() };
    let network = NetworkConfig { scale: Scale::X4, ..TrainingConfig::paper().network };
    let first_x4 =
        TrainingConfig { network, weight_perceptual: 1.0, ..TrainingConfig::first_stage() };
    for (name, scale, preset) in [
        ("released-x2", 2, TrainingConfig::released_x2()),
        ("released-x4", 4, TrainingConfig::released_x4()),
        ("paper-x2-stage-1", 2, TrainingConfig::first_stage()),
        ("paper-x2", 2, TrainingConfig::paper()),
        ("paper-x4-stage-1", 4, first_x4),
        ("paper-x4", 4, attached),
    ] {
        let recipe = recipe(&format!("collaba/{name}.toml"));
        assert_eq!(recipe.collaba.as_ref(), Some(&preset), "{name}");
        assert_eq!(preset.network.size, Size::Large, "{name}");
        assert_eq!(recipe.run.n_steps, 100_000, "{name}");
        let paired = &recipe.data["paired"];
        assert_eq!(paired.scale, Some(scale), "{name}");
        assert_eq!(preset.network.scale.factor() as u32, scale, "{name}");
        assert_eq!((paired.n, paired.size_px), (8, 256), "{name}");
        let is_second = name.starts_with("paper") && preset.adversary != Adversary::None;
        assert_eq!(recipe.helpers.generator.is_some(), is_second, "{name}");
        assert!(recipe.helpers.vgg19.is_some(), "{name}");
    }
}
