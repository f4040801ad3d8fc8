"""The monthly draw that anyone can run again."""
