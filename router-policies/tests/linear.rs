//! The search for private contents takes time in proportion to the text, whatever it is made of.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures")]

use router_policies::sensitive_data::{SensitiveKind, SensitiveKinds};

const ALL: [SensitiveKind; 5] = [
    SensitiveKind::IdNumber,
    SensitiveKind::Phone,
    SensitiveKind::BankCard,
    SensitiveKind::Email,
    SensitiveKind::Key,
];

#[test]
fn time_is_linear_in_the_text() {
    let units = [
        "1",
        "1 ",
        "13812345678 ",
        "a@",
        "a.",
        "sk-",
        "eyJ.",
        "-----BEGIN ",
        "密码:",
        "4111-",
        "你",
        "secret=",
    ];
    for unit in units {
        let text = unit.repeat(1_000_000 / unit.len());
        let began = std::time::Instant::now();
        let _ = SensitiveKinds::in_text(&text, SensitiveKinds::of(&ALL));
        // Unoptimised, and on a busy machine; quadratic work would take many minutes.
        assert!(began.elapsed().as_secs() < 20, "{unit:?}: {:?}", began.elapsed());
    }
}
