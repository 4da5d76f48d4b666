-- hisgate, recipe "reservation" for MySQL and MariaDB: holds for a HIS that has
-- none. To be reviewed and run by the owner of the HIS's database.

-- 1. Fit these two views to your own tables. hisgate_shelf must be a plain view
--    of one InnoDB table (hisgate updates the quantity through it), with one row
--    for each drug of a pharmacy and an index on both. The quantity is counted as
--    you count it; the mapping file says how many smallest units that is.
--    按贵院的库存表和药品字典修改下面两个视图，其余不用改。
CREATE VIEW hisgate_shelf AS
SELECT `药房编码` AS pharmacy_id, `药品编码` AS drug_id, `库存数量` AS quantity
FROM `药房库存`;

CREATE VIEW hisgate_drug AS
SELECT `药品编码` AS drug_id, `药品名称` AS name, `单位` AS unit,
       `零售价` AS price,       -- yuan for one unit of the quantity; NULL = not told
       `最小销售数` AS multiple, -- the step in which it is sold, in smallest units
       `停用` AS stopped        -- 1 = not to be sold
FROM `药品字典`;

-- 2. The holds. One row for each number that hisgate gives (his_no).
CREATE TABLE hisgate_reservation (
    his_no         varchar(64)    NOT NULL PRIMARY KEY,
    id             bigint         NOT NULL AUTO_INCREMENT UNIQUE,
    pharmacy_id    varchar(64)    NOT NULL,
    status         varchar(10)    NOT NULL CHECK (status IN ('NEW', 'FROZEN', 'DEDUCTED', 'RELEASED')),
    expires_at     datetime(6),
    drugs_fen      bigint,
    transaction_id varchar(128),
    created_at     datetime(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    deducted_at    datetime(6),
    released_at    datetime(6),
    KEY hisgate_reservation_day (deducted_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE hisgate_reservation_line (
    his_no      varchar(64)    NOT NULL,
    pharmacy_id varchar(64)    NOT NULL,
    drug_id     varchar(64)    NOT NULL,
    quantity    decimal(24, 6) NOT NULL CHECK (quantity > 0),
    line_fen    bigint         NOT NULL DEFAULT 0,
    PRIMARY KEY (his_no, drug_id),
    KEY hisgate_reservation_stock (pharmacy_id, drug_id),
    FOREIGN KEY (his_no) REFERENCES hisgate_reservation (his_no)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- 3. What is held now, and what is left: the net figure.
CREATE VIEW hisgate_frozen AS
SELECT l.pharmacy_id, l.drug_id, l.his_no, l.quantity
FROM hisgate_reservation_line l
JOIN hisgate_reservation r ON r.his_no = l.his_no
WHERE r.status = 'FROZEN' AND r.expires_at > NOW(6);

CREATE VIEW hisgate_net_stock AS
SELECT s.pharmacy_id, s.drug_id, d.name, d.unit, d.price, d.multiple, d.stopped, s.quantity AS on_hand,
       s.quantity - COALESCE((SELECT SUM(f.quantity) FROM hisgate_frozen f
                              WHERE f.pharmacy_id = s.pharmacy_id AND f.drug_id = s.drug_id), 0) AS free
FROM hisgate_shelf s
JOIN hisgate_drug d ON d.drug_id = s.drug_id;

-- 4. What hisgate may do. Replace 'hisgate'@'%' by the user of the mapping file.
-- GRANT SELECT, UPDATE ON hisgate_shelf TO 'hisgate'@'%';
-- GRANT SELECT ON hisgate_drug TO 'hisgate'@'%';
-- GRANT SELECT ON hisgate_frozen TO 'hisgate'@'%';
-- GRANT SELECT ON hisgate_net_stock TO 'hisgate'@'%';
-- GRANT SELECT, INSERT, UPDATE ON hisgate_reservation TO 'hisgate'@'%';
-- GRANT SELECT, INSERT, UPDATE, DELETE ON hisgate_reservation_line TO 'hisgate'@'%';
