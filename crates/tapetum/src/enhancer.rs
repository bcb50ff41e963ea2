//! A network ready to enhance photographs.

use tapetum_image::{
    ColorConversion, EncodeOptions, Format, Limits, Photo, decode, encode, losses,
};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, EnhanceReport, MethodCard, Network,
    device::{DeviceKind, FoundDevice},
    enhance,
    enhance::Cascade,
    prelude::Device,
};

use crate::{
    accelerated::{Accelerated, Attempted, WhenItFails},
    error::Error,
    model::Model,
};

/// A network with its weights, ready to enhance any number of photographs, from any thread.
pub struct Enhancer {
    /// On the CPU.
    pub(crate) network: Box<dyn Network>,
    /// The same on a graphics card, where one computes.
    pub(crate) accelerated: Option<Accelerated>,
}

/// What the caller decides about one photograph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Strength, memory and tiles; and how large a result may be that is enlarged.
    pub enhance: EnhanceOptions,
    /// What a file may ask for.
    pub limits: Limits,
    /// Output format; the input's own, or PNG where that cannot be written, if `None`.
    pub format: Option<Format>,
    /// Quality of lossy formats.
    pub encode: EncodeOptions,
}

/// A bright photograph as a file.
#[derive(Debug, Clone)]
pub struct Enhanced {
    /// The encoded file.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What was measured and decided.
    pub report: EnhanceReport,
    /// What was lost or could not be understood, one sentence each.
    pub warnings: Vec<String>,
}

impl Enhancer {
    /// Builds the network of a model on the CPU.
    ///
    /// # Errors
    /// The weights are not those of the method's network.
    pub fn new(model: &Model) -> Result<Self, Error> {
        let network = tapetum_methods::load(model.method, &model.weights, &Device::flex())?;
        Ok(Self { network, accelerated: None })
    }

    /// Builds the network of a model on a device. A method without weights stays on the CPU, which is all
    /// that it knows.
    ///
    /// # Errors
    /// The weights are not those of the method's network.
    pub fn on(
        model: &Model,
        device: &FoundDevice,
        when_it_fails: WhenItFails,
    ) -> Result<Self, Error> {
        let on_cpu = Self::new(model)?;
        if device.kind == DeviceKind::Cpu || model.method.default_weights.is_none() {
            return Ok(on_cpu);
        }
        let network = tapetum_methods::load(model.method, &model.weights, &device.device)?;
        let accelerated = Accelerated { network, device: device.clone(), when_it_fails };
        Ok(Self { accelerated: Some(accelerated), ..on_cpu })
    }

    /// Takes a network that is none of the models, and computes on the CPU.
    pub fn of_network(network: Box<dyn Network>) -> Self {
        Self { network, accelerated: None }
    }

    /// The same for results `scale` times as large on each side. A network whose own results are that large
    /// stays as it is, what one gives that keeps sizes is enlarged by a Lanczos-3 filter.
    ///
    /// ```
    /// use tapetum::{Enhancer, Model, Settings};
    /// # fn main() -> Result<(), tapetum::Error> {
    /// # let png = tapetum::example_png();
    /// let enhancer = Enhancer::new(&Model::built_in("scl-lle")?)?.at_scale(2)?;
    /// let bright = enhancer.enhance_bytes(&png, &Settings::default())?;
    /// assert_eq!((bright.width, bright.height), (2 * 48, 2 * 32));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::OtherScale`] where the network's results are larger, and not so large.
    pub fn at_scale(self, scale: u32) -> Result<Self, Error> {
        match self.scale() {
            found if found == scale => Ok(self),
            1 if scale > 0 => Ok(self.cascade(None, scale)),
            found => {
                let method = self.method().name.to_owned();
                Err(Error::OtherScale { method, expected: scale, found })
            }
        }
    }

    /// Lets a second network run on the result of this one, and a Lanczos-3 filter do what is missing of
    /// `scale`; nothing is missing where that is `None`.
    ///
    /// # Errors
    /// [`Error::OtherScale`] where the networks' results are larger, or a filter would have to enlarge by a
    /// fraction.
    pub fn then(self, second: Self, scale: Option<u32>) -> Result<Self, Error> {
        let found = self.scale() * second.scale();
        let scale = scale.unwrap_or(found);
        if scale == 0 || !scale.is_multiple_of(found) {
            let method = format!("{} with {}", self.method().name, second.method().name);
            return Err(Error::OtherScale { method, expected: scale, found });
        }
        Ok(self.cascade(Some(second), scale))
    }

    fn cascade(self, second: Option<Self>, scale: u32) -> Self {
        let of = |first, second| -> Box<dyn Network> {
            let cascade = Cascade::new(first, second, scale);
            Box::new(cascade.expect("the scale is a multiple of the networks' own"))
        };
        let (second, accelerated_second) =
            second.map_or((None, None), |second| (Some(second.network), second.accelerated));
        // A second network that is on no card keeps the first from it, too.
        let is_anywhere = second.is_none() || accelerated_second.is_some();
        let accelerated = self.accelerated.filter(|_| is_anywhere).map(|first| {
            let second = accelerated_second.map(|second| second.network);
            Accelerated { network: of(first.network, second), ..first }
        });
        Self { network: of(self.network, second), accelerated }
    }

    /// Runs work on a photograph with the network where it computes; on a card that fails, as [`WhenItFails`]
    /// says.
    pub(crate) fn run<T>(
        &self,
        photo: &Photo,
        options: &EnhanceOptions,
        work: impl Fn(&dyn Network, &EnhanceOptions, &Device) -> Result<T, EnhanceError>,
    ) -> Result<Attempted<T>, EnhanceError> {
        // The engine's kernels for cards do not get a picture of a single pixel right.
        let on_card = self.accelerated.as_ref().filter(|_| photo.raster.n_pixels() > 1);
        match on_card {
            Some(accelerated) => accelerated.run(options, &*self.network, work),
            None => {
                let result = work(&*self.network, options, &Device::flex())?;
                Ok(Attempted { result, notes: Vec::new() })
            }
        }
    }

    /// What computes, as long as it does.
    pub fn device(&self) -> DeviceKind {
        self.accelerated.as_ref().map_or(DeviceKind::Cpu, |accelerated| accelerated.device.kind)
    }

    /// How many times larger results are on each side.
    pub fn scale(&self) -> u32 {
        self.network.scale()
    }

    /// The method's card.
    pub fn method(&self) -> &'static MethodCard {
        self.network.card()
    }

    /// The network itself, on the CPU.
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }

    /// Number of learned values.
    pub fn n_parameters(&self) -> usize {
        self.network.n_parameters()
    }

    /// Brightens a decoded photograph; alpha and metadata stay as they are, or are those of the enlarged
    /// photograph.
    ///
    /// # Errors
    /// See [`EnhanceError`](crate::EnhanceError); a broken result is never returned.
    pub fn enhance(
        &self,
        mut photo: Photo,
        options: &EnhanceOptions,
    ) -> Result<(Photo, EnhanceReport), Error> {
        let (conversion, warning) = ColorConversion::for_photo(&photo)?;
        photo.warnings.extend(warning);
        let attempted = self.run(&photo, options, |network, options, device| {
            enhance(network, &photo.raster, &conversion, options, device)
        })?;
        let (raster, report) = attempted.result;
        photo.warnings.extend(attempted.notes);
        Ok((photo.enlarged_as(raster, report.scale), report))
    }

    /// From file to file in memory.
    ///
    /// # Errors
    /// The file is no readable image, asks for more than the limits, cannot be enhanced, or holds
    /// something that the output format has no place for.
    pub fn enhance_bytes(&self, bytes: &[u8], settings: &Settings) -> Result<Enhanced, Error> {
        let photo = decode(bytes, &settings.limits)?;
        let (photo, report) = self.enhance(photo, &settings.enhance)?;
        let format = settings.format.unwrap_or(writable(photo.format));
        Enhanced::encode(&photo, report, format, &settings.encode)
    }
}

impl Enhanced {
    /// Writes a brightened photograph as a file.
    ///
    /// # Errors
    /// The photograph holds something that the format has no place for.
    pub fn encode(
        photo: &Photo,
        report: EnhanceReport,
        format: Format,
        options: &EncodeOptions,
    ) -> Result<Self, Error> {
        let bytes = encode(photo, format, options)?;
        let mut warnings = photo.warnings.clone();
        warnings.extend(losses(photo, format));
        let (width, height) = (photo.raster.width(), photo.raster.height());
        Ok(Self { bytes, format, width, height, report, warnings })
    }
}

/// The format itself, or PNG for one that is only read.
pub fn writable(format: Format) -> Format {
    if format.can_write() { format } else { Format::Png }
}
