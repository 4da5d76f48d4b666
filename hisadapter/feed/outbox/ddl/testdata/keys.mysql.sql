-- hisgate: the outbox of `stock`, for MySQL and MariaDB. To be reviewed and run by
-- the owner of the HIS's database, with a client that knows DELIMITER.
-- hisgate 库存变化表（MySQL / MariaDB）：请由 HIS 数据库管理员审阅后执行。
--
-- Each change of `stock` leaves one row in `hisgate_outbox`, in the same transaction:
-- a change that is rolled back leaves none. hisgate reads these rows and nothing else. The rows
-- say which drug changed, and hisgate asks what there is.
-- TRUNCATE, and changes by foreign keys (ON DELETE CASCADE), are not noticed.
-- `stock` must be an InnoDB table. Where the binary log is on, creating a trigger needs
-- SUPER or log_bin_trust_function_creators = 1.
--
-- A trigger that cannot write the outbox gives up in silence: the sale goes on.
-- Before MySQL 8.0 an emptied table begins its ids anew when the server is
-- restarted: leave the newest row there.

-- 1. The outbox. Its primary key is the only index that is needed.
CREATE TABLE `hisgate_outbox` (
    id          bigint         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    op          char(1)        NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id varchar(200),
    drug_id     varchar(200),
    quantity    decimal(30, 8),               -- NULL = to be asked for
    changed_at  timestamp(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- 2. The triggers. They run with the rights of who creates them.
DELIMITER //
CREATE TRIGGER `hisgate_outbox_insert` AFTER INSERT ON `stock` FOR EACH ROW
BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    INSERT INTO `hisgate_outbox` (op, pharmacy_id, drug_id, quantity)
    VALUES ('I', NULL, NEW.`DRUG`, NULL);
END//
CREATE TRIGGER `hisgate_outbox_update` AFTER UPDATE ON `stock` FOR EACH ROW
BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    IF NOT (OLD.`DRUG` <=> NEW.`DRUG`) THEN
        INSERT INTO `hisgate_outbox` (op, pharmacy_id, drug_id) VALUES ('D', NULL, OLD.`DRUG`);
    END IF;
    INSERT INTO `hisgate_outbox` (op, pharmacy_id, drug_id, quantity)
    VALUES ('U', NULL, NEW.`DRUG`, NULL);
END//
CREATE TRIGGER `hisgate_outbox_delete` AFTER DELETE ON `stock` FOR EACH ROW
BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    INSERT INTO `hisgate_outbox` (op, pharmacy_id, drug_id) VALUES ('D', NULL, OLD.`DRUG`);
END//
DELIMITER ;

-- 3. What hisgate may do: read the outbox, and delete what it has read. Nothing else.
-- CREATE USER `hisgate`@'%' IDENTIFIED BY '…';
GRANT SELECT, DELETE ON `hisgate_outbox` TO `hisgate`@'%';

-- 4. The clean-up: hisgate does it (keep: 24h).

-- 5. To take it all away again.
-- DROP TRIGGER `hisgate_outbox_insert`;
-- DROP TRIGGER `hisgate_outbox_update`;
-- DROP TRIGGER `hisgate_outbox_delete`;
-- DROP TABLE `hisgate_outbox`;
