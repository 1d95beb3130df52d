use super::*;
use crate::extension::breaker::monotonic;

fn extensions() -> Extensions {
    Extensions::new(monotonic()).unwrap()
}

fn load(point: Point, wanted: &ExtensionRef, scripts: &BTreeMap<String, String>) -> Result<String, ExtensionError> {
    let extensions = extensions();
    match point {
        Point::Detect => extensions.load_detector(wanted, scripts, "acme").map(|loaded| loaded.version),
        Point::Targeting => extensions.load_targeting(wanted, scripts, "acme").map(|loaded| loaded.version),
        Point::Fill => extensions.load_fill(wanted, scripts, "acme").map(|loaded| loaded.version),
        Point::Sink => extensions.load_sink(wanted, scripts, "acme").map(|loaded| loaded.version),
    }
}

/// Loads `text` as `rules/x.rhai` and shows what its author would read.
fn refused(point: Point, text: &str) -> String {
    let scripts = BTreeMap::from([("rules/x.rhai".to_owned(), text.to_owned())]);
    load(point, &ExtensionRef::File("rules/x.rhai".to_owned()), &scripts).unwrap_err().to_string()
}

#[test]
fn every_shipped_rule_loads() {
    for (name, _) in shipped::all() {
        let point: Point = name.split('/').next().unwrap().parse().unwrap();
        let loaded = load(point, &ExtensionRef::Shipped(name.to_owned()), &BTreeMap::new());
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}
