//! Which instructions the engine computes with, asked of processes of their own: it is chosen once a process.
#![allow(clippy::unwrap_used)] // The function that the tests share is a test too.

use std::process::Command;

/// What a process says that has this in `XIETONG_INSTRUCTIONS`.
fn said(wanted: &str) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "this_process", "--nocapture", "--test-threads=1"])
        .env("XIETONG_INSTRUCTIONS", wanted)
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let printed = String::from_utf8(child.stdout).unwrap();
    let (_, words) = printed.split_once('[').unwrap_or_else(|| panic!("{printed}"));
    words.split_once(']').unwrap_or_else(|| panic!("{printed}")).0.to_owned()
}

/// Not a test but what [`said`] runs.
#[test]
fn this_process() {
    match small_model::instructions() {
        Ok(chosen) => println!("[{}]", chosen.unwrap_or("one set")),
        Err(error) => println!("[{error}]"),
    }
}

#[test]
fn the_best_that_the_processor_has_is_chosen_or_what_was_asked_for() {
    let best = said("");
    if best == "one set" {
        // Not Linux on x86-64, or another compiler than GCC, or llama.cpp was built before there was a choice.
        assert_eq!(said("avx2"), "one set");
        return;
    }
    let best_of = |has_avx512: bool| if has_avx512 { ["amx", "avx512"].as_slice() } else { &["avx2"] };
    #[cfg(target_arch = "x86_64")]
    assert!(best_of(std::is_x86_feature_detected!("avx512vnni")).contains(&&*best), "{best}");
    assert_eq!(said(&best), best);
    assert_eq!(said("avx2"), "avx2");
    let refused = said("sse2");
    assert!(
        refused.starts_with("the embedded engine cannot compute here: ")
            && refused.contains("`sse2`")
            && refused.contains("avx2"),
        "{refused}"
    );
}
