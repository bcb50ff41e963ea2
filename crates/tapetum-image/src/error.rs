//! What can go wrong between bytes and pixels, by who must act.

use crate::codec::Format;

/// Everything that decoding, encoding and colour conversion refuse.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file is damaged, cut short or breaks its format's rules.
    #[error("broken {} data: {detail}", format.name())]
    BadData {
        /// The format that the bytes claim to be.
        format: Format,
        /// What was expected and what was found.
        detail: String,
    },
    /// The first bytes belong to no format that is read here.
    #[error("{}", unknown_format(*looks_like))]
    UnknownFormat {
        /// The name of a known format that is not read, such as `HEIC`.
        looks_like: Option<&'static str>,
    },
    /// The file asks for more than the caller allows.
    #[error("limit {name} is {limit}, the file asks for {found}")]
    Limit {
        /// The field of [`Limits`](crate::Limits), or `jpeg_scans_max`.
        name: &'static str,
        /// What was allowed.
        limit: u64,
        /// What the file wants, as far as its header says.
        found: u64,
    },
    /// The format is known, this use of it is not.
    #[error("unsupported {} feature: {detail}", format.name())]
    Unsupported {
        /// The format in question.
        format: Format,
        /// The feature, and what would help.
        detail: String,
        /// The next step for the user.
        hint: &'static str,
    },
    /// The photograph has something that the wanted format has no place for.
    #[error("{} cannot hold {what}", format.name())]
    CannotHold {
        /// The wanted format.
        format: Format,
        /// What would be lost.
        what: String,
        /// The next step for the user.
        hint: &'static str,
    },
    /// The encoder gave up.
    #[error("cannot write {}: {detail}", format.name())]
    Encode {
        /// The wanted format.
        format: Format,
        /// The encoder's words.
        detail: String,
    },
    /// A decoder or encoder panicked; the panic was stopped at this crate's border.
    #[error("the {} codec panicked: {detail}", format.name())]
    Panicked {
        /// The format that was being read or written.
        format: Format,
        /// The panic's message.
        detail: String,
    },
    /// Width, height and samples do not fit together.
    #[error("{detail}")]
    Shape {
        /// What was expected and what was found.
        detail: String,
    },
}

impl ImageError {
    /// The next step, as one clause for a person; `None` when there is none to give.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::BadData { .. } => {
                "open the file in another program, or fetch it again: a \
                 photograph with missing parts is never written out as if it were whole"
            }
            Self::UnknownFormat { .. } => "convert it to JPEG, PNG, TIFF or WebP first",
            Self::Limit { name, .. } => {
                return Some(format!("raise {name} if the file is to be trusted"));
            }
            Self::Unsupported { hint, .. } | Self::CannotHold { hint, .. } => hint,
            Self::Encode { .. } => "choose another output format, such as PNG or TIFF",
            Self::Panicked { .. } => {
                "the file is damaged or found a bug in a codec: save it \
                 anew with another program, and report it"
            }
            Self::Shape { .. } => return None,
        };
        Some(hint.to_owned())
    }

    pub(crate) fn bad(format: Format, detail: impl std::fmt::Display) -> Self {
        Self::BadData { format, detail: detail.to_string() }
    }

    pub(crate) fn encode(format: Format, detail: impl std::fmt::Display) -> Self {
        Self::Encode { format, detail: detail.to_string() }
    }
}

fn unknown_format(looks_like: Option<&'static str>) -> String {
    match looks_like {
        Some(name) => format!("{name} files are not read"),
        None => "the bytes are no image format that is read".to_owned(),
    }
}
