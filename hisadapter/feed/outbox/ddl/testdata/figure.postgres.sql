-- hisgate: the outbox of his."药房库存", for PostgreSQL. To be reviewed and run by the
-- owner of the HIS's database, as the owner of the table.
-- hisgate 库存变化表（PostgreSQL）：请由 HIS 数据库管理员审阅，以库存表属主身份执行。
--
-- Each change of his."药房库存" leaves one row in his.hisgate_outbox, in the same transaction:
-- a change that is rolled back leaves none. hisgate reads these rows and nothing else. The rows
-- carry the new quantity; there must be one row of his."药房库存" for each drug of a
-- pharmacy. Where a drug has several (lots), print this with --keys-only.
-- TRUNCATE, and changes while triggers are disabled, are not noticed.
--
-- The trigger fails only where the outbox cannot be written (a full disk, which
-- stops the table of stock as well). lastval() of a session changes with its
-- inserts; currval() of your own sequences does not.

-- 1. The outbox. Its primary key is the only index that is needed.
CREATE TABLE his.hisgate_outbox (
    id          bigserial   PRIMARY KEY,
    op          text        NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id text,
    drug_id     text,
    quantity    numeric,                   -- NULL = to be asked for
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- 2. The trigger. It runs with the rights of its owner, so that whoever writes the
--    stock needs no right on the outbox.
CREATE FUNCTION his.hisgate_outbox_fill() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO his.hisgate_outbox (op, pharmacy_id, drug_id) VALUES ('D', OLD."药房编码", OLD."药品编码");
    ELSE
        IF TG_OP = 'UPDATE' THEN
            IF OLD."药房编码" IS DISTINCT FROM NEW."药房编码" OR OLD."药品编码" IS DISTINCT FROM NEW."药品编码" THEN
                INSERT INTO his.hisgate_outbox (op, pharmacy_id, drug_id) VALUES ('D', OLD."药房编码", OLD."药品编码");
            END IF;
        END IF;
        INSERT INTO his.hisgate_outbox (op, pharmacy_id, drug_id, quantity)
        VALUES (left(TG_OP, 1), NEW."药房编码", NEW."药品编码", NEW."库存数量");
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER hisgate_outbox_insert AFTER INSERT ON his."药房库存"
    FOR EACH ROW EXECUTE PROCEDURE his.hisgate_outbox_fill();
CREATE TRIGGER hisgate_outbox_update AFTER UPDATE ON his."药房库存"
    FOR EACH ROW WHEN (OLD."药房编码" IS DISTINCT FROM NEW."药房编码" OR OLD."药品编码" IS DISTINCT FROM NEW."药品编码" OR OLD."库存数量" IS DISTINCT FROM NEW."库存数量")
    EXECUTE PROCEDURE his.hisgate_outbox_fill();
CREATE TRIGGER hisgate_outbox_delete AFTER DELETE ON his."药房库存"
    FOR EACH ROW EXECUTE PROCEDURE his.hisgate_outbox_fill();

-- 3. What hisgate may do: read the outbox. Nothing else.
-- CREATE ROLE hisgate LOGIN PASSWORD '…';
GRANT USAGE ON SCHEMA his TO hisgate;
GRANT SELECT ON his.hisgate_outbox TO hisgate;

-- 4. The clean-up, once a day. The newest row stays.
-- DELETE FROM his.hisgate_outbox WHERE changed_at < now() - interval '3 days' AND id < (SELECT max(id) FROM his.hisgate_outbox);

-- 5. To take it all away again.
-- DROP TRIGGER hisgate_outbox_insert ON his."药房库存";
-- DROP TRIGGER hisgate_outbox_update ON his."药房库存";
-- DROP TRIGGER hisgate_outbox_delete ON his."药房库存";
-- DROP FUNCTION his.hisgate_outbox_fill();
-- DROP TABLE his.hisgate_outbox;
