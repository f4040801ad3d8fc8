"""Whether a company's reported revenue is plausible: the lake, the facts, the rules, the report."""
