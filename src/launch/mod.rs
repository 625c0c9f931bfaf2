//! Starting and joining.
