"""The tables of the queue. Times are seconds since 1970 (UTC), amounts möngö, receipt ids 33 digits.

| table       | one row a                 | sealed                                                                    |
|-------------|---------------------------|----------------------------------------------------------------------------|
| seats       | seat                      | by itself                                                                 |
| heads       | chain                     | by itself: where it stands, how far it is settled, where its rows begin   |
| receipts    | link                      | with the row before it; all but `consumer_no`, which the upload erases    |
| uploads     | link that the centre has  | with the link's hash                                                      |
| idempotency | Idempotency-Key           | by itself                                                                 |
| owed        | answer perhaps not read   | by itself                                                                 |
| remembered  | look-up                   | by itself                                                                 |
| notices     | thing to be told          | not                                                                       |
| marks       | single value              | by itself                                                                 |

`receipts.previous_id` is unique: a receipt has at most one successor. A root and a latest are found by its index.
"""

from typing import Final

VERSION: Final = 1
"""`PRAGMA user_version` of a queue in this form."""

SCHEMA: Final = """
CREATE TABLE seats(
    seller INTEGER NOT NULL, terminal INTEGER NOT NULL, tin TEXT NOT NULL, name TEXT NOT NULL, branch INTEGER NOT NULL,
    district TEXT NOT NULL, epoch INTEGER NOT NULL, client_id TEXT NOT NULL, token_url TEXT NOT NULL,
    enrolment BLOB NOT NULL, enrolled_at INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
    test INTEGER NOT NULL, vat_payer INTEGER NOT NULL, city_tax_payer INTEGER NOT NULL,
    suspended_at INTEGER, suspended_for TEXT, closed_at INTEGER, seal BLOB NOT NULL,
    PRIMARY KEY(seller, terminal)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX open_seats ON seats(tin) WHERE closed_at IS NULL;
CREATE TABLE heads(
    seller INTEGER NOT NULL, terminal INTEGER NOT NULL, counter INTEGER NOT NULL, previous_hash BLOB NOT NULL,
    turnover_mongo INTEGER NOT NULL, day INTEGER NOT NULL, next_number INTEGER NOT NULL,
    last_issued_at INTEGER NOT NULL, last_seal BLOB NOT NULL, settled INTEGER NOT NULL,
    waiting_total_mongo INTEGER NOT NULL, kept_from INTEGER NOT NULL, anchor BLOB NOT NULL, seal BLOB NOT NULL,
    PRIMARY KEY(seller, terminal)) STRICT, WITHOUT ROWID;
CREATE TABLE receipts(
    seq INTEGER PRIMARY KEY, seller INTEGER NOT NULL, terminal INTEGER NOT NULL, counter INTEGER NOT NULL,
    day INTEGER NOT NULL, number INTEGER NOT NULL, branch INTEGER NOT NULL, issued_at INTEGER NOT NULL,
    kind INTEGER NOT NULL, total_mongo INTEGER NOT NULL, vat_mongo INTEGER NOT NULL, city_tax_mongo INTEGER NOT NULL,
    turnover_mongo INTEGER NOT NULL, root_id TEXT, previous_id TEXT, cose BLOB NOT NULL, receipt_hash BLOB NOT NULL,
    document BLOB NOT NULL, part_sellers TEXT NOT NULL, payments TEXT, request BLOB, body_digest BLOB,
    consumer_seal BLOB, seal BLOB NOT NULL, consumer_no INTEGER) STRICT;
CREATE UNIQUE INDEX links ON receipts(seller, terminal, counter);
CREATE UNIQUE INDEX ids ON receipts(seller, terminal, day, number);
CREATE UNIQUE INDEX successors ON receipts(previous_id) WHERE previous_id IS NOT NULL;
CREATE INDEX bodies ON receipts(day, body_digest) WHERE body_digest IS NOT NULL;
CREATE TABLE uploads(
    seq INTEGER PRIMARY KEY, status INTEGER NOT NULL, findings TEXT NOT NULL, fork INTEGER NOT NULL, easy INTEGER,
    at INTEGER NOT NULL, seal BLOB NOT NULL) STRICT;
CREATE TABLE idempotency(
    key TEXT PRIMARY KEY, content BLOB NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, seal BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE INDEX old_keys ON idempotency(at);
CREATE TABLE owed(
    seq INTEGER PRIMARY KEY, digest BLOB NOT NULL, at INTEGER NOT NULL, seal BLOB NOT NULL) STRICT;
CREATE TABLE remembered(name TEXT PRIMARY KEY, body BLOB NOT NULL, at INTEGER NOT NULL, seal BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE notices(
    id INTEGER PRIMARY KEY, seller INTEGER, terminal INTEGER, code TEXT NOT NULL, detail TEXT NOT NULL,
    at INTEGER NOT NULL) STRICT;
CREATE TABLE marks(name TEXT PRIMARY KEY, value TEXT NOT NULL, seal BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
