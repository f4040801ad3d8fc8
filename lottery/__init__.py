"""The monthly draw: entries committed before a public randomness round, and proofs that need nobody's data."""
