-- hisgate: the outbox of [stock], for SQL Server 2012 and later. To be reviewed and
-- run by the owner of the HIS's database, with a client that knows GO.
-- hisgate 库存变化表（SQL Server）：请由 HIS 数据库管理员审阅后执行。
--
-- Each change of [stock] leaves rows in [hisgate_outbox], in the same transaction: a
-- change that is rolled back leaves none. hisgate reads these rows and nothing else. The
-- rows say which drug changed, and hisgate asks what there is.
-- TRUNCATE, and bulk loads that fire no triggers, are not noticed.
--
-- The ids come from a sequence, so that @@IDENTITY of the HIS stays what it was. The
-- trigger fails only where the outbox cannot be written (a full disk).

-- 1. The outbox. Its primary key is the only index that is needed.
CREATE SEQUENCE [hisgate_outbox_id] AS bigint START WITH 1;
GO
CREATE TABLE [hisgate_outbox] (
    id          bigint            NOT NULL CONSTRAINT [hisgate_outbox_next] DEFAULT (NEXT VALUE FOR [hisgate_outbox_id]) CONSTRAINT [hisgate_outbox_pk] PRIMARY KEY CLUSTERED,
    op          char(1)           NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id nvarchar(200),
    drug_id     nvarchar(200),
    quantity    decimal(28, 8),                  -- NULL = to be asked for
    changed_at  datetimeoffset(6) NOT NULL CONSTRAINT [hisgate_outbox_now] DEFAULT (SYSDATETIMEOFFSET())
);
GO
-- hisgate passes over rows that a transaction holds, which it cannot do where all of
-- the table is held.
ALTER TABLE [hisgate_outbox] SET (LOCK_ESCALATION = DISABLE);
GO

-- 2. The trigger.
CREATE TRIGGER [hisgate_outbox_fill] ON [stock] AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    DECLARE @op char(1) = CASE WHEN EXISTS (SELECT 1 FROM deleted) THEN 'U' ELSE 'I' END;
    DECLARE @changed TABLE (op char(1) NOT NULL, pharmacy_id nvarchar(200), drug_id nvarchar(200), quantity decimal(28, 8));
    -- What stands there now.
    INSERT INTO @changed (op, pharmacy_id, drug_id)
    SELECT DISTINCT @op, NULL, CONVERT(nvarchar(200), [DRUG])
    FROM inserted;
    -- What stands there no more.
    INSERT INTO @changed (op, pharmacy_id, drug_id)
    SELECT 'D', NULL, CONVERT(nvarchar(200), [DRUG])
    FROM (SELECT [DRUG] FROM deleted EXCEPT SELECT [DRUG] FROM inserted) AS gone;
    INSERT INTO [hisgate_outbox] (op, pharmacy_id, drug_id, quantity)
    SELECT op, pharmacy_id, drug_id, quantity FROM @changed;
END;
GO

-- 3. What hisgate may do: read the outbox, and delete what it has read. Nothing else.
-- CREATE LOGIN [hisgate] WITH PASSWORD = '…';
-- CREATE USER [hisgate] FOR LOGIN [hisgate];
GRANT SELECT, DELETE ON [hisgate_outbox] TO [hisgate];
GO

-- 4. The clean-up: hisgate does it (keep: 24h).

-- 5. To take it all away again.
-- DROP TRIGGER [hisgate_outbox_fill];
-- DROP TABLE [hisgate_outbox];
-- DROP SEQUENCE [hisgate_outbox_id];
