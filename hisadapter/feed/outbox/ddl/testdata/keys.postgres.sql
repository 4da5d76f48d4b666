-- hisgate: the outbox of stock, for PostgreSQL. To be reviewed and run by the
-- owner of the HIS's database, as the owner of the table.
-- hisgate 库存变化表（PostgreSQL）：请由 HIS 数据库管理员审阅，以库存表属主身份执行。
--
-- Each change of stock leaves one row in hisgate_outbox, in the same transaction:
-- a change that is rolled back leaves none. hisgate reads these rows and nothing else. The rows
-- say which drug changed, and hisgate asks what there is.
-- TRUNCATE, and changes while triggers are disabled, are not noticed.
--
-- The trigger fails only where the outbox cannot be written (a full disk, which
-- stops the table of stock as well). lastval() of a session changes with its
-- inserts; currval() of your own sequences does not.

-- 1. The outbox. Its primary key is the only index that is needed.
CREATE TABLE hisgate_outbox (
    id          bigserial   PRIMARY KEY,
    op          text        NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id text,
    drug_id     text,
    quantity    numeric,                   -- NULL = to be asked for
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- 2. The trigger. It runs with the rights of its owner, so that whoever writes the
--    stock needs no right on the outbox.
CREATE FUNCTION hisgate_outbox_fill() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO hisgate_outbox (op, pharmacy_id, drug_id) VALUES ('D', NULL, OLD.DRUG);
    ELSE
        IF TG_OP = 'UPDATE' THEN
            IF OLD.DRUG IS DISTINCT FROM NEW.DRUG THEN
                INSERT INTO hisgate_outbox (op, pharmacy_id, drug_id) VALUES ('D', NULL, OLD.DRUG);
            END IF;
        END IF;
        INSERT INTO hisgate_outbox (op, pharmacy_id, drug_id, quantity)
        VALUES (left(TG_OP, 1), NULL, NEW.DRUG, NULL);
    END IF;
    -- Wakes hisgate when the transaction commits. PostgreSQL lets transactions that
    -- notify commit one after the other: leave it out where hundreds a second do.
    PERFORM pg_notify('hisgate_outbox', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER hisgate_outbox_insert AFTER INSERT ON stock
    FOR EACH ROW EXECUTE PROCEDURE hisgate_outbox_fill();
CREATE TRIGGER hisgate_outbox_update AFTER UPDATE ON stock
    FOR EACH ROW EXECUTE PROCEDURE hisgate_outbox_fill();
CREATE TRIGGER hisgate_outbox_delete AFTER DELETE ON stock
    FOR EACH ROW EXECUTE PROCEDURE hisgate_outbox_fill();

-- 3. What hisgate may do: read the outbox, and delete what it has read. Nothing else.
-- CREATE ROLE hisgate LOGIN PASSWORD '…';
GRANT SELECT, DELETE ON hisgate_outbox TO hisgate;

-- 4. The clean-up: hisgate does it (keep: 24h).

-- 5. To take it all away again.
-- DROP TRIGGER hisgate_outbox_insert ON stock;
-- DROP TRIGGER hisgate_outbox_update ON stock;
-- DROP TRIGGER hisgate_outbox_delete ON stock;
-- DROP FUNCTION hisgate_outbox_fill();
-- DROP TABLE hisgate_outbox;
