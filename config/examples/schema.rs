//! Prints the JSON Schema of the configuration file: `cargo run -p gateway-config --example schema >
//! config/xietong.schema.json` renews the one that editors use.

fn main() -> std::io::Result<()> {
    use std::io::Write;
    let schema = serde_json::to_string_pretty(&gateway_config::schema())?;
    writeln!(std::io::stdout(), "{schema}")
}
