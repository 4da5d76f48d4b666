// Stock is held for three orders: one is paid, one is not, and for one there is not
// enough.  node lock.js RX0001
import { call, connect, HisgateError } from './hisgate.js';

const no = process.argv[2] ?? 'RX0001';
const pharmacy = 'HLWYF';
const drug = '00010041';
const wish = (order_no, tablets) => ({
  order_no,
  pharmacy_id: pharmacy,
  ttl: { seconds: 900 },
  items: [{ drug_id: drug, quantity: String(tablets) }],
  attributes: { patient_id: 'P1', rx_no: `CF${no}` },
});

const hisgate = connect();
try {
  const stock = await call(hisgate.stock, 'GetStock', { pharmacy_id: pharmacy, drug_id: drug });
  console.log(`${drug} ${stock.drug_name}: ${stock.available} ${stock.unit} can be had`);

  // The number was stored before this call: after a crash, or an outcome that is not
  // known, the same call is made again.
  const paid = `${no}-1`;
  for (let i = 0; i < 2; i++) { // twice, to show that a repeat answers the same lock
    const lock = await call(hisgate.locks, 'Lock', wish(paid, 30));
    console.log(`${paid}: ${lock.status}, attempt ${lock.attempt}`);
  }
  const confirmed = await call(hisgate.locks, 'Confirm', {
    order_no: paid, payment: { transaction_id: `4200000000${no}`, drugs_fen: '100' },
  });
  console.log(`${paid}: ${confirmed.status}, HIS order ${confirmed.his_order_no}`);

  const unpaid = `${no}-2`;
  await call(hisgate.locks, 'Lock', wish(unpaid, 30));
  const released = await call(hisgate.locks, 'Release', { order_no: unpaid });
  console.log(`${unpaid}: ${released.status}`);

  const short = `${no}-3`;
  try {
    await call(hisgate.locks, 'Lock', wish(short, 1_000_000));
    throw new Error(`${short}: a million tablets are held`);
  } catch (err) {
    if (!(err instanceof HisgateError) || err.reason !== 'STOCK_INSUFFICIENT') throw err;
    for (const s of err.shortages) {
      console.log(`${short}: ${err.reason}, ${s.drug_id}: ${s.requested} wanted, ${s.available} there`);
    }
  }
} finally {
  hisgate.close();
}
