//! Prices in effect, in the form of the file.

use router_policies::money::{
    HoursOfDay, PriceFactor, PriceSurcharges, Tariff, TariffTerm, TariffWindow, TokenRates, WeekdaySet,
};
use router_policies::{Money, Price};
use serde_json::{Map, Value, json};

/// A tariff with its surcharges, as `price:` has them.
pub(crate) fn with(price: &Tariff, surcharges: &PriceSurcharges) -> Value {
    let mut shown = tariff(price);
    if let Some(shown) = shown.as_object_mut() {
        let amounts = [
            ("audio_input", surcharges.audio_input),
            ("audio_output", surcharges.audio_output),
            ("web_search", surcharges.searches),
        ];
        shown.extend(amounts.into_iter().filter_map(|(key, it)| Some((key.to_owned(), json!(it?.units())))));
        for (key, of, factor) in [
            ("service_tier", "priority", surcharges.priority),
            ("service_tier", "flex", surcharges.flex),
            ("service_tier", "batch", surcharges.batch),
            ("speed", "fast", surcharges.fast),
            ("inference_geo", "us", surcharges.us),
        ] {
            if let Some(PriceFactor(thousandths)) = factor {
                let each = shown.entry(key).or_insert_with(|| json!({}));
                each[of] = json!(f64::from(thousandths) / 1000.0);
            }
        }
    }
    shown
}

/// A tariff as `price:` has it, in the currency of accounts.
fn tariff(tariff: &Tariff) -> Value {
    let mut terms = tariff.terms().iter().map(term);
    let Some(Value::Object(mut first)) = terms.next() else { return Value::Null };
    let changes: Vec<Value> = terms.collect();
    if !changes.is_empty() {
        first.insert("changes".to_owned(), changes.into());
    }
    Value::Object(first)
}

fn term(term: &TariffTerm) -> Value {
    let mut shown = price(&term.price);
    if !term.windows.is_empty() {
        shown.insert("windows".to_owned(), term.windows.iter().map(window).collect());
    }
    let zone = term.zone.iana_name().unwrap_or("UTC");
    let days = [("from", term.from), ("until", term.until)];
    if zone != "UTC" {
        shown.insert("zone".to_owned(), json!(zone));
    }
    for (key, day) in days {
        shown.extend(day.map(|day| (key.to_owned(), json!(day.to_string()))));
    }
    Value::Object(shown)
}

fn price(price: &Price) -> Map<String, Value> {
    let tiers = match price {
        Price::Hour(hour) => return Map::from_iter([("hour".to_owned(), json!(hour.units()))]),
        Price::Tokens(tiers) => tiers,
    };
    let mut shown = rates(&tiers.base);
    let higher: Vec<Value> = tiers
        .higher
        .iter()
        .map(|tier| {
            let mut shown = rates(&tier.rates);
            shown.insert("above".to_owned(), json!(tier.above));
            Value::Object(shown)
        })
        .collect();
    if !higher.is_empty() {
        shown.insert("tiers".to_owned(), higher.into());
    }
    shown
}

fn rates(rates: &TokenRates) -> Map<String, Value> {
    let TokenRates { input, cached_input, cache_write, cache_write_hour, output } = *rates;
    let mut shown = Map::new();
    let mut show = |key: &str, money: Money| drop(shown.insert(key.to_owned(), json!(money.units())));
    show("input", input);
    show("cached_input", cached_input);
    // Most providers have no prices for writing.
    if cache_write != input || cache_write_hour != input {
        show("cache_write", cache_write);
        show("cache_write_hour", cache_write_hour);
    }
    show("output", output);
    shown
}

fn window(window: &TariffWindow) -> Value {
    let mut shown = price(&window.price);
    if window.days != WeekdaySet::ALL {
        shown.insert("days".to_owned(), json!(window.days.names().collect::<Vec<_>>()));
    }
    if !window.hours.is_empty() {
        shown.insert("hours".to_owned(), window.hours.iter().map(|hours| json!(span(hours))).collect());
    }
    if !window.except.0.is_empty() {
        let days = window.except.0.iter().map(|day| json!(day.to_string()));
        shown.insert("except".to_owned(), days.collect());
    }
    Value::Object(shown)
}

fn span(hours: &HoursOfDay) -> String {
    let to = hours.to.map_or("24:00".to_owned(), |to| to.strftime("%H:%M").to_string());
    format!("{}-{to}", hours.from.strftime("%H:%M"))
}
