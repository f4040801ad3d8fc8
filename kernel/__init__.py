"""Money, identifiers, time, canonical bytes and refusals: what every package speaks in. Standard library only."""
