-- hisgate: the outbox of `his`.`药房库存`, for MySQL and MariaDB. To be reviewed and run by
-- the owner of the HIS's database, with a client that knows DELIMITER.
-- hisgate 库存变化表（MySQL / MariaDB）：请由 HIS 数据库管理员审阅后执行。
--
-- Each change of `his`.`药房库存` leaves one row in `his`.`hisgate_outbox`, in the same transaction:
-- a change that is rolled back leaves none. hisgate reads these rows and nothing else. The rows
-- say which drug changed, and hisgate asks what there is.
-- TRUNCATE, and changes by foreign keys (ON DELETE CASCADE), are not noticed.
-- `his`.`药房库存` must be an InnoDB table. Where the binary log is on, creating a trigger needs
-- SUPER or log_bin_trust_function_creators = 1.
--
-- A trigger that cannot write the outbox gives up in silence: the sale goes on.
-- Before MySQL 8.0 an emptied table begins its ids anew when the server is
-- restarted: leave the newest row there.

-- 1. The outbox. Its primary key is the only index that is needed.
CREATE TABLE `his`.`hisgate_outbox` (
    id          bigint         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    op          char(1)        NOT NULL,      -- I, U, or D: gone, or under another key
    pharmacy_id varchar(200),
    drug_id     varchar(200),
    quantity    decimal(30, 8),               -- NULL = to be asked for
    changed_at  timestamp(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- 2. The triggers. They run with the rights of who creates them.
DELIMITER //
CREATE TRIGGER `his`.`hisgate_outbox_insert` AFTER INSERT ON `his`.`药房库存` FOR EACH ROW
BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    INSERT INTO `his`.`hisgate_outbox` (op, pharmacy_id, drug_id, quantity)
    VALUES ('I', NEW.`药房编码`, NEW.`药品编码`, NULL);
END//
CREATE TRIGGER `his`.`hisgate_outbox_update` AFTER UPDATE ON `his`.`药房库存` FOR EACH ROW
BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    IF NOT (OLD.`药房编码` <=> NEW.`药房编码`) OR NOT (OLD.`药品编码` <=> NEW.`药品编码`) THEN
        INSERT INTO `his`.`hisgate_outbox` (op, pharmacy_id, drug_id) VALUES ('D', OLD.`药房编码`, OLD.`药品编码`);
    END IF;
    IF NOT (OLD.`药房编码` <=> NEW.`药房编码`) OR NOT (OLD.`药品编码` <=> NEW.`药品编码`) OR NOT (OLD.`库存数量` <=> NEW.`库存数量`) THEN
        INSERT INTO `his`.`hisgate_outbox` (op, pharmacy_id, drug_id, quantity)
        VALUES ('U', NEW.`药房编码`, NEW.`药品编码`, NULL);
    END IF;
END//
CREATE TRIGGER `his`.`hisgate_outbox_delete` AFTER DELETE ON `his`.`药房库存` FOR EACH ROW
BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    INSERT INTO `his`.`hisgate_outbox` (op, pharmacy_id, drug_id) VALUES ('D', OLD.`药房编码`, OLD.`药品编码`);
END//
DELIMITER ;

-- 3. What hisgate may do: read the outbox. Nothing else.
-- CREATE USER `hisgate`@'%' IDENTIFIED BY '…';
GRANT SELECT ON `his`.`hisgate_outbox` TO `hisgate`@'%';

-- 4. The clean-up, once a day. The newest row stays.
-- DELETE FROM `his`.`hisgate_outbox` WHERE changed_at < NOW() - INTERVAL 3 DAY AND id < (SELECT newest FROM (SELECT MAX(id) AS newest FROM `his`.`hisgate_outbox`) AS o);

-- 5. To take it all away again.
-- DROP TRIGGER `his`.`hisgate_outbox_insert`;
-- DROP TRIGGER `his`.`hisgate_outbox_update`;
-- DROP TRIGGER `his`.`hisgate_outbox_delete`;
-- DROP TABLE `his`.`hisgate_outbox`;
