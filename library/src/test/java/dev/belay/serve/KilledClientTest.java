// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Verdict;
import dev.belay.leaf.LoopSockets;
import dev.belay.leaf.Memory;
import dev.belay.net.Address;
import dev.belay.net.Sockets;
import dev.belay.target.Throttle;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Another program, fio, with 256 requests of 1 MiB in flight on a throttled export, is killed by
 * SIGKILL, while a client of another export of the same loop, so of the same thread, goes on
 * reading. Prints how long the server took, and what the bystander noticed.
 */
@Timeout(120)
final class KilledClientTest {
  private static final int MIB = 1 << 20;
  private static final int REQUESTS = 256;
  private static final long PHASE_NANOS = 1_000_000_000L;

  @TempDir Path directory;

  /** When it was told of the end of a connection that did something, and of what. */
  private static final class Ends implements ServerLog {
    final CompletableFuture<ConnectionReport> report = new CompletableFuture<>();
    volatile long endedNanos;

    @Override
    public void listening(Address address) {}

    @Override
    public void connected(ConnectionStatus connection) {}

    @Override
    public void refused(String peer, String why, boolean isFault) {}

    @Override
    public void ended(ConnectionReport ended) {
      if (ended.traffic().all().cancelled() > 0) {
        endedNanos = System.nanoTime();
        report.complete(ended);
      }
    }

    @Override
    public void note(String sentence) {}
  }

  /** Counts what comes below the throttle. */
  private static final class Counting extends Device {
    private final Device lower;
    final AtomicLong sent = new AtomicLong();

    Counting(Loop loop, Device lower) {
      super(loop, "counting", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      sent.incrementAndGet();
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
  }

  @Test
  void nothingOfItIsLeftAndNobodyElseNotices() throws Exception {
    assumeTrue(hasFio(), "fio with its engine nbd is not installed");
    ServerOptions options = ServerOptions.DEFAULTS.withMostBytes(512L << 20, 16L << 30);
    Ends ends = new Ends();
    Loop deskLoop = Loop.threaded("desk");
    Loop loop = Loop.threaded("exports");
    Counting counting = new Counting(loop, new Memory(loop, 512L << 20, 1));
    Device slow = new Throttle(loop, counting, 0, 4L << 20, 10_000_000);
    Budget budget = new Budget(options);
    Served throttled = served("slow", loop, slow, options, budget, ends);
    Served free = served("free", loop, new Memory(loop, MIB, 1), options, budget, ends);
    Sockets sockets = LoopSockets.of(loop);
    List<Desk.Place> places =
        List.of(new Desk.Place(throttled, sockets), new Desk.Place(free, sockets));
    Desk desk = new Desk(deskLoop, LoopSockets.of(deskLoop), places, options, ends);
    loop.start();
    deskLoop.start();
    Path socket = directory.resolve("s");
    Address address = desk.listen(new Address.Unix(socket.toString()));
    Process fio = fio(socket);
    try (SocketClient bystander = new SocketClient(address)) {
      bystander.go("free");
      while (inFlight(throttled) < REQUESTS) {
        assertThat(fio.isAlive()).as("fio writes").isTrue();
        Thread.sleep(10);
      }
      latencies(bystander); // to warm up
      String before = latencies(bystander);
      CompletableFuture<Long> noticed = whenRaised(throttled);
      long killNanos = System.nanoTime();
      fio.destroyForcibly();
      String after = latencies(bystander);
      ConnectionReport report = ends.report.get(60, TimeUnit.SECONDS);
      long sent = counting.sent.get();
      Thread.sleep(300);
      assertThat(counting.sent.get()).as("nothing of it is sent any more").isEqualTo(sent);
      assertThat(report.isClean()).isFalse();
      assertThat(report.traffic().all().cancelled()).isGreaterThan(REQUESTS - 20);
      assertThat(inFlight(throttled)).isZero();
      assertThat(budget.sharedTakenBytes()).isZero();
      System.out.printf(
          "%d of %d requests cancelled; the flag went up %.1f ms after the SIGKILL, and %.2f ms"
              + " later nothing was left of them%nbystander before: %s%nbystander after: %s%n",
          report.traffic().all().cancelled(),
          report.traffic().all().requests(),
          (noticed.get() - killNanos) / 1e6,
          (ends.endedNanos - noticed.get()) / 1e6,
          before,
          after);
    } finally {
      fio.destroyForcibly().waitFor();
      desk.closeListeners();
      loop.close(Long.MAX_VALUE);
      deskLoop.close(Long.MAX_VALUE);
    }
  }

  private static Served served(
      String name, Loop loop, Device root, ServerOptions options, Budget budget, Ends ends) {
    Export export = new Export(name, root.kind(), false, null, "");
    return new Served(export, loop, root, options, budget, ends, () -> {});
  }

  /** When the flag of the only connection goes up, to within some 50 us. */
  private static CompletableFuture<Long> whenRaised(Served served) throws Exception {
    CompletableFuture<CancelFlag> found = new CompletableFuture<>();
    served.loop().execute(() -> found.complete(served.connections().getFirst().flag()));
    CancelFlag flag = found.get(10, TimeUnit.SECONDS);
    CompletableFuture<Long> raised = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .start(
            () -> {
              while (!flag.isRaised()) {
                LockSupport.parkNanos(50_000);
              }
              raised.complete(System.nanoTime());
            });
    return raised;
  }

  private static int inFlight(Served served) throws Exception {
    CompletableFuture<Integer> sum = new CompletableFuture<>();
    served
        .loop()
        .execute(
            () ->
                sum.complete(
                    served.connections().stream().mapToInt(each -> each.slots().used()).sum()));
    return sum.get(10, TimeUnit.SECONDS);
  }

  /** Reads 4 KiB again and again. */
  private static String latencies(SocketClient client) throws IOException {
    long[] nanos = new long[1 << 20];
    int count = 0;
    long start = System.nanoTime();
    for (long now = start; now - start < PHASE_NANOS && count < nanos.length; count++) {
      client.readAt(4096L * (count % 256), 4096);
      long then = now;
      now = System.nanoTime();
      nanos[count] = now - then;
    }
    Arrays.sort(nanos, 0, count);
    return "%d reads, p50 %.0f us, p99 %.0f us, p99.9 %.0f us, the slowest %.1f ms"
        .formatted(
            count,
            nanos[count / 2] / 1e3,
            nanos[(int) (count * 0.99)] / 1e3,
            nanos[(int) (count * 0.999)] / 1e3,
            nanos[count - 1] / 1e6);
  }

  private static Process fio(Path socket) throws IOException {
    return new ProcessBuilder(
            "fio",
            "--name=killed",
            "--ioengine=nbd",
            "--uri=nbd+unix:///slow?socket=" + socket,
            "--rw=write",
            "--bs=1M",
            "--iodepth=" + REQUESTS,
            "--size=" + 2 * REQUESTS + "M",
            "--thread") // so that the program that is killed is the one that writes
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  private static boolean hasFio() throws InterruptedException {
    try {
      return new ProcessBuilder("fio", "--enghelp=nbd")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }
}
