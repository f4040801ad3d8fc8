"""The SQL of draws: what closing a month reads and writes, and what drawing and showing need."""
