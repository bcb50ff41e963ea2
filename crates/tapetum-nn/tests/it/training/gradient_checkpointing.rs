//! Training on a device that computes cheap results again instead of keeping them.

use burn::{module::ModuleVisitor, optim::GradientsParams};
use tapetum_nn::{prelude::*, training::Learner, weights::TensorValues};

use super::{Net, device, images, settings};

/// The values of all gradients, in visiting order.
struct Values {
    grads: GradientsParams,
    values: Vec<Vec<f32>>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let grads = self.grads.remove::<D>(param.id);
        self.values.extend(grads.map(|grad| TensorValues::of(grad).values));
    }
}

#[test]
fn gradients_are_those_of_a_device_that_keeps_everything() {
    let gradients_on = |device: Device| {
        let net = Net::new(1, &device);
        // Engine operations around ours, cheap and dear, and a tensor that is read twice.
        let image = images(1, &device);
        let output = net.forward((image.clone() * 2.0).sqrt());
        let output = (output.clone().exp() * output).mean() + net.loss(image);
        let grads = GradientsParams::from_grads(output.backward(), &net);
        let mut values = Values { grads, values: Vec::new() };
        net.visit(&mut values);
        values.values
    };
    let kept = gradients_on(device());
    assert!(kept.len() == 6 && kept.iter().flatten().all(|value| *value != 0.0), "{kept:?}");
    assert_eq!(gradients_on(device().gradient_checkpointing()), kept);
}

#[test]
fn a_learner_trains_and_resumes_on_such_a_device() {
    let train = |device: &Device| {
        let config = settings("learning_rate = 0.03\naverage = { decay = 0.5 }");
        let mut first = Learner::new(Net::new(1, device), config.clone(), 4);
        let mut second = Learner::new(Net::new(2, device), config, 4);
        for learner in [&mut first, &mut second] {
            for seed in 0..2 {
                learner.accumulate(learner.module().loss(images(seed, device)), 1.0);
                learner.update().unwrap();
            }
        }
        second.restore(&first.checkpoint()).unwrap();
        second.accumulate(second.module().loss(images(2, device)), 1.0);
        second.update().unwrap();
        (second.module().values(), second.averaged().values())
    };
    assert_eq!(train(&device().gradient_checkpointing()), train(&device()));
}
