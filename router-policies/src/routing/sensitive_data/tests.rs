use proptest::prelude::*;

use super::*;

const ALL: [SensitiveKind; 5] = [
    SensitiveKind::IdNumber,
    SensitiveKind::Phone,
    SensitiveKind::BankCard,
    SensitiveKind::Email,
    SensitiveKind::Key,
];

#[track_caller]
fn check(text: &str, expected: &[SensitiveKind]) {
    assert_eq!(
        SensitiveKinds::in_text(text, SensitiveKinds::of(&ALL)),
        SensitiveKinds::of(expected),
        "{text}"
    );
    for kind in ALL {
        let found = SensitiveKinds::in_text(text, SensitiveKinds::of(&[kind]));
        assert_eq!(found.has(kind), expected.contains(&kind), "{text}: {kind:?} alone");
    }
}

#[test]
fn identity_numbers() {
    use SensitiveKind::IdNumber;
    check("身份证号是11010519491231002X，请核对", &[IdNumber]);
    check("110105 19491231 002x", &[IdNumber]);
    check("１１０１０５１９４９１２３１００２Ｘ", &[IdNumber]);
    check("11010519491231002X1", &[]);
    check("440308199901101512", &[IdNumber]);
    check("440308 1999 0110 1512", &[IdNumber]);
    check("id=４４０３０８１９９９０１１０１５１２。", &[IdNumber]);
    // A wrong check digit, a day that does not exist, a province that does not exist, a part of a longer number.
    check("440308199901101513", &[]);
    check("440308199902301510", &[]);
    check("990308199901101512", &[]);
    check("4403081999011015120", &[]);
    check("v440308199901101512", &[]);
}

#[test]
fn phone_numbers() {
    use SensitiveKind::Phone;
    for text in [
        "电话13812345678",
        "138-1234-5678",
        "138 1234 5678",
        "+86 138 1234 5678",
        "+8613812345678",
        "008613812345678",
        "(+86)138-1234-5678.",
        "Tel.13812345678",
        "19912345678，收件人",
        "１３８１２３４５６７８",
    ] {
        check(text, &[Phone]);
    }
    for text in [
        "12812345678",
        "14012345678",
        "1381234567",
        "138123456789",
        "0.13812345678",
        "3.13812345678",
        "13812345678.5",
        "id_13812345678",
        "13812345678px",
        "1732435678901",
        "1381234 5678",
    ] {
        check(text, &[]);
    }
}

#[test]
fn bank_cards() {
    use SensitiveKind::BankCard;
    for text in [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "378282246310005",
        "3782 822463 10005",
        "卡号6222021001116245702。",
        "6222 0210 0111 6245 702",
        "622202 1001116245702",
    ] {
        check(text, &[BankCard]);
    }
    for text in [
        "4111 1111 1111 1112",
        "4111111111111111.5",
        "0000 0000 0000 0000",
        "1234567890123456",
        "41 11 11 11 11 11 11 11",
    ] {
        check(text, &[]);
    }
}

#[test]
fn several_in_a_row() {
    use SensitiveKind::{BankCard, IdNumber, Phone};
    check("张三 13812345678 440308199901101512 4111 1111 1111 1111", &[IdNumber, Phone, BankCard]);
    check("1 2 3 13812345678 9", &[Phone]);
    check("2024-05-01 138 1234 5678", &[Phone]);
}

#[test]
fn addresses() {
    use SensitiveKind::Email;
    for text in [
        "wang.wei+news@mail.example.cn",
        "请发到a@b.co。",
        "<a@b.co>",
        "mailto:x_y@z-w.org.",
        "git@github.com:a",
    ] {
        check(text, &[Email]);
    }
    for text in
        ["@name", "a@b", "lodash@4.17.21", "a@b.c", "x@.com", ".@b.co", "a.@b.co", "user@-b.co", "@app.route"]
    {
        check(text, &[]);
    }
}

#[test]
fn keys() {
    use SensitiveKind::Key;
    let long = "a1B2".repeat(12);
    for start in
        ["sk-", "sk-proj-", "sk-ant-api03-", "ghp_", "AIza", "AKIA", "LTAI", "hf_", "glpat-", "密钥sk-"]
    {
        check(&format!("key: {start}{long}"), &[Key]);
    }
    check("-----BEGIN RSA PRIVATE KEY-----\nMIIE", &[Key]);
    check("-----BEGIN OPENSSH PRIVATE KEY-----", &[Key]);
    check(&format!("Bearer eyJhbGciOiJI.eyJzdWIiOiIx.{long}"), &[Key]);
    check("export SERVICE_API_KEY=\"0f9e8d7c6b5a49382716\"", &[Key]);
    check("{\"password\": \"hunter2hunter2\"}", &[Key]);
    check("密码：Abc12345", &[Key]);
    for text in [
        "sk-learn is a library",
        "API_KEY=your_api_key_here_please",
        "api_key = os.environ['KEY_1']",
        "-----BEGIN CERTIFICATE-----",
        "max_tokens=1000000000000000",
        "The password is forgotten",
        "ghp_short1",
        "token",
    ] {
        check(text, &[]);
    }
}

/// A number with a right check digit, by the rule written the other way round.
fn identity(area: u32, days: i32, order: u32) -> String {
    let day = jiff::civil::date(1950, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
    let body = format!("{area:06}{:04}{:02}{:02}{order:03}", day.year(), day.month(), day.day());
    let sum: u32 =
        body.bytes().enumerate().map(|(at, byte)| u32::from(byte - b'0') * (1 << (17 - at)) % 11).sum();
    let check = "10X98765432".as_bytes()[sum as usize % 11];
    format!("{body}{}", char::from(check))
}

proptest! {
    #[test]
    fn every_identity_number_is_found_and_no_other_check_digit(
        area in 110_000u32..160_000, days in 0i32..25_000, order in 0u32..1000, other in 0u32..11
    ) {
        let number = identity(area, days, order);
        let wanted = SensitiveKinds::of(&[SensitiveKind::IdNumber]);
        prop_assert_eq!(SensitiveKinds::in_text(&format!("号码{number}。"), wanted), wanted, "{}", number);
        let wrong = format!("{}{}", &number[..17], b"0123456789X"[other as usize] as char);
        prop_assert_eq!(SensitiveKinds::in_text(&wrong, wanted).has(SensitiveKind::IdNumber), wrong == number, "{}", wrong);
    }

    #[test]
    fn any_text_is_read_without_harm(text in any::<String>(), digits in "[0-9 xX.@_-]{0,200}") {
        let wanted = SensitiveKinds::of(&ALL);
        let together = format!("{text} {digits}");
        let _ = SensitiveKinds::in_text(&together, wanted);
        // What is found in a part that stands apart is found in the whole.
        let lines = format!("{text}\n|\n{digits}");
        let apart = SensitiveKinds::in_text(&text, wanted).and(SensitiveKinds::in_text(&digits, wanted));
        prop_assert_eq!(SensitiveKinds::in_text(&lines, wanted).and(apart), SensitiveKinds::in_text(&lines, wanted));
    }
}
