//! Every seed of every fuzz target keeps its property, whole and cut short; what a fuzzer once found stays mended.

use std::path::Path;

use properties::ALL;

#[test]
fn every_seed_keeps_its_property() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for (name, property) in ALL {
        let files =
            std::fs::read_dir(seeds.join(name)).unwrap_or_else(|why| panic!("{name} has no seeds: {why}"));
        let mut count = 0;
        for file in files.map(|file| file.expect("a file").path()) {
            let seed = std::fs::read(&file).expect("it can be read");
            println!("{}", file.display());
            property(&seed);
            for end in [seed.len() / 2, seed.len().saturating_sub(1)] {
                property(&seed[..end]);
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

/// A target that is fuzzed is run here, and the reverse.
#[test]
fn every_property_is_fuzzed() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    for (name, _) in ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is no target");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), ALL.len());
}
