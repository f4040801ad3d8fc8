"""What sellers declare, what the plausibility job found, and who looked at what and why: the schema `tax`.

Nothing here is ever changed: an amended declaration is a new version, a repeated job a new run.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
CREATE SCHEMA tax;
CREATE TABLE tax.declarations (
  seller bigint NOT NULL REFERENCES pos.sellers,
  month integer NOT NULL,
  version integer NOT NULL CHECK (version BETWEEN 1 AND 1000),
  net_revenue_mongo bigint NOT NULL CHECK (net_revenue_mongo BETWEEN 0 AND 9007199254740991),
  vat_mongo bigint NOT NULL CHECK (vat_mongo BETWEEN 0 AND 9007199254740991),
  client_id text NOT NULL,
  declared_at timestamptz NOT NULL,
  PRIMARY KEY (seller, month, version)
);
CREATE INDEX declarations_by_month ON tax.declarations (month);
COMMENT ON TABLE tax.declarations IS 'The highest version holds. Revenue is net of VAT and city tax.';
COMMENT ON COLUMN tax.declarations.month IS 'Year x 12 + month - 1 of the business month.';

CREATE TABLE tax.accesses (
  access bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  officer text NOT NULL CHECK (length(officer) BETWEEN 1 AND 255),
  purpose text NOT NULL CHECK (length(btrim(purpose)) BETWEEN 1 AND 255),
  case_number text NOT NULL CHECK (length(btrim(case_number)) BETWEEN 1 AND 64),
  what text NOT NULL CHECK (what IN ('plausibility_run', 'findings', 'receipts')),
  month integer NOT NULL,
  seller bigint REFERENCES pos.sellers,
  accessed_at timestamptz NOT NULL,
  CHECK ((what = 'receipts') = (seller IS NOT NULL))
);
CREATE INDEX accesses_by_seller ON tax.accesses (seller, month) WHERE seller IS NOT NULL;
COMMENT ON TABLE tax.accesses IS 'One row a look at what sellers reported, written in the transaction that read it.';

CREATE TABLE tax.runs (
  run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  access bigint NOT NULL UNIQUE REFERENCES tax.accesses,
  month integer NOT NULL,
  as_of timestamptz NOT NULL,
  findings_hash bytea NOT NULL CHECK (length(findings_hash) = 32)
);
CREATE INDEX runs_by_month ON tax.runs (month, run);
COMMENT ON COLUMN tax.runs.findings_hash IS 'SHA-256 of findings.json: the same lake gives the same bytes.';

CREATE TABLE tax.findings (
  run bigint NOT NULL REFERENCES tax.runs,
  place integer NOT NULL CHECK (place >= 0),
  seller bigint NOT NULL REFERENCES pos.sellers,
  rule text NOT NULL,
  level text NOT NULL CHECK (level IN ('finding', 'note')),
  score integer NOT NULL CHECK (CASE level WHEN 'finding' THEN score >= 100 ELSE score BETWEEN 70 AND 99 END),
  effect text NOT NULL,
  unit text NOT NULL,
  threshold text NOT NULL,
  sample bigint NOT NULL,
  evidence jsonb NOT NULL,
  reason_en text NOT NULL,
  reason_mn text NOT NULL,
  receipts text[] NOT NULL CHECK (cardinality(receipts) <= 20),
  PRIMARY KEY (run, place),
  UNIQUE (run, seller, rule)
);
COMMENT ON COLUMN tax.findings.place IS 'The order in which the findings are read, strongest first.';
"""

GRANTS = """
GRANT USAGE ON SCHEMA tax TO barimt_gateway, barimt_claims, barimt_officer, barimt_jobs;
GRANT SELECT, INSERT ON tax.declarations TO barimt_gateway;
GRANT SELECT ON tax.declarations TO barimt_officer, barimt_jobs;
GRANT SELECT ON tax.runs, tax.findings TO barimt_officer;
GRANT SELECT, INSERT ON tax.runs, tax.findings TO barimt_jobs;
GRANT INSERT ON tax.accesses TO barimt_officer, barimt_jobs;
GRANT SELECT (access) ON tax.accesses TO barimt_officer, barimt_jobs;
-- A citizen is told when and why, not by whom.
GRANT SELECT (access, purpose, case_number, what, month, seller, accessed_at) ON tax.accesses TO barimt_claims;
"""


def upgrade() -> None:
    """Make the tables and the grants."""
    for text in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    """Remove everything that `upgrade` made."""
    op.get_bind().exec_driver_sql("DROP SCHEMA tax CASCADE")
