//! The coefficients in use. Made, not written, by
//!
//! ```sh
//! cargo run -p training -- --guard router-policies/testdata/guard.jsonl > router-policies/src/guard/fitted.rs
//! ```

use super::chance::Form;

/// Fitted on answers of Qwen2.5-Coder-0.5B-Instruct Q4_K_M (`testdata/guard.jsonl`).
pub const FITTED: Form = Form {
    level: -0.854,
    yields: 1.0,
    signals: [
        // mean
        (0.772, 1.428),
        // lowest
        (1.126, -0.039),
        // margin
        (0.937, 1.286),
        // entropy
        (0.0, -0.687),
        // length
        (0.4, -2.749),
    ],
    unseen: (1.707, 47.035),
    length: [
        -0.932, 1.144, 0.278, 0.0, 0.351, 0.827, -0.415, -1.168, 0.432, -0.687, 1.154, -0.481, 0.372, 0.895,
        -0.995, 1.387,
    ],
};
