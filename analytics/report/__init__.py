"""A month's evidence as people read it: a page with plots, a workbook, a table, and JSON for machines."""
