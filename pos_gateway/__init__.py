"""The face towards shops: HTTP words, the pool and the sequencer."""
