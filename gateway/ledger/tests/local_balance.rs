//! A local balance under many orders of steps: threads that take and put at once never take out more than was in it.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod atomic {
    pub(super) use shuttle::sync::atomic::{AtomicI64, Ordering};
}

#[path = "../src/local_balance.rs"]
mod local_balance;

use shuttle::sync::Arc;
use shuttle::thread;

use local_balance::LocalBalance;

#[test]
fn no_order_of_steps_takes_more_than_there_is() {
    shuttle::check_random(
        || {
            let balance = Arc::new(LocalBalance::new(10));
            let spend = |cost: i64| {
                let balance = Arc::clone(&balance);
                thread::spawn(move || {
                    let taken = balance.take(6);
                    if taken {
                        // The request is over and cost less than was set aside.
                        balance.put(6 - cost);
                    }
                    (i64::from(taken) * cost, i64::from(taken))
                })
            };
            let lease = {
                let balance = Arc::clone(&balance);
                thread::spawn(move || balance.put(3))
            };
            let idle = {
                let balance = Arc::clone(&balance);
                thread::spawn(move || balance.take_above(7))
            };
            let spent: Vec<(i64, i64)> = [spend(6), spend(2), spend(5)].map(|it| it.join().unwrap()).into();
            lease.join().unwrap();
            let back = idle.join().unwrap();
            let cost: i64 = spent.iter().map(|(cost, _)| cost).sum();
            assert_eq!(balance.holds(), 13 - cost - back);
            assert!(balance.holds() >= 0 && back <= 6, "{spent:?} {back}");
        },
        20_000,
    );
}

/// A debt is taken away once, however many want to.
#[test]
fn no_order_of_steps_takes_a_debt_twice() {
    shuttle::check_random(
        || {
            let balance = Arc::new(LocalBalance::new(3));
            balance.put(-10);
            let taking: Vec<_> = (0..3)
                .map(|_| {
                    let balance = Arc::clone(&balance);
                    thread::spawn(move || balance.take_debt())
                })
                .collect();
            let taken: i64 = taking.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!((taken, balance.holds()), (7, 0));
        },
        1000,
    );
}
