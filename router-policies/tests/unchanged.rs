//! Faster must not mean different: every feature and every score of the real prompts, to the last bit.

use router_policies::scorers::{Scorer, default_scorer};
use router_policies::{Features, ModelClass, Prompt, PromptRole, PromptTurn};

/// Folds numbers into one; the order counts.
struct BitSum(u64);

impl BitSum {
    fn add(&mut self, bits: u64) {
        self.0 = (self.0.rotate_left(9) ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn prompt(&mut self, prompt: &Prompt<'_>) {
        let features = Features::of(prompt);
        self.add(features.chars as u64);
        features.readable.iter().for_each(|value| self.add(u64::from(value.to_bits())));
        features.cues.iter().for_each(|value| self.add(u64::from(value.to_bits())));
        features.grams.iter().for_each(|gram| self.add(u64::from(gram.0)));
        let prospects = default_scorer().predict(&features);
        self.add(prospects.familiarity.to_bits());
        ModelClass::ALL.iter().for_each(|class| self.add(prospects.of(*class).value().to_bits()));
    }
}

fn prompts() -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct GoldenRow {
        prompt: String,
    }
    let rows = include_str!("../testdata/prompts.jsonl").lines();
    rows.map(|row| serde_json::from_str::<GoldenRow>(row).expect("a row").prompt).collect()
}

/// The numbers are of the weights of version 1 and the prior of 1 December 2026. New weights or new features change them, and
/// so did one way to go faster: the waves of a prompt are told from those of one without any features, a sum in another order. What a prompt's waves are is
/// held to their definition beside the lens.
#[test]
fn every_feature_and_score_of_the_real_prompts() {
    let mut sum = BitSum(0);
    prompts().iter().for_each(|prompt| sum.prompt(&Prompt::from_text(prompt.as_str())));
    assert_eq!(sum.0, 0xafb0_cc2c_e42b_87fc, "{:x}", sum.0);
}

/// Longer than what is read of one turn, several turns, and every character of blocks that new versions of Unicode leave
/// as they are.
#[test]
fn long_texts_conversations_and_odd_characters() {
    let mut sum = BitSum(0);
    let prompts = prompts();
    for some in prompts.chunks(23) {
        sum.prompt(&Prompt::from_text(some.join("\n")));
        let turns =
            some.iter().map(|text| PromptTurn { role: PromptRole::User, text: text.into() }).collect();
        sum.prompt(&Prompt { turns, tools: 2, structured: true, attachments: 1 });
    }
    let blocks =
        ['\0'..='\u{52f}', '\u{2000}'..='\u{206f}', '\u{3000}'..='\u{30ff}', '\u{4e00}'..='\u{51ff}'];
    let all: Vec<char> = blocks.into_iter().flatten().chain('\u{ff01}'..='\u{ff5e}').collect();
    for some in all.chunks(600) {
        sum.prompt(&Prompt::from_text(some.iter().collect::<String>()));
        let spaced = some.iter().flat_map(|c| ['x', *c, '7', *c, ' ', *c, '\n', *c, 'A', '.']);
        sum.prompt(&Prompt::from_text(spaced.collect::<String>()));
    }
    assert_eq!(sum.0, 0xe8b2_7511_d656_3482, "{:x}", sum.0);
}
