//! Closed sets of words: each stands in one table, with what it means, and metrics, logs and headers take it from there.

/// Defines an enum of which each variant has a word for metrics, logs and headers. A variant's doc comment is what its
/// word means, in a sentence for operators: `docs/reference` is made of it. A variant that holds a value names an example.
///
/// ```
/// router_policies::vocabulary! {
///     /// How a call ended.
///     #[derive(Debug, Clone, Copy, PartialEq, Eq)]
///     pub enum CallEnd {
///         /// The server answered.
///         Answered(u16 = 200) = "answered",
///         /// The client left first.
///         Left = "left",
///     }
/// }
/// assert_eq!(CallEnd::ALL.map(CallEnd::word), ["answered", "left"]);
/// assert_eq!(CallEnd::Left.meaning(), "The client left first.");
/// ```
#[macro_export]
macro_rules! vocabulary {
    (@any $field:ty) => { _ };
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $(
                $(#[doc = $meaning:literal])+
                $variant:ident $(($field:ty = $example:expr))? = $word:expr
            ),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $name {
            $( $(#[doc = $meaning])+ $variant $(($field))?, )+
        }

        impl $name {
            /// One of each, for closed sets of label values.
            pub const ALL: [Self; <[&str]>::len(&[$(stringify!($variant)),+])] =
                [$(Self::$variant $(($example))?),+];

            /// The word for metrics, logs and headers.
            pub const fn word(self) -> &'static str {
                match self {
                    $( Self::$variant $(($crate::vocabulary!(@any $field)))? => $word, )+
                }
            }

            /// What the word means, in a sentence or two for operators.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $( Self::$variant $(($crate::vocabulary!(@any $field)))? => {
                        concat!($($meaning),+).trim_ascii_start()
                    } )+
                }
            }
        }
    };
}
