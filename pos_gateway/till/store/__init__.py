"""The queue's SQLite: tables, statements, and nothing that decides."""
