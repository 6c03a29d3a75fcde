//! Measures what the gateway endures: one measurement a word. The figures go to standard error; standard output has the log.
//!
//! usage: `endurance attempts | recovery | slow-readers [STREAMS] | cancellation [ROUNDS] | restarts [RESTARTS]`

use end_to_end::endurance::{attempts, cancellation, recovery, restarts, slow_readers};

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let count = |default| arguments.get(1).map_or(default, |count| count.parse().expect("a number"));
    match arguments.first().map(String::as_str) {
        Some("attempts") => attempts::measure().await,
        Some("recovery") => recovery::measure().await,
        Some("slow-readers") => slow_readers::measure(count(2000)).await,
        Some("cancellation") => cancellation::measure(count(200)).await,
        Some("restarts") => restarts::measure(count(50)).await,
        _ => panic!("one of: attempts, recovery, slow-readers, cancellation, restarts"),
    }
}
