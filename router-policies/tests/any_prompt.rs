//! Whatever text comes, features and scores are finite, bounded and the same again.

use proptest::prelude::*;
use router_policies::scorers::{Scorer, default_scorer};
use router_policies::{Features, ModelClass, Prompt, PromptRole, PromptTurn};

#[track_caller]
fn check(prompt: &Prompt<'_>) {
    let features = Features::of(prompt);
    assert!(features.readable.iter().all(|value| value.is_finite()), "{features:?}");
    // Three grams a character read, and no more than there are slots.
    assert!(features.grams.len() <= 3 * 7000);
    let prospects = default_scorer().predict(&features);
    assert!((0.0..=1.0).contains(&prospects.familiarity), "{prospects:?}");
    for class in ModelClass::ALL {
        assert!((0.0..=1.0).contains(&prospects.of(class).value()), "{prospects:?}");
    }
    assert_eq!(Features::of(prompt), features);
    assert_eq!(default_scorer().predict(&features), prospects);
}

fn role() -> impl Strategy<Value = PromptRole> {
    prop_oneof![
        Just(PromptRole::System),
        Just(PromptRole::User),
        Just(PromptRole::Assistant),
        Just(PromptRole::Tool)
    ]
}

proptest! {
    #[test]
    fn any_conversation(turns in prop::collection::vec((role(), any::<String>()), 0..6), tools in any::<usize>()) {
        let turns = turns.into_iter().map(|(role, text)| PromptTurn { role, text: text.into() }).collect();
        check(&Prompt { turns, tools, structured: true, attachments: tools });
    }

    #[test]
    fn any_markup(parts in prop::collection::vec(prop_oneof![
        Just("<system-reminder>"), Just("</system-reminder>"), Just("<task>"), Just("</"), Just("<"), Just("\nA. "),
        Just("B) "), Just("你"), Just("\u{0301}"), Just("🏳️‍🌈"), Just("$"), Just("_"), Just("1e400"), Just("] Result:"),
    ], 0..200)) {
        check(&Prompt::from_text(parts.concat()));
    }
}

#[test]
fn huge_prompts_are_bounded() {
    for unit in ["a", "a ", "你", "<system-reminder>", "</", "A. ", "\n", "🏳️‍🌈", "1"] {
        check(&Prompt::from_text(unit.repeat(10_000_000 / unit.len())));
    }
}

/// These bits were read on one machine; they are to be the same on all.
#[test]
fn the_same_bits_everywhere() {
    let bits = |text| {
        let prospects = default_scorer().predict(&Features::of(&Prompt::from_text(text)));
        prospects.of(ModelClass::Small).value().to_bits()
            ^ prospects.of(ModelClass::Frontier).value().to_bits().rotate_left(7)
    };
    let found = ["Prove that √2 is irrational.", "请写一首关于春天的诗。"].map(bits);
    assert_eq!(found, [0xcfae_a339_1f1e_c1b6, 0xce28_58fb_1b15_3dad], "{found:x?}");
}
