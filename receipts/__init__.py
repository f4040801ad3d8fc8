"""The receipt: its identifier, tax, signature, chain, QR and claim, and their tables."""
