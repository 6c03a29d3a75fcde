//! trial
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints figures")]
use end_to_end::targets::{models::Model, prompts::prompts, traffic::*};
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let t = std::time::Instant::now();
    let p = prompts(Some(std::path::Path::new("/work/shared/data")), 1).unwrap();
    eprintln!("{} prompts {:?}", p.len(), t.elapsed());
    let world = World {
        models: [
            Model {
                input: 1.0,
                output: 2.0,
                first: 0.15,
                scatter: 0.3,
                per_token: 0.006,
                places: 64,
                answer: 150.0,
            },
            Model {
                input: 10.0,
                output: 30.0,
                first: 0.5,
                scatter: 0.3,
                per_token: 0.015,
                places: 512,
                answer: 180.0,
            },
        ],
        policy: a[0].clone(),
        phases: vec![
            Phase { name: "before", rate: 1.0, seconds: 2400.0 },
            Phase { name: "step", rate: 3.0, seconds: 2400.0 },
            Phase { name: "after", rate: 1.0, seconds: 2400.0 },
        ],
        look: 10.0,
    };
    let t = std::time::Instant::now();
    let r = run(&world, &p, 1);
    eprintln!(
        "{} requests {:?} charged {} ours {}",
        r.outcomes.len(),
        t.elapsed(),
        r.charged,
        r.outcomes.iter().filter_map(|o| o.answer).map(|a| a.cost).sum::<f64>()
    );
    for w in 0..36 {
        let (lo, hi) = (w as f64 * 200.0, w as f64 * 200.0 + 200.0);
        let o: Vec<_> = r.outcomes.iter().filter(|o| o.at >= lo && o.at < hi).collect();
        let an: Vec<_> = o.iter().filter_map(|o| o.answer).collect();
        let n = an.len() as f64;
        let mut f: Vec<f64> = an.iter().map(|a| a.first).collect();
        f.sort_by(f64::total_cmp);
        let q: f64 = o.iter().filter_map(|o| Some(p[o.prompt].suffices[o.answer?.rung])).sum::<f64>()
            / o.iter().map(|o| p[o.prompt].suffices[1]).sum::<f64>();
        let l: Vec<_> = r.looks.iter().filter(|l| l.at >= lo && l.at < hi).collect();
        println!(
            "{lo:6} lost {} large {:.2} spend/h {:.2} p95 {:.3} q {:.3} | cost {:?} lat {:?} q {:?}",
            o.len() - an.len(),
            an.iter().map(|a| a.rung as f64).sum::<f64>() / n,
            an.iter().map(|a| a.cost).sum::<f64>() * 18.0,
            f[(n * 0.95) as usize],
            q,
            l.iter()
                .map(|l| (l.cost * 10.0).round() / 10.0)
                .collect::<Vec<_>>()
                .iter()
                .step_by(5)
                .collect::<Vec<_>>(),
            l.iter().map(|l| (l.latency * 1000.0).round() / 1000.0).step_by(5).collect::<Vec<_>>(),
            l.iter().map(|l| (l.quality * 1000.0).round() / 1000.0).step_by(5).collect::<Vec<_>>()
        );
    }
}
