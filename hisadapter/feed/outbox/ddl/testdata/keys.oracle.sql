-- hisgate: the outbox of stock, for Oracle. To be reviewed and run by the owner
-- of the table, with a client that knows the slash (SQL*Plus, PL/SQL Developer).
-- hisgate 库存变化表（Oracle）：请由 HIS 数据库管理员审阅，以库存表属主身份执行。
--
-- Each change of stock leaves one row in hisgate_outbox, in the same transaction:
-- a change that is rolled back leaves none. hisgate reads these rows and nothing else. The rows
-- say which drug changed, and hisgate asks what there is.
-- TRUNCATE and direct-path loads are not noticed.
--
-- A trigger that cannot write the outbox gives up in silence: the sale goes on.

-- 1. The outbox. Its primary key is the only index that is needed. ORDER: with RAC,
--    ids must follow the time on all nodes.
CREATE TABLE hisgate_outbox (
    id          NUMBER(19)                  NOT NULL,
    op          CHAR(1)                     NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id NVARCHAR2(200),
    drug_id     NVARCHAR2(200),
    quantity    NUMBER,                                    -- NULL = to be asked for
    changed_at  TIMESTAMP(6) WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL,
    CONSTRAINT hisgate_outbox_pk PRIMARY KEY (id)
);
CREATE SEQUENCE hisgate_outbox_id CACHE 100 ORDER;

-- 2. The trigger. It runs with the rights of its owner.
CREATE OR REPLACE TRIGGER hisgate_outbox_fill
AFTER INSERT OR UPDATE OR DELETE ON stock FOR EACH ROW
DECLARE
    what CHAR(1) := 'U';
    gone BOOLEAN := DELETING;
    there BOOLEAN := NOT DELETING;
BEGIN
    IF INSERTING THEN
        what := 'I';
    ELSIF UPDATING THEN
        gone := (:OLD.DRUG <> :NEW.DRUG OR :OLD.DRUG IS NULL AND :NEW.DRUG IS NOT NULL OR :OLD.DRUG IS NOT NULL AND :NEW.DRUG IS NULL);
    END IF;
    IF gone THEN
        INSERT INTO hisgate_outbox (id, op, pharmacy_id, drug_id)
        VALUES (hisgate_outbox_id.NEXTVAL, 'D', NULL, SUBSTR(:OLD.DRUG, 1, 200));
    END IF;
    IF there THEN
        INSERT INTO hisgate_outbox (id, op, pharmacy_id, drug_id, quantity)
        VALUES (hisgate_outbox_id.NEXTVAL, what, NULL, SUBSTR(:NEW.DRUG, 1, 200), NULL);
    END IF;
EXCEPTION
    WHEN OTHERS THEN NULL;
END;
/

-- 3. What hisgate may do: read the outbox, and delete what it has read. Nothing else.
-- CREATE USER hisgate IDENTIFIED BY "…";
-- GRANT CREATE SESSION TO hisgate;
GRANT SELECT, DELETE ON hisgate_outbox TO hisgate;

-- 4. The clean-up: hisgate does it (keep: 24h).

-- 5. To take it all away again.
-- DROP TRIGGER hisgate_outbox_fill;
-- DROP TABLE hisgate_outbox;
-- DROP SEQUENCE hisgate_outbox_id;
