//! state.json.
