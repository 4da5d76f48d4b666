-- hisgate: [his].[药房库存] by the time of its last modification, for SQL Server. To be reviewed and
-- run by the owner of the HIS's database.
-- hisgate 库存变化视图：只读方案，请由 HIS 数据库管理员审阅后执行。
--
-- hisgate asks every second for the rows with a late [更新时间]. No trigger is needed,
-- and nothing is written. What it cannot notice: rows that are deleted; changes that
-- leave [更新时间] as it is; a change that is committed later than the overlap (1 min)
-- after the time that it carries, or that carries a time of a clock so wrong.
-- Several changes of a row between two looks are one.

-- 1. The view.
CREATE VIEW [his].[hisgate_modified] AS
SELECT [药房编码] AS pharmacy_id, [药品编码] AS drug_id, [库存数量] AS quantity, [更新时间] AS changed_at
FROM [his].[药房库存];
GO

-- 2. Without this index every look reads the whole table.
CREATE INDEX [hisgate_modified_at] ON [his].[药房库存] ([更新时间]);

GO
-- 3. What hisgate may do: read the view. Nothing else.
-- CREATE LOGIN [hisgate] WITH PASSWORD = '…'; CREATE USER [hisgate] FOR LOGIN [hisgate];
GRANT SELECT ON [his].[hisgate_modified] TO [hisgate];
GO

-- 4. To take it all away again.
-- DROP VIEW [his].[hisgate_modified];
-- DROP INDEX [hisgate_modified_at] ON [his].[药房库存];
