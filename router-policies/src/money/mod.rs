//! Money, prices and token counts. All arithmetic is in whole nano-units and saturates; nothing here is a float
//! once it has been read, and the time of a price comes in as an argument.

mod amount;
mod holidays;
mod price;
mod tariff;
mod usage;
pub mod written;

pub use amount::{Currency, Money};
pub use holidays::{Holidays, PRC, PRC_SOURCE};
pub use price::{Price, Rates, Tier, Tiers};
pub use tariff::{Days, Hours, Tariff, Term, Window};
pub use usage::Usage;
