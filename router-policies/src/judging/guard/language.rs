//! Whether an answer is in the language of its question, where that is Chinese.

use crate::scoring::features::tokens::is_ideograph;

/// Letters that an answer has before its language is judged; a name or a formula may stand first.
const LETTERS: usize = 48;
/// Characters of a question that are looked at.
const QUESTION: usize = 4000;

/// Words of questions that may well be answered without a Chinese character.
const ELSEWHERE: [&str; 22] = [
    "英文",
    "英语",
    "日语",
    "日文",
    "法语",
    "德语",
    "俄语",
    "韩语",
    "西班牙语",
    "拉丁",
    "翻译",
    "译成",
    "代码",
    "编程",
    "函数",
    "正则",
    "脚本",
    "命令",
    "公式",
    "拼音",
    "english",
    "code",
];

/// Whether a question is Chinese and asks for nothing that is written otherwise.
pub(super) fn asks_in_chinese(question: &str) -> bool {
    let (mut han, mut letters) = (0, 0);
    for letter in question.chars().take(QUESTION).filter(|it| it.is_alphabetic()) {
        letters += 1;
        han += usize::from(is_ideograph(letter));
    }
    if han < 4 || 2 * han <= letters {
        return false;
    }
    let question: String = question.chars().take(QUESTION).flat_map(char::to_lowercase).collect();
    !ELSEWHERE.iter().any(|word| question.contains(word))
}

/// Whether a text has a Chinese character.
pub(super) fn is_chinese(text: &str) -> bool {
    text.chars().any(is_ideograph)
}

/// Whether a text of some length has no Chinese character.
pub(super) fn is_foreign(text: &str) -> bool {
    let letters = text.chars().filter(|it| it.is_alphabetic()).take_while(|&it| !is_ideograph(it));
    // The taking stops at the first ideograph: what was counted until then is all that counts.
    letters.take(LETTERS).count() == LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_questions_that_want_chinese() {
        for question in [
            "法国的首都是哪里？",
            "请简要介绍一下 Rust 语言的所有权。",
            "小明有3个苹果，又买了5个，一共几个？",
        ] {
            assert!(asks_in_chinese(question), "{question}");
        }
        for question in [
            "",
            "What is the capital of France?",
            "把“你好，世界”翻译成英文",
            "写一个排序函数",
            "Translate 你好 for me, please",
            "用英语写一封道歉信",
        ] {
            assert!(!asks_in_chinese(question), "{question}");
        }
    }

    #[test]
    fn tells_a_foreign_answer() {
        assert!(is_foreign("The capital of France is Paris, which is a large city on the river Seine."));
        assert!(!is_foreign("Paris"));
        assert!(!is_foreign(
            "Rust (the programming language) 的所有权是指每个值都有一个所有者，并且在任何时刻只有一个。"
        ));
        assert!(!is_foreign("3 + 5 = 8"));
    }
}
