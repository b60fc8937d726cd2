// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Holes;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.stack.Stack;
import dev.belay.stack.StackException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An open stack, for any number of threads, platform and virtual.
 *
 * <p>Blocking calls park their thread and never pin a carrier. An interrupt raises the flag of the
 * one request that the thread waits for, leaves the volume open, and stays set. Asynchronous calls
 * give an {@link IoFuture}. Every call may have a flag and a deadline of its own, see {@link
 * IoOptions}, or takes the flag of the {@link CancelScope} around it.
 *
 * <p>Offsets and lengths are multiples of the stack's block, {@link Limits#logicalBlockBytes}; put
 * {@code align(…)} on top of a stack to be free of that. Buffers may be anything: those which a
 * device cannot be given (on the heap, of an arena that can be closed, not aligned) are copied.
 * Until a call returns or its future is done, the buffer belongs to the stack.
 *
 * <p>A volume is kept open by its requests that have not ended, by contexts over it, and by
 * whatever else refers to it: {@link #loop} and {@link #root} do not. One that the program drops
 * without closing it is closed when the collector finds it, and the log says where it was opened.
 */
public final class Volume implements AutoCloseable {
  /** Stands for any thread but the caller's, in questions about memory; never started. */
  private static final Thread ANOTHER = new Thread(() -> {}, "another");

  private static final String CONSEQUENCE =
      "It is being closed now: keep a volume until it is closed, best by try-with-resources";

  private final Loop loop;
  private final Device root;
  private final Bounce bounce;
  private final BufferPools pools;
  private final Dropped dropped;

  private Volume(Loop loop, Device root, String name) {
    this.loop = loop;
    this.root = root;
    bounce = new Bounce(root.limits().memoryAlignmentBytes());
    pools = new BufferPools(loop, root.limits().memoryAlignmentBytes());
    dropped = Dropped.watch(this, "the volume " + name, CONSEQUENCE, () -> closeDropped(loop));
  }

  /** Raises all flags, and leaves the waiting and the rest to the loop's own thread. */
  private static boolean closeDropped(Loop loop) {
    if (loop.isClosing()) {
      return false;
    }
    loop.close(0);
    return true;
  }

  /**
   * Opens the stack that an expression describes, such as {@code stripe(a.img, b.img, chunk=64k)},
   * on a loop and thread of its own.
   *
   * @throws StackException if the text is wrong or a device cannot be opened: where, what, and what
   *     would be right. Nothing is left open then
   */
  public static Volume open(String expression) {
    Loop loop = Loop.threaded(expression.length() <= 40 ? expression : expression.substring(0, 40));
    return start(loop, Stack.build(loop, expression), expression);
  }

  /** Starts a threaded loop whose devices are made, and opens the topmost of them as a volume. */
  public static Volume start(Loop loop, Device root) {
    return start(loop, root, root.toString());
  }

  private static Volume start(Loop loop, Device root, String name) {
    if (!loop.isThreaded()) {
      throw new IllegalArgumentException("a driven loop is for one thread; see AioContext");
    }
    loop.start();
    return new Volume(loop, root, name);
  }

  /** How large it is, in bytes. */
  public long sizeBytes() {
    return root.limits().sizeBytes();
  }

  /** What it takes. */
  public Limits limits() {
    return root.limits();
  }

  /** The topmost device. */
  public Device root() {
    return root;
  }

  /** The loop, for switching devices while they run. */
  public Loop loop() {
    return loop;
  }

  // --- Blocking ---

  /** Fills {@code buffer} from {@code offsetBytes} on. */
  public void read(long offsetBytes, MemorySegment buffer) throws IOException {
    read(offsetBytes, List.of(buffer), IoOptions.NONE);
  }

  /** Fills {@code buffer} from {@code offsetBytes} on. */
  public void read(long offsetBytes, byte[] buffer) throws IOException {
    read(offsetBytes, List.of(MemorySegment.ofArray(buffer)), IoOptions.NONE);
  }

  /**
   * Fills the buffers, one behind the other.
   *
   * @throws CancelledException if its flag, or an interrupt, stopped it
   * @throws FailedException if a device failed it
   * @throws AbandonedException if the options have a patience or a grace, and it was over
   */
  public Outcome read(long offsetBytes, List<MemorySegment> buffers, IoOptions options)
      throws IOException {
    return run(Op.READ, offsetBytes, lengthOf(buffers), buffers, options);
  }

  /** Writes all of {@code buffer} from {@code offsetBytes} on. */
  public void write(long offsetBytes, MemorySegment buffer) throws IOException {
    write(offsetBytes, List.of(buffer), IoOptions.NONE);
  }

  /** Writes all of {@code buffer} from {@code offsetBytes} on. */
  public void write(long offsetBytes, byte[] buffer) throws IOException {
    write(offsetBytes, List.of(MemorySegment.ofArray(buffer)), IoOptions.NONE);
  }

  /** Writes the buffers, one behind the other; throws as {@link #read} does. */
  public Outcome write(long offsetBytes, List<MemorySegment> buffers, IoOptions options)
      throws IOException {
    return run(Op.WRITE, offsetBytes, lengthOf(buffers), buffers, options);
  }

  /** Makes durable every write that has returned. */
  public void flush() throws IOException {
    flush(IoOptions.NONE);
  }

  /** Makes durable every write that has returned; throws as {@link #read} does. */
  public Outcome flush(IoOptions options) throws IOException {
    return run(Op.FLUSH, 0, 0, List.of(), options);
  }

  /** Gives up the content of a range; throws as {@link #read} does. */
  public Outcome discard(long offsetBytes, long lengthBytes, IoOptions options) throws IOException {
    return run(Op.DISCARD, offsetBytes, lengthBytes, List.of(), options);
  }

  /** Makes a range read as zeroes; throws as {@link #read} does. */
  public Outcome writeZeroes(long offsetBytes, long lengthBytes, IoOptions options)
      throws IOException {
    return run(Op.WRITE_ZEROES, offsetBytes, lengthBytes, List.of(), options);
  }

  /**
   * Finds the parts of a range that read as zeroes because nothing is stored there; throws as
   * {@link #read} does. What it does not name may be zeroes as well.
   *
   * @return offsets and lengths in bytes, ascending, relative to {@code offsetBytes}; see {@link
   *     Holes} for what becomes of more than there is room for
   */
  public Holes findHoles(long offsetBytes, long lengthBytes, IoOptions options) throws IOException {
    IoFuture future = begin(Op.FIND_HOLES, offsetBytes, lengthBytes, List.of(), options, false);
    await(future, options);
    return future.holes();
  }

  private Outcome run(
      Op op, long offsetBytes, long lengthBytes, List<MemorySegment> buffers, IoOptions options)
      throws IOException {
    return await(begin(op, offsetBytes, lengthBytes, buffers, options, false), options);
  }

  private Outcome await(IoFuture future, IoOptions options) throws IOException {
    Outcome outcome = future.await(options);
    return switch (outcome.kind()) {
      case DONE -> outcome;
      case CANCELLED -> throw new CancelledException(outcome);
      case FAILED -> throw new FailedException(outcome);
    };
  }

  // --- Asynchronous ---

  /** Fills {@code buffer} from {@code offsetBytes} on. */
  public IoFuture readAsync(long offsetBytes, MemorySegment buffer) {
    return readAsync(offsetBytes, List.of(buffer), IoOptions.NONE);
  }

  /** Fills the buffers, one behind the other. */
  public IoFuture readAsync(long offsetBytes, List<MemorySegment> buffers, IoOptions options) {
    return begin(Op.READ, offsetBytes, lengthOf(buffers), buffers, options, true);
  }

  /** Writes all of {@code buffer} from {@code offsetBytes} on. */
  public IoFuture writeAsync(long offsetBytes, MemorySegment buffer) {
    return writeAsync(offsetBytes, List.of(buffer), IoOptions.NONE);
  }

  /** Writes the buffers, one behind the other. */
  public IoFuture writeAsync(long offsetBytes, List<MemorySegment> buffers, IoOptions options) {
    return begin(Op.WRITE, offsetBytes, lengthOf(buffers), buffers, options, true);
  }

  /** Makes durable every write that has completed before. */
  public IoFuture flushAsync(IoOptions options) {
    return begin(Op.FLUSH, 0, 0, List.of(), options, true);
  }

  /** Gives up the content of a range. */
  public IoFuture discardAsync(long offsetBytes, long lengthBytes, IoOptions options) {
    return begin(Op.DISCARD, offsetBytes, lengthBytes, List.of(), options, true);
  }

  /** Makes a range read as zeroes. */
  public IoFuture writeZeroesAsync(long offsetBytes, long lengthBytes, IoOptions options) {
    return begin(Op.WRITE_ZEROES, offsetBytes, lengthBytes, List.of(), options, true);
  }

  private IoFuture begin(
      Op op,
      long offsetBytes,
      long lengthBytes,
      List<MemorySegment> buffers,
      IoOptions options,
      boolean copiesOnLoop) {
    if (!copiesOnLoop && loop.isOnLoop()) {
      throw new IllegalStateException(
          "a blocking call on the volume's own loop would wait for itself; use an Async method");
    }
    requireFit(op, offsetBytes, lengthBytes);
    for (MemorySegment buffer : buffers) {
      if (op == Op.READ && buffer.isReadOnly()) {
        throw new IllegalArgumentException("a read needs buffers that can be written to");
      }
      if (op == Op.READ && copiesOnLoop && !buffer.isAccessibleBy(ANOTHER)) {
        throw new IllegalArgumentException(
            "an asynchronous read needs buffers that any thread may fill: take them from a shared"
                + " or an automatic arena, not from a confined one");
      }
    }
    IoFuture future =
        new IoFuture(this, op, offsetBytes, List.copyOf(buffers), options.newFlag(), copiesOnLoop);
    if (!copiesOnLoop && Thread.currentThread().isInterrupted()) {
      // The thread is going to wait, and was told before not to: nothing is sent at all.
      future.flag().raise(CancelFlag.Reason.INTERRUPT);
    }
    future.start(this, lengthBytes, options.fua());
    return future;
  }

  private void requireFit(Op op, long offsetBytes, long lengthBytes) {
    Limits limits = root.limits();
    int block = limits.logicalBlockBytes();
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes > limits.sizeBytes() - lengthBytes) {
      throw new IndexOutOfBoundsException(
          String.format(
              "%s of %d bytes at %d is outside the volume, which has %d bytes",
              op, lengthBytes, offsetBytes, limits.sizeBytes()));
    }
    if (((offsetBytes | lengthBytes) & (block - 1)) != 0) {
      throw new IllegalArgumentException(
          String.format(
              "%s of %d bytes at %d: this stack takes multiples of %d bytes only; open it as"
                  + " align(…) to read and write anything",
              op, lengthBytes, offsetBytes, block));
    }
  }

  private static long lengthOf(List<MemorySegment> buffers) {
    long sum = 0;
    for (MemorySegment buffer : buffers) {
      sum += buffer.byteSize();
    }
    return sum;
  }

  /**
   * Makes a pool of native buffers that devices can be given as they are, and that are registered
   * with the kernel where it takes them. They are for this volume's requests, and those of contexts
   * over it.
   *
   * @param bufferBytes the size of each, above 0
   * @param count how many, above 0
   */
  public BufferPool newBuffers(long bufferBytes, int count) {
    return pools.newPool(bufferBytes, count);
  }

  Bounce bounce() {
    return bounce;
  }

  BufferPools pools() {
    return pools;
  }

  // --- Closing ---

  /** Asks every request to stop, waits until all have ended, and closes the devices. */
  @Override
  public void close() {
    close(null);
  }

  /**
   * The same, but waits no longer than {@code grace} for devices that do not answer.
   *
   * @return how many requests are still with a device: 0 when the volume is closed; else their
   *     memory stays with the stack, and it closes by itself when the last of them is answered
   */
  public int close(@Nullable Duration grace) {
    int left = loop.close(IoOptions.nanosOf(grace));
    dropped.closed();
    return left;
  }

  @Override
  public String toString() {
    return "Volume[" + root + ", " + sizeBytes() + " bytes]";
  }
}
