//! What an order of questions is worth: the area under quality by processor time, from the small model alone to the large one.

use router_policies::scoring::random::SplitMix64;

use super::JudgedQuestion;
use crate::terminal::say;

/// Draws of the bootstrap.
const DRAWS: usize = 1000;

/// Who answers first.
#[derive(Clone, Copy, PartialEq)]
enum CallOrder {
    /// The prompt alone decides: one model is asked.
    Prompt,
    /// The small model answers, and its time is spent whatever comes of it.
    Cascade,
}

/// A method: its name, who answers first, and what ranks questions for the large model.
type RankingMethod = (&'static str, CallOrder, fn(&JudgedQuestion) -> f64);

const METHODS: [RankingMethod; 15] = [
    ("length of the prompt", CallOrder::Prompt, |q| q.chars),
    ("score alone: difficulty", CallOrder::Prompt, |q| q.difficulty),
    ("score alone: gain", CallOrder::Prompt, |q| q.gain),
    ("cold: fewest foreseen tokens", CallOrder::Prompt, |q| -q.foreseen_tokens),
    ("cold: gain by foreseen tokens", CallOrder::Prompt, |q| q.gain.max(0.01) / q.foreseen_tokens),
    ("cold: difficulty by foreseen tokens", CallOrder::Prompt, |q| q.difficulty / q.foreseen_tokens),
    ("cold: cascade, log-probability of the whole answer", CallOrder::Cascade, |q| -q.log_probability),
    ("cold: cascade, doubt by the answer's tokens", CallOrder::Cascade, |q| {
        (1.0 - q.log_probability.exp()) / (q.tokens + 5.0)
    }),
    ("cards: chance that the small model fails", CallOrder::Prompt, |q| -q.chances[0]),
    ("cards: gain", CallOrder::Prompt, |q| q.chances[1] - q.chances[0]),
    ("cards: gain for its time, as `by: gain_for_time` has it", CallOrder::Prompt, gain_for_time),
    ("cards: gain by seconds", CallOrder::Prompt, |q| {
        (q.chances[1] - q.chances[0]) / (q.expected[1] - q.expected[0]).max(0.1)
    }),
    ("cards: cascade, gain less log-probability", CallOrder::Cascade, |q| {
        (q.chances[1] - q.chances[0]) * (1.0 - q.log_probability.exp()) / q.expected[1].max(0.1)
    }),
    ("kind known: gain", CallOrder::Prompt, |q| q.known[1] - q.known[0]),
    ("kind known: gain by seconds", CallOrder::Prompt, |q| {
        (q.known[1] - q.known[0]) / (q.known_seconds[1] - q.known_seconds[0]).max(0.1)
    }),
];

/// As `Query::gain_for_time`: the gain, at most doubled or halved by how much less extra time than usual the large model needs.
fn gain_for_time(q: &JudgedQuestion) -> f64 {
    let (extra, usual) = (q.expected[1] - q.expected[0], q.usual[1] - q.usual[0]);
    (q.chances[1] - q.chances[0]) * (usual / extra.max(usual / 2.0)).max(0.5)
}

/// Prints a line for each method, with 95 % bootstrap intervals and how much better than the score alone it is.
pub(crate) fn table(judged: &[JudgedQuestion]) {
    let mean = |of: fn(&JudgedQuestion) -> f64| judged.iter().map(of).sum::<f64>() / judged.len() as f64;
    say(&format!(
        "{} questions, small right in {:.3}, large in {:.3}; {:.2} and {:.2} s",
        judged.len(),
        mean(|q| q.right[0]),
        mean(|q| q.right[1]),
        mean(|q| q.seconds[0]),
        mean(|q| q.seconds[1])
    ));
    say(
        "| order | area | 95 % | better than the difficulty alone, 95 % | quality at 60 % of the large one's time | time for 95 % of its quality |",
    );
    say("| --- | ---: | --- | --- | ---: | ---: |");
    let all: Vec<&JudgedQuestion> = judged.iter().collect();
    for (name, order, rank) in METHODS {
        let (mut areas, mut better) = (Vec::new(), Vec::new());
        let mut draws = SplitMix64(7);
        for _ in 0..DRAWS {
            let drawn: Vec<_> = all.iter().map(|_| all[draws.below(all.len())]).collect();
            let found = area(&drawn, order, rank);
            areas.push(found);
            better.push(found - area(&drawn, CallOrder::Prompt, |q| q.difficulty));
        }
        let (found, [low, high], [worse, best]) =
            (area(&all, order, rank), interval(&mut areas), interval(&mut better));
        let (quality, time) = goals(&all, order, rank);
        say(&format!(
            "| {name} | {found:.3} | [{low:.3}, {high:.3}] | [{worse:+.3}, {best:+.3}] | {quality:.3} | {time:.3} |"
        ));
    }
    let oracle = |q: &JudgedQuestion| (q.right[1] - q.right[0]) / q.seconds[1].max(0.01);
    let (quality, time) = goals(&all, CallOrder::Prompt, oracle);
    say(&format!("| oracle | {:.3} | | | {quality:.3} | {time:.3} |", area(&all, CallOrder::Prompt, oracle)));
}

fn interval(values: &mut [f64]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|at| values[(at * (values.len() - 1) as f64).round() as usize])
}

/// The area under the recovered share of the quality gap, by the spent share of the gap in time. Beyond the large model's own
/// time nothing counts; where less than it is spent, the rest is the large model's quality.
fn area(questions: &[&JudgedQuestion], order: CallOrder, rank: fn(&JudgedQuestion) -> f64) -> f64 {
    let sum = |of: fn(&JudgedQuestion) -> f64| questions.iter().map(|q| of(q)).sum::<f64>();
    let gap = sum(|q| q.right[1] - q.right[0]);
    let time = sum(|q| q.seconds[1] - q.seconds[0]);
    let mut ranked: Vec<(f64, &JudgedQuestion)> = questions.iter().map(|q| (rank(q), *q)).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    let (mut spent, mut won, mut area) = (0.0f64, 0.0f64, 0.0);
    for (_, q) in ranked {
        let more = q.seconds[1] - if order == CallOrder::Prompt { q.seconds[0] } else { 0.0 };
        let next = (spent + more / time, won + (q.right[1] - q.right[0]) / gap);
        let width = next.0.clamp(0.0, 1.0) - spent.clamp(0.0, 1.0);
        area += width * (won + next.1) / 2.0;
        (spent, won) = next;
    }
    area + (1.0 - spent.clamp(0.0, 1.0))
}

/// By the large model's own: the most quality within 60 % of its time, and the least time for 95 % of its quality.
fn goals(questions: &[&JudgedQuestion], order: CallOrder, rank: fn(&JudgedQuestion) -> f64) -> (f64, f64) {
    let sum = |of: fn(&JudgedQuestion) -> f64| questions.iter().map(|q| of(q)).sum::<f64>();
    let (right, seconds) = (sum(|q| q.right[1]), sum(|q| q.seconds[1]));
    let (mut quality, mut time) = (sum(|q| q.right[0]) / right, sum(|q| q.seconds[0]) / seconds);
    let mut ranked: Vec<(f64, &JudgedQuestion)> = questions.iter().map(|q| (rank(q), *q)).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    let (mut most, mut least) = (quality, f64::INFINITY);
    for (_, q) in ranked {
        quality += (q.right[1] - q.right[0]) / right;
        time += (q.seconds[1] - if order == CallOrder::Prompt { q.seconds[0] } else { 0.0 }) / seconds;
        if time <= 0.6 {
            most = most.max(quality);
        }
        if quality >= 0.95 {
            least = least.min(time);
        }
    }
    (most, least)
}
