"""The demo's outside world: a real retailer's sales of 2017 and what its shops, customers and cheats do with them.

Nothing here knows the system from within. It says what the world does; other modules carry it over HTTP. The rules of
the demo (rate, tables, who is who, who cheats) are stated in docs/demo.md.
"""
