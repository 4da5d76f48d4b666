-- hisgate: the outbox of [his].[药房库存], for SQL Server 2012 and later. To be reviewed and
-- run by the owner of the HIS's database, with a client that knows GO.
-- hisgate 库存变化表（SQL Server）：请由 HIS 数据库管理员审阅后执行。
--
-- Each change of [his].[药房库存] leaves rows in [his].[hisgate_outbox], in the same transaction: a
-- change that is rolled back leaves none. hisgate reads these rows and nothing else. The
-- rows carry the new quantity; there must be one row of [his].[药房库存] for each drug of a
-- pharmacy. Where a drug has several (lots), print this with --keys-only.
-- TRUNCATE, and bulk loads that fire no triggers, are not noticed.
--
-- The ids come from a sequence, so that @@IDENTITY of the HIS stays what it was. The
-- trigger fails only where the outbox cannot be written (a full disk).

-- 1. The outbox. Its primary key is the only index that is needed.
CREATE SEQUENCE [his].[hisgate_outbox_id] AS bigint START WITH 1;
GO
CREATE TABLE [his].[hisgate_outbox] (
    id          bigint            NOT NULL CONSTRAINT [hisgate_outbox_next] DEFAULT (NEXT VALUE FOR [his].[hisgate_outbox_id]) CONSTRAINT [hisgate_outbox_pk] PRIMARY KEY CLUSTERED,
    op          char(1)           NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id nvarchar(200),
    drug_id     nvarchar(200),
    quantity    decimal(28, 8),                  -- NULL = to be asked for
    changed_at  datetimeoffset(6) NOT NULL CONSTRAINT [hisgate_outbox_now] DEFAULT (SYSDATETIMEOFFSET())
);
GO
-- hisgate passes over rows that a transaction holds, which it cannot do where all of
-- the table is held.
ALTER TABLE [his].[hisgate_outbox] SET (LOCK_ESCALATION = DISABLE);
GO

-- 2. The trigger.
CREATE TRIGGER [his].[hisgate_outbox_fill] ON [his].[药房库存] AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    IF EXISTS (SELECT 1 FROM inserted) AND EXISTS (SELECT 1 FROM deleted) AND NOT (UPDATE([药房编码]) OR UPDATE([药品编码]) OR UPDATE([库存数量])) RETURN;
    DECLARE @op char(1) = CASE WHEN EXISTS (SELECT 1 FROM deleted) THEN 'U' ELSE 'I' END;
    DECLARE @changed TABLE (op char(1) NOT NULL, pharmacy_id nvarchar(200), drug_id nvarchar(200), quantity decimal(28, 8));
    -- What stands there now.
    INSERT INTO @changed (op, pharmacy_id, drug_id, quantity)
    SELECT @op, CONVERT(nvarchar(200), [药房编码]), CONVERT(nvarchar(200), [药品编码]), TRY_CONVERT(decimal(28, 8), [库存数量])
    FROM (SELECT [药房编码], [药品编码], [库存数量] FROM inserted EXCEPT SELECT [药房编码], [药品编码], [库存数量] FROM deleted) AS changed;
    -- What stands there no more.
    INSERT INTO @changed (op, pharmacy_id, drug_id)
    SELECT 'D', CONVERT(nvarchar(200), [药房编码]), CONVERT(nvarchar(200), [药品编码])
    FROM (SELECT [药房编码], [药品编码] FROM deleted EXCEPT SELECT [药房编码], [药品编码] FROM inserted) AS gone;
    INSERT INTO [his].[hisgate_outbox] (op, pharmacy_id, drug_id, quantity)
    SELECT op, pharmacy_id, drug_id, quantity FROM @changed;
END;
GO

-- 3. What hisgate may do: read the outbox. Nothing else.
-- CREATE LOGIN [hisgate] WITH PASSWORD = '…';
-- CREATE USER [hisgate] FOR LOGIN [hisgate];
GRANT SELECT ON [his].[hisgate_outbox] TO [hisgate];
GO

-- 4. The clean-up, once a day. The newest row stays.
-- DELETE FROM [his].[hisgate_outbox] WHERE changed_at < DATEADD(day, -3, SYSDATETIMEOFFSET()) AND id < (SELECT MAX(id) FROM [his].[hisgate_outbox]);

-- 5. To take it all away again.
-- DROP TRIGGER [his].[hisgate_outbox_fill];
-- DROP TABLE [his].[hisgate_outbox];
-- DROP SEQUENCE [his].[hisgate_outbox_id];
