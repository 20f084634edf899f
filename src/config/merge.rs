//! How tables are merged: what is written later wins, key by key.

/// Lets each key that `$later` has win over the same key of `$self`.
macro_rules! merge {
    ($self:ident, $later:ident: $($key:ident),+) => {
        $( $self.$key = $later.$key.or($self.$key.take()); )+
    };
}

/// As `merge!`, for keys that remember where they were written: `$file` is the later file's number.
macro_rules! merge_placed {
    ($self:ident, $later:ident, $file:ident: $($key:ident),+) => {
        $(
            let later = $later.$key.map(|key| key.in_file($file));
            $self.$key = later.or($self.$key.take());
        )+
    };
}
