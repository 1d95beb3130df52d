//! YAML text → value, with the place of every node, within limits.
//!
//! One pass of `saphyr-parser` events finds places, duplicate keys, deep nesting and alias bombs; then `serde_yaml`
//! reads the values. It does not know what the keys mean.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser};
use serde_yaml::Value;

use super::{
    BundleError, BundleErrors, MANIFEST_FILE, MAX_YAML_DEPTH, MAX_YAML_NODES,
    places::{Place, Places},
};

pub(super) fn load(text: &str) -> Result<(Value, Places), BundleErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let places = Scan::run(text)?;
    let value = serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map_or(Place::default(), |l| Place { line: l.line(), column: l.column() });
        at(place, "", bare(&error), "")
    })?;
    Ok((value, places))
}

/// The message without its position: that goes in front.
fn bare(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

fn at(place: Place, field: &str, message: impl Into<String>, expected: &str) -> BundleError {
    let mut error = BundleError::of_file(MANIFEST_FILE, message, expected);
    (error.line, error.column, error.field) = (place.line, place.column, field.into());
    error
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// A collection that has not ended.
enum Open {
    Sequence { next: usize },
    Mapping { key: Option<(String, Place)>, seen: HashSet<String> },
}

struct Level {
    path: String,
    open: Open,
    /// Its anchor, and how many nodes there were before it.
    anchor: usize,
    nodes_before: usize,
}

#[derive(Default)]
struct Scan {
    places: Places,
    levels: Vec<Level>,
    errors: Vec<BundleError>,
    nodes: usize,
    /// Expanded size of what each anchor names.
    anchors: HashMap<usize, usize>,
    documents: usize,
}

impl Scan {
    fn run(text: &str) -> Result<Places, BundleErrors> {
        let mut scan = Self::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| at(place(error.marker()), "", error.info(), "valid YAML"))?;
            scan.event(event, place(&span.start))?;
        }
        if scan.places.value("").line == 0 {
            return Err(
                BundleError::of_file(MANIFEST_FILE, "the file is empty", "at least `tenant: { slug: … }`").into()
            );
        }
        if scan.errors.is_empty() { Ok(scan.places) } else { Err(BundleErrors::new(scan.errors)) }
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), BundleError> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(at(place, "", "there is a second document", "one document, without a second `---`"));
                }
            }
            Event::Scalar(text, _, anchor, _) => {
                self.count(1, place)?;
                self.anchors.insert(anchor, 1);
                if !self.take_key(&text, place) {
                    self.enter(place);
                }
            }
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(&anchor).copied() else {
                    return Err(at(place, "", "this alias is inside what it stands for", "an alias after its anchor"));
                };
                self.count(size, place)?;
                if !self.take_key("*", place) {
                    self.enter(place);
                }
            }
            Event::SequenceStart(anchor, _) => self.start(anchor, place, Open::Sequence { next: 0 })?,
            Event::MappingStart(anchor, _) => {
                self.start(anchor, place, Open::Mapping { key: None, seen: HashSet::new() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(level) = self.levels.pop()
                    && level.anchor > 0
                {
                    self.anchors.insert(level.anchor, self.nodes.saturating_sub(level.nodes_before));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, place: Place) -> Result<(), BundleError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_YAML_NODES {
            let message = format!("the file has more than {MAX_YAML_NODES} nodes once aliases are expanded");
            return Err(at(place, "", message, ""));
        }
        Ok(())
    }

    fn start(&mut self, anchor: usize, place: Place, open: Open) -> Result<(), BundleError> {
        let nodes_before = self.nodes;
        self.count(1, place)?;
        if self.levels.len() >= MAX_YAML_DEPTH {
            return Err(at(place, "", format!("the file is nested more than {MAX_YAML_DEPTH} deep"), ""));
        }
        if matches!(self.levels.last(), Some(Level { open: Open::Mapping { key: None, .. }, .. })) {
            return Err(at(place, "", "a list or a mapping stands where a key should be", "a plain key"));
        }
        let path = self.enter(place);
        self.levels.push(Level { path, open, anchor, nodes_before });
        Ok(())
    }

    /// In a mapping that waits for a key, this scalar is it.
    fn take_key(&mut self, text: &str, place: Place) -> bool {
        let Some(Level { path, open: Open::Mapping { key: key @ None, seen }, .. }) = self.levels.last_mut() else {
            return false;
        };
        if !seen.insert(text.to_owned()) {
            let field = join(path, text);
            self.errors.push(at(place, &field, format!("the key `{text}` is here twice"), "each key once"));
        }
        *key = Some((text.to_owned(), place));
        true
    }

    /// Notes where a value stands and returns its path.
    fn enter(&mut self, place: Place) -> String {
        let (path, key) = match self.levels.last_mut() {
            None => (String::new(), None),
            Some(Level { path, open: Open::Sequence { next }, .. }) => {
                let child = format!("{path}[{next}]");
                *next += 1;
                (child, None)
            }
            Some(Level { path, open: Open::Mapping { key, .. }, .. }) => {
                let (name, key_place) = key.take().unwrap_or_default();
                (join(path, &name), Some(key_place))
            }
        };
        self.places.insert(path.clone(), key, place);
        path
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
