//! Which writing a prompt is in, as far as that tells its language.

use crate::scoring::features::tokens::is_ideograph;

/// Characters of a prompt that are looked at.
const LOOKED_AT: usize = 4000;
/// The share of letters from which on a prompt is in a writing beside Latin: a few words of code or a name do not hide it.
const SHARE: usize = 10;

/// A writing. Languages that share one cannot be told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WritingSystem {
    /// Latin letters, and whatever is not listed here.
    Latin,
    /// Chinese characters without kana.
    Chinese,
    /// Kana, with or without Chinese characters.
    Japanese,
    /// Hangul.
    Korean,
    /// Cyrillic letters.
    Cyrillic,
    /// Arabic letters.
    Arabic,
    /// Devanagari.
    Devanagari,
    /// Thai letters.
    Thai,
    /// Greek letters.
    Greek,
    /// Hebrew letters.
    Hebrew,
}

impl WritingSystem {
    /// The writing of a language, by its ISO 639-1 code.
    pub fn of_language(code: &str) -> Self {
        match code {
            "zh" => Self::Chinese,
            "ja" => Self::Japanese,
            "ko" => Self::Korean,
            "ru" | "uk" | "be" | "bg" | "sr" | "mk" | "kk" | "ky" | "mn" | "tg" => Self::Cyrillic,
            "ar" | "fa" | "ur" | "ps" | "ug" => Self::Arabic,
            "hi" | "mr" | "ne" | "sa" => Self::Devanagari,
            "th" => Self::Thai,
            "el" => Self::Greek,
            "he" | "yi" => Self::Hebrew,
            _ => Self::Latin,
        }
    }

    /// The writing of a prompt: the most frequent one beside Latin letters that makes up a tenth of its letters; `None` for a
    /// prompt without letters.
    pub fn of_prompt(text: &str) -> Option<Self> {
        let (mut letters, mut counts) = (0, [0; 10]);
        for letter in text.chars().take(LOOKED_AT).filter(|it| it.is_alphabetic()) {
            letters += 1;
            counts[Self::of_letter(letter) as usize] += 1;
        }
        if letters == 0 {
            return None;
        }
        // Japanese is written with both.
        if counts[Self::Japanese as usize] > 0 {
            counts[Self::Japanese as usize] += std::mem::take(&mut counts[Self::Chinese as usize]);
        }
        let others = Self::ALL.into_iter().map(|writing| (counts[writing as usize], writing));
        let most = others
            .filter(|(count, _)| count * SHARE >= letters && *count > 0)
            .max_by_key(|(count, _)| *count);
        Some(most.map_or(Self::Latin, |(_, writing)| writing))
    }

    /// Those beside Latin.
    const ALL: [Self; 9] = [
        Self::Chinese,
        Self::Japanese,
        Self::Korean,
        Self::Cyrillic,
        Self::Arabic,
        Self::Devanagari,
        Self::Thai,
        Self::Greek,
        Self::Hebrew,
    ];

    fn of_letter(letter: char) -> Self {
        match u32::from(letter) {
            0..=0x36f => Self::Latin,
            0x370..=0x3ff | 0x1f00..=0x1fff => Self::Greek,
            0x400..=0x52f => Self::Cyrillic,
            0x590..=0x5ff => Self::Hebrew,
            0x600..=0x77f | 0x8a0..=0x8ff => Self::Arabic,
            0x900..=0x97f => Self::Devanagari,
            0xe00..=0xe7f => Self::Thai,
            0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af => Self::Korean,
            0x3040..=0x30ff => Self::Japanese,
            _ if is_ideograph(letter) => Self::Chinese,
            _ => Self::Latin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_writings_apart() {
        for (prompt, writing) in [
            ("", None),
            ("1 + 1 = ?", None),
            ("What is the capital of France?", Some(WritingSystem::Latin)),
            ("Quelle est la capitale de la France ?", Some(WritingSystem::Latin)),
            ("法国的首都是哪里？", Some(WritingSystem::Chinese)),
            ("请用 Python 写一个 quicksort 函数", Some(WritingSystem::Chinese)),
            ("What does 你好 mean?", Some(WritingSystem::Chinese)),
            (
                "Explain in three paragraphs why the greeting 你好 is written with these characters.",
                Some(WritingSystem::Latin),
            ),
            ("フランスの首都はどこですか？", Some(WritingSystem::Japanese)),
            ("프랑스의 수도는 어디입니까?", Some(WritingSystem::Korean)),
            ("Какой город столица Франции?", Some(WritingSystem::Cyrillic)),
            ("ما هي عاصمة فرنسا؟", Some(WritingSystem::Arabic)),
            ("फ्रांस की राजधानी क्या है?", Some(WritingSystem::Devanagari)),
            ("เมืองหลวงของฝรั่งเศสคืออะไร", Some(WritingSystem::Thai)),
            ("Ποια είναι η πρωτεύουσα της Γαλλίας;", Some(WritingSystem::Greek)),
            ("מהי בירת צרפת?", Some(WritingSystem::Hebrew)),
        ] {
            assert_eq!(WritingSystem::of_prompt(prompt), writing, "{prompt}");
        }
        for (code, writing) in
            [("en", WritingSystem::Latin), ("zh", WritingSystem::Chinese), ("uk", WritingSystem::Cyrillic)]
        {
            assert_eq!(WritingSystem::of_language(code), writing, "{code}");
        }
    }
}
