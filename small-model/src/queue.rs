//! Who is next: a bounded queue that takes turns between askers.

use std::collections::{HashMap, VecDeque};

/// A queue with a limit, fair between keys: each [`pop`](FairQueue::pop) serves the next key in the
/// round, and a key's own items come in their order.
///
/// One key may fill at most three quarters of the places (rounded up), so that whoever else comes
/// still finds room.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    lanes: HashMap<String, VecDeque<T>>,
    /// The keys that have items, in the order of their turns.
    round: VecDeque<String>,
    places: usize,
    held: usize,
}

impl<T> FairQueue<T> {
    /// An empty queue for this many items.
    pub(crate) fn new(places: usize) -> Self {
        Self { lanes: HashMap::new(), round: VecDeque::new(), places, held: 0 }
    }

    /// Puts an item at the end of its key's lane, or gives it back when there is no place for it.
    pub(crate) fn push(&mut self, key: &str, item: T) -> Result<(), T> {
        let queued = self.lanes.get(key).map_or(0, VecDeque::len);
        if self.held >= self.places || queued >= self.share() {
            return Err(item);
        }
        if queued == 0 {
            self.round.push_back(key.to_owned());
        }
        self.lanes.entry(key.to_owned()).or_default().push_back(item);
        self.held += 1;
        Ok(())
    }

    /// Takes the next item of the key whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let key = self.round.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        let item = lane.pop_front();
        if lane.is_empty() {
            // Keys come from requests: an empty lane must not stay.
            self.lanes.remove(&key);
        } else {
            self.round.push_back(key);
        }
        self.held -= usize::from(item.is_some());
        item
    }

    /// Removes the items that no one waits for any more.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        for lane in self.lanes.values_mut() {
            lane.retain(&mut wanted);
        }
        self.lanes.retain(|_, lane| !lane.is_empty());
        self.round.retain(|key| self.lanes.contains_key(key));
        self.held = self.lanes.values().map(VecDeque::len).sum();
    }

    /// The items that come before the next one of this key: all of its own, and of each other as many as have their turn
    /// until then.
    pub(crate) fn ahead_of(&self, key: &str) -> impl Iterator<Item = &T> {
        let own = self.lanes.get(key).map_or(0, VecDeque::len);
        self.lanes.values().flat_map(move |lane| lane.iter().take(own + 1))
    }

    /// The items that come before the first one that this is true of; `None`: it waits no more.
    pub(crate) fn ahead_of_item(&self, wanted: impl Fn(&T) -> bool) -> Option<impl Iterator<Item = &T>> {
        let place = |(key, lane): (_, &VecDeque<T>)| Some((key, lane.iter().position(&wanted)?));
        let (key, place): (&String, usize) = self.lanes.iter().find_map(place)?;
        let turn = |key: &String| self.round.iter().position(|other| other == key);
        let own_turn = turn(key);
        // Who has a turn before this key's in the round has one more until the item's.
        let before = move |(other, lane): (&String, &'_ VecDeque<T>)| {
            let more = usize::from(other != key && turn(other) < own_turn);
            (place + more).min(lane.len())
        };
        Some(self.lanes.iter().flat_map(move |(other, lane)| lane.iter().take(before((other, lane)))))
    }

    /// How many items wait.
    pub(crate) fn len(&self) -> usize {
        self.held
    }

    fn share(&self) -> usize {
        (self.places * 3).div_ceil(4)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(places: usize, pushed: &[&str], popped: &str) {
        let mut queue = FairQueue::new(places);
        for item in pushed {
            let _ = queue.push(&item[..1], (*item).to_owned());
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order.join(" "), popped);
        assert_eq!(queue.len(), 0);
        assert!(queue.lanes.is_empty() && queue.round.is_empty());
    }

    #[test]
    fn takes_turns() {
        check(9, &[], "");
        check(9, &["a1", "a2", "a3"], "a1 a2 a3");
        check(9, &["a1", "a2", "a3", "b1"], "a1 b1 a2 a3");
        check(9, &["a1", "a2", "b1", "c1", "b2"], "a1 b1 c1 a2 b2");
    }

    #[test]
    fn keeps_a_place_for_others() {
        check(0, &["a1"], "");
        check(1, &["a1", "b1"], "a1");
        check(4, &["a1", "a2", "a3", "a4", "b1", "b2"], "a1 b1 a2 a3");
    }

    #[test]
    fn knows_what_comes_before() {
        let check = |key: &str, expected: &[&str]| {
            let mut queue = FairQueue::new(9);
            for item in ["a1", "a2", "a3", "b1", "c1", "c2"] {
                queue.push(&item[..1], item).unwrap();
            }
            let mut ahead: Vec<_> = queue.ahead_of(key).copied().collect();
            ahead.sort_unstable();
            assert_eq!(ahead, expected, "{key}");
        };
        check("a", &["a1", "a2", "a3", "b1", "c1", "c2"]);
        check("b", &["a1", "a2", "b1", "c1", "c2"]);
        check("d", &["a1", "b1", "c1"]);
    }

    #[test]
    fn knows_what_comes_before_one_that_waits() {
        let items = ["a1", "a2", "a3", "b1", "c1", "c2", "b2"];
        for item in items {
            let mut queue = FairQueue::new(99);
            items.iter().for_each(|item| queue.push(&item[..1], *item).unwrap());
            for _ in 0..items.len() {
                let ahead = queue.ahead_of_item(|other| *other == item).map(|ahead| {
                    let mut ahead: Vec<_> = ahead.copied().collect();
                    ahead.sort_unstable();
                    ahead
                });
                let mut rest = FairQueue::new(99);
                std::mem::swap(&mut rest, &mut queue);
                // What comes out before it is what was said.
                let order: Vec<_> = std::iter::from_fn(|| rest.pop()).collect();
                let mut before: Vec<_> = order.iter().copied().take_while(|other| *other != item).collect();
                before.sort_unstable();
                let expected = order.contains(&item).then_some(before);
                assert_eq!(ahead, expected, "{item} in {order:?}");
                let mut left = order.into_iter();
                left.next();
                left.for_each(|item| queue.push(&item[..1], item).unwrap());
            }
        }
    }

    #[test]
    fn forgets_who_left() {
        let mut queue = FairQueue::new(8);
        for item in ["a1", "a2", "b1", "c1"] {
            queue.push(&item[..1], item).unwrap();
        }
        queue.retain(|item| *item != "a1" && *item != "b1");
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.pop(), Some("a2"));
        assert_eq!(queue.pop(), Some("c1"));
        assert_eq!(queue.pop(), None);
    }

    proptest! {
        /// Whatever comes and goes, nothing is lost or doubled, each key keeps its order, and no key
        /// is served twice while another that waited all the time is not served at all.
        #[test]
        fn loses_nothing_and_starves_no_one(steps in proptest::collection::vec(0_u8..6, 0..200), places in 0_usize..20) {
            let mut queue = FairQueue::new(places);
            let (mut next, mut inside) = (0_u32, Vec::<(u8, u32)>::new());
            let mut passed_over: HashMap<u8, u8> = HashMap::new();
            for step in steps {
                if step < 4 {
                    if queue.push(&step.to_string(), (step, next)).is_ok() {
                        inside.push((step, next));
                    }
                    next += 1;
                } else if let Some((key, item)) = queue.pop() {
                    let first = inside.iter().position(|(k, _)| *k == key).unwrap();
                    prop_assert_eq!(inside.remove(first), (key, item));
                    passed_over.remove(&key);
                    for other in 0..4 {
                        if other != key && inside.iter().any(|(k, _)| *k == other) {
                            *passed_over.entry(other).or_default() += 1;
                        }
                    }
                    prop_assert!(passed_over.values().all(|times| *times <= 3));
                }
                prop_assert_eq!(queue.len(), inside.len());
                prop_assert!(queue.len() <= places);
            }
        }
    }
}
