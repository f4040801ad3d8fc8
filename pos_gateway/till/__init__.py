"""The till: signs receipts by itself, offline for weeks, and hands them to the centre exactly once.

`installation` is the way in. It needs the extra `till` and neither a database server nor data frames
(an import contract in pyproject.toml keeps it so).
"""
