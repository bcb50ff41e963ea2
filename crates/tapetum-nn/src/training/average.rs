//! The exponential moving average of a network: of its parameters and of its buffers.

use std::{any::Any, collections::VecDeque};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Bool, Int, Tensor},
};
use serde::{Deserialize, Serialize};

/// How slowly an average follows the network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AverageConfig {
    /// Part of the average that an update keeps, 0..1.
    pub decay: f64,
    /// Whether the decay is at most `1 - 1/(t + 1)` at update `t`, counted from 0: the first update
    /// copies the network, and early ones weigh all steps alike. Off by default.
    #[serde(default)]
    pub ramp: bool,
}

impl AverageConfig {
    /// The decay of update `t`, counted from 0.
    pub fn decay_at(&self, t: usize) -> f64 {
        match self.ramp {
            true => self.decay.min(1.0 - 1.0 / (t as f64 + 1.0)),
            false => self.decay,
        }
    }
}

/// Moves an average towards a network: all float values, running statistics and parameters without
/// a gradient among them. Values of other types are copied.
pub(crate) fn follow<M: Module>(average: M, network: &M, decay: f64) -> M {
    let mut values = Values::default();
    // A copy outside the graph, whose running statistics are up to date.
    network.valid().visit(&mut values);
    // `1 - kept` is exact in `f32`, so that the average of a constant is that constant.
    let kept = decay as f32;
    average.map(&mut Follow { values, kept, added: 1.0 - kept })
}

/// A network's tensors of any rank and type, in visiting order.
#[derive(Default)]
struct Values(VecDeque<Box<dyn Any>>);

impl Values {
    fn next<T: 'static>(&mut self) -> T {
        let value = self.0.pop_front().expect("average and network have as many tensors");
        *value.downcast().expect("average and network have tensors of the same ranks and types")
    }
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push_back(Box::new(param.base()));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.push_back(Box::new(param.val()));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.push_back(Box::new(param.val()));
    }
}

struct Follow {
    values: Values,
    kept: f32,
    added: f32,
}

impl ModuleMapper for Follow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value: Tensor<D> = self.values.next();
        param.map(|average| average * self.kept + value * self.added)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let value = self.values.next();
        param.map(|_| value)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let value = self.values.next();
        param.map(|_| value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use burn::{
        nn::{BatchNorm, BatchNormConfig},
        tensor::Device,
    };

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        weight: Param<Tensor<2>>,
        direction: Param<Tensor<1>>,
        norm: BatchNorm,
        count: Param<Tensor<1, Int>>,
    }

    /// A network with `value` everywhere.
    fn net(value: f32) -> Net {
        let device = Device::flex();
        let norm = BatchNormConfig::new(2).init(&device);
        norm.running_mean.update(Tensor::full([2], value, &device));
        norm.running_var.update(Tensor::full([2], value, &device));
        Net {
            weight: Param::from_tensor(Tensor::full([2, 3], value, &device)),
            direction: Param::from_tensor(Tensor::full([3], value, &device))
                .set_require_grad(false),
            norm: norm.valid(),
            count: Param::initialized(
                burn::module::ParamId::new(),
                Tensor::full([1], value, &device),
            ),
        }
    }

    #[test]
    fn an_update_moves_parameters_frozen_ones_and_statistics_alike_and_copies_counts() {
        let average = follow(net(1.0), &net(5.0), 0.75);
        let values = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(values(average.weight.val().flatten(0, 1)), [2.0; 6]);
        assert_eq!(values(average.direction.val()), [2.0; 3]);
        assert_eq!(values(average.norm.running_mean.value()), [2.0; 2]);
        assert_eq!(values(average.norm.running_var.value()), [2.0; 2]);
        assert_eq!(average.count.val().into_scalar::<i32>(), 5);
    }

    #[test]
    fn the_average_of_a_constant_stays_at_it() {
        let mut average = net(0.3);
        (0..1000).for_each(|_| average = follow(average.clone(), &net(0.3), 0.999));
        let value = average.weight.val().max().into_scalar::<f32>();
        assert!((value - 0.3).abs() < 1e-6, "{value}");
    }
}
