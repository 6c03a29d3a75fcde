//! The cards in use. Made, not written, by `make cards`.

use super::{KindCard, ModelCard};

const fn card(suffices: f32, agrees: f32, tokens: f32, seconds: f32) -> KindCard {
    KindCard { suffices, agrees, tokens, seconds }
}

/// From answers at temperature 0, one thread each.
#[allow(clippy::approx_constant, reason = "measured seconds may come near one")]
pub const CARDS: [ModelCard; 2] = [
    ModelCard {
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        questions: 512,
        beyond: 0.000,
        kinds: [
            // arithmetic
            card(0.292, 0.259, 15.2, 0.59),
            // call
            card(0.346, 0.223, 26.9, 0.98),
            // call_text
            card(0.559, 0.059, 31.8, 1.70),
            // chat
            card(0.626, 0.193, 10.9, 0.68),
            // code_meaning
            card(0.426, 0.326, 8.5, 0.68),
            // code_output
            card(0.292, 0.193, 9.8, 0.86),
            // dates
            card(0.226, 0.193, 20.9, 1.09),
            // en_to_zh
            card(0.559, 0.126, 11.1, 0.47),
            // entailment
            card(0.759, 0.393, 13.4, 0.55),
            // extract
            card(0.292, 0.393, 49.6, 1.55),
            // fables
            card(0.292, 0.259, 7.9, 1.03),
            // fact_check
            card(0.336, 0.118, 10.6, 0.54),
            // facts
            card(0.492, 0.259, 11.5, 0.55),
            // implicature
            card(0.492, 0.526, 8.4, 0.50),
            // intent
            card(0.359, 0.326, 10.3, 0.70),
            // language_sense
            card(0.226, 0.593, 7.9, 0.55),
            // letters
            card(0.092, 0.193, 11.3, 0.51),
            // logic
            card(0.492, 0.059, 13.8, 0.69),
            // math_hard
            card(0.092, 0.059, 190.4, 4.25),
            // physics
            card(0.226, 0.259, 10.5, 0.61),
            // puzzle
            card(0.226, 0.059, 175.0, 4.45),
            // sentiment
            card(0.774, 0.493, 8.4, 0.46),
            // slots
            card(0.149, 0.056, 39.1, 1.28),
            // spam
            card(0.559, 0.193, 8.0, 0.55),
            // sql
            card(0.226, 0.126, 8.5, 0.94),
            // strategy
            card(0.559, 0.326, 11.0, 0.49),
            // text_edit
            card(0.092, 0.126, 12.8, 0.55),
            // triage
            card(0.346, 0.223, 26.9, 0.98),
            // truthful
            card(0.426, 0.193, 7.9, 0.67),
            // units
            card(0.086, 0.056, 19.0, 0.65),
            // word_problem
            card(0.211, 0.056, 166.8, 3.97),
            // word_problem_easy
            card(0.226, 0.126, 21.2, 0.81),
            // word_sense
            card(0.159, 0.126, 8.0, 0.55),
            // zh_arith
            card(0.292, 0.059, 59.8, 1.54),
            // zh_call
            card(0.346, 0.223, 26.9, 0.98),
            // zh_idiom
            card(0.359, 0.259, 8.0, 0.59),
            // zh_json
            card(0.359, 0.193, 47.6, 1.46),
            // zh_law
            card(0.159, 0.326, 7.9, 0.66),
            // zh_law_multi
            card(0.226, 0.059, 9.5, 0.80),
            // zh_logic
            card(0.092, 0.126, 38.6, 1.17),
            // zh_poetry
            card(0.092, 0.059, 15.5, 0.60),
            // zh_quiz
            card(0.274, 0.118, 10.3, 0.45),
            // zh_script
            card(0.092, 0.059, 8.5, 0.42),
            // zh_sentiment
            card(0.492, 0.393, 13.5, 0.59),
            // zh_slots
            card(0.292, 0.326, 33.0, 1.23),
            // zh_to_en
            card(0.626, 0.126, 13.2, 0.50),
            // zh_topic
            card(0.626, 0.593, 7.9, 0.52),
            // zh_true_false
            card(0.759, 0.393, 9.9, 0.45),
            // zh_xiehouyu
            card(0.359, 0.459, 7.9, 0.56),
        ],
    },
    ModelCard {
        file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        questions: 465,
        beyond: 0.241,
        kinds: [
            // arithmetic
            card(0.333, 0.265, 19.1, 1.39),
            // call
            card(0.499, 0.245, 26.3, 1.97),
            // call_text
            card(0.571, 0.070, 41.0, 3.82),
            // chat
            card(0.857, 0.213, 9.9, 1.31),
            // code_meaning
            card(0.643, 0.356, 8.8, 1.40),
            // code_output
            card(0.533, 0.199, 10.1, 1.76),
            // dates
            card(0.428, 0.213, 24.9, 2.34),
            // en_to_zh
            card(0.866, 0.132, 11.7, 1.01),
            // entailment
            card(0.643, 0.427, 8.6, 0.94),
            // extract
            card(0.428, 0.427, 48.1, 3.14),
            // fables
            card(0.143, 0.284, 22.2, 2.57),
            // fact_check
            card(0.357, 0.141, 9.2, 1.07),
            // facts
            card(0.643, 0.284, 8.6, 0.99),
            // implicature
            card(0.800, 0.532, 8.3, 0.99),
            // intent
            card(0.714, 0.356, 10.6, 1.41),
            // language_sense
            card(0.285, 0.641, 8.2, 1.15),
            // letters
            card(0.357, 0.213, 11.9, 1.11),
            // logic
            card(0.428, 0.070, 20.2, 1.65),
            // math_hard
            card(0.214, 0.070, 186.1, 8.62),
            // physics
            card(0.428, 0.284, 8.2, 1.13),
            // puzzle
            card(0.214, 0.070, 152.1, 8.24),
            // sentiment
            card(0.857, 0.570, 8.2, 0.91),
            // slots
            card(0.500, 0.070, 36.4, 2.43),
            // spam
            card(0.500, 0.213, 8.4, 1.12),
            // sql
            card(0.214, 0.141, 8.9, 1.91),
            // strategy
            card(0.500, 0.356, 11.7, 1.03),
            // text_edit
            card(0.666, 0.132, 12.7, 1.12),
            // triage
            card(0.499, 0.245, 26.3, 1.97),
            // truthful
            card(0.214, 0.213, 8.2, 1.33),
            // units
            card(0.285, 0.070, 20.2, 1.36),
            // word_problem
            card(0.357, 0.070, 149.9, 7.37),
            // word_problem_easy
            card(0.214, 0.141, 30.7, 2.06),
            // word_sense
            card(0.428, 0.141, 8.4, 1.10),
            // zh_arith
            card(0.571, 0.070, 48.7, 2.68),
            // zh_call
            card(0.499, 0.245, 26.3, 1.97),
            // zh_idiom
            card(0.857, 0.284, 8.4, 1.20),
            // zh_json
            card(0.714, 0.213, 45.1, 2.91),
            // zh_law
            card(0.357, 0.356, 8.2, 1.34),
            // zh_law_multi
            card(0.285, 0.070, 11.7, 1.69),
            // zh_logic
            card(0.357, 0.141, 47.4, 2.67),
            // zh_poetry
            card(0.143, 0.070, 13.4, 1.14),
            // zh_quiz
            card(0.785, 0.141, 10.2, 0.94),
            // zh_script
            card(0.428, 0.070, 10.0, 0.90),
            // zh_sentiment
            card(0.714, 0.427, 8.2, 0.97),
            // zh_slots
            card(0.571, 0.356, 33.4, 2.51),
            // zh_to_en
            card(0.785, 0.141, 13.5, 1.04),
            // zh_topic
            card(0.785, 0.641, 8.2, 1.04),
            // zh_true_false
            card(0.571, 0.427, 8.4, 0.87),
            // zh_xiehouyu
            card(0.357, 0.499, 8.6, 1.15),
        ],
    },
];
