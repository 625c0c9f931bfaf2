//! Opening files beneath a root that is hostile: openat2(RESOLVE_IN_ROOT).
