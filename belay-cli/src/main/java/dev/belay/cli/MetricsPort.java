// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.belay.net.Address;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;

/**
 * The metrics at {@code http://HOST:PORT/metrics}, for Prometheus to fetch. A client that is slow
 * to ask or to take the answer is cut off after ten seconds, and 64 may be there at a time.
 */
final class MetricsPort implements AutoCloseable {
  private static final int BACKLOG = 16;

  private final HttpServer server;
  private final String host;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Supplier<String> text;

  private MetricsPort(HttpServer server, String host, Supplier<String> text) {
    this.server = server;
    this.host = host;
    this.text = text;
  }

  /** Answers from now on. */
  static MetricsPort open(Address.Tcp address, Supplier<String> text) throws IOException {
    limit("sun.net.httpserver.maxReqTime", "10");
    limit("sun.net.httpserver.maxRspTime", "10");
    limit("sun.net.httpserver.idleInterval", "30");
    limit("jdk.httpserver.maxConnections", "64");
    InetSocketAddress place =
        address.host().isEmpty()
            ? new InetSocketAddress(address.port())
            : new InetSocketAddress(address.host(), address.port());
    if (place.isUnresolved()) {
      throw new IOException("--metrics: there is no host " + address.host());
    }
    HttpServer server;
    try {
      server = HttpServer.create(place, BACKLOG);
    } catch (IOException e) {
      throw new IOException("--metrics: cannot listen at " + address + ": " + Main.sentence(e), e);
    }
    MetricsPort port =
        new MetricsPort(server, address.host().isEmpty() ? "localhost" : address.host(), text);
    server.setExecutor(port.threads);
    server.createContext("/", port::answer);
    server.start();
    return port;
  }

  /** The server of the JDK reads these when its first one is made. */
  private static void limit(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String method = exchange.getRequestMethod();
      boolean isHead = method.equals("HEAD");
      String path = exchange.getRequestURI().getPath();
      int code = 200;
      String type = "text/plain; charset=utf-8";
      String said;
      if (!isHead && !method.equals("GET")) {
        code = 405;
        said = "only GET is answered here\n";
        exchange.getResponseHeaders().set("Allow", "GET, HEAD");
      } else if (path.equals("/metrics")) {
        type = Metrics.CONTENT_TYPE;
        said = metrics();
      } else {
        code = 404;
        said = "the metrics are at /metrics\n";
      }
      byte[] bytes = said.getBytes(UTF_8);
      exchange.getResponseHeaders().set("Content-Type", type);
      exchange.sendResponseHeaders(code, isHead ? -1 : bytes.length);
      if (!isHead) {
        exchange.getResponseBody().write(bytes);
      }
    }
  }

  /** One at a time, so that many who ask cost no more than one who asks again and again. */
  private synchronized String metrics() {
    return text.get();
  }

  /** Where they are, with the port that port 0 became, for a client on this machine. */
  String uri() {
    Address.Tcp shown = new Address.Tcp(host, server.getAddress().getPort());
    return "http://" + shown + "/metrics";
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
