//! Why a text is not of the form that its key asks for.

use router_policies::form_error::FormError;

/// Why a text is not of its form. Each is a sentence on how to write it, and none repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScalarError {
    /// Not a number of bytes.
    #[error("write a size as a whole number with its unit (B, KiB, MiB or GiB), such as `64KiB`")]
    Size,
    /// Not an IP address with a port.
    #[error("write an IP address and a port, such as `127.0.0.1:8080`, or `0.0.0.0:8080` for all interfaces")]
    Address,
    /// Not the code of a currency.
    #[error("write a currency as its three capital letters, such as `CNY` or `USD`")]
    Currency,
    /// A secret of spaces.
    #[error("holds nothing but spaces")]
    EmptySecret,
    /// A secret that cannot be sent.
    #[error("holds a character that no HTTP header can carry")]
    UnprintableSecret,
    /// Not a date.
    #[error("write a day as year, month and day, such as `2026-12-01`")]
    Day,
    /// Neither a date nor a known calendar.
    #[error("write a day as year, month and day, such as `2026-12-01`, or `prc`")]
    DayOff,
    /// A form that policies have too.
    #[error(transparent)]
    Form(#[from] FormError),
}
