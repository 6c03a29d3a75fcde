//! What a picture counts for in tokens, by the rules that providers have published. It is never fetched or decoded: its
//! size is read from the first bytes where they are in the request, and where only an address is known it counts for the
//! most that it can.
//!
//! | rule | whose | source, read in November 2026 |
//! | --- | --- | --- |
//! | tiles of 512 px | OpenAI's GPT-4o, 4.1, 4.5, 5, 5.1, o1, o3 | developers.openai.com/api/docs/guides/images-vision |
//! | patches of 32 px | its GPT-4.1 mini and nano, 5 mini and nano, 5.2 and later, o4-mini | the same |
//! | patches of 28 px | Anthropic's | platform.claude.com/docs/en/build-with-claude/vision |
//! | crops of 768 px, or a fixed count | Google's up to 2.5, and from 3 on | ai.google.dev/gemini-api/docs/tokens, and …/media-resolution |
//! | squares of 28 or 32 px | Alibaba's Qwen-VL | help.aliyun.com/zh/model-studio/vision, and the models' own preprocessor files |

use super::image_size::ImageSize;

/// A rule by which pictures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum ImageTokenRule {
    /// None is known: as open models mostly do, in squares of 28 px, up to 2,000 of them.
    Unknown,
    /// OpenAI's tiles, at 85 and 170 a tile.
    Tiles,
    /// The same at the prices of GPT-4o mini, 2,833 and 5,667.
    DearTiles,
    /// OpenAI's patches, up to 1,536 of them, at most at 2.46 tokens each.
    Patches,
    /// The same for GPT-5.4 and later: up to 2,500, or 30,000 in full detail, at 1.2 tokens each.
    FinePatches,
    /// Anthropic's patches up to 4.6: of 1,568 px and as many tokens at most.
    Claude,
    /// The same from 4.7 on: of 2,576 px and 4,784 tokens.
    FineClaude,
    /// Google's crops, 258 each.
    Crops,
    /// Google's fixed count from Gemini 3 on.
    Fixed,
    /// Qwen's squares of 28 px.
    Qwen28,
    /// Qwen's squares of 32 px, of Qwen3-VL and later.
    Qwen32,
}

const SIGHTS: [ImageTokenRule; 11] = [
    ImageTokenRule::Unknown,
    ImageTokenRule::Tiles,
    ImageTokenRule::DearTiles,
    ImageTokenRule::Patches,
    ImageTokenRule::FinePatches,
    ImageTokenRule::Claude,
    ImageTokenRule::FineClaude,
    ImageTokenRule::Crops,
    ImageTokenRule::Fixed,
    ImageTokenRule::Qwen28,
    ImageTokenRule::Qwen32,
];

/// How closely a picture is to be looked at, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ImageDetail {
    Low,
    High,
    /// As it is.
    Original,
    /// As the model sees fit.
    #[default]
    Auto,
}

impl ImageDetail {
    pub(super) fn of(word: &str) -> Self {
        match word {
            "low" => Self::Low,
            "high" => Self::High,
            "original" => Self::Original,
            _ => Self::Auto,
        }
    }
}

/// Tokens of all pictures of a request, by each rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageTokens([u64; SIGHTS.len()]);

impl ImageTokens {
    /// What they count for by a rule.
    #[inline]
    pub fn by(&self, sight: ImageTokenRule) -> u64 {
        self.0[sight as usize]
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by(ImageTokenRule::Unknown) == 0
    }

    /// Adds one; `bytes`: of its file, where that is in the request.
    pub(super) fn add(&mut self, size: Option<ImageSize>, bytes: Option<u64>, detail: ImageDetail) {
        for sight in SIGHTS {
            let tokens = match (size, bytes, sight) {
                // A file of a kind that we do not read: by its length, within what pictures count for.
                (None, Some(bytes), ImageTokenRule::Unknown) => (bytes / BYTES).clamp(LEAST, MOST),
                (Some(size), _, _) => sight.tokens(size, detail),
                (None, _, _) => sight.most(detail),
            };
            let all = &mut self.0[sight as usize];
            *all = all.saturating_add(tokens);
        }
    }
}

/// Bytes of a file for one token, and the bounds, where neither the rule nor the size is known.
const BYTES: u64 = 256;
const LEAST: u64 = 85;
const MOST: u64 = 2_000;

impl ImageTokenRule {
    /// Tokens of a picture of this size.
    fn tokens(self, size: ImageSize, detail: ImageDetail) -> u64 {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let tokens = match (self, detail) {
            (Self::Tiles, ImageDetail::Low) => 85.0,
            (Self::Tiles, _) => 85.0 + 170.0 * tiles(width, height),
            (Self::DearTiles, ImageDetail::Low) => 2_833.0,
            (Self::DearTiles, _) => 2_833.0 + 5_667.0 * tiles(width, height),
            (Self::Patches, ImageDetail::Low) => 2.46 * within(width, height, 32.0, 512.0, 256.0),
            (Self::Patches, _) => 2.46 * within(width, height, 32.0, 2_048.0, 1_536.0),
            (Self::FinePatches, ImageDetail::Low) => 1.2 * within(width, height, 32.0, 512.0, 256.0),
            (Self::FinePatches, ImageDetail::High) => 1.2 * within(width, height, 32.0, 65_535.0, 2_500.0),
            (Self::FinePatches, _) => 1.2 * within(width, height, 32.0, 65_535.0, 30_000.0),
            (Self::Claude, _) => within(width, height, 28.0, 1_568.0, 1_568.0),
            (Self::FineClaude, _) => within(width, height, 28.0, 2_576.0, 4_784.0),
            (Self::Crops, _) => 258.0 * crops(width, height),
            (Self::Fixed, _) => FIXED,
            (Self::Qwen28, _) => 2.0 + within(width, height, 28.0, f64::MAX, 16_384.0).max(4.0),
            (Self::Qwen32, _) => 2.0 + within(width, height, 32.0, f64::MAX, 16_384.0).max(4.0),
            (Self::Unknown, _) => within(width, height, 28.0, f64::MAX, MOST as f64).max(LEAST as f64),
        };
        tokens.ceil() as u64
    }

    /// The most that a picture of any size counts for, unless its provider is asked to look closer than it does by itself.
    fn most(self, detail: ImageDetail) -> u64 {
        match (self, detail) {
            (Self::Tiles, ImageDetail::Low) => 85,
            // Two by four tiles, of the longest picture that is 768 px wide.
            (Self::Tiles, _) => 85 + 170 * 8,
            (Self::DearTiles, ImageDetail::Low) => 2_833,
            (Self::DearTiles, _) => 2_833 + 5_667 * 8,
            (Self::Patches, ImageDetail::Low) => 630,
            (Self::Patches, _) => 3_779,
            (Self::FinePatches, ImageDetail::Low) => 308,
            (Self::FinePatches, ImageDetail::High) => 3_000,
            (Self::FinePatches, _) => 12_000,
            (Self::Claude, _) => 1_568,
            (Self::FineClaude, _) => 4_784,
            // Six crops, as Google has it for a picture of three by two.
            (Self::Crops, _) => 258 * 6,
            (Self::Fixed, _) => FIXED as u64,
            (Self::Qwen28 | Self::Qwen32, _) => 2_562,
            (Self::Unknown, _) => MOST,
        }
    }
}

/// What a picture counts for from Gemini 3 on, unless another resolution is asked for.
const FIXED: f64 = 1_120.0;

/// OpenAI's tiles: within 2,048 px square, then the shorter side to 768 px, then in tiles of 512 px.
fn tiles(width: f64, height: f64) -> f64 {
    let scale = (2_048.0 / width.max(height)).min(1.0);
    let scale = scale * (768.0 / (width * scale).min(height * scale)).min(1.0);
    let count = |side: f64| (side * scale / 512.0).ceil().max(1.0);
    count(width) * count(height)
}

/// Google's crops: one for a small picture, else squares of two thirds of the shorter side, between 256 and 768 px.
fn crops(width: f64, height: f64) -> f64 {
    if width <= 384.0 && height <= 384.0 {
        return 1.0;
    }
    let side = (width.min(height) / 1.5).floor().clamp(256.0, 768.0);
    // A long strip is scaled down first.
    ((width / side).ceil() * (height / side).ceil()).min(16.0)
}

/// Patches of a side, of a picture that is made smaller until neither its longer edge nor their count is above the most.
fn within(width: f64, height: f64, side: f64, edge: f64, most: f64) -> f64 {
    let scale = (edge / width.max(height)).min(1.0);
    let count = |length: f64| (length * scale / side).ceil().max(1.0);
    (count(width) * count(height)).min(most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pictures_count_by_their_providers_rules() {
        let check = |sight: ImageTokenRule, detail: ImageDetail, width: u32, height: u32, expected: u64| {
            let tokens = sight.tokens(ImageSize { width, height }, detail);
            assert_eq!(tokens, expected, "{sight:?} {detail:?} {width}x{height}");
        };
        // OpenAI's own examples.
        check(ImageTokenRule::Tiles, ImageDetail::High, 1024, 1024, 765);
        check(ImageTokenRule::Tiles, ImageDetail::High, 2048, 4096, 1105);
        check(ImageTokenRule::Tiles, ImageDetail::Low, 4096, 8192, 85);
        check(ImageTokenRule::Tiles, ImageDetail::Auto, 100, 100, 255);
        check(ImageTokenRule::DearTiles, ImageDetail::Auto, 512, 512, 8_500);
        check(ImageTokenRule::Patches, ImageDetail::High, 1024, 1024, 2_520);
        check(ImageTokenRule::Patches, ImageDetail::High, 1800, 2400, 3_779);
        check(ImageTokenRule::FinePatches, ImageDetail::High, 640, 480, 360);
        check(ImageTokenRule::FinePatches, ImageDetail::High, 2880, 864, 2_916);
        check(ImageTokenRule::FinePatches, ImageDetail::Low, 640, 480, 231);
        check(ImageTokenRule::FinePatches, ImageDetail::Original, 3200, 960, 3_600);
        // Anthropic's.
        check(ImageTokenRule::Claude, ImageDetail::Auto, 1000, 1000, 1_296);
        check(ImageTokenRule::FineClaude, ImageDetail::Auto, 1920, 1080, 2_691);
        check(ImageTokenRule::Claude, ImageDetail::Auto, 8000, 8000, 1_568);
        check(ImageTokenRule::FineClaude, ImageDetail::Auto, 8000, 8000, 4_784);
        // Google's.
        check(ImageTokenRule::Crops, ImageDetail::Auto, 384, 384, 258);
        check(ImageTokenRule::Crops, ImageDetail::Auto, 960, 540, 1_548);
        check(ImageTokenRule::Fixed, ImageDetail::Low, 20, 20, 1_120);
        // Alibaba's.
        check(ImageTokenRule::Qwen28, ImageDetail::Auto, 1036, 1036, 1_371);
        check(ImageTokenRule::Qwen32, ImageDetail::Auto, 1024, 1024, 1_026);
        check(ImageTokenRule::Qwen28, ImageDetail::Auto, 20, 20, 6);
        check(ImageTokenRule::Unknown, ImageDetail::Auto, 1, 1, 85);
        check(ImageTokenRule::Unknown, ImageDetail::Auto, 9_000, 9_000, 2_000);
    }

    #[test]
    fn what_has_no_size_counts_for_the_most() {
        let mut pictures = ImageTokens::default();
        pictures.add(None, None, ImageDetail::Auto);
        for sight in SIGHTS {
            assert_eq!(pictures.by(sight), sight.most(ImageDetail::Auto));
        }
        let mut short = ImageTokens::default();
        short.add(None, Some(3), ImageDetail::Auto);
        assert_eq!((short.by(ImageTokenRule::Unknown), short.by(ImageTokenRule::Claude)), (LEAST, 1_568));
    }

    proptest! {
        #[test]
        fn a_picture_counts_for_something_and_never_without_bound(width in 1u32.., height in 1u32..) {
            for sight in SIGHTS {
                for detail in [ImageDetail::Low, ImageDetail::High, ImageDetail::Original, ImageDetail::Auto] {
                    let tokens = sight.tokens(ImageSize { width, height }, detail);
                    prop_assert!((1..=50_000).contains(&tokens), "{:?} {:?} {}", sight, detail, tokens);
                }
            }
        }

        #[test]
        fn a_closer_look_counts_for_no_less(width in 1u32..20_000, height in 1u32..20_000) {
            for sight in SIGHTS {
                let [low, high, original] =
                    [ImageDetail::Low, ImageDetail::High, ImageDetail::Original].map(|it| sight.tokens(ImageSize { width, height }, it));
                prop_assert!(low <= high && high <= original, "{:?}", sight);
            }
        }
    }
}
