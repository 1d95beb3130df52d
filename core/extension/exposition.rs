//! What the figures of extensions say in Prometheus' text format.
//!
//! Only versions that are in use are shown: a version that was replaced takes its series with it, so that tenants who
//! replace theirs all day do not make the metrics grow. Nor is one shown that was never called.

use std::fmt::{self, Write as _};

use super::{
    call::Label,
    figures::{Figures, STEPS_PER_DOUBLING, Totals},
};

/// The ends of the buckets, as powers of two of a microsecond: from 8 µs, below which nothing is slow, to a quarter of a
/// second, the longest deadline.
const BUCKETS: std::ops::RangeInclusive<u32> = 3..=18;

/// The lines of all these.
pub fn render<'a>(all: impl IntoIterator<Item = (&'a Label, &'a Figures)>) -> String {
    let all: Vec<(&Label, Totals)> = all.into_iter().map(|(label, figures)| (label, figures.totals())).collect();
    let called = || all.iter().filter(|(_, totals)| totals.answered > 0 || !totals.errors.is_empty());
    let mut out = String::new();
    let _memory = write(&mut out, called);
    out
}

fn write<'a, 'b: 'a, I: Iterator<Item = &'a (&'b Label, Totals)>>(
    out: &mut String,
    called: impl Fn() -> I,
) -> fmt::Result {
    if called().next().is_none() {
        return Ok(());
    }
    writeln!(out, "# TYPE cuetone_extension_calls_total counter")?;
    for (label, totals) in called() {
        let outcomes = [("ok", totals.answered)].into_iter().chain(totals.errors.iter().copied());
        for (outcome, count) in outcomes.filter(|(_, count)| *count > 0) {
            writeln!(out, "cuetone_extension_calls_total{{{},outcome=\"{outcome}\"}} {count}", Labels(label))?;
        }
    }
    writeln!(out, "# TYPE cuetone_extension_cpu_microseconds_total counter")?;
    for (label, totals) in called() {
        let micros = totals.cpu_nanos / 1_000;
        writeln!(out, "cuetone_extension_cpu_microseconds_total{{{}}} {micros}", Labels(label))?;
    }
    writeln!(out, "# TYPE cuetone_extension_seconds histogram")?;
    for (label, totals) in called() {
        let name = "cuetone_extension_seconds";
        for power in BUCKETS {
            let steps = power as usize * STEPS_PER_DOUBLING as usize;
            let count: u64 = totals.took.iter().take(steps + 1).sum();
            let end = f64::from(1_u32 << power) / 1e6;
            writeln!(out, "{name}_bucket{{{},le=\"{end}\"}} {count}", Labels(label))?;
        }
        let count: u64 = totals.took.iter().sum();
        writeln!(out, "{name}_bucket{{{},le=\"+Inf\"}} {count}", Labels(label))?;
        writeln!(out, "{name}_sum{{{}}} {}", Labels(label), totals.took_nanos as f64 / 1e9)?;
        writeln!(out, "{name}_count{{{}}} {count}", Labels(label))?;
    }
    Ok(())
}

/// The labels that all series have.
struct Labels<'a>(&'a Label);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Label { tenant, extension, version, point } = self.0;
        for (name, value) in [("tenant", tenant), ("extension", extension), ("version", version)] {
            write!(f, "{name}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' | '"' => write!(f, "\\{character}")?,
                    '\n' => f.write_str("\\n")?,
                    _ => f.write_char(character)?,
                }
            }
            f.write_str("\",")?;
        }
        write!(f, "point=\"{point}\"")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::extension::Point;

    fn label(extension: &str) -> Label {
        let [tenant, version] = ["acme", "1"].map(str::to_owned);
        Label { tenant, extension: extension.to_owned(), version, point: Point::Fill }
    }

    #[test]
    fn figures_are_shown_as_prometheus_reads_them() {
        let figures = Figures::default();
        for micros in [5, 8, 9, 1_000_000] {
            figures.made(Duration::from_micros(micros), Duration::from_micros(micros));
        }
        figures.answered();
        figures.failed("trap");
        let text = render([(&label("a \"b\""), &figures)]);
        let labels = r#"tenant="acme",extension="a \"b\"",version="1",point="fill""#;
        for line in [
            "# TYPE cuetone_extension_seconds histogram".to_owned(),
            format!("cuetone_extension_calls_total{{{labels},outcome=\"ok\"}} 1"),
            format!("cuetone_extension_calls_total{{{labels},outcome=\"trap\"}} 1"),
            format!("cuetone_extension_cpu_microseconds_total{{{labels}}} 1000022"),
            format!("cuetone_extension_seconds_bucket{{{labels},le=\"0.000008\"}} 2"),
            format!("cuetone_extension_seconds_bucket{{{labels},le=\"0.000016\"}} 3"),
            format!("cuetone_extension_seconds_bucket{{{labels},le=\"0.262144\"}} 3"),
            format!("cuetone_extension_seconds_bucket{{{labels},le=\"+Inf\"}} 4"),
            format!("cuetone_extension_seconds_sum{{{labels}}} 1.000022"),
            format!("cuetone_extension_seconds_count{{{labels}}} 4"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn what_was_never_called_is_not_shown() {
        assert_eq!(render([(&label("x"), &Figures::default())]), "");
    }
}
