// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import dev.belay.Loop;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;

/** The threads on which engines do the arithmetic of certificates and keys. */
final class TlsThinkers {
  private static final ThreadPoolExecutor POOL = pool();

  private TlsThinkers() {}

  /** Half of the cores: a crowd at the door leaves the others to those who are in. */
  private static ThreadPoolExecutor pool() {
    int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            threads,
            threads,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(), // at most one entry a connection
            Thread.ofPlatform().daemon().name("belay-tls-", 0).factory());
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }

  /**
   * Does what an engine has to do; until the end nobody else asks anything of it.
   *
   * @param end runs on {@code loop}, with what was thrown or null; never if the loop is closed
   */
  static void think(SSLEngine engine, Loop loop, Consumer<@Nullable Throwable> end) {
    POOL.execute(
        () -> {
          Throwable thrown = null;
          try {
            for (Runnable next; (next = engine.getDelegatedTask()) != null; ) {
              next.run();
            }
          } catch (RuntimeException | Error e) {
            thrown = e;
          }
          Throwable defect = thrown;
          loop.execute(() -> end.accept(defect));
        });
  }
}
