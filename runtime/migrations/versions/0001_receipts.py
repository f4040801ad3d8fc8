"""Sellers, terminals, chains, receipts, claims: every table of the package `receipts`, and who may touch it.

Keys carry the seller number first (it is inside every receipt id, so that a scan is routed without a look-up) and the
partition key, the day number inside the (root) id, so that a unique index holds for ever (docs/decisions).
"""

from alembic import op

revision = "0001"
down_revision = None

SCHEMAS = """
CREATE SCHEMA pos;
CREATE SCHEMA claims;
CREATE SCHEMA private;
CREATE SCHEMA auth;
"""

WHO = """
CREATE TABLE pos.sellers (
  seller bigint PRIMARY KEY CHECK (seller BETWEEN 1 AND 999999999999),
  tin text NOT NULL UNIQUE CHECK (tin ~ '^[0-9]{11,14}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  sector text NOT NULL CHECK (length(sector) <= 16),
  district text NOT NULL CHECK (district ~ '^[0-9]{4}$'),
  city_tax_payer boolean NOT NULL,
  enrolled_at timestamptz NOT NULL
);
CREATE TABLE pos.vat_registrations (
  seller bigint NOT NULL REFERENCES pos.sellers,
  registered_from date NOT NULL,
  registered_to date CHECK (registered_to > registered_from),
  PRIMARY KEY (seller, registered_from)
);
CREATE TABLE pos.clients (
  client_id text PRIMARY KEY CHECK (length(client_id) BETWEEN 1 AND 64),
  seller bigint NOT NULL REFERENCES pos.sellers,
  public_key text NOT NULL CHECK (length(public_key) <= 2048),
  enrolled_at timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE TABLE pos.keys (
  kid bytea PRIMARY KEY CHECK (length(kid) = 8),
  public_key bytea NOT NULL UNIQUE CHECK (length(public_key) = 32),
  role text NOT NULL CHECK (role IN ('root', 'gateway', 'till')),
  seller bigint REFERENCES pos.sellers,
  terminal integer,
  epoch integer NOT NULL,
  not_before timestamptz NOT NULL,
  not_after timestamptz NOT NULL CHECK (not_after > not_before),
  revoked_at timestamptz,
  CHECK ((role = 'till') = (seller IS NOT NULL AND terminal IS NOT NULL))
);
CREATE TABLE pos.key_lists (
  version integer PRIMARY KEY,
  issued_at timestamptz NOT NULL,
  signed text NOT NULL
);
CREATE TABLE pos.terminals (
  seller bigint NOT NULL REFERENCES pos.sellers,
  terminal integer NOT NULL CHECK (terminal BETWEEN 0 AND 99999999),
  client_id text NOT NULL REFERENCES pos.clients,
  mode text NOT NULL CHECK (mode IN ('gateway', 'till')),
  branch smallint NOT NULL CHECK (branch BETWEEN 0 AND 999),
  district text NOT NULL CHECK (district ~ '^[0-9]{4}$'),
  epoch integer NOT NULL,
  enrolment bytea NOT NULL,
  enrolled_at timestamptz NOT NULL,
  suspended_at timestamptz,
  closed_at timestamptz,
  PRIMARY KEY (seller, terminal)
);
CREATE INDEX terminals_by_client ON pos.terminals (client_id);
CREATE TABLE pos.chains (
  seller bigint NOT NULL,
  terminal integer NOT NULL,
  counter bigint NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
  head_hash bytea NOT NULL CHECK (length(head_hash) = 32),
  turnover_mongo bigint NOT NULL CHECK (turnover_mongo >= 0),
  day integer NOT NULL,
  next_number integer NOT NULL CHECK (next_number BETWEEN 0 AND 100000),
  last_issued_at timestamptz NOT NULL,
  PRIMARY KEY (seller, terminal),
  FOREIGN KEY (seller, terminal) REFERENCES pos.terminals
) WITH (fillfactor = 50);
CREATE TABLE auth.seen_jti (
  client_id text NOT NULL,
  jti text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (client_id, jti)
);
CREATE TABLE auth.officers (
  officer_id text PRIMARY KEY CHECK (length(officer_id) BETWEEN 1 AND 64),
  name text NOT NULL,
  enrolled_at timestamptz NOT NULL,
  revoked_at timestamptz
);
"""

RECEIPTS = """
CREATE TABLE pos.receipts (
  seller bigint NOT NULL,
  terminal integer NOT NULL,
  day integer NOT NULL,
  number integer NOT NULL CHECK (number BETWEEN 0 AND 99999),
  branch smallint NOT NULL,
  root_terminal integer NOT NULL,
  root_day integer NOT NULL,
  root_number integer NOT NULL,
  issued_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  kind smallint NOT NULL CHECK (kind BETWEEN 0 AND 255),
  counter bigint NOT NULL,
  total_mongo bigint NOT NULL,
  vat_mongo bigint NOT NULL,
  city_tax_mongo bigint NOT NULL,
  turnover_mongo bigint NOT NULL CHECK (turnover_mongo >= 0),
  cose bytea NOT NULL CHECK (length(cose) = 144),
  receipt_hash bytea NOT NULL CHECK (length(receipt_hash) = 32),
  document bytea NOT NULL,
  document_hash bytea NOT NULL CHECK (length(document_hash) = 32),
  reference text,
  payments text,
  computed_vat_mongo bigint NOT NULL,
  part_merchants bigint[] NOT NULL,
  part_tax_types smallint[] NOT NULL,
  part_totals_mongo bigint[] NOT NULL,
  part_vats_mongo bigint[] NOT NULL,
  part_city_taxes_mongo bigint[] NOT NULL,
  PRIMARY KEY (seller, terminal, day, number),
  CHECK (cardinality(part_merchants) <= 100
    AND cardinality(part_merchants) = cardinality(part_tax_types)
    AND cardinality(part_merchants) = cardinality(part_totals_mongo)
    AND cardinality(part_merchants) = cardinality(part_vats_mongo)
    AND cardinality(part_merchants) = cardinality(part_city_taxes_mongo))
) PARTITION BY RANGE (day);
CREATE INDEX receipts_by_reference ON pos.receipts (seller, reference) WHERE reference IS NOT NULL;
COMMENT ON TABLE pos.receipts IS
  'One row a link of a chain, never changed. A link that has no predecessor is its own root.';
COMMENT ON COLUMN pos.receipts.turnover_mongo IS 'The gross counter after this link, as the QR carries it encrypted.';

CREATE VIEW pos.receipt_parts AS
SELECT seller, terminal, day, number, issued_at, kind, merchant, tax_type, total_mongo, vat_mongo, city_tax_mongo
FROM (SELECT r.seller, r.terminal, r.day, r.number, r.issued_at, r.kind, part.*
      FROM pos.receipts r,
           unnest(r.part_merchants, r.part_tax_types, r.part_totals_mongo, r.part_vats_mongo, r.part_city_taxes_mongo)
             AS part (merchant, tax_type, total_mongo, vat_mongo, city_tax_mongo)) parts;

CREATE TABLE pos.successors (
  seller bigint NOT NULL,
  terminal integer NOT NULL,
  day integer NOT NULL,
  number integer NOT NULL,
  by_terminal integer NOT NULL,
  by_day integer NOT NULL,
  by_number integer NOT NULL,
  root_terminal integer NOT NULL,
  root_day integer NOT NULL,
  root_number integer NOT NULL,
  nature smallint NOT NULL CHECK (nature IN (3, 4)),
  issued_at timestamptz NOT NULL,
  reason text CHECK (length(reason) <= 255),
  PRIMARY KEY (seller, terminal, day, number)
);
CREATE INDEX successors_by_root ON pos.successors (seller, root_terminal, root_day, root_number);
COMMENT ON TABLE pos.successors IS
  'What followed a receipt: at most one correction or void a predecessor, held by the key.';

CREATE TABLE pos.idempotency (
  seller bigint NOT NULL,
  client_id text NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
  received_month integer NOT NULL,
  content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
  terminal integer NOT NULL,
  day integer NOT NULL,
  number integer NOT NULL,
  PRIMARY KEY (seller, client_id, key, received_month)
) PARTITION BY RANGE (received_month);
COMMENT ON COLUMN pos.idempotency.received_month IS
  'Year x 12 + month - 1 of the real time of receipt, in Ulaanbaatar.';

CREATE TABLE pos.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seller bigint NOT NULL,
  root_terminal integer NOT NULL,
  root_day integer NOT NULL,
  root_number integer NOT NULL,
  event text NOT NULL CHECK (event IN ('void', 'correction', 'upload', 'easy')),
  login_no integer,
  created_at timestamptz NOT NULL,
  CHECK ((event = 'easy') = (login_no IS NOT NULL))
);
COMMENT ON TABLE pos.outbox IS
  'What the tills'' side did that a claim must follow. The gateway may only add; the claims side applies and removes.';
"""

CLAIMS = """
CREATE TABLE private.consumers (
  consumer bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  login_no integer NOT NULL UNIQUE CHECK (login_no BETWEEN 10000000 AND 99999999),
  bank_account text CHECK (length(bank_account) <= 34),
  enrolled_at timestamptz NOT NULL
);
CREATE TABLE private.seller_people (
  seller bigint NOT NULL REFERENCES pos.sellers,
  consumer bigint NOT NULL REFERENCES private.consumers,
  role text NOT NULL CHECK (role IN ('owner', 'manager', 'cashier')),
  from_date date NOT NULL,
  to_date date,
  PRIMARY KEY (seller, consumer, role, from_date)
);
CREATE SEQUENCE claims.claim_ids;
CREATE TABLE claims.claims (
  seller bigint NOT NULL,
  root_terminal integer NOT NULL,
  root_day integer NOT NULL,
  root_number integer NOT NULL,
  claim bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('provisional', 'final', 'lapsed', 'void')),
  via text NOT NULL CHECK (via IN ('qr', 'hand', 'easy')),
  root_hash bytea NOT NULL CHECK (length(root_hash) = 32),
  month integer NOT NULL,
  claimed_at timestamptz NOT NULL,
  PRIMARY KEY (seller, root_terminal, root_day, root_number)
) PARTITION BY RANGE (root_day);
CREATE INDEX claims_by_claim ON claims.claims (claim);
CREATE INDEX claims_by_month ON claims.claims (month);
COMMENT ON COLUMN claims.claims.month IS 'Year x 12 + month - 1 of the root''s issued_at, in Ulaanbaatar.';
CREATE TABLE claims.held (
  receipt_hash bytea PRIMARY KEY CHECK (length(receipt_hash) = 32),
  claim bigint NOT NULL UNIQUE,
  seller bigint NOT NULL,
  terminal integer NOT NULL,
  cose bytea NOT NULL CHECK (length(cose) = 144),
  state text NOT NULL CHECK (state IN ('provisional', 'lapsed', 'final')),
  held_at timestamptz NOT NULL,
  deadline timestamptz NOT NULL
);
COMMENT ON TABLE claims.held IS
  'Claims of receipts that no till has reported yet: bound to exact bytes, never payable, never drawn.';
CREATE TABLE claims.sightings (
  seller bigint NOT NULL,
  terminal integer NOT NULL,
  day integer NOT NULL,
  number integer NOT NULL,
  receipt_hash bytea NOT NULL CHECK (length(receipt_hash) = 32),
  kind smallint NOT NULL,
  counter bigint NOT NULL,
  total_mongo bigint NOT NULL,
  turnover_mongo bigint NOT NULL,
  issued_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (seller, terminal, day, number, receipt_hash)
) PARTITION BY RANGE (day);
CREATE TABLE private.claim_owners (
  consumer bigint NOT NULL REFERENCES private.consumers,
  claim bigint NOT NULL,
  PRIMARY KEY (consumer, claim)
);
CREATE UNIQUE INDEX claim_owners_by_claim ON private.claim_owners (claim);
"""

FUNCTIONS = """
CREATE FUNCTION pos.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a stored receipt never changes';
END $$;
CREATE TRIGGER receipts_never_change BEFORE UPDATE OR DELETE ON pos.receipts
  FOR EACH ROW EXECUTE FUNCTION pos.refuse_change();

CREATE FUNCTION pos.ensure_partition(parent regclass, suffix text, low integer, high integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  schema_name text; table_name text; child text;
BEGIN
  SELECT n.nspname, c.relname INTO schema_name, table_name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = parent;
  child := format('%I.%I', schema_name, table_name || '_' || suffix);
  IF to_regclass(child) IS NOT NULL THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', child, parent);
  EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', parent, child, low, high);
END $$;

CREATE FUNCTION pos.ensure_month(year integer, month integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  first_day integer := make_date(year, month, 1) - date '2000-01-07';
  end_day integer := (make_date(year, month, 1) + interval '1 month')::date - date '2000-01-07';
  suffix text := format('%s_%s', year, lpad(month::text, 2, '0'));
  ordinal integer := year * 12 + month - 1;
BEGIN
  PERFORM pg_advisory_xact_lock(4711, ordinal);
  PERFORM pos.ensure_partition('pos.receipts', suffix, first_day, end_day);
  PERFORM pos.ensure_partition('pos.idempotency', suffix, ordinal, ordinal + 1);
  PERFORM pos.ensure_partition('claims.claims', suffix, first_day, end_day);
  PERFORM pos.ensure_partition('claims.sightings', suffix, first_day, end_day);
END $$;
REVOKE ALL ON FUNCTION pos.ensure_month(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pos.ensure_partition(regclass, text, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pos.ensure_month(integer, integer) TO barimt_gateway, barimt_claims, barimt_jobs;
"""

GRANTS = """
GRANT USAGE ON SCHEMA pos TO barimt_gateway, barimt_claims, barimt_officer, barimt_jobs;
GRANT USAGE ON SCHEMA auth TO barimt_gateway, barimt_claims, barimt_officer, barimt_jobs;
GRANT USAGE ON SCHEMA claims TO barimt_claims, barimt_officer, barimt_jobs;
GRANT USAGE ON SCHEMA private TO barimt_claims, barimt_jobs;

GRANT SELECT ON pos.sellers, pos.vat_registrations, pos.clients, pos.keys, pos.key_lists, pos.terminals
  TO barimt_gateway, barimt_claims, barimt_officer, barimt_jobs;
GRANT SELECT ON pos.receipts, pos.receipt_parts, pos.successors
  TO barimt_gateway, barimt_claims, barimt_officer, barimt_jobs;
GRANT SELECT ON pos.chains TO barimt_gateway, barimt_officer, barimt_jobs;
GRANT UPDATE ON pos.chains TO barimt_gateway;
GRANT UPDATE (suspended_at) ON pos.terminals TO barimt_gateway;
-- A row can be locked only by who may update a column of it; the trigger refuses the update itself.
GRANT UPDATE (received_at) ON pos.receipts TO barimt_gateway, barimt_claims;
GRANT INSERT ON pos.receipts, pos.successors, pos.outbox TO barimt_gateway;
GRANT SELECT, INSERT ON pos.idempotency TO barimt_gateway;
GRANT SELECT, INSERT, DELETE ON auth.seen_jti TO barimt_gateway;
GRANT SELECT ON auth.officers TO barimt_officer;

GRANT SELECT, DELETE ON pos.outbox TO barimt_claims;
GRANT SELECT, INSERT, UPDATE ON claims.claims, claims.held TO barimt_claims;
GRANT SELECT, INSERT ON claims.sightings TO barimt_claims;
GRANT USAGE ON SEQUENCE claims.claim_ids TO barimt_claims;
GRANT SELECT, INSERT ON private.claim_owners TO barimt_claims;
GRANT SELECT, UPDATE ON private.consumers TO barimt_claims;
GRANT SELECT ON private.seller_people TO barimt_claims;

-- Administration: enrolment of sellers, terminals (with the start link of their chain), consumers, officers, keys.
GRANT INSERT, UPDATE ON pos.sellers, pos.vat_registrations, pos.clients, pos.keys, pos.terminals TO barimt_jobs;
GRANT INSERT ON pos.key_lists, pos.chains, pos.receipts TO barimt_jobs;
GRANT SELECT, INSERT, UPDATE ON auth.officers TO barimt_jobs;
GRANT INSERT, UPDATE ON private.consumers, private.seller_people TO barimt_jobs;
GRANT SELECT ON claims.claims, claims.held, claims.sightings TO barimt_officer, barimt_jobs;
GRANT SELECT ON private.claim_owners, private.consumers, private.seller_people TO barimt_jobs;
"""


def upgrade() -> None:
    """Make the schemas, the tables, the month partitions' function and the grants."""
    for text in (SCHEMAS, WHO, RECEIPTS, CLAIMS, FUNCTIONS, GRANTS):
        op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    """Remove everything that `upgrade` made."""
    op.get_bind().exec_driver_sql("DROP SCHEMA auth, private, claims, pos CASCADE")
