// An order is taken, the patient pays, and the order is followed until the HIS has
// it.  node order.js RX000002
//
// With HISGATE_SIM_PAY (http://127.0.0.1:9481 of hisgate sim) the simulated patient
// pays at once.
import { setTimeout as sleep } from 'node:timers/promises';
import { call, connect, watch } from './hisgate.js';

const no = process.argv[2] ?? 'RX000002';

// follow watches an order until it is over, or a person must settle it. A stream
// that breaks is opened again: it begins with the order as it is.
async function follow(orders) {
  for (;;) {
    let last;
    try {
      for await (const order of watch(orders, 'WatchOrder', { order_no: no })) {
        last = order;
        if (order.next === 'PERSON') break;
      }
      return last;
    } catch (err) {
      if (!err.mayHaveHappened) throw err; // no such order, no permission
      await sleep(1000);
    }
  }
}

const hisgate = connect();
try {
  let order = await call(hisgate.orders, 'CreateOrder', {
    order_no: no,
    strategy: 'RESERVE',
    pharmacy_id: 'HLWYF',
    items: [{ drug_id: '00010041', quantity: '30' }], // what it costs, the HIS tells
    // A mini-program pays by JSAPI, with payer_openid, and hands payment.invoke to
    // wx.requestPayment.
    payment: { method: 'NATIVE', description: '互联网医院药费' },
    attributes: { patient_id: 'P1', rx_no: `CF${no}` },
  });
  // WAIT instead of PAY: HIS or WeChat Pay are slow, and the order goes on by itself.
  while (order.next === 'WAIT') {
    await sleep(1000);
    order = await call(hisgate.orders, 'PrepayOrder', { order_no: no });
  }
  console.log(`${no}: ${order.status}, ${order.amount.total_fen} fen, next ${order.next}`);
  console.log(`${no}: show as a QR code: ${order.payment.code_url}`);
  if (process.env.HISGATE_SIM_PAY) {
    const paid = await fetch(`${process.env.HISGATE_SIM_PAY}/sim/pay`, { method: 'POST', body: JSON.stringify({ out_trade_no: no }) });
    if (!paid.ok) throw new Error(`the simulated patient cannot pay: ${paid.status}`);
  }
  order = await follow(hisgate.orders);
  console.log(`${no}: ${order.status}, HIS order ${order.his_order_no}`);
} finally {
  hisgate.close();
}
