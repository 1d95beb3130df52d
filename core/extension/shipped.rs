//! The rules we ship: scripts under `rules/`, carried inside the binary.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/", $name, ".rhai")))),*]
    };
}

/// Name and text, sorted by name. `detect/hybrid` comes after what it calls.
static RULES: &[(&str, &str)] = shipped![
    "detect/scte35",
    "detect/static",
    "detect/hybrid",
    "fill/best_effort",
    "fill/strict",
    "sink/clickhouse",
    "sink/ga4",
    "sink/log",
    "sink/meta_capi",
    "sink/nats",
    "sink/ndjson",
    "sink/webhook",
    "targeting/brand_safety",
    "targeting/daypart",
    "targeting/device",
    "targeting/frequency",
    "targeting/geo",
    "targeting/rotation",
];

/// The script of `detect/scte35`, `fill/best_effort`, …
pub fn text(name: &str) -> Option<&'static str> {
    RULES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// All shipped rules as (name, text); a rule comes after those that it calls.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    RULES.iter().copied()
}

/// The name under which scripts call a shipped rule's functions: `shipped_scte35::detect(…)`.
pub fn module_name(name: &str) -> String {
    format!("shipped_{}", name.rsplit('/').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_under_rules_is_carried_in_the_binary() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut on_disk = Vec::new();
        for folder in std::fs::read_dir(&root).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            for file in std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()) {
                if file.extension().is_some_and(|extension| extension == "rhai") {
                    let name = file.strip_prefix(&root).unwrap().with_extension("");
                    on_disk.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        let mut carried: Vec<String> = all().map(|(name, _)| name.to_owned()).collect();
        carried.sort();
        on_disk.sort();
        assert_eq!(carried, on_disk);
    }
}
