//! The random number of a request, from which every chance that a policy takes follows.

use crate::scoring::random::SplitMix64;

/// As many bits as a double's mantissa holds, so that any reader of JSON keeps the whole number.
const BITS: u32 = 53;

/// 53 uniform bits that belong to one request. Whoever acts makes them, records them, and keeps clients from choosing
/// them: then a decision can be replayed, and nobody can pick the arm of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestDraw(u64);

/// The enum and the list of its variants from the same lines: none can be missing in the list, and so in what is tested of
/// each.
macro_rules! draw_purposes {
    ($( $(#[$attribute:meta])+ $purpose:ident, )+) => {
        /// What a request's number is used for. Draws for different purposes are independent of each other.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum DrawPurpose {
            $( $(#[$attribute])+ $purpose, )+
        }

        impl DrawPurpose {
            /// All of them, in the order in which they are declared. A draw is salted with its purpose's place, so no two
            /// share one.
            pub const ALL: &[Self] = &[$( Self::$purpose ),+];
        }
    };
}

draw_purposes! {
    /// How much quality weighs for this request.
    QualityWeight,
    /// Whether another model answers too.
    Exploration,
    /// How long the gateway waits before it asks again.
    RetryPause,
}

impl RequestDraw {
    /// Of 64 random bits it keeps the upper 53.
    pub const fn from_random(bits: u64) -> Self {
        Self(bits >> (u64::BITS - BITS))
    }

    /// One that was recorded, as [`Self::recorded`] gave it; of a larger number the lower 53 bits count.
    pub const fn from_recorded(number: u64) -> Self {
        Self(number & ((1 << BITS) - 1))
    }

    /// The number to record, below 2⁵³.
    pub const fn recorded(self) -> u64 {
        self.0
    }

    /// Uniform in 0..1, and independent of what is drawn for any other purpose.
    pub fn uniform(self, purpose: DrawPurpose) -> f64 {
        let bits = match purpose as u64 {
            0 => self.0,
            salt => self.hashed(salt),
        };
        bits as f64 / (1u64 << BITS) as f64
    }

    /// A hash of the number, 53 bits; another for each salt below 2¹¹.
    fn hashed(self, salt: u64) -> u64 {
        let unused = u64::BITS - BITS;
        SplitMix64((self.0 << unused) | salt).bits() >> unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(count: usize) -> Vec<RequestDraw> {
        let mut source = SplitMix64(17);
        (0..count).map(|_| RequestDraw::from_random(source.bits())).collect()
    }

    #[test]
    fn every_purpose_has_a_uniform_draw() {
        for &purpose in DrawPurpose::ALL {
            let mut tenths = [0; 10];
            for draw in draws(20_000) {
                tenths[(draw.uniform(purpose) * 10.0) as usize] += 1;
            }
            assert!(tenths.iter().all(|count| (1800..2200).contains(count)), "{purpose:?}: {tenths:?}");
        }
    }

    #[test]
    fn draws_for_different_purposes_do_not_hang_together() {
        let purposes = DrawPurpose::ALL;
        let pairs = (0..purposes.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        for (one, other) in pairs {
            let product = |draw: &RequestDraw| {
                (draw.uniform(purposes[one]) - 0.5) * (draw.uniform(purposes[other]) - 0.5)
            };
            let covariance = draws(20_000).iter().map(product).sum::<f64>() / 20_000.0;
            // The variance of a uniform draw is 1/12.
            assert!((covariance * 12.0).abs() < 0.03, "{one} {other}: {covariance}");
        }
    }

    #[test]
    fn what_is_recorded_draws_the_same_again() {
        for draw in draws(100).into_iter().chain([RequestDraw::default(), RequestDraw::from_random(u64::MAX)])
        {
            let again = RequestDraw::from_recorded(draw.recorded());
            assert_eq!(again, draw);
            for &purpose in DrawPurpose::ALL {
                let drawn = draw.uniform(purpose);
                assert!((0.0..1.0).contains(&drawn), "{drawn}");
                assert_eq!(again.uniform(purpose).to_bits(), drawn.to_bits());
            }
        }
    }
}
