// Package sqlhis drives a hospital information system (HIS) through its database:
// PostgreSQL (and its kin), MySQL and MariaDB, SQL Server, and Oracle (in builds
// with -tags oracle, which are the releases). What is said to it stands in a
// mapping file, so that a HIS is fitted without a line of Go.
//
// The tests run against real servers of PostgreSQL and MariaDB. MySQL itself was
// never connected to, nor were SQL Server and Oracle, whose statements, bindings
// and codes of errors are tested without a server: probe those on a test system.
//
// # A call
//
//	ratio ──► pin ──► BEGIN ──► step … step ──► COMMIT ──► done
//	  │        │        │         │  │            │ any error
//	  │ not    │ not    │ not     │  │ rolled     ▼
//	  │ exact  │ there  │ begun   │  │ back     unknown
//	  ▼        ▼        ▼         │  ▼
//	refused  not sent  not sent   │ refused, find, busy, misconfigured: as an outcome says
//	                              ▼
//	                       deadlock: all of it again, while the caller waits
//
// Every call runs on one connection, pinged first: what went stale in the pool is
// found out before anything of ours is sent. The end of a step is read by its
// outcomes, the first that fits; where there are outcomes and none fits, the call
// is unknown. An error that no outcome names is unknown as well, but for those
// that the database itself makes plain (a deadlock or a full server is busy, a
// missing table or right is misconfigured), and those only where nothing can have
// been committed. An error of COMMIT is unknown, whatever the database says.
//
// tx: own is for procedures that commit by themselves: an error that no outcome
// names is unknown, and nothing is repeated. Mapped as tx: driver by mistake,
// such a procedure fails on PostgreSQL; on MariaDB and SQL Server its refusal is
// unknown, because what it did cannot be rolled back; MySQL and Oracle do not tell. tx: none is for reads.
//
// # Parameters
//
// :name is bound, never spliced into the text; it is not looked for in strings,
// quoted names and comments. IN (:drug_ids) becomes as many bound values as there
// are drugs, = ANY(:drug_ids) one array on PostgreSQL. What each operation knows:
//
//	query_stock   :pharmacy_id :drug_ids; runs once for each pharmacy asked for
//	freeze        :his_no :pharmacy_id :until
//	unfreeze      :his_no :lock_id :pharmacy_id
//	place_order   :his_no :lock_id :pharmacy_id :drugs_fen :drugs_yuan :transaction_id :paid_at
//	find_order    :his_no
//	cancel_order  :his_no :his_order_no
//	list_orders   :day (2026-11-22) :day_start :day_end
//	all           :now (the clock of hisgate)
//	for_each: line (of freeze, unfreeze, place_order; in the order of the drugs' ids)
//	              :drug_id :quantity :his_quantity :line_no :line_fen :line_yuan
//	:attr_NAME    the caller's reference NAME (freeze, place_order), NULL where there is none
//
// :quantity is in smallest dispensing units, :his_quantity in the HIS's unit,
// exact: where it cannot be, the order is refused (not_divisible) and nothing is
// sent. The ratio is what a step captured as "ratio" for the line, else that of
// the units file, else that of units.
//
// What a step captures is a parameter of the steps behind it, for the line where
// the step runs for each line. NULL is captured where no row came, and the first
// row where several did; those must agree in what an outcome or a result hangs on,
// or the call is unknown. So it is where a number that result names is NULL.
//
// # A mapping file
//
// The example is whole; what is optional is marked so. Faults are told all at
// once, with their lines, when the file is loaded.
//
//	dialect: mysql                  # postgres, mysql, sqlserver, oracle
//	connection:
//	  host: 10.1.2.3
//	  port: 3306                    # optional: the dialect's usual one
//	  database: his                 # oracle: the service name
//	  user: hisgate
//	  password_file: his.password   # or password_env: NAME; never in this file; read by Open
//	  tls: verify                   # disable (default), require, verify; optional ca_file: ca.pem
//	  max_open: 8                   # optional: connections at a time
//	  connect_timeout: 5s           # optional
//	  idle: 5m                      # optional: an idle connection is closed after this
//	  params: {max_statement_time: "5"}  # optional: what the database driver knows besides
//	statement_timeout: 5s           # optional: one statement; then the call is unknown
//	max_rows: 10000                 # optional: a longer answer is none
//	retries: 3                      # optional: of a transaction that was a deadlock's victim
//	time_zone: Asia/Shanghai        # optional: the clock of columns without a zone
//	units:                          # optional, where the HIS counts otherwise
//	  ratio: "1"                    # smallest units in one of the HIS's; "24", "0.5", "1/24"
//	  file: units.csv               # drug_id,ratio,multiple[,pharmacy_id]: the drugs' own
//	  places: 2                     # decimals that the HIS takes in a quantity
//
//	query_stock:
//	  steps:
//	    - sql: |
//	        SELECT 药品编码, 批号, 库存数量, 包装量, 药品名称, 单位, 零售价, 停用标志, 批次状态
//	        FROM 药房库存视图
//	        WHERE 药房编码 = :pharmacy_id AND 药品编码 IN (:drug_ids) AND 有效期 > :now
//	  rows:                         # field: column
//	    drug_id: 药品编码
//	    on_hand: 库存数量            # in the HIS's unit; decimals are fine, NULL is not
//	    ratio: 包装量                # optional: smallest units in one of the HIS's
//	    name: 药品名称
//	    unit: 单位
//	    price: 零售价                # yuan for one unit of the HIS
//	    # price_ratio: {value: "1"} # optional: so many smallest units cost that, if not one unit of the HIS
//	    # multiple: 最小销售数        # optional: the step in which it is sold, in smallest units
//	    stopped: {column: 停用标志, is: ["1", "Y"]}
//	  lots: true                    # several rows of a drug are lots, and are summed
//	  skip:                         # lots that do not count
//	    - {column: 批次状态, is: [过期, 冻结, 质检]}
//
//	place_order:
//	  tx: driver                    # one transaction of ours: all lines or none
//	  isolation: read_committed     # optional; repeatable_read, snapshot, serializable
//	  steps:
//	    - sql: INSERT INTO 线上订单 (单号, 药房编码, 金额, 患者) VALUES (:his_no, :pharmacy_id, :drugs_yuan, :attr_patient_id)
//	      outcomes:
//	        - {rows: 1, then: next}
//	        - {error: [1062], then: find}        # a duplicate: ask find_order, and believe it
//	    - sql: SELECT 库存数量, 停用标志 FROM 药房库存 WHERE 药房编码 = :pharmacy_id AND 药品编码 = :drug_id FOR UPDATE
//	      for_each: line
//	      capture: {there: 库存数量, stopped: 停用标志}
//	      outcomes:
//	        - {rows: 0, then: refused, kind: unknown_drug}
//	        - {value: stopped, is: ["1"], then: refused, kind: stopped}
//	        - {rows: 1, then: next}
//	    - sql: |
//	        UPDATE 药房库存 SET 库存数量 = 库存数量 - :his_quantity
//	        WHERE 药房编码 = :pharmacy_id AND 药品编码 = :drug_id AND 库存数量 >= :his_quantity
//	      for_each: line
//	      outcomes:
//	        - {rows: 1, then: next}
//	        - {rows: 0, then: refused, kind: insufficient, available: there}
//	    - sql: SELECT 流水号 FROM 线上订单 WHERE 单号 = :his_no
//	      capture: {number: 流水号}
//	  result: {order_no: number}
//
//	# The same by a procedure that commits by itself, with OUT values of MySQL:
//	#
//	#   place_order:
//	#     tx: own
//	#     steps:
//	#       - sql: CALL 线上扣库存(:his_no, :drug_id, :his_quantity, @code, @words, @number)
//	#         for_each: line
//	#       - sql: SELECT @code AS code, @words AS words, @number AS number
//	#         capture: {code: code, words: words, number: number}
//	#         outcomes:
//	#           - {value: code, is: ["0", "0000"], then: done}
//	#           - {value: code, is: ["-1"], then: refused, kind: insufficient, code: code, words: words}
//	#           - {value: code, is: ["-2"], then: find, code: code, words: words}
//	#     result: {order_no: number}
//	#
//	# and of SQL Server or Oracle, which have OUT parameters:
//	#
//	#       - sql: EXEC 线上扣库存 @单号 = :his_no, @药品 = :drug_id, @数量 = :his_quantity, @返回码 = :code OUTPUT
//	#       - sql: BEGIN 线上扣库存(:his_no, :drug_id, :his_quantity, :code); END;
//	#         out: [code]
//
//	find_order:
//	  steps:
//	    - sql: SELECT 流水号, 状态 FROM 线上订单 WHERE 单号 = :his_no
//	      capture: {number: 流水号, state: 状态}
//	      outcomes:
//	        - {rows: 0, then: done, state: none}
//	        - {value: state, is: ["1"], then: done, state: deducted}
//	        - {value: state, is: ["9"], then: done, state: released}
//	  result: {order_no: number}
//
// freeze and unfreeze (result: lock_id, expires), cancel_order, and list_orders
// (rows: his_no, order_no, drugs_fen or drugs_yuan, drug_id, quantity, line_fen,
// canceled) are written alike. An outcome may state rows (1, or 1+ for at least
// one), value with is or null, and of a failed statement sqlstate (its beginning),
// error (its number) and message (a part of it); all that it states must hold, and
// it states something: what fits no outcome is unknown by itself. It leads to next,
// done, refused (with kind), find, busy, misconfigured or unknown.
//
// What would leave an order half done is refused when the file is loaded: done in
// a step that runs for each line, several statements that commit by themselves
// (tx: own), and an UPDATE that does not say how many rows it must find. So is an
// operation of which no outcome speaks of an answer; where it is enough that the
// statement does not fail, that is {rows: 0+, then: done}.
//
// # Fitting a mapping
//
// Driver.Render shows the statements of an operation without sending them;
// Driver.Watch and Driver.Record see what is sent, and what came back. Offline makes
// a driver that is answered by what was recorded (package tape keeps it as files),
// without a database and without its password.
//
// # The server's clock
//
// Driver.Skew is how far our clock is ahead of the server's. A read asks for the
// server's time once a minute at most, on its own connection and before its own
// statement: no call more for the HIS, no place more in the guard's queue.
//
// # Poolers and time limits
//
// On PostgreSQL the statement's time is a parameter of the connection's start, so
// that the server ends by itself what nobody waits for any more. PgBouncer refuses
// it unless its ignore_startup_parameters names statement_timeout; give the account
// the limit then (ALTER ROLE hisgate SET statement_timeout = '5s'). With pool_mode =
// transaction and a PgBouncer before 1.21 write params: {default_query_exec_mode:
// cache_describe}; pool_mode = statement has no transactions and cannot be used.
//
// MySQL and MariaDB go on with a statement after its connection was given up. Write
// params: {innodb_lock_wait_timeout: "5"} so that one that waits for a row ends, and
// on MariaDB max_statement_time: "5" beside it: with tx: own it would be applied
// long after hisgate asked find_order what became of it.
//
// A HIS that has stock and no freeze finds a ready mapping in package recipes.
package sqlhis
