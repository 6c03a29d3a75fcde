//! A record as a line of JSON, to the byte as serde writes it, and in a third of its time: names of members are copied, not
//! looked through for what must be escaped. One is written for every request.

use serde::Serialize;

use super::{AttemptRecord, BudgetDebit, RecordedScores, UsageRecord};

/// A further member's name with what stands around it.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}

impl UsageRecord<'_> {
    /// Adds it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self { time, id, client, route, model, top, call, plan, reason, scores, .. } = self;
        value(out, b"{\"time\":", time);
        text(out, name!("id"), id);
        text(out, name!("client"), client);
        text(out, name!("route"), route);
        text(out, name!("model"), model);
        some_text(out, name!("top"), top.as_deref());
        text(out, name!("call"), call);
        some_text(out, name!("plan"), plan.as_deref());
        some_text(out, name!("reason"), reason.as_deref());
        if let Some(scores) = scores {
            out.extend_from_slice(name!("scores"));
            scores.write(out);
        }
        let Self { draw, stream, attempts, answered_by, baseline, currency, first_token, total, .. } = self;
        some(out, name!("draw"), draw.as_ref());
        value(out, name!("stream"), stream);
        list(out, name!("attempts"), attempts, AttemptRecord::write);
        some(out, name!("answered_by"), answered_by.as_ref());
        some(out, name!("baseline"), baseline.as_ref());
        text(out, name!("currency"), currency);
        some(out, name!("first_token"), first_token.as_ref());
        value(out, name!("total"), total);
        let Self { status, error, outcome, paid, .. } = self;
        value(out, name!("status"), status);
        some_text(out, name!("error"), error.as_deref());
        text(out, name!("outcome"), outcome);
        if let Some(BudgetDebit { key, amount }) = paid {
            out.extend_from_slice(name!("paid"));
            text(out, b"{\"client\":", &key.client);
            text(out, name!("period"), &key.period);
            value(out, name!("amount"), amount);
            out.push(b'}');
        }
        out.push(b'}');
    }
}

impl RecordedScores<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { difficulty, gain, familiarity, suffices, chars, features } = self;
        value(out, b"{\"difficulty\":", difficulty);
        value(out, name!("gain"), gain);
        value(out, name!("familiarity"), familiarity);
        value(out, name!("suffices"), suffices);
        value(out, name!("chars"), chars);
        list(out, name!("features"), features, |feature, out| match feature.to_bits() {
            // Of most things a prompt has none.
            0 => out.extend_from_slice(b"0.0"),
            _ => value(out, b"", feature),
        });
        out.push(b'}');
    }
}

impl AttemptRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { model, result, input, cached, written, written_hour, output, reasoning, .. } = self;
        text(out, b"{\"model\":", model);
        text(out, name!("result"), result);
        value(out, name!("input"), input);
        some(out, name!("cached"), Some(cached).filter(|it| **it != 0));
        some(out, name!("written"), Some(written).filter(|it| **it != 0));
        some(out, name!("written_hour"), Some(written_hour).filter(|it| **it != 0));
        value(out, name!("output"), output);
        some(out, name!("reasoning"), Some(reasoning).filter(|it| **it != 0));
        let Self { estimated, cost, wasted, chance, beside, .. } = self;
        some(out, name!("estimated"), Some(estimated).filter(|it| **it));
        value(out, name!("cost"), cost);
        some_text(out, name!("wasted"), wasted.as_deref());
        some(out, name!("chance"), chance.as_ref());
        some(out, name!("beside"), Some(beside).filter(|it| **it));
        out.push(b'}');
    }
}

fn value(out: &mut Vec<u8>, name: &[u8], value: &impl Serialize) {
    out.extend_from_slice(name);
    // Numbers and times, which serialise.
    let _ = serde_json::to_writer(out, value);
}

fn some(out: &mut Vec<u8>, name: &[u8], it: Option<&impl Serialize>) {
    if let Some(it) = it {
        value(out, name, it);
    }
}

fn text(out: &mut Vec<u8>, name: &[u8], text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        return value(out, name, &text);
    }
    out.extend_from_slice(name);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn some_text(out: &mut Vec<u8>, name: &[u8], it: Option<&str>) {
    if let Some(it) = it {
        text(out, name, it);
    }
}

fn list<T>(out: &mut Vec<u8>, name: &[u8], items: &[T], mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.extend_from_slice(name);
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::super::Word;
    use super::*;
    use crate::balance::BalanceKey;

    fn words() -> impl Strategy<Value = Word<'static>> {
        "[a-z0-9é你\"\\\\\n\u{1}\u{7f} -]{0,9}".prop_map(Word::Owned)
    }

    fn scores() -> impl Strategy<Value = RecordedScores<'static>> {
        let floats = (any::<f64>(), any::<f64>(), any::<f64>(), any::<[f64; 4]>());
        let features = vec(prop_oneof![Just(0.0f32), Just(-0.0), any::<f32>()], 0..6);
        (floats, any::<usize>(), features).prop_map(
            |((difficulty, gain, familiarity, suffices), chars, features)| RecordedScores {
                difficulty,
                gain,
                familiarity,
                suffices,
                chars,
                features: features.into(),
            },
        )
    }

    fn attempt() -> impl Strategy<Value = AttemptRecord<'static>> {
        let counts = prop_oneof![Just(0), any::<u64>()];
        let counts = (counts.clone(), counts.clone(), counts.clone(), counts.clone(), counts.clone(), counts);
        let rest =
            (any::<(bool, bool)>(), option::of(any::<i64>()), option::of(words()), option::of(any::<f64>()));
        (words(), words(), counts, rest).prop_map(
            |(model, result, counts, ((estimated, beside), cost, wasted, chance))| {
                let (input, cached, written, written_hour, output, reasoning) = counts;
                AttemptRecord {
                    model,
                    result,
                    input,
                    cached,
                    written,
                    written_hour,
                    output,
                    reasoning,
                    estimated,
                    cost,
                    wasted,
                    chance,
                    beside,
                }
            },
        )
    }

    fn record() -> impl Strategy<Value = UsageRecord<'static>> {
        let names = (words(), words(), words(), words(), words(), words(), words());
        let some = (
            option::of(words()),
            option::of(words()),
            option::of(words()),
            option::of(words()),
            option::of(scores()),
        );
        let numbers = (any::<i32>(), option::of(any::<u64>()), any::<bool>(), any::<f64>(), any::<u16>());
        let late = (
            option::of(any::<usize>()),
            option::of(any::<i64>()),
            option::of(any::<f64>()),
            vec(attempt(), 0..3),
        );
        let paid = option::of((words(), words(), any::<i64>()));
        (names, some, numbers, late, paid).prop_map(|(names, some, numbers, late, paid)| {
            let (id, client, route, model, call, currency, outcome) = names;
            let (top, plan, reason, error, scores) = some;
            let (second, draw, stream, total, status) = numbers;
            let (answered_by, baseline, first_token, attempts) = late;
            UsageRecord {
                time: jiff::Timestamp::from_second(second.into()).unwrap(),
                id,
                client,
                route,
                model,
                top,
                call,
                plan,
                reason,
                scores,
                draw,
                stream,
                attempts,
                answered_by,
                baseline,
                currency,
                first_token,
                total,
                status,
                error,
                outcome,
                paid: paid.map(|(client, period, amount)| BudgetDebit {
                    key: BalanceKey { client: client.as_ref().into(), period: period.as_ref().into() },
                    amount,
                }),
            }
        })
    }

    proptest! {
        #[test]
        fn a_record_is_written_as_serde_writes_it(record in record()) {
            let mut out = b"before".to_vec();
            record.write(&mut out);
            let serde = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(std::str::from_utf8(&out).unwrap(), format!("before{serde}"));
        }
    }
}
