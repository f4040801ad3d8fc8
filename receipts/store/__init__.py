"""The SQL of receipts: what each verb reads and writes, by subject."""
