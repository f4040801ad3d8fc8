"""The conformance kit for POS makers: what a PosAPI 3.0 till must do, as cases that are data (`cases/*.json`).

`case` is their vocabulary, `catalogue` reads them, `body` makes the requests, `exchange` reads the answers, `judge` and
`watches` judge them, `run_cases` speaks with a till, `verdict` adds up. Needs the base install only.
"""
