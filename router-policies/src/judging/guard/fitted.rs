//! The coefficients in use. Made, not written, by `make guard`.

use super::chance::ChanceModel;

/// Fitted on answers of Qwen2.5-Coder-0.5B-Instruct Q4_K_M (`testdata/guard.jsonl`).
pub const FITTED: ChanceModel = ChanceModel {
    level: -0.943,
    yields: 1.0,
    signals: [
        // mean
        (0.934, 1.436),
        // lowest
        (0.909, -0.061),
        // margin
        (0.96, 1.304),
        // entropy
        (0.0, -0.687),
        // length
        (0.468, -2.866),
    ],
    unseen: (1.601, 47.073),
    length: [
        -1.25, 1.148, 0.382, 0.0, 0.431, 0.633, -0.467, -1.01, 0.344, -0.713, 1.123, -0.389, 0.206, 0.931,
        -0.849, 1.446,
    ],
};
