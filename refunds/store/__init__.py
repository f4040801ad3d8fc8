"""The SQL of refunds: what each verb reads and writes, by subject."""
