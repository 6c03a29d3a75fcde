//! Targets are kept to in simulated traffic: requests come at random, cost more than was foreseen, and wait in a queue
//! before the small model.

use super::*;
use crate::routing::policies::Policy;
use crate::routing::query::Query;
use crate::routing::rung_state::CostEstimate;
use crate::scoring::class_predictions::Probability;
use crate::scoring::features::Features;
use crate::scoring::random::SplitMix64;

const SMALL: usize = 0;
const LARGE: usize = 1;
/// What the large model costs on average, in the account currency.
const LARGE_COST: f64 = 0.02;
/// When the hour begins: clocks count from long ago.
const EPOCH: f64 = 1.7e9;
/// Answers cost this many times what was foreseen.
const BIAS: f64 = 1.3;

/// What became of a run, by minute.
#[derive(Default)]
struct TrafficMinute {
    requests: f64,
    spent: f64,
    late: f64,
    quality: f64,
    best: f64,
    weights: Vec<UtilityWeights>,
}

struct SimulatedWorld {
    /// How long the small model is busy with a request, in seconds.
    service: f64,
    /// How likely the large model's first token takes two seconds instead of 0.4.
    slow: f64,
    /// Whether all requests are the same.
    uniform: bool,
}

const WORLD: SimulatedWorld = SimulatedWorld { service: 0.05, slow: 0.0, uniform: false };

/// What the two models offer to the next request.
fn ladder(world: &SimulatedWorld, waits: [f64; 2], draws: &mut SplitMix64) -> [RungState<'static>; 2] {
    let hardness = if world.uniform { 0.5 } else { draws.uniform() };
    let length = if world.uniform { 1.0 } else { 0.5 + draws.uniform() };
    let standing = |suffices, cost, wait| RungState {
        model: "m",
        p_success: Probability::new(suffices),
        eligible: true,
        estimate: CostEstimate { cost: Some(cost), wait, ..CostEstimate::default() },
    };
    [
        standing(0.95 - 0.6 * hardness, 0.001 * length, waits[SMALL]),
        standing(0.95 - 0.1 * hardness, LARGE_COST * length, waits[LARGE]),
    ]
}

/// An hour of traffic at a rate a second that may change with the minute.
fn hour(policy: &str, world: &SimulatedWorld, rate: impl Fn(usize) -> f64) -> Vec<TrafficMinute> {
    let policy: Policy = serde_json::from_str(policy).unwrap();
    assert_eq!(policy.faults(&["small", "large"]), []);
    let mut steer = WeightController::new(policy.utility().unwrap().0, 2);
    let (features, mut draws) = (Features::default(), SplitMix64(11));
    let mut minutes: Vec<TrafficMinute> = (0..60).map(|_| TrafficMinute::default()).collect();
    let (mut now, mut next_step, mut free_at) = (0.0, 0.0, 0.0_f64);
    let mut waits = [0.05, 0.4];
    while now < 3600.0 {
        let minute = (now / 60.0) as usize;
        while next_step <= now {
            steer.step(EPOCH + next_step, Some(SpendWindow { begins: EPOCH, ends: EPOCH + 3600.0 }));
            minutes[minute].weights.extend(steer.weights());
            next_step += 1.0;
        }
        let ladder = ladder(world, waits, &mut draws);
        let queue = (free_at - now).max(0.0);
        let draw = RequestDraw::from_random(draws.bits());
        steer.record_request(&ladder, draw);
        let query = Query {
            features: &features,
            familiarity: 1.0,
            ladder: &ladder,
            draw,
            recent: None,
            weights: steer.weights(),
            facts: crate::routing::query::RequestFacts::default(),
        };
        let rung = policy.decide(&query).unwrap().plan.first().0;
        let first = match rung {
            SMALL => {
                free_at = free_at.max(now) + world.service;
                queue + world.service
            }
            _ if draws.uniform() < world.slow => 2.0,
            _ => 0.4,
        };
        // The average that live measurement gives, a little late.
        waits[rung] += (first - waits[rung]) * 0.1;
        steer.record_first_token(rung, 0, first, EPOCH + now);
        let foreseen = ladder[rung].estimate.cost.unwrap();
        let paid = foreseen * BIAS * (0.5 + draws.uniform());
        steer.record_cost(paid, foreseen);
        let seen = &mut minutes[minute];
        seen.requests += 1.0;
        seen.spent += paid;
        seen.late += f64::from(u8::from(first > 0.8));
        seen.quality += ladder[rung].p_success.value();
        seen.best += ladder[LARGE].p_success.value();
        now += -crate::scoring::numbers::ln(1.0 - draws.uniform()) / rate(minute);
    }
    minutes
}

fn sum(minutes: &[TrafficMinute], of: impl Fn(&TrafficMinute) -> f64) -> f64 {
    minutes.iter().map(of).sum()
}

fn spend(amount: f64) -> String {
    format!(r#"{{"kind":"utility","targets":{{"spend":{{"amount":{amount},"per":"hour"}}}}}}"#)
}

/// Five a second, and three times as many from half an hour on.
fn step(minute: usize) -> f64 {
    if minute < 30 { 5.0 } else { 15.0 }
}

/// What that costs with everything sent to the large model.
const ALL_LARGE: f64 = (5.0 + 15.0) / 2.0 * 3600.0 * LARGE_COST * BIAS;

#[test]
fn spend_is_realised_under_a_step_in_load() {
    for share in [0.15, 0.3, 0.6, 0.9] {
        for world in [WORLD, SimulatedWorld { uniform: true, ..WORLD }] {
            let minutes = hour(&spend(ALL_LARGE * share), &world, step);
            let realised = sum(&minutes, |minute| minute.spent) / (ALL_LARGE * share);
            assert!((0.95..=1.02).contains(&realised), "{realised} of {share}");
        }
    }
}

#[test]
fn a_step_in_load_sets_nothing_swinging() {
    let minutes = hour(&spend(ALL_LARGE * 0.3), &WORLD, step);
    let money = |minutes: &[TrafficMinute]| -> Vec<f64> {
        minutes
            .iter()
            .flat_map(|minute| minute.weights.iter().map(|weights| weights.cost * LARGE_COST))
            .collect()
    };
    for calm in [&minutes[10..30], &minutes[33..55]] {
        let weights = money(calm);
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        assert!(mean > 0.01, "the target binds: {mean}");
        let furthest = weights.iter().map(|weight| (weight / mean - 1.0).abs()).fold(0.0, f64::max);
        assert!(furthest < 0.5, "{furthest} from {mean}");
        // Means of five minutes stand still, as they would not in a swing.
        for stretch in calm.chunks_exact(5) {
            let weights = money(stretch);
            let here = weights.iter().sum::<f64>() / weights.len() as f64;
            assert!((here / mean - 1.0).abs() < 0.25, "{here} from {mean}");
        }
    }
    // Three minutes after the step it is where it stays.
    let (early, later) = (money(&minutes[33..34]), money(&minutes[40..50]));
    let mean = |weights: &[f64]| weights.iter().sum::<f64>() / weights.len() as f64;
    assert!((mean(&early) / mean(&later) - 1.0).abs() < 0.3, "{} {}", mean(&early), mean(&later));
}

#[test]
fn a_target_with_slack_weighs_nothing() {
    let minutes = hour(&spend(ALL_LARGE * 3.0), &WORLD, step);
    assert!(minutes.iter().all(|minute| minute.weights.iter().all(|weights| weights.cost == 0.0)));
    assert_eq!(sum(&minutes, |minute| minute.quality), sum(&minutes, |minute| minute.best));
    // The same after a rush is over.
    let rush = |minute: usize| if (10..20).contains(&minute) { 20.0 } else { 1.0 };
    let amount = 3600.0 * LARGE_COST * BIAS * 3.0;
    let minutes = hour(&spend(amount), &WORLD, rush);
    assert!(minutes[12..20].iter().all(|minute| minute.weights.iter().all(|weights| weights.cost > 0.0)));
    assert!(minutes[25..].iter().all(|minute| minute.weights.iter().all(|weights| weights.cost == 0.0)));
    assert!(sum(&minutes, |minute| minute.spent) <= amount);
}

#[test]
fn first_tokens_come_in_time() {
    let policy = |target: &str| format!(r#"{{"kind":"utility","targets":{{"first_token_p95":"{target}"}}}}"#);
    // The large model is slow once in five times: at most a quarter of requests may go there.
    let slow = SimulatedWorld { slow: 0.2, ..WORLD };
    let minutes = hour(&policy("800ms"), &slow, |_| 8.0);
    let settled = &minutes[5..];
    let late = sum(settled, |minute| minute.late) / sum(settled, |minute| minute.requests);
    assert!((0.03..0.07).contains(&late), "{late}");
    // And where the small one has a queue of its own, requests are spread so that both keep up.
    let busy = SimulatedWorld { service: 0.1, slow: 0.02, ..WORLD };
    let minutes = hour(&policy("800ms"), &busy, |minute| if minute < 30 { 5.0 } else { 20.0 });
    let late = sum(&minutes[35..], |minute| minute.late) / sum(&minutes[35..], |minute| minute.requests);
    assert!(late < 0.06, "{late}");
}

#[test]
fn what_no_weight_can_help_moves_no_weight() {
    // The large model is the best and as fast as the small one is slow.
    let policy = r#"{"kind":"utility","targets":{"first_token_p95":"100ms"}}"#;
    let minutes = hour(policy, &SimulatedWorld { service: 0.4, ..WORLD }, |_| 1.0);
    let settled = &minutes[5..];
    assert_eq!(sum(settled, |minute| minute.quality), sum(settled, |minute| minute.best));
}

#[test]
fn quality_is_kept_at_the_least_cost() {
    let run = |share: f64| {
        let policy = format!(r#"{{"kind":"utility","targets":{{"quality":{share}}}}}"#);
        let minutes = hour(&policy, &WORLD, step);
        let kept = sum(&minutes[2..], |minute| minute.quality) / sum(&minutes[2..], |minute| minute.best);
        (kept, sum(&minutes, |minute| minute.spent) / ALL_LARGE)
    };
    let mut before = 0.0;
    for share in [0.8, 0.9, 0.97, 0.99] {
        let (kept, cost) = run(share);
        assert!((kept - share).abs() < 0.01, "{kept} instead of {share}");
        assert!(cost > before && cost < 1.0, "{cost} for {share}");
        before = cost;
    }
    // With slack the cheapest answer.
    assert!(run(0.5).1 < 0.1);
}

#[test]
fn spend_goes_before_quality() {
    let amount = ALL_LARGE * 0.2;
    let policy = format!(
        r#"{{"kind":"utility","targets":{{"quality":0.99,"spend":{{"amount":{amount},"per":"hour"}},"first_token_p95":"1s"}}}}"#
    );
    let minutes = hour(&policy, &WORLD, step);
    let realised = sum(&minutes, |minute| minute.spent) / amount;
    assert!((0.95..=1.02).contains(&realised), "{realised}");
}

#[test]
fn a_period_begins_with_the_whole_amount() {
    let policy: Policy = serde_json::from_str(&spend(10.0)).unwrap();
    let mut steer = WeightController::new(policy.utility().unwrap().0, 2);
    let offer = |suffices, cost| RungState {
        model: "m",
        p_success: Probability::new(suffices),
        eligible: true,
        estimate: CostEstimate { cost: Some(cost), ..CostEstimate::default() },
    };
    let weight = |steer: &mut WeightController, now: f64, begins: f64| {
        (0..5).for_each(|at| {
            steer.record_request(
                &[offer(0.5, 0.0), offer(0.9, 0.01)],
                RequestDraw::from_random(u64::MAX / 5 * at),
            )
        });
        steer.step(now, Some(SpendWindow { begins, ends: begins + 100.0 }));
        steer.weights().unwrap().cost
    };
    assert_eq!(weight(&mut steer, 1.0, 0.0), 0.0);
    steer.record_cost(10.0, 10.0);
    let mut after = |seconds: std::ops::Range<i32>, begins| {
        seconds.map(|second| weight(&mut steer, f64::from(second), begins)).last().unwrap()
    };
    assert!(after(2..60, 0.0) > 30.0, "all is spent");
    assert_eq!(after(101..150, 100.0), 0.0, "there is as much again");
}

/// First tokens at a large model that answers six a second, 20 at once, under ten requests a second for half an hour: the
/// seconds until each of the last twenty minutes, and the weights of time.
fn crowd(target: f64) -> (Vec<f64>, Vec<f64>) {
    const PLACES: usize = 20;
    const SERVICE: f64 = 3.3;
    let policy = format!(r#"{{"kind":"utility","targets":{{"first_token_p95":"{target}s"}}}}"#);
    let policy: Policy = serde_json::from_str(&policy).unwrap();
    let mut steer = WeightController::new(policy.utility().unwrap().0, 2);
    let mut draws = SplitMix64(11);
    let (mut free, mut under_way, mut coming) = ([0.0_f64; PLACES], Vec::<f64>::new(), Vec::new());
    let (mut firsts, mut weights) = (Vec::new(), Vec::new());
    let (mut now, mut next_step) = (0.0, 0.0);
    while now < 1800.0 {
        coming.retain(|&(at, rung, load, first)| {
            let still = at > now;
            if !still {
                steer.record_first_token(rung, load, first, EPOCH + at);
            }
            still
        });
        while next_step <= now {
            steer.step(EPOCH + next_step, None);
            weights.extend(steer.weights().filter(|_| now > 600.0).map(|weights| weights.latency));
            next_step += 1.0;
        }
        under_way.retain(|ends| *ends > now);
        let load = under_way.len() as u32;
        let mut ladder = ladder(&WORLD, [0.1, 0.4], &mut draws);
        let expected = steer.first_token(LARGE, load, EPOCH + now);
        ladder[LARGE].estimate.load = load;
        ladder[LARGE].estimate.wait = expected.unwrap_or_default();
        let draw = RequestDraw::from_random(draws.bits());
        steer.record_request(&ladder, draw);
        let weighed = steer.weights().unwrap_or(UtilityWeights { quality: 1.0, cost: 0.0, latency: 0.0 });
        let mut first = 0.1;
        if weighed.best(&ladder, draw.uniform(DrawPurpose::QualityWeight)) == Some(crate::rung::Rung(LARGE)) {
            let place = free.iter_mut().min_by(|one, other| one.total_cmp(other)).unwrap();
            let begins = place.max(now);
            *place = begins + SERVICE * (0.5 + draws.uniform());
            under_way.push(*place);
            first = begins - now + 0.4;
            coming.push((now + first, LARGE, load, first));
        } else {
            coming.push((now + first, SMALL, 0, first));
        }
        if now > 600.0 {
            firsts.push(first);
        }
        now += -crate::scoring::numbers::ln(1.0 - draws.uniform()) / 10.0;
    }
    (firsts, weights)
}

#[test]
fn a_queue_is_kept_as_short_as_it_must_be() {
    for target in [0.8, 1.5] {
        let (firsts, weights) = crowd(target);
        let late = |firsts: &[f64]| {
            firsts.iter().filter(|first| **first > target).count() as f64 / firsts.len() as f64
        };
        assert!((0.02..0.06).contains(&late(&firsts)), "{} later than {target}", late(&firsts));
        // No minute differs much, as they would in a swing.
        let worst = firsts.chunks(600).map(late).fold(0.0, f64::max);
        assert!(worst < 0.2, "{worst} later than {target}");
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        assert!(mean > 0.0, "{mean}");
        let served = firsts.iter().filter(|first| **first != 0.1).count() as f64 / 1200.0;
        assert!(served > 5.0, "{served} a second by the large model");
    }
}
