//! The fields of a chat request beside its messages.
