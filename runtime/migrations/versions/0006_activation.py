"""How a till becomes one: codes that are good once, till keys in signed shards, and what a till asks of its seller.

The tills' side gets no right to enrol anybody. It may call two functions of the owner's, and both want the code itself,
of which only the hash is stored: whoever speaks as the gateway without a code can enrol nothing (docs/decisions/0032).
"""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
CREATE TABLE pos.activation_codes (
  code_hash bytea PRIMARY KEY CHECK (length(code_hash) = 32),
  seller bigint NOT NULL REFERENCES pos.sellers,
  terminal integer NOT NULL CHECK (terminal BETWEEN 0 AND 99999999),
  branch smallint NOT NULL CHECK (branch BETWEEN 0 AND 999),
  district text NOT NULL CHECK (district ~ '^[0-9]{4}$'),
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL CHECK (expires_at >= made_at),
  used_at timestamptz,
  public_key bytea CHECK (length(public_key) = 32),
  client_key bytea CHECK (length(client_key) = 32),
  client_id text UNIQUE REFERENCES pos.clients,
  CHECK (num_nulls(used_at, public_key, client_key, client_id) IN (0, 4))
);
CREATE INDEX activation_codes_by_seller ON pos.activation_codes (seller, terminal);
COMMENT ON TABLE pos.activation_codes IS
  'One-time codes for tills, by the SHA-256 of their 16 letters. Times are real ones, not business time.';

CREATE TABLE pos.key_shards (
  prefix text PRIMARY KEY CHECK (prefix ~ '^[0-9a-f]{2}$'),
  version integer NOT NULL CHECK (version > 0),
  issued_at timestamptz NOT NULL,
  signed text NOT NULL
);
COMMENT ON TABLE pos.key_shards IS 'The till keys as published: by the first two hexadecimal digits of the kid.';

CREATE TABLE pos.seller_accounts (
  account integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seller bigint NOT NULL REFERENCES pos.sellers,
  account_no text NOT NULL CHECK (length(account_no) BETWEEN 1 AND 34),
  account_name text NOT NULL CHECK (length(account_name) BETWEEN 1 AND 255),
  bank_id integer NOT NULL CHECK (bank_id >= 0),
  bank_name text NOT NULL CHECK (length(bank_name) <= 255),
  iban text NOT NULL CHECK (length(iban) <= 34),
  UNIQUE (seller, account_no)
);
COMMENT ON TABLE pos.seller_accounts IS 'Where a seller wants its invoices paid: PosAPI''s bankAccounts.';

ALTER TABLE pos.sellers ADD COLUMN reg_no text UNIQUE CHECK (reg_no ~ '^[0-9]{7,8}$');
COMMENT ON COLUMN pos.sellers.reg_no IS 'The number of the state register, where the seller is a company.';
ALTER TABLE pos.terminals ADD COLUMN suspended_for text CHECK (length(suspended_for) BETWEEN 1 AND 64),
  ADD CHECK (suspended_for IS NULL OR suspended_at IS NOT NULL);
COMMENT ON COLUMN pos.terminals.suspended_for IS 'Why, in one word: a code of the message catalogue.';
"""

FUNCTIONS = """
CREATE FUNCTION pos.activation_of(code text) RETURNS SETOF pos.activation_codes
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT * FROM pos.activation_codes WHERE code_hash = sha256(convert_to(code, 'UTF8')) AND expires_at > now()
$$;
COMMENT ON FUNCTION pos.activation_of(text) IS 'What a code is good for, by the server''s own clock.';

CREATE FUNCTION pos.activate_terminal(
  code text, new_client text, client_pem text, new_key bytea, new_client_key bytea, of_epoch integer, record bytea,
  at timestamptz, on_day integer, until timestamptz, new_version integer, shard text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  good pos.activation_codes; new_kid bytea := substring(sha256(new_key) FROM 1 FOR 8);
BEGIN
  SELECT * INTO good FROM pos.activation_codes c
  WHERE c.code_hash = sha256(convert_to(code, 'UTF8')) AND c.expires_at > now() AND c.used_at IS NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO pos.clients (client_id, seller, public_key, enrolled_at) VALUES (new_client, good.seller, client_pem, at);
  INSERT INTO pos.terminals (seller, terminal, client_id, mode, branch, district, epoch, enrolment, enrolled_at)
  VALUES (good.seller, good.terminal, new_client, 'till', good.branch, good.district, of_epoch, record, at);
  INSERT INTO pos.chains (seller, terminal, counter, head_hash, turnover_mongo, day, next_number, last_issued_at)
  VALUES (good.seller, good.terminal, 0, sha256(record), 0, on_day, 0, at);
  INSERT INTO pos.keys (kid, public_key, role, seller, terminal, epoch, not_before, not_after)
  VALUES (new_kid, new_key, 'till', good.seller, good.terminal, of_epoch, at, until);
  INSERT INTO pos.key_shards AS k (prefix, version, issued_at, signed)
  VALUES (encode(substring(new_kid FROM 1 FOR 1), 'hex'), new_version, at, shard)
  ON CONFLICT (prefix) DO UPDATE SET version = new_version, issued_at = at, signed = shard
    WHERE k.version = new_version - 1;
  IF NOT FOUND THEN RAISE serialization_failure USING MESSAGE = 'another key was certified meanwhile'; END IF;
  UPDATE pos.activation_codes c
  SET used_at = now(), public_key = new_key, client_key = new_client_key, client_id = new_client
  WHERE c.code_hash = good.code_hash;
  RETURN true;
END $$;
COMMENT ON FUNCTION pos.activate_terminal IS
  'Uses a code up: client, terminal of mode till, chain, key, and the shard that names it. False: no good code.';
REVOKE ALL ON FUNCTION pos.activation_of, pos.activate_terminal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pos.activation_of, pos.activate_terminal TO barimt_gateway;
"""

GRANTS = """
GRANT SELECT ON pos.key_shards, pos.seller_accounts TO barimt_gateway, barimt_jobs;
GRANT UPDATE (suspended_for) ON pos.terminals TO barimt_gateway;
GRANT SELECT, INSERT ON pos.activation_codes TO barimt_jobs;
GRANT UPDATE (expires_at) ON pos.activation_codes TO barimt_jobs;
GRANT INSERT, UPDATE ON pos.key_shards TO barimt_jobs;
GRANT INSERT ON pos.seller_accounts TO barimt_jobs;
"""


def upgrade() -> None:
    """Make the tables, the columns, the functions and the grants."""
    for text in (TABLES, FUNCTIONS, GRANTS):
        op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    """Remove everything that `upgrade` made."""
    op.get_bind().exec_driver_sql("""
DROP FUNCTION pos.activate_terminal, pos.activation_of;
ALTER TABLE pos.terminals DROP COLUMN suspended_for;
ALTER TABLE pos.sellers DROP COLUMN reg_no;
DROP TABLE pos.seller_accounts, pos.key_shards, pos.activation_codes;
""")
