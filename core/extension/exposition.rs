//! What the figures of extensions say in Prometheus' text format.
//!
//! Only versions that are in use are shown: a version that was replaced takes its series with it, so that tenants who
//! replace theirs all day do not make the metrics grow. Of one that was never called, its breaker alone is shown.

use std::fmt::{self, Write as _};

use super::{call::Label, figures::STEPS_PER_DOUBLING, watch::Insight};

/// The ends of the buckets, as powers of two of a microsecond: from 8 µs, below which nothing is slow, to a quarter of a
/// second, the longest deadline.
const BUCKETS: std::ops::RangeInclusive<u32> = 3..=18;

/// The lines of all these.
pub fn render(all: &[Insight]) -> String {
    let mut out = String::new();
    // Writing to a text does not fail.
    let _infallible = write(&mut out, all);
    out
}

fn write(out: &mut String, all: &[Insight]) -> fmt::Result {
    let called: Vec<&Insight> =
        all.iter().filter(|one| one.totals.answered > 0 || !one.totals.errors.is_empty()).collect();
    kind(out, "cuetone_extension_calls_total", "counter", !called.is_empty())?;
    for Insight { of, totals, .. } in &called {
        let outcomes = [("ok", totals.answered)].into_iter().chain(totals.errors.iter().copied());
        for (outcome, count) in outcomes.filter(|(_, count)| *count > 0) {
            writeln!(out, "cuetone_extension_calls_total{{{},outcome=\"{outcome}\"}} {count}", Labels(of))?;
        }
    }
    kind(out, "cuetone_extension_cpu_microseconds_total", "counter", !called.is_empty())?;
    for Insight { of, totals, .. } in &called {
        let micros = totals.cpu_nanos / 1_000;
        writeln!(out, "cuetone_extension_cpu_microseconds_total{{{}}} {micros}", Labels(of))?;
    }
    kind(out, "cuetone_extension_seconds", "histogram", !called.is_empty())?;
    for Insight { of, totals, .. } in &called {
        for power in BUCKETS {
            let steps = power as usize * STEPS_PER_DOUBLING as usize;
            let count: u64 = totals.took.iter().take(steps + 1).sum();
            let end = f64::from(1_u32 << power) / 1e6;
            writeln!(out, "cuetone_extension_seconds_bucket{{{},le=\"{end}\"}} {count}", Labels(of))?;
        }
        let (count, sum) = (totals.took.iter().sum::<u64>(), totals.took_nanos as f64 / 1e9);
        writeln!(out, "cuetone_extension_seconds_bucket{{{},le=\"+Inf\"}} {count}", Labels(of))?;
        writeln!(out, "cuetone_extension_seconds_sum{{{}}} {sum}", Labels(of))?;
        writeln!(out, "cuetone_extension_seconds_count{{{}}} {count}", Labels(of))?;
    }
    kind(out, "cuetone_extension_breaker_open", "gauge", !all.is_empty())?;
    for Insight { of, breaker_open, .. } in all {
        writeln!(out, "cuetone_extension_breaker_open{{{}}} {}", Labels(of), u8::from(*breaker_open))?;
    }
    // The memory of scripts is not counted.
    let with_memory: Vec<&Insight> = all.iter().filter(|one| one.totals.peak_memory_bytes > 0).collect();
    kind(out, "cuetone_extension_peak_memory_bytes", "gauge", !with_memory.is_empty())?;
    for Insight { of, totals, .. } in with_memory {
        let bytes = totals.peak_memory_bytes;
        writeln!(out, "cuetone_extension_peak_memory_bytes{{{}}} {bytes}", Labels(of))?;
    }
    Ok(())
}

/// What the series that follow are, if there are any.
fn kind(out: &mut String, name: &str, kind: &str, any: bool) -> fmt::Result {
    if any { writeln!(out, "# TYPE {name} {kind}") } else { Ok(()) }
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
    use crate::extension::{Point, figures::Figures};

    fn insight(extension: &str, breaker_open: bool, figures: &Figures) -> Insight {
        let [tenant, version] = ["acme", "1"].map(str::to_owned);
        let of = Label { tenant, extension: extension.to_owned(), version, point: Point::Fill };
        Insight { of, breaker_open, totals: figures.totals() }
    }

    #[test]
    fn figures_are_shown_as_prometheus_reads_them() {
        let figures = Figures::default();
        for micros in [5, 8, 9, 1_000_000] {
            figures.made(Duration::from_micros(micros), Duration::from_micros(micros));
        }
        figures.answered();
        figures.failed("trap");
        figures.used_memory(70_000);
        let text = render(&[insight("a \"b\"", true, &figures)]);
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
            format!("cuetone_extension_breaker_open{{{labels}}} 1"),
            format!("cuetone_extension_peak_memory_bytes{{{labels}}} 70000"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn of_what_was_never_called_the_breaker_alone_is_shown() {
        let labels = r#"tenant="acme",extension="x",version="1",point="fill""#;
        let expect =
            format!("# TYPE cuetone_extension_breaker_open gauge\ncuetone_extension_breaker_open{{{labels}}} 0\n");
        assert_eq!(render(&[insight("x", false, &Figures::default())]), expect);
        assert_eq!(render(&[]), "");
    }
}
