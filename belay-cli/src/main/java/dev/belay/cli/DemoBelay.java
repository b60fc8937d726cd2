// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Outcome;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import dev.belay.leaf.UringFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The part of the demonstration that Belay does: one request over the whole stack, stopped midway.
 */
final class DemoBelay implements AutoCloseable {
  /** What the buffer holds before a read: no byte of it may change where the answer says clean. */
  static final byte FILLING = (byte) 0xa5;

  static final long NEW = 2;

  private static final long QUIET_MILLIS = 200;
  private static final int WARM_REQUESTS = 300;
  private static final long WARM_BYTES = 4L * DemoFile.CHUNK_BYTES;

  private final DemoFile file;
  private final Screen screen;
  private final CancelFlag above;
  private final MemorySegment buffer;
  private final Volume volume;
  private final List<Layer> layers = new ArrayList<>();

  /** Whether the flag's raise has returned: what a leaf sends from then on, it must not. */
  private volatile boolean isRaised;

  DemoBelay(DemoFile file, String engine, MemorySegment buffer, Screen screen, CancelFlag above)
      throws InterruptedException {
    this.file = file;
    this.screen = screen;
    this.above = above;
    this.buffer = buffer;
    volume = Volume.open(file.expression(engine));
    addLayers(volume.root(), 0);
    CountDownLatch recording = new CountDownLatch(1);
    volume
        .loop()
        .execute(
            () -> {
              layers.forEach(Layer::record);
              recording.countDown();
            });
    recording.await();
    warmUp();
  }

  private void addLayers(Device device, int depth) {
    layers.add(new Layer(device, depth));
    device.lowers().forEach(lower -> addLayers(lower, depth + 1));
  }

  /** What is counted of one device. Written by the loop's thread, read by the demonstration's. */
  private final class Layer {
    final Device device;
    final int depth;
    private long bytesBefore;
    private volatile long sentBytes;
    private volatile long sentAfterBytes;

    Layer(Device device, int depth) {
      this.device = device;
      this.depth = depth;
    }

    void record() {
      if (device instanceof UringFile leaf) {
        leaf.setRecorder((bio, offsetBytes, lengthBytes) -> count(lengthBytes));
      }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // only the loop's thread writes
    private void count(long lengthBytes) {
      if (isRaised) {
        sentAfterBytes += lengthBytes;
      } else {
        sentBytes += lengthBytes;
      }
    }

    void reset() {
      bytesBefore = device.bytes();
      sentBytes = 0;
      sentAfterBytes = 0;
    }

    long cameInBytes() {
      return device.bytes() - bytesBefore;
    }

    boolean isLeaf() {
      return device.lowers().isEmpty();
    }

    /** What a leaf gave to the kernel; the engine by threads has no recorder, and is asked less. */
    long sentBytes() {
      return device instanceof UringFile ? sentBytes + sentAfterBytes : cameInBytes();
    }
  }

  private long sentBytes() {
    return layers.stream().filter(Layer::isLeaf).mapToLong(Layer::sentBytes).sum();
  }

  /** Reads the whole stack as one request and stops it midway. */
  Shot read() throws IOException, InterruptedException {
    buffer.fill(FILLING);
    return run("read", false);
  }

  /** Writes the whole stack as one request and stops it midway. */
  Shot write() throws IOException, InterruptedException {
    file.fillStriped(buffer, NEW);
    return run("write", true);
  }

  private Shot run(String what, boolean isWrite) throws IOException, InterruptedException {
    layers.forEach(Layer::reset);
    isRaised = false;
    CancelFlag flag = above.child();
    IoOptions options = IoOptions.NONE.withFlag(flag);
    long size = buffer.byteSize();
    long[] endedNanos = new long[1];
    IoFuture future =
        isWrite
            ? volume.writeAsync(0, List.of(buffer), options)
            : volume.readAsync(0, List.of(buffer), options);
    CountDownLatch ended = new CountDownLatch(1);
    var _ =
        future.whenComplete(
            (_, _) -> {
              endedNanos[0] = System.nanoTime();
              ended.countDown();
            });
    long sent = 0;
    while (sent < size / 2 && !future.isDone()) {
      sent = sentBytes();
      screen.progress(what, sent, size);
      LockSupport.parkNanos(100_000);
    }
    sent = sentBytes();
    long beforeNanos = System.nanoTime();
    flag.raise();
    long raisedNanos = System.nanoTime();
    isRaised = true;
    ended.await();
    Outcome outcome = future.outcome();
    long doneThen = isWrite ? 0 : changedBytes();
    Thread.sleep(QUIET_MILLIS);
    long movedAfter = isWrite ? sentAfterBytes() : changedBytes() - doneThen;
    long answerNanos = endedNanos[0] - beforeNanos;
    picture(what, outcome, sent, answerNanos);
    String wrong = isWrite ? checkWrite(outcome) : checkRead(outcome);
    screen.line(
        wrong == null
            ? "  "
                + screen.good("✓")
                + " every byte was compared: "
                + (isWrite
                    ? "the file, read past Belay, holds the new where it says done, the old where"
                        + " it says clean"
                    : "the buffer holds the file where it says done, and is untouched where it"
                        + " says clean")
            : "  " + screen.bad("✗ the answer was not true: " + wrong));
    return new Shot(
        reached(sent),
        raisedNanos - beforeNanos,
        answerNanos,
        said(outcome),
        wrong == null ? "yes: every byte was compared" : "NO: " + wrong,
        movedAfter,
        outcome.doneBytes(),
        bystander());
  }

  private String reached(long bytes) {
    boolean isRecorded = layers.stream().anyMatch(layer -> layer.device instanceof UringFile);
    return Units.bytes(bytes) + (isRecorded ? " sent" : " at the threads");
  }

  /** Has the JVM load and compile what raising takes: a program that cancels once is no case. */
  private void warmUp() throws InterruptedException {
    MemorySegment memory = Arena.ofAuto().allocate(WARM_BYTES, 4096);
    for (int i = 0; i < WARM_REQUESTS; i++) {
      IoFuture future = volume.readAsync(0, memory);
      future.flag().raise();
      try {
        future.get();
      } catch (ExecutionException | CancellationException e) {
        // It was to be stopped.
      }
    }
  }

  private static String said(Outcome outcome) {
    return "%s: %s done, %s clean, %s unknown"
        .formatted(
            outcome.kind(),
            Units.bytes(outcome.doneBytes()),
            Units.bytes(outcome.cleanBytes()),
            Units.bytes(outcome.unknownBytes()));
  }

  private long sentAfterBytes() {
    return layers.stream().mapToLong(layer -> layer.sentAfterBytes).sum();
  }

  private long changedBytes() {
    return DemoFile.arrivedBytes(buffer, FILLING);
  }

  /** The small picture: the answer as a bar, and how far each layer had got. */
  private void picture(String what, Outcome outcome, long sentBytes, long answerNanos) {
    long size = outcome.lengthBytes();
    screen.line("  [" + Picture.bar(outcome.extents().list(), size) + "] " + Picture.LEGEND);
    screen.line(
        "  %s of %s as one request, flag raised with %s"
            .formatted(what, Units.bytes(size), reached(sentBytes)));
    screen.line(
        "  completion %s after the flag: %s"
            .formatted(Units.nanos(answerNanos), screen.bold(said(outcome))));
    for (Layer layer : layers) {
      long in = layer.cameInBytes();
      String text = "  " + "   ".repeat(layer.depth) + layer.device.kind();
      String line = "%-20s %s came in".formatted(text, pad(Units.bytes(in)));
      if (layer.device instanceof UringFile) {
        line +=
            ", %s sent to the kernel; after the flag: %s"
                .formatted(Units.bytes(layer.sentBytes), sentAfter(layer));
      } else if (!layer.isLeaf()) {
        long below =
            layers.stream()
                .filter(l -> layer.device.lowers().contains(l.device))
                .mapToLong(Layer::cameInBytes)
                .sum();
        line += ", " + Units.bytes(in - below) + " never left it";
      }
      screen.line(line);
    }
    screen.line(
        "  %-18s %s were never sent to any device"
            .formatted("", pad(Units.bytes(outcome.cleanBytes()))));
  }

  private String sentAfter(Layer layer) {
    long after = layer.sentAfterBytes;
    return after == 0 ? screen.good("nothing") : screen.bad(Units.bytes(after));
  }

  private static String pad(String text) {
    return String.format(Locale.ROOT, "%10s", text);
  }

  private @Nullable String checkRead(Outcome outcome) {
    for (Extent extent : outcome.extents().list()) {
      long at = extent.offsetBytes();
      long length = extent.lengthBytes();
      String wrong = null;
      if (extent.state() == State.DONE) {
        wrong = file.checkRead(buffer, at, length);
      } else if (extent.state() == State.CLEAN && !isFilling(at, length)) {
        wrong = "the buffer has changed in the clean range at " + at;
      }
      if (wrong != null) {
        return wrong;
      }
    }
    return null;
  }

  private boolean isFilling(long at, long length) {
    // A range is all one byte if it starts with it, and is equal to itself moved by one.
    return buffer.get(ValueLayout.JAVA_BYTE, at) == FILLING
        && MemorySegment.mismatch(buffer, at, at + length - 1, buffer, at + 1, at + length) < 0;
  }

  private @Nullable String checkWrite(Outcome outcome) throws IOException {
    List<Extent> extents = outcome.extents().list();
    String wrong = file.checkWritten(extents, State.DONE, NEW);
    return wrong != null ? wrong : file.checkWritten(extents, State.CLEAN, DemoFile.OLD);
  }

  /** Somebody else who uses the same open volume, after the cancel. */
  private String bystander() {
    MemorySegment block = Arena.ofAuto().allocate(1 << 16, 4096);
    try {
      volume.read(0, block);
      return "reads on";
    } catch (IOException e) {
      return Main.sentence(e);
    }
  }

  @Override
  public void close() {
    volume.close();
  }
}
