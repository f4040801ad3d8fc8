"""What the centre keeps of links that tills signed themselves, beside the links: forks, findings, tax months.

A till may sign what the centre would never sign: so a link of its own may state a turnover below zero, which is then
among its findings. All that is kept here never changes.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
CREATE TABLE pos.forks (
  seller bigint NOT NULL,
  receipt_hash bytea NOT NULL CHECK (length(receipt_hash) = 32),
  terminal integer NOT NULL,
  day integer NOT NULL,
  number integer NOT NULL CHECK (number BETWEEN 0 AND 99999),
  branch smallint NOT NULL,
  issued_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  kind smallint NOT NULL CHECK (kind BETWEEN 0 AND 255),
  counter bigint NOT NULL,
  total_mongo bigint NOT NULL,
  vat_mongo bigint NOT NULL,
  turnover_mongo bigint NOT NULL,
  previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
  cose bytea NOT NULL CHECK (length(cose) = 144),
  document bytea NOT NULL,
  payments text,
  PRIMARY KEY (seller, receipt_hash)
);
CREATE INDEX forks_by_place ON pos.forks (seller, terminal, counter);
CREATE INDEX forks_by_time ON pos.forks (received_at);
COMMENT ON TABLE pos.forks IS
  'Links that came second: after a predecessor that had a successor, under an id that was given, or after a fork.';
CREATE TABLE pos.link_findings (
  seller bigint NOT NULL,
  receipt_hash bytea NOT NULL CHECK (length(receipt_hash) = 32),
  code text NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
  path text NOT NULL CHECK (length(path) <= 255),
  expected text CHECK (length(expected) <= 255),
  PRIMARY KEY (seller, receipt_hash, code, path)
);
COMMENT ON TABLE pos.link_findings IS 'What was found of links that tills signed: they are kept all the same.';
CREATE TABLE pos.tax_months (
  seller bigint NOT NULL,
  terminal integer NOT NULL,
  day integer NOT NULL,
  number integer NOT NULL,
  tax_month integer NOT NULL,
  PRIMARY KEY (seller, terminal, day, number)
);
CREATE INDEX tax_months_by_month ON pos.tax_months (tax_month);
COMMENT ON TABLE pos.tax_months IS
  'Receipts that count for another month (year x 12 + month - 1) than that of their issue.';
CREATE TRIGGER forks_never_change BEFORE UPDATE OR DELETE ON pos.forks
  FOR EACH ROW EXECUTE FUNCTION pos.refuse_change();
CREATE TRIGGER findings_never_change BEFORE UPDATE OR DELETE ON pos.link_findings
  FOR EACH ROW EXECUTE FUNCTION pos.refuse_change();
CREATE TRIGGER tax_months_never_change BEFORE UPDATE OR DELETE ON pos.tax_months
  FOR EACH ROW EXECUTE FUNCTION pos.refuse_change();
CREATE INDEX outbox_easy ON pos.outbox (id) WHERE event = 'easy';
"""

TURNOVERS = """
ALTER TABLE pos.chains DROP CONSTRAINT IF EXISTS chains_turnover_mongo_check;
DO $$
DECLARE child regclass;
BEGIN
  ALTER TABLE pos.receipts DROP CONSTRAINT IF EXISTS receipts_turnover_mongo_check;
  FOR child IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'pos.receipts'::regclass LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS receipts_turnover_mongo_check', child);
  END LOOP;
  ALTER TABLE pos.receipts
    ADD CONSTRAINT receipts_turnover_mongo_check CHECK (turnover_mongo >= 0 OR kind & 32 <> 0);
END $$;
"""
"""Bit 5 of `kind`: signed by a till."""

ACCESSES = """
ALTER TABLE tax.accesses DROP CONSTRAINT accesses_what_check;
ALTER TABLE tax.accesses ADD CONSTRAINT accesses_what_check
  CHECK (what IN ('plausibility_run', 'findings', 'receipts', 'forks'));
"""

GRANTS = """
GRANT SELECT, INSERT ON pos.forks, pos.link_findings TO barimt_gateway;
GRANT INSERT ON pos.tax_months TO barimt_gateway;
GRANT UPDATE (closed_at) ON pos.terminals TO barimt_gateway;
GRANT SELECT ON pos.forks, pos.link_findings, pos.tax_months TO barimt_officer, barimt_jobs;
"""


def upgrade() -> None:
    """Make the tables and the grants."""
    for text in (TABLES, TURNOVERS, ACCESSES, GRANTS):
        op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    """Remove everything that `upgrade` made. What tills signed stays as it is."""
    op.get_bind().exec_driver_sql("""
DROP INDEX pos.outbox_easy;
DROP TABLE pos.tax_months, pos.link_findings, pos.forks;
REVOKE UPDATE (closed_at) ON pos.terminals FROM barimt_gateway;
ALTER TABLE tax.accesses DROP CONSTRAINT accesses_what_check;
ALTER TABLE tax.accesses ADD CONSTRAINT accesses_what_check
  CHECK (what IN ('plausibility_run', 'findings', 'receipts'));
""")
