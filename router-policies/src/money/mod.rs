//! Money, prices and token counts. All arithmetic is in whole nano-units and saturates; nothing here is a float
//! once it has been read, and the time of a price comes in as an argument.

mod amount;
mod holidays;
mod price;
mod surcharges;
mod tariff;
pub mod text_form;
mod usage;

pub use amount::{Currency, Money};
pub use holidays::{HolidayCalendar, PRC, PRC_SOURCE};
pub use price::{Price, PriceTier, TieredRates, TokenRates};
pub use surcharges::{
    AnswerSpeed, BilledExtras, InferenceRegion, PriceFactor, PriceSurcharges, ServiceTerms, ServiceTier,
};
pub use tariff::{HoursOfDay, Tariff, TariffTerm, TariffWindow, WeekdaySet};
pub use usage::Usage;
