//! Positions of a pod that ads can bid for, and which of them a pod of some length has.

/// A place in the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// From 1.
    Nth(usize),
    Last,
}

/// Positions with bids, as the bits of a mask: bit 0 is the first of them.
#[derive(Clone, Debug, Default)]
pub struct Slots(pub Vec<Position>);

impl Slots {
    /// All masks: from 0 up to, and without, this.
    pub fn masks(&self) -> usize {
        1 << self.0.len()
    }

    /// How many ads a pod has at least in which different ads hold all positions of the mask. A pod's last ad can also be
    /// its second, but only one ad stands there.
    pub fn ads_needed(&self, mask: usize) -> usize {
        let held = || self.0.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, position)| position);
        let numbered = held().map(|position| if let Position::Nth(number) = position { *number } else { 0 }).max();
        numbered.unwrap_or(0) + usize::from(held().any(|position| *position == Position::Last))
    }

    /// What the most demanding mask needs.
    pub fn most_needed(&self) -> usize {
        self.ads_needed(self.masks() - 1)
    }

    /// Play order. `picks` are ads, by their places among the candidates, with the slot that each holds. Ads without a
    /// slot take what is left, in the host's order.
    pub fn order(&self, picks: &[(usize, Option<usize>)]) -> Vec<usize> {
        let mut free: Vec<usize> = picks.iter().filter(|(_, slot)| slot.is_none()).map(|(at, _)| *at).collect();
        free.sort_unstable();
        let mut free = free.into_iter();
        let holder = |position| {
            let slot = self.0.iter().position(|slot| *slot == position)?;
            picks.iter().find(|(_, held)| *held == Some(slot)).map(|(at, _)| *at)
        };
        let last = holder(Position::Last);
        let before_last = picks.len() - usize::from(last.is_some());
        let front = (1..=before_last).filter_map(|number| holder(Position::Nth(number)).or_else(|| free.next()));
        front.collect::<Vec<_>>().into_iter().chain(last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_its_positions_from_some_number_of_ads_on() {
        let slots = Slots(vec![Position::Nth(1), Position::Nth(3), Position::Last]);
        let needed: Vec<usize> = (0..slots.masks()).map(|mask| slots.ads_needed(mask)).collect();
        assert_eq!(needed, [0, 1, 3, 3, 1, 2, 4, 4]);
        assert_eq!(slots.most_needed(), 4);
    }

    #[test]
    fn ads_without_a_slot_fill_up_in_the_order_of_the_host() {
        let slots = Slots(vec![Position::Nth(1), Position::Nth(3), Position::Last]);
        assert_eq!(slots.order(&[(4, None), (1, Some(2)), (7, None), (0, None)]), [0, 4, 7, 1]);
        assert_eq!(slots.order(&[(0, None), (1, Some(1)), (2, None), (3, Some(0))]), [3, 0, 1, 2]);
        assert_eq!(slots.order(&[(2, Some(2))]), [2]);
        assert_eq!(slots.order(&[]), [0; 0]);
    }
}
