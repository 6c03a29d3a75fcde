//! The messages of a chat request.
