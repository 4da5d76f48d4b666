package example;

import hisgate.v1.OrderOuterClass.CreateOrderRequest;
import hisgate.v1.OrderOuterClass.Order;
import hisgate.v1.OrderOuterClass.OrderItem;
import hisgate.v1.OrderOuterClass.Payment;
import hisgate.v1.OrderOuterClass.PaymentSpec;
import hisgate.v1.OrderOuterClass.PrepayOrderRequest;
import hisgate.v1.OrderOuterClass.WatchOrderRequest;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Iterator;
import java.util.UUID;

/**
 * An order is taken, the patient pays, and the order is followed until the HIS has it.
 *
 * <p>With HISGATE_SIM_PAY (http://127.0.0.1:9481 of hisgate sim) the simulated patient pays at once.
 */
public final class OrderStory {
  private OrderStory() {}

  public static void main(String[] args) throws Exception {
    String no = args.length > 0 ? args[0] : "RX000002";
    try (Hisgate hisgate = new Hisgate()) {
      Order order = Hisgate.call(hisgate.orders, s -> s.createOrder(CreateOrderRequest.newBuilder()
          .setOrderNo(no)
          .setStrategy(Order.Strategy.RESERVE)
          .setPharmacyId("HLWYF")
          .addItems(OrderItem.newBuilder().setDrugId("00010041").setQuantity(30)) // what it costs, the HIS tells
          // A mini-program pays by JSAPI, with payer_openid, and hands payment.invoke to wx.requestPayment.
          .setPayment(PaymentSpec.newBuilder().setMethod(Payment.Method.NATIVE).setDescription("互联网医院药费"))
          .putAttributes("patient_id", "P1")
          .putAttributes("rx_no", "CF" + no)
          .build()));
      // WAIT instead of PAY: HIS or WeChat Pay are slow, and the order goes on by itself.
      while (order.getNext() == Order.Next.WAIT) {
        Thread.sleep(1000);
        order = Hisgate.call(hisgate.orders, s -> s.prepayOrder(PrepayOrderRequest.newBuilder().setOrderNo(no).build()));
      }
      System.out.printf("%s: %s, %d fen, next %s%n", no, order.getStatus(), order.getAmount().getTotalFen(), order.getNext());
      System.out.printf("%s: show as a QR code: %s%n", no, order.getPayment().getCodeUrl());
      simulatedPatientPays(no);
      order = follow(hisgate, no);
      System.out.printf("%s: %s, HIS order %s%n", no, order.getStatus(), order.getHisOrderNo());
    }
  }

  /**
   * Watches an order until it is over, or a person must settle it. A stream that breaks is opened again: it begins with
   * the order as it is.
   */
  private static Order follow(Hisgate hisgate, String no) throws InterruptedException {
    for (;;) {
      Context.CancellableContext watching = Context.current().withCancellation(); // ends the stream when we have seen enough
      try {
        return watching.call(() -> watch(hisgate, no));
      } catch (StatusRuntimeException e) {
        Hisgate.Failure failure = new Hisgate.Failure(e, "");
        if (!failure.mayHaveHappened()) {
          throw failure; // no such order, no permission
        }
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException(e);
      } finally {
        watching.cancel(null);
      }
      Thread.sleep(1000);
    }
  }

  private static Order watch(Hisgate hisgate, String no) {
    Iterator<Order> orders = Hisgate.headers(hisgate.orders, UUID.randomUUID().toString())
        .watchOrder(WatchOrderRequest.newBuilder().setOrderNo(no).build());
    Order last = null;
    while (orders.hasNext()) {
      last = orders.next();
      if (last.getNext() == Order.Next.PERSON) {
        break;
      }
    }
    return last;
  }

  private static void simulatedPatientPays(String no) throws IOException, InterruptedException {
    String sim = Hisgate.env("HISGATE_SIM_PAY", "");
    if (sim.isEmpty()) {
      return;
    }
    HttpRequest request = HttpRequest.newBuilder(URI.create(sim + "/sim/pay"))
        .POST(HttpRequest.BodyPublishers.ofString("{\"out_trade_no\":\"" + no + "\"}"))
        .build();
    HttpResponse<Void> paid = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding());
    if (paid.statusCode() != 200) {
      throw new IOException("the simulated patient cannot pay: " + paid.statusCode());
    }
  }
}
