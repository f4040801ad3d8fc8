"""The SQL of plausibility: what is copied to the lake, and what is declared, found and looked at."""
