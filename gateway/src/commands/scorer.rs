//! The scorer that a command asks: the shipped one, or one adapted by `xietong calibrate`.

use std::path::Path;

use router_policies::calibrate::Calibration;
use router_policies::scorers::{Shipped, shipped};
use router_policies::{Class, Features};

use super::Failure;

/// What a prompt gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score {
    pub(super) small: f64,
    pub(super) gain: f64,
    pub(super) familiarity: f64,
}

/// The shipped scorer, adapted or as it is.
pub(super) struct Asked {
    shipped: &'static Shipped,
    calibration: Option<Calibration>,
    /// The classes of the smallest and the top rung.
    classes: (Class, Class),
}

impl Asked {
    /// Reads the calibration, if one is named.
    ///
    /// # Errors
    /// 2 when the file is not there, 1 when it is no calibration.
    pub(super) fn new(calibration: Option<&Path>, classes: (Class, Class)) -> Result<Self, Failure> {
        let calibration = calibration.map(load).transpose()?;
        Ok(Self { shipped: shipped(), calibration, classes })
    }

    /// Scores a prompt.
    pub(super) fn score(&self, features: &Features) -> Score {
        if let Some(calibration) = &self.calibration {
            let seen = calibration.foresee(self.shipped, features);
            return Score { small: seen.small.value(), gain: seen.gain, familiarity: seen.familiarity };
        }
        let view = self.shipped.view(features);
        let (small, large) = (view.outlook.of(self.classes.0), view.outlook.of(self.classes.1));
        Score { small: small.value(), gain: large.value() - small.value(), familiarity: view.familiarity }
    }
}

fn load(path: &Path) -> Result<Calibration, Failure> {
    let bytes =
        std::fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Calibration::load(&bytes).map_err(|bad| Failure::other(format!("{}: {bad}", path.display())))
}
