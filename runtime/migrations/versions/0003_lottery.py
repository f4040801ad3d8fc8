"""Draws: commitments, entries, the tree's hashes, transcripts and prizes; none of it ever changes. No table here says
whose a claim is, and the salts' secrets stand where neither tills nor officers can read.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE SCHEMA lottery;
CREATE TABLE lottery.draws (
  month integer PRIMARY KEY,
  commitment bytea NOT NULL CHECK (length(commitment) <= 4096),
  commitment_hash bytea NOT NULL CHECK (commitment_hash = sha256(commitment)),
  rules text NOT NULL CHECK (length(rules) <= 4096),
  closed_at timestamptz NOT NULL
);
COMMENT ON COLUMN lottery.draws.month IS 'Year x 12 + month - 1 of the business month.';
COMMENT ON COLUMN lottery.draws.commitment IS 'The canonical JSON as published (docs/formats/draw.md).';
COMMENT ON COLUMN lottery.draws.rules IS 'The canonical JSON of the rules that the commitment names by their hash.';

CREATE TABLE lottery.entries (
  month integer NOT NULL REFERENCES lottery.draws,
  position integer NOT NULL CHECK (position >= 0),
  claim bigint NOT NULL,
  leaf bytea NOT NULL CHECK (length(leaf) = 37),
  status smallint NOT NULL GENERATED ALWAYS AS (get_byte(leaf, 0)) STORED,
  PRIMARY KEY (month, position),
  UNIQUE (claim, month)
);
CREATE UNIQUE INDEX entries_once ON lottery.entries (claim) WHERE status = 0;
COMMENT ON INDEX lottery.entries_once IS 'A claim takes part in one draw for ever.';

CREATE TABLE lottery.tree (
  month integer NOT NULL REFERENCES lottery.draws,
  level smallint NOT NULL,
  chunk integer NOT NULL,
  hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (month, level, chunk)
);
ALTER TABLE lottery.tree ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE lottery.tree IS 'A draw''s tree by levels, 256 hashes a row, so that a proof reads one row a level.';

CREATE TABLE lottery.transcripts (
  month integer PRIMARY KEY REFERENCES lottery.draws,
  main_number text NOT NULL CHECK (main_number ~ '^[0-9]{8}$'),
  super_number text NOT NULL CHECK (super_number ~ '^[0-9]{8}$'),
  transcript bytea NOT NULL,
  drawn_at timestamptz NOT NULL
);
CREATE TABLE lottery.prizes (
  month integer NOT NULL REFERENCES lottery.transcripts,
  claim bigint NOT NULL,
  tier smallint NOT NULL CHECK (tier BETWEEN 0 AND 8),
  amount_mongo bigint NOT NULL CHECK (amount_mongo > 0),
  PRIMARY KEY (claim, tier)
);
CREATE INDEX prizes_by_month ON lottery.prizes (month);
COMMENT ON COLUMN lottery.prizes.tier IS 'How many last digits won; 0 is a share of the super number''s fund.';

CREATE TABLE private.draw_secrets (
  month integer PRIMARY KEY REFERENCES lottery.draws,
  secret bytea NOT NULL CHECK (length(secret) = 32)
);

CREATE FUNCTION lottery.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what a draw has published never changes';
END $$;
"""
KEPT = (
    "lottery.draws",
    "lottery.entries",
    "lottery.tree",
    "lottery.transcripts",
    "lottery.prizes",
    "private.draw_secrets",
)
NEVER_CHANGES = """
CREATE TRIGGER never_changes BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION lottery.refuse_change();
CREATE TRIGGER never_vanishes BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION lottery.refuse_change();
"""
GRANTS = """
GRANT USAGE ON SCHEMA lottery TO barimt_claims, barimt_officer, barimt_jobs;
GRANT SELECT ON lottery.draws, lottery.transcripts TO barimt_claims, barimt_officer, barimt_jobs;
GRANT SELECT ON lottery.entries, lottery.tree, lottery.prizes, private.draw_secrets TO barimt_claims, barimt_jobs;
GRANT INSERT ON lottery.draws, lottery.entries, lottery.tree, lottery.transcripts, lottery.prizes, private.draw_secrets
  TO barimt_jobs;
"""


def upgrade() -> None:
    """Make the tables, the triggers that keep them, and the grants."""
    connection = op.get_bind()
    connection.exec_driver_sql(TABLES)
    for table in KEPT:
        connection.exec_driver_sql(NEVER_CHANGES.format(table=table))
    connection.exec_driver_sql(GRANTS)


def downgrade() -> None:
    """Remove everything that `upgrade` made."""
    op.get_bind().exec_driver_sql("DROP TABLE private.draw_secrets; DROP SCHEMA lottery CASCADE")
