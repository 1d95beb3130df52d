//! Which break of a VMAP answer is the one at hand.

use super::viewer::BreakPlace;
use crate::{
    domain::{Position, Span},
    media::{
        vast::Offset,
        vmap::{AdBreak, AdSource, BreakEvent, TimeOffset, Vmap},
    },
};

/// How far a break may be from where the answer has it: splices are at segments, offsets in whole seconds.
const TOLERANCE: Span = Span::from_secs(2);

/// The whole of a content in thousandths of a percent.
const WHOLE: u32 = 100_000;

/// A break of a VMAP answer, as far as it wants to know what becomes of it. URLs have their macros unfilled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Break {
    pub id: Option<String>,
    pub starts: Vec<String>,
    pub ends: Vec<String>,
    pub errors: Vec<String>,
}

impl Break {
    fn of(of: &AdBreak) -> Self {
        let urls = |event| of.urls(event).map(str::to_owned).collect();
        Self {
            id: of.id.clone(),
            starts: urls(BreakEvent::Start),
            ends: urls(BreakEvent::End),
            errors: urls(BreakEvent::Error),
        }
    }

    pub(super) fn weight(&self) -> usize {
        self.starts.iter().chain(&self.ends).chain(&self.errors).map(String::len).sum()
    }
}

/// The break that is asked for, and where its ads are.
pub(super) fn choose(vmap: Vmap, position: Position, place: BreakPlace) -> Option<(Break, AdSource)> {
    let linear = || vmap.breaks.iter().enumerate().filter(|(_, one)| one.types.linear && one.source.is_some());
    let nearest = linear().filter_map(|(index, one)| Some((index, distance(one, position, place)?)));
    let chosen = nearest.min_by_key(|(_, distance)| *distance).map(|(index, _)| index);
    let is_unknown = position == Position::MidRoll && place.offset.is_none() && place.number.is_none();
    // A live channel asks for one break and does not know which it is to the ad server.
    let any = || {
        let middle = linear().find(|(_, one)| !matches!(one.time_offset, TimeOffset::Start | TimeOffset::End));
        middle.or_else(|| linear().next()).map(|(index, _)| index)
    };
    let index = chosen.or_else(|| is_unknown.then(any).flatten())?;
    let chosen = vmap.breaks.into_iter().nth(index)?;
    let of_break = Break::of(&chosen);
    Some((of_break, chosen.source?))
}

/// How far a break of the answer is from the one at hand; `None` if it is another.
fn distance(one: &AdBreak, position: Position, place: BreakPlace) -> Option<Span> {
    let here = |is: bool| is.then_some(Span::ZERO);
    match (position, one.time_offset) {
        (Position::PreRoll, TimeOffset::Start) | (Position::PostRoll, TimeOffset::End) => here(true),
        (Position::PreRoll, TimeOffset::At(offset)) => {
            here(matches!(offset, Offset::Time(Span::ZERO) | Offset::Percent(0)))
        }
        (Position::PostRoll, TimeOffset::At(Offset::Percent(part))) => here(part >= WHOLE),
        (Position::MidRoll, TimeOffset::Position(number)) => here(place.number == Some(number)),
        (Position::MidRoll, TimeOffset::At(offset)) => {
            let due = match offset {
                Offset::Time(time) => time,
                Offset::Percent(_) => offset.within(place.content?),
            };
            let away = place.offset? - due;
            // The same break again and again.
            let every = one.repeat_after.filter(|every| every.is_positive() && away.is_positive());
            let away = every.map_or(away, |every| {
                let over = Span(away.as_micros() % every.as_micros());
                over.min(every - over)
            });
            Some(away.abs()).filter(|away| *away <= TOLERANCE)
        }
        _ => None,
    }
}
