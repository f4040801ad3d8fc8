"""What a claim is worth: the consumers' ledger of credits, prizes and payouts."""
