"""PosAPI 3.0's words: bodies that real clients send are read, judged and answered in the vendor's own spelling.

`request` reads, `answer` answers, `refused` says what is wrong, `privacy` takes personal data out of the original
bytes, `lookups` makes the public answers. All pure; `routes` alone speaks HTTP.
"""
