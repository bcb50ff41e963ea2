//! What can be wrong with a weight file.

use thiserror::Error;

/// A weight file that cannot be used, and why.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The bytes are not what the format promises.
    #[error("not a readable {format} file: {detail}")]
    BadData {
        /// `safetensors`, `PyTorch zip` or `PyTorch legacy`.
        format: &'static str,
        /// What was expected and what was found.
        detail: String,
    },
    /// A pickle names something other than tensors and plain containers.
    #[error("the checkpoint asks to load '{global}', which is not a tensor or a plain container")]
    ForbiddenGlobal {
        /// `module name` as the pickle spells it.
        global: String,
    },
    /// A number in the file is beyond what is read.
    #[error("{name} is {found}, the limit is {limit}")]
    Limit {
        /// Which quantity.
        name: &'static str,
        /// Largest accepted value.
        limit: u64,
        /// Value in the file.
        found: u64,
    },
    /// The tensors are not those of the network.
    #[error("the tensors do not fit {method}: {detail}")]
    Mismatch {
        /// Which network.
        method: String,
        /// Missing, extra and mis-shaped names, both sides.
        detail: String,
    },
    /// What was asked for does not exist.
    #[error("{name}: expected {expected}, got {found}")]
    Argument {
        /// Of what was asked for.
        name: &'static str,
        /// What there is.
        expected: String,
        /// What was asked for.
        found: String,
    },
}

impl WeightsError {
    /// What to try next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadData { .. } => {
                "the file is damaged, or not a .safetensors or .pth weight file"
            }
            Self::ForbiddenGlobal { .. } => {
                "such a file can run code when other programs load it; save only the state dict, \
                 or convert it to safetensors where it came from"
            }
            Self::Limit { .. } => {
                "weight files of this size are not expected; check where it came from, and save only \
                 the weights that are needed if it is a checkpoint with more in it"
            }
            Self::Mismatch { .. } => "name the method these weights belong to with --method",
            Self::Argument { .. } => "choose one of what is there",
        }
    }
}
