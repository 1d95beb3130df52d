//! What a call of an extension costs: the templates' policy in the server's own Rust, in Rhai, and as a plugin in Rust, C and
//! JavaScript. Python is left out: it takes ten seconds to compile; `cuetone plugin bench` measures one.
//!
//! `cargo bench --bench extension`. The plugins are built from the templates the first time.

#![allow(clippy::expect_used, reason = "a bench stops at the first thing that is not as it should be")]

#[path = "../tests/guests/mod.rs"]
#[allow(dead_code, reason = "shared with tests")]
mod guests;

use std::path::Path;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use cuetone::{
    cli::{
        cases::Subject,
        plugin::{ask, load, native::Native, sizes, starter_config, starter_script},
    },
    extension::{Point, sample::tried},
};
use cuetone_build::Language;

fn calls(criterion: &mut Criterion) {
    for point in Point::ALL {
        let config = starter_config(point);
        let plugin = |language: Language| {
            let component = guests::template(language, point);
            load(Path::new(language.name()), &component).expect("a plugin")
        };
        let (rust, c, javascript) = (plugin(Language::Rust), plugin(Language::C), plugin(Language::JavaScript));
        let (native, script) = (Native(point), starter_script(point).expect("a script"));
        let subjects: [(&str, &dyn Subject); 5] =
            [("native", &native), ("rhai", &script), ("rust", &rust), ("c", &c), ("javascript", &javascript)];
        let mut group = criterion.benchmark_group(point.as_str());
        for (size, of) in sizes(point) {
            for (name, subject) in subjects {
                group.bench_function(BenchmarkId::new(name, format!("{size} {of}")), |bencher| {
                    // The call alone, without making its input; once more where the machine was elsewhere for too long.
                    let call = || tried(|| ask(subject, size, &config)).expect("an answer").elapsed;
                    bencher.iter_custom(|calls| (0..calls).map(|_| call()).sum());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
