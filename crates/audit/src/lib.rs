//! Replay, census and verification.
