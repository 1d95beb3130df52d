//! What `/metrics` shows of the extensions that are in use, besides what [`super::call`] counts: each breaker, and the most
//! memory that a call of a plugin had.
//!
//! Written from what is known when somebody asks, and not kept by a recorder: a version that nobody has any more is gone
//! from the next answer, so no series pile up over reloads. Knows no recorder and no route.

use std::fmt::Write;

use super::watch::Insight;

/// A gauge of each version; `None` where it has none.
type Gauge = (&'static str, fn(&Insight) -> Option<u64>);

const GAUGES: [Gauge; 2] = [
    ("cuetone_extension_breaker_open", |insight| Some(u64::from(insight.breaker_open))),
    // The memory of scripts is not counted.
    ("cuetone_extension_peak_memory_bytes", |insight| Some(insight.seen.peak_memory_bytes).filter(|bytes| *bytes > 0)),
];

/// Prometheus text, in lines of its own.
pub fn text(seen: &[Insight]) -> String {
    let mut text = String::new();
    for (name, value) in GAUGES {
        let values: Vec<_> = seen.iter().filter_map(|insight| Some((&insight.of, value(insight)?))).collect();
        if values.is_empty() {
            continue;
        }
        let _infallible = writeln!(text, "# TYPE {name} gauge");
        for (of, value) in values {
            let labels = [
                ("tenant", of.tenant.as_str()),
                ("extension", &of.extension),
                ("version", &of.version),
                ("point", of.point.as_str()),
            ];
            let labels = labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            let _infallible = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
        }
    }
    text
}

/// As a label's value is written in Prometheus' text format, 0.0.4.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{Point, call::Label, figures::Figures};

    fn insight(extension: &str, breaker_open: bool, memory: usize) -> Insight {
        let figures = Figures::default();
        figures.used_memory(memory);
        let of = Label {
            tenant: "acme".to_owned(),
            extension: extension.to_owned(),
            version: "0a1b".to_owned(),
            point: Point::Fill,
        };
        Insight { of, breaker_open, seen: figures.seen() }
    }

    #[test]
    fn each_version_has_its_breaker_and_only_plugins_have_memory() {
        let shown = text(&[insight("plugins/a.wasm", false, 70_000), insight("rules/b \"c\\d\".rhai", true, 0)]);
        let labels =
            |extension: &str| format!(r#"{{tenant="acme",extension="{extension}",version="0a1b",point="fill"}}"#);
        let (plugin, script) = (labels("plugins/a.wasm"), labels(r#"rules/b \"c\\d\".rhai"#));
        let expect = format!(
            "# TYPE cuetone_extension_breaker_open gauge\ncuetone_extension_breaker_open{plugin} 0\n\
             cuetone_extension_breaker_open{script} 1\n# TYPE cuetone_extension_peak_memory_bytes gauge\n\
             cuetone_extension_peak_memory_bytes{plugin} 70000\n"
        );
        assert_eq!(shown, expect);
        assert_eq!(text(&[]), "");
    }
}
