//! Whether an answer refuses, or says that it does not know.

/// Characters of an answer's beginning that are looked at; what comes later is part of an answer.
const BEGINNING: usize = 160;

/// How refusals begin, in lower case, with straight apostrophes. Each is long enough to mean nothing else at the
/// beginning of an answer.
const PHRASES: [&str; 44] = [
    "i don't know",
    "i do not know",
    "i'm not sure",
    "i am not sure",
    "i can't answer",
    "i cannot answer",
    "i can't help with",
    "i cannot help with",
    "i can't assist",
    "i cannot assist",
    "i can't provide",
    "i cannot provide",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i don't have enough information",
    "i do not have enough information",
    "i don't have access",
    "i do not have access",
    "i don't have information",
    "i do not have information",
    "as an ai language model, i can",
    "as an ai language model, i do",
    "as an ai, i can't",
    "as an ai, i cannot",
    "as an ai, i don't",
    "sorry, but i can't",
    "sorry, but i cannot",
    "sorry, i can't",
    "sorry, i cannot",
    "i must decline",
    "我不知道",
    "我不清楚",
    "我不确定",
    "我无法",
    "我不能回答",
    "我不能提供",
    "我没有足够的信息",
    "抱歉，我",
    "对不起，我",
    "很抱歉，",
    "无法回答",
    "作为一个人工智能",
];

/// Whether the beginning of an answer is a refusal.
pub(super) fn refuses(text: &str) -> bool {
    let beginning: String = text
        .trim_start()
        .chars()
        .take(BEGINNING)
        .map(|letter| match letter {
            '\u{2018}' | '\u{2019}' => '\'',
            ',' => ',',
            other => other,
        })
        .flat_map(char::to_lowercase)
        .collect();
    // The first sentences: further on, "I don't know" is what a figure of a story says.
    PHRASES.iter().any(|phrase| beginning.find(phrase).is_some_and(|at| at <= BEGINNING / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_refusals_from_answers() {
        for text in [
            "I'm sorry, but I can't help with that.",
            "I\u{2019}m sorry, but I can\u{2019}t assist with this request.",
            "I don't know the answer to this question.",
            "  Unfortunately, I do not have access to real-time data.",
            "As an AI language model, I cannot browse.",
            "抱歉，我无法回答这个问题。",
            "对不起，我不知道。",
            "作为一个人工智能，我没有个人观点。",
            "很抱歉，这个问题超出了我的能力。",
        ] {
            assert!(refuses(text), "{text}");
        }
        for text in [
            "",
            "The capital of France is Paris.",
            "I know that this is hard, but the answer is 4.",
            "Sorry for the confusion: the result is 12.",
            "首先，我们需要计算总数。",
            "巴黎是法国的首都。",
            "\"The horse is gone,\" said the farmer to his neighbour, who had come over the hill with a lantern and two \
             dogs, and who shook his head. \"I don't know where it went.\"",
        ] {
            assert!(!refuses(text), "{text}");
        }
    }
}
