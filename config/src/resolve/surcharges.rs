//! What a price says of what clients choose: tiers of service, speed, region, sound, searches.

use router_policies::Money;
use router_policies::money::{PriceFactor, PriceSurcharges};

use super::{ExchangeRates, ResolveReport};
use crate::price::{AnswerSpeedFile, InferenceGeoFile, PriceFile, ServiceTierFile};
use crate::problems::{item_path, key_path};

/// The surcharges of a price at `path`; its changes have none.
pub(super) fn of(
    rates: &ExchangeRates,
    file: &PriceFile,
    path: &str,
    report: &mut ResolveReport,
) -> PriceSurcharges {
    for (number, _) in file.changes.iter().enumerate().filter(|(_, change)| has_any(change)) {
        let path = item_path(&key_path(path, "changes"), number);
        report.fault(&path, "sound, searches, tiers of service, speed and region belong to the price itself");
    }
    if file.hour.is_some() && has_any(file) {
        report.fault(
            path,
            "a machine by the hour costs the same for sound, searches, tiers, speeds and regions",
        );
    }
    let from = file.currency.map_or(rates.currency, |code| code.0);
    let mut money = |key: &str, amount: Option<f64>| -> Option<Money> {
        match rates.convert(amount?, from) {
            Ok(money) => Some(money),
            Err(fault) => {
                report.fault(&key_path(path, key), fault.to_string());
                None
            }
        }
    };
    PriceSurcharges {
        priority: file.service_tier.priority.map(factor),
        flex: file.service_tier.flex.map(factor),
        batch: file.service_tier.batch.map(factor),
        fast: file.speed.fast.map(factor),
        us: file.inference_geo.us.map(factor),
        audio_input: money("audio_input", file.audio_input),
        audio_output: money("audio_output", file.audio_output),
        searches: money("web_search", file.web_search),
    }
}

fn has_any(file: &PriceFile) -> bool {
    [file.audio_input, file.audio_output, file.web_search].iter().any(Option::is_some)
        || file.service_tier != ServiceTierFile::default()
        || file.speed != AnswerSpeedFile::default()
        || file.inference_geo != InferenceGeoFile::default()
}

/// In thousandths; the schema has bounded it.
fn factor(times: f64) -> PriceFactor {
    PriceFactor((times * 1000.0).round() as u32)
}
