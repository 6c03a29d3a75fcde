//! Ways to cut a stream into pieces, which the input itself says.

use bytes::Bytes;

/// The rest of the input after its first byte, which says how that is cut: into pieces of so many bytes, or not at all.
pub(crate) fn cut(input: &[u8]) -> (Bytes, Vec<Bytes>) {
    let Some((&size, rest)) = input.split_first() else { return (Bytes::new(), Vec::new()) };
    let whole = Bytes::copy_from_slice(rest);
    let pieces = match size {
        0 => vec![whole.clone()],
        size => whole.chunks(size.into()).map(|piece| whole.slice_ref(piece)).collect(),
    };
    (whole, pieces)
}
