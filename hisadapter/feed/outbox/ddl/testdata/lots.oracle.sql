-- hisgate: the outbox of his."药房库存", for Oracle. To be reviewed and run by the owner
-- of the table, with a client that knows the slash (SQL*Plus, PL/SQL Developer).
-- hisgate 库存变化表（Oracle）：请由 HIS 数据库管理员审阅，以库存表属主身份执行。
--
-- Each change of his."药房库存" leaves one row in his.hisgate_outbox, in the same transaction:
-- a change that is rolled back leaves none. hisgate reads these rows and nothing else. The rows
-- say which drug changed, and hisgate asks what there is.
-- TRUNCATE and direct-path loads are not noticed.
--
-- A trigger that cannot write the outbox gives up in silence: the sale goes on.

-- 1. The outbox. Its primary key is the only index that is needed. ORDER: with RAC,
--    ids must follow the time on all nodes.
CREATE TABLE his.hisgate_outbox (
    id          NUMBER(19)                  NOT NULL,
    op          CHAR(1)                     NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id NVARCHAR2(200),
    drug_id     NVARCHAR2(200),
    quantity    NUMBER,                                    -- NULL = to be asked for
    changed_at  TIMESTAMP(6) WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL,
    CONSTRAINT hisgate_outbox_pk PRIMARY KEY (id)
);
CREATE SEQUENCE his.hisgate_outbox_id CACHE 100 ORDER;

-- 2. The trigger. It runs with the rights of its owner.
CREATE OR REPLACE TRIGGER his.hisgate_outbox_fill
AFTER INSERT OR UPDATE OR DELETE ON his."药房库存" FOR EACH ROW
DECLARE
    what CHAR(1) := 'U';
    gone BOOLEAN := DELETING;
    there BOOLEAN := NOT DELETING;
BEGIN
    IF INSERTING THEN
        what := 'I';
    ELSIF UPDATING THEN
        gone := (:OLD."药房编码" <> :NEW."药房编码" OR :OLD."药房编码" IS NULL AND :NEW."药房编码" IS NOT NULL OR :OLD."药房编码" IS NOT NULL AND :NEW."药房编码" IS NULL) OR (:OLD."药品编码" <> :NEW."药品编码" OR :OLD."药品编码" IS NULL AND :NEW."药品编码" IS NOT NULL OR :OLD."药品编码" IS NOT NULL AND :NEW."药品编码" IS NULL);
        there := (:OLD."药房编码" <> :NEW."药房编码" OR :OLD."药房编码" IS NULL AND :NEW."药房编码" IS NOT NULL OR :OLD."药房编码" IS NOT NULL AND :NEW."药房编码" IS NULL) OR (:OLD."药品编码" <> :NEW."药品编码" OR :OLD."药品编码" IS NULL AND :NEW."药品编码" IS NOT NULL OR :OLD."药品编码" IS NOT NULL AND :NEW."药品编码" IS NULL) OR (:OLD."库存数量" <> :NEW."库存数量" OR :OLD."库存数量" IS NULL AND :NEW."库存数量" IS NOT NULL OR :OLD."库存数量" IS NOT NULL AND :NEW."库存数量" IS NULL);
    END IF;
    IF gone THEN
        INSERT INTO his.hisgate_outbox (id, op, pharmacy_id, drug_id)
        VALUES (his.hisgate_outbox_id.NEXTVAL, 'D', SUBSTR(:OLD."药房编码", 1, 200), SUBSTR(:OLD."药品编码", 1, 200));
    END IF;
    IF there THEN
        INSERT INTO his.hisgate_outbox (id, op, pharmacy_id, drug_id, quantity)
        VALUES (his.hisgate_outbox_id.NEXTVAL, what, SUBSTR(:NEW."药房编码", 1, 200), SUBSTR(:NEW."药品编码", 1, 200), NULL);
    END IF;
EXCEPTION
    WHEN OTHERS THEN NULL;
END;
/

-- 3. What hisgate may do: read the outbox. Nothing else.
-- CREATE USER hisgate IDENTIFIED BY "…";
-- GRANT CREATE SESSION TO hisgate;
GRANT SELECT ON his.hisgate_outbox TO hisgate;

-- 4. The clean-up, once a day. The newest row stays.
-- DELETE FROM his.hisgate_outbox WHERE changed_at < SYSTIMESTAMP - INTERVAL '3' DAY AND id < (SELECT MAX(id) FROM his.hisgate_outbox);

-- 5. To take it all away again.
-- DROP TRIGGER his.hisgate_outbox_fill;
-- DROP TABLE his.hisgate_outbox;
-- DROP SEQUENCE his.hisgate_outbox_id;
