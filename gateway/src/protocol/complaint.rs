//! An upstream's error, in whichever of the usual shapes.

/// What an upstream says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Complaint {
    /// The HTTP status, if the error came with one of its own (an error inside a 200 does not).
    pub status: Option<u16>,
    /// The provider's word or number for it; at most 128 bytes.
    pub code: Option<String>,
    /// The provider's class of errors; at most 128 bytes.
    pub kind: Option<String>,
    /// The field at fault; at most 128 bytes.
    pub param: Option<String>,
    /// The provider's sentence; at most 2 KiB, one line, no control characters. Never empty.
    pub message: String,
}

/// Reads the body of an answer that is an error.
pub fn read_error(_status: u16, _body: &[u8]) -> Complaint {
    unimplemented!()
}

impl Complaint {
    /// Whether the prompt was too long for the model.
    pub fn is_context_length(&self) -> bool {
        unimplemented!()
    }

    /// Whether the provider will not answer such a prompt.
    pub fn is_content_policy(&self) -> bool {
        unimplemented!()
    }

    /// Whether the money or the plan is used up: asking again does not help, whatever the status.
    pub fn is_balance(&self) -> bool {
        unimplemented!()
    }

    /// The same with every appearance of a secret, and of what looks like a key, blotted out.
    pub fn without(self, _secret: &str) -> Self {
        unimplemented!()
    }
}
