//! The coefficients in use. Made, not written, by
//!
//! ```sh
//! cargo run -p training -- --guard router-policies/testdata/guard.jsonl > router-policies/src/guard/fitted.rs
//! ```

use super::chance::Form;

/// Fitted on answers of Qwen2.5-Coder-0.5B-Instruct Q4_K_M (`testdata/guard.jsonl`).
pub const FITTED: Form = Form {
    level: -0.89,
    prior: (0.706, 0.28),
    signals: [
        // mean
        (2.231, -0.431),
        // lowest
        (2.022, -1.25),
        // margin
        (0.0, 3.999),
        // entropy
        (0.0, -0.7),
        // length
        (0.136, -0.24),
    ],
    power: 0.5,
    unseen: (4.975, 66.341),
    length: [
        -1.341, 1.112, 0.457, 0.0, 0.0, 0.0, -0.456, -0.815, 0.66, -0.817, 0.0, -0.157, 0.0, 0.922, -0.819,
        1.276,
    ],
};
