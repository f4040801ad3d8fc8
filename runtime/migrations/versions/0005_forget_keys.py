"""Idempotency keys are forgotten a whole month at a time, by a function of the owner's that takes no argument: who may
call it can forget what nobody looks up any more, and nothing else.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

FUNCTION = """
CREATE FUNCTION pos.forget_old_keys() RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '50ms' AS $$
DECLARE
  oldest_kept date := date_trunc('month', now() AT TIME ZONE 'Asia/Ulaanbaatar') - interval '2 months';
  old text; forgotten text[] := '{}';
BEGIN
  FOR old IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'pos.idempotency'::regclass
      AND c.relname < ('idempotency_' || to_char(oldest_kept, 'YYYY_MM'))::name
    ORDER BY c.relname
  LOOP
    EXECUTE format('DROP TABLE IF EXISTS pos.%I', old);
    forgotten := forgotten || old;
  END LOOP;
  RETURN forgotten;
END $$;
COMMENT ON FUNCTION pos.forget_old_keys() IS
  'Drops the partitions of keys older than last month and the one before, by the server''s own clock; gives up (55P03)
rather than make a till wait for longer than lock_timeout.';
REVOKE ALL ON FUNCTION pos.forget_old_keys() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pos.forget_old_keys() TO barimt_gateway;
"""


def upgrade() -> None:
    """Make the function and its grant."""
    op.get_bind().exec_driver_sql(FUNCTION)


def downgrade() -> None:
    """Remove the function."""
    op.get_bind().exec_driver_sql("DROP FUNCTION pos.forget_old_keys()")
