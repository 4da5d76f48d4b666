package example;

import com.google.protobuf.Duration;
import hisgate.v1.LockOuterClass.ConfirmRequest;
import hisgate.v1.LockOuterClass.Lock;
import hisgate.v1.LockOuterClass.LockItem;
import hisgate.v1.LockOuterClass.LockRequest;
import hisgate.v1.LockOuterClass.PaymentReference;
import hisgate.v1.LockOuterClass.ReleaseRequest;
import hisgate.v1.Errors.Shortage;
import hisgate.v1.StockOuterClass.GetStockRequest;
import hisgate.v1.StockOuterClass.Stock;

/** Stock is held for three orders: one is paid, one is not, and for one there is not enough. */
public final class LockStory {
  private static final String PHARMACY = "HLWYF";
  private static final String DRUG = "00010041";

  private LockStory() {}

  public static void main(String[] args) throws Exception {
    String no = args.length > 0 ? args[0] : "RX0001";
    try (Hisgate hisgate = new Hisgate()) {
      Stock stock = Hisgate.call(hisgate.stock, s -> s.getStock(
          GetStockRequest.newBuilder().setPharmacyId(PHARMACY).setDrugId(DRUG).build()));
      System.out.printf("%s %s: %d %s can be had%n", DRUG, stock.getDrugName(), stock.getAvailable(), stock.getUnit());

      // The number was stored before this call: after a crash, or an outcome that is not known, the same call is made
      // again.
      String paid = no + "-1";
      for (int i = 0; i < 2; i++) { // twice, to show that a repeat answers the same lock
        Lock lock = Hisgate.call(hisgate.locks, s -> s.lock(wish(no, paid, 30)));
        System.out.printf("%s: %s, attempt %d%n", paid, lock.getStatus(), lock.getAttempt());
      }
      Lock confirmed = Hisgate.call(hisgate.locks, s -> s.confirm(ConfirmRequest.newBuilder()
          .setOrderNo(paid)
          .setPayment(PaymentReference.newBuilder().setTransactionId("4200000000" + no).setDrugsFen(100))
          .build()));
      System.out.printf("%s: %s, HIS order %s%n", paid, confirmed.getStatus(), confirmed.getHisOrderNo());

      String unpaid = no + "-2";
      Hisgate.call(hisgate.locks, s -> s.lock(wish(no, unpaid, 30)));
      Lock released = Hisgate.call(hisgate.locks, s -> s.release(ReleaseRequest.newBuilder().setOrderNo(unpaid).build()));
      System.out.printf("%s: %s%n", unpaid, released.getStatus());

      String tooMuch = no + "-3";
      try {
        Hisgate.call(hisgate.locks, s -> s.lock(wish(no, tooMuch, 1_000_000)));
        throw new IllegalStateException(tooMuch + ": a million tablets are held");
      } catch (Hisgate.Failure e) {
        if (!e.reason.equals("STOCK_INSUFFICIENT")) {
          throw e;
        }
        for (Shortage s : e.shortages) {
          System.out.printf("%s: %s, %s: %d wanted, %d there%n", tooMuch, e.reason, s.getDrugId(), s.getRequested(), s.getAvailable());
        }
      }
    }
  }

  private static LockRequest wish(String no, String orderNo, long tablets) {
    return LockRequest.newBuilder()
        .setOrderNo(orderNo)
        .setPharmacyId(PHARMACY)
        .setTtl(Duration.newBuilder().setSeconds(900))
        .addItems(LockItem.newBuilder().setDrugId(DRUG).setQuantity(tablets))
        .putAttributes("patient_id", "P1")
        .putAttributes("rx_no", "CF" + no)
        .build();
  }
}
