//! Each mismatch that can be made here.
