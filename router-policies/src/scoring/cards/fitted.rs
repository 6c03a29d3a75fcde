//! The cards in use. Made, not written, by `make cards`.

use super::{KindCard, ModelCard};

const fn card(suffices: f32, agrees: f32, tokens: f32, seconds: f32) -> KindCard {
    KindCard { suffices, agrees, tokens, seconds }
}

/// From answers at temperature 0, one thread each.
pub const CARDS: [ModelCard; 2] = [
    ModelCard {
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        questions: 545,
        kinds: [
            // arithmetic
            card(0.289, 0.259, 15.3, 0.60),
            // call
            card(0.089, 0.193, 42.0, 2.00),
            // call_text
            card(0.555, 0.059, 31.9, 1.71),
            // chat
            card(0.622, 0.193, 11.1, 0.69),
            // code_meaning
            card(0.422, 0.326, 8.7, 0.70),
            // code_output
            card(0.289, 0.193, 10.0, 0.87),
            // dates
            card(0.222, 0.193, 21.1, 1.10),
            // en_to_zh
            card(0.555, 0.126, 11.3, 0.49),
            // entailment
            card(0.755, 0.393, 13.5, 0.56),
            // extract
            card(0.289, 0.393, 49.7, 1.57),
            // fables
            card(0.289, 0.259, 8.1, 1.04),
            // fact_check
            card(0.333, 0.118, 10.7, 0.55),
            // facts
            card(0.489, 0.259, 11.7, 0.56),
            // implicature
            card(0.489, 0.526, 8.6, 0.51),
            // intent
            card(0.355, 0.326, 10.5, 0.72),
            // language_sense
            card(0.222, 0.593, 8.1, 0.57),
            // letters
            card(0.089, 0.193, 11.5, 0.53),
            // logic
            card(0.489, 0.059, 13.9, 0.70),
            // math_hard
            card(0.089, 0.059, 190.6, 4.26),
            // physics
            card(0.222, 0.259, 10.7, 0.62),
            // puzzle
            card(0.222, 0.059, 175.1, 4.46),
            // sentiment
            card(0.771, 0.493, 8.6, 0.47),
            // slots
            card(0.146, 0.056, 39.2, 1.30),
            // spam
            card(0.555, 0.193, 8.1, 0.56),
            // sql
            card(0.222, 0.126, 8.7, 0.95),
            // strategy
            card(0.555, 0.326, 11.2, 0.50),
            // text_edit
            card(0.089, 0.126, 12.9, 0.56),
            // triage
            card(0.355, 0.059, 25.1, 1.09),
            // truthful
            card(0.422, 0.193, 8.1, 0.69),
            // units
            card(0.083, 0.056, 19.1, 0.66),
            // word_problem
            card(0.208, 0.056, 166.9, 3.99),
            // word_problem_easy
            card(0.222, 0.126, 21.4, 0.83),
            // word_sense
            card(0.155, 0.126, 8.1, 0.57),
            // zh_arith
            card(0.289, 0.059, 60.0, 1.55),
            // zh_call
            card(0.089, 0.393, 36.3, 1.91),
            // zh_idiom
            card(0.355, 0.259, 8.1, 0.60),
            // zh_json
            card(0.355, 0.193, 47.7, 1.48),
            // zh_law
            card(0.155, 0.326, 8.1, 0.67),
            // zh_law_multi
            card(0.222, 0.059, 9.7, 0.81),
            // zh_logic
            card(0.089, 0.126, 38.8, 1.18),
            // zh_poetry
            card(0.089, 0.059, 15.7, 0.62),
            // zh_quiz
            card(0.271, 0.118, 10.4, 0.46),
            // zh_script
            card(0.089, 0.059, 8.7, 0.43),
            // zh_sentiment
            card(0.489, 0.393, 13.7, 0.60),
            // zh_slots
            card(0.289, 0.326, 33.2, 1.25),
            // zh_to_en
            card(0.622, 0.126, 13.4, 0.52),
            // zh_topic
            card(0.622, 0.593, 8.1, 0.53),
            // zh_true_false
            card(0.755, 0.393, 10.1, 0.47),
            // zh_xiehouyu
            card(0.355, 0.459, 8.1, 0.57),
        ],
    },
    ModelCard {
        file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        questions: 495,
        kinds: [
            // arithmetic
            card(0.328, 0.265, 19.2, 1.42),
            // call
            card(0.137, 0.213, 34.2, 3.59),
            // call_text
            card(0.565, 0.070, 41.2, 3.85),
            // chat
            card(0.851, 0.213, 10.1, 1.34),
            // code_meaning
            card(0.637, 0.356, 8.9, 1.43),
            // code_output
            card(0.528, 0.199, 10.3, 1.79),
            // dates
            card(0.423, 0.213, 25.1, 2.37),
            // en_to_zh
            card(0.861, 0.132, 11.9, 1.03),
            // entailment
            card(0.637, 0.427, 8.7, 0.97),
            // extract
            card(0.423, 0.427, 48.2, 3.17),
            // fables
            card(0.137, 0.284, 22.3, 2.60),
            // fact_check
            card(0.351, 0.141, 9.4, 1.10),
            // facts
            card(0.637, 0.284, 8.7, 1.02),
            // implicature
            card(0.794, 0.532, 8.4, 1.02),
            // intent
            card(0.708, 0.356, 10.7, 1.44),
            // language_sense
            card(0.280, 0.641, 8.4, 1.18),
            // letters
            card(0.351, 0.213, 12.1, 1.14),
            // logic
            card(0.423, 0.070, 20.3, 1.68),
            // math_hard
            card(0.208, 0.070, 186.2, 8.65),
            // physics
            card(0.423, 0.284, 8.4, 1.16),
            // puzzle
            card(0.208, 0.070, 152.2, 8.27),
            // sentiment
            card(0.851, 0.570, 8.4, 0.94),
            // slots
            card(0.494, 0.070, 36.6, 2.46),
            // spam
            card(0.494, 0.213, 8.5, 1.15),
            // sql
            card(0.208, 0.141, 9.1, 1.94),
            // strategy
            card(0.494, 0.356, 11.8, 1.06),
            // text_edit
            card(0.661, 0.132, 12.9, 1.14),
            // triage
            card(0.494, 0.070, 28.7, 2.38),
            // truthful
            card(0.208, 0.213, 8.4, 1.36),
            // units
            card(0.280, 0.070, 20.3, 1.39),
            // word_problem
            card(0.351, 0.070, 150.1, 7.40),
            // word_problem_easy
            card(0.208, 0.141, 30.8, 2.09),
            // word_sense
            card(0.423, 0.141, 8.5, 1.13),
            // zh_arith
            card(0.565, 0.070, 48.9, 2.71),
            // zh_call
            card(0.137, 0.427, 34.5, 3.71),
            // zh_idiom
            card(0.851, 0.284, 8.6, 1.23),
            // zh_json
            card(0.708, 0.213, 45.2, 2.94),
            // zh_law
            card(0.351, 0.356, 8.4, 1.37),
            // zh_law_multi
            card(0.280, 0.070, 11.8, 1.72),
            // zh_logic
            card(0.351, 0.141, 47.6, 2.70),
            // zh_poetry
            card(0.137, 0.070, 13.5, 1.17),
            // zh_quiz
            card(0.780, 0.141, 10.4, 0.97),
            // zh_script
            card(0.423, 0.070, 10.2, 0.93),
            // zh_sentiment
            card(0.708, 0.427, 8.4, 1.00),
            // zh_slots
            card(0.565, 0.356, 33.5, 2.54),
            // zh_to_en
            card(0.780, 0.141, 13.7, 1.07),
            // zh_topic
            card(0.780, 0.641, 8.4, 1.07),
            // zh_true_false
            card(0.565, 0.427, 8.5, 0.90),
            // zh_xiehouyu
            card(0.351, 0.498, 8.7, 1.18),
        ],
    },
];
