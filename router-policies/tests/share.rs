//! A share of traffic is realised on real prompts, in any order. Their origins and licences stand in the file.

use router_policies::scorers::{Scorer, default_scorer};
use router_policies::{Features, ModelClass, Prompt, RecentGains};

/// The gains of the prompts, source after source.
fn gains() -> Vec<f64> {
    let text = include_str!("../testdata/prompts.jsonl");
    text.lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let features = Features::of(&Prompt::from_text(row["prompt"].as_str().expect("a text")));
            let prospects = default_scorer().predict(&features);
            prospects.of(ModelClass::Frontier).value() - prospects.of(ModelClass::Small).value()
        })
        .collect()
}

#[track_caller]
fn check(gains: &[f64], order: &str) {
    for share in [0.1, 0.25, 0.4, 0.6, 0.9] {
        let mut recent = RecentGains::default();
        let mut ups = 0.0;
        for (at, &gain) in gains.iter().enumerate() {
            let up = gain > recent.cut(share);
            recent.record(gain, up, share);
            ups += f64::from(u8::from(up));
            let realised = ups / (at + 1) as f64;
            assert!(
                at < 500 || (realised - share).abs() < 0.03,
                "{order}: {realised} instead of {share} after {at}"
            );
        }
    }
}

#[test]
fn a_share_is_realised_after_500_requests() {
    let mut gains = gains();
    assert!(gains.len() >= 700);
    // Source after source is drift already.
    check(&gains, "by source");
    // A step of 197 through 700 visits all.
    let mixed: Vec<f64> = (0..gains.len()).map(|at| gains[at * 197 % gains.len()]).collect();
    check(&mixed, "mixed");
    gains.sort_by(f64::total_cmp);
    check(&gains, "rising");
    gains.reverse();
    check(&gains, "falling");
}
