// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A driven loop on the test's thread, with requests that count their completions. Closing it closes
 * the loop and asserts that every request ended once and that no device threw.
 */
public final class DrivenStack implements AutoCloseable {
  /** Against hanging only; no test asserts a time. */
  private static final long PATIENCE_NANOS = 60_000_000_000L;

  private static final long TURN_NANOS = 10_000_000L;

  public final Loop loop;
  public final List<Throwable> defects = new ArrayList<>();
  private final Arena arena = Arena.ofShared();
  private final List<Request> requests = new ArrayList<>();

  public DrivenStack() {
    this(Clock.SYSTEM);
  }

  public DrivenStack(Clock clock) {
    loop = Loop.driven(clock);
    loop.setDefects(defects::add);
  }

  /** One request; its outcome is null until it has completed. */
  public static final class Request {
    public final Bio bio;
    public final CancelFlag flag;
    public final Op op;
    public final long offsetBytes;
    public final MemorySegment buffer;
    public int completions;
    public @Nullable Outcome outcome;

    private Request(Loop loop, Op op, long offsetBytes, MemorySegment buffer, CancelFlag flag) {
      this.op = op;
      this.offsetBytes = offsetBytes;
      this.buffer = buffer;
      this.flag = flag;
      bio =
          new Bio(
              loop,
              ended -> {
                completions++;
                outcome = ended.outcome();
              });
    }

    public boolean ended() {
      return outcome != null;
    }

    public Outcome result() {
      return Objects.requireNonNull(outcome, "it has not ended");
    }
  }

  /** Native memory, page-aligned, zeroed, that lives as long as the stack. */
  public MemorySegment memory(long bytes) {
    return arena.allocate(bytes, 4096);
  }

  /** Submits a read or a write of the whole buffer; does not turn the loop. */
  public Request submit(
      Device device, Op op, long offsetBytes, MemorySegment buffer, CancelFlag flag) {
    return submit(device, op, offsetBytes, buffer.byteSize(), buffer, flag, false);
  }

  /** Submits any request. */
  public Request submit(
      Device device,
      Op op,
      long offsetBytes,
      long lengthBytes,
      MemorySegment buffer,
      CancelFlag flag,
      boolean fua) {
    Request request = new Request(loop, op, offsetBytes, buffer, flag);
    requests.add(request);
    request.bio.prepare(op, device, offsetBytes, lengthBytes, buffer, 0, flag);
    request.bio.setFua(fua);
    loop.enter(request.bio);
    return request;
  }

  /** Prepares a read or a write of the whole buffer, which whoever asked enters into the loop. */
  public Request prepare(
      Device device, Op op, long offsetBytes, MemorySegment buffer, CancelFlag flag) {
    Request request = new Request(loop, op, offsetBytes, buffer, flag);
    requests.add(request);
    request.bio.prepare(op, device, offsetBytes, buffer.byteSize(), buffer, 0, flag);
    return request;
  }

  /** Reads or writes the whole buffer, and turns the loop until that has ended. */
  public Outcome run(Device device, Op op, long offsetBytes, MemorySegment buffer) {
    return finish(submit(device, op, offsetBytes, buffer, new CancelFlag()));
  }

  /** Does a flush, a discard or a write of zeroes. */
  public Outcome run(Device device, Op op, long offsetBytes, long lengthBytes) {
    return finish(
        submit(device, op, offsetBytes, lengthBytes, MemorySegment.NULL, new CancelFlag(), false));
  }

  /** Turns the loop until the request has ended. */
  public Outcome finish(Request request) {
    turnUntil(request::ended);
    return request.result();
  }

  /** Turns the loop until all requests have ended. */
  public void finishAll() {
    turnUntil(() -> loop.openRequests() == 0);
  }

  /** Turns the loop until {@code met}; fails the test after a minute. */
  public void turnUntil(BooleanSupplier met) {
    long start = System.nanoTime();
    while (!met.getAsBoolean()) {
      loop.turn(TURN_NANOS);
      if (System.nanoTime() - start > PATIENCE_NANOS) {
        throw new AssertionError("it did not happen within a minute; open: " + openOnes());
      }
    }
  }

  private List<String> openOnes() {
    List<String> open = new ArrayList<>();
    loop.forEachOpen(bio -> open.add(bio.toString()));
    return open;
  }

  @Override
  public void close() {
    assertThat(loop.close(PATIENCE_NANOS)).as("still with a device").isZero();
    assertThat(defects).as("defects").isEmpty();
    assertThat(requests).allMatch(request -> request.completions == 1, "one completion each");
    arena.close();
  }
}
