// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A mounted file system of one file, served by this program over /dev/fuse: it hangs, fails and
 * lies on command. Its contents are kept sparse: what was never written reads as {@link #FILL}.
 *
 * <p>It knows neither PUNCH_HOLE nor ZERO_RANGE, but a fallocate that only reserves room succeeds
 * and changes nothing, as on vfat. Transfers of at most 128 KiB come in; direct ones are
 * asynchronous, up to 12 in its queue, as with libfuse.
 *
 * <p>One thread serves it. When the program ends, however it does, the kernel fails all that is
 * under way, so that nothing stays behind that hangs.
 */
public final class FuseFile implements AutoCloseable {
  /** What the file is full of. */
  public static final byte FILL = 0x5a;

  private static final int MOUNT = System.getProperty("os.arch").equals("aarch64") ? 40 : 165;
  private static final int UMOUNT2 = System.getProperty("os.arch").equals("aarch64") ? 39 : 166;
  private static final int NOSUID_NODEV = 6;
  private static final int DETACH = 2;

  private static final int FORGET = 2;
  private static final int GETATTR = 3;
  private static final int SETATTR = 4;
  private static final int OPEN = 14;
  private static final int READ = 15;
  private static final int WRITE = 16;
  private static final int STATFS = 17;
  private static final int RELEASE = 18;
  private static final int FSYNC = 20;
  private static final int FLUSH = 25;
  private static final int INIT = 26;
  private static final int INTERRUPT = 36;
  private static final int DESTROY = 38;
  private static final int BATCH_FORGET = 42;
  private static final int FALLOCATE = 43;

  private static final int HEADER_BYTES = 40;
  private static final int ANSWER_BYTES = 16;
  private static final int TRANSFER_BYTES = 40;
  private static final int LARGEST_BYTES = 128 << 10;
  private static final int ATTRIBUTES_BYTES = 104;
  private static final int ROOT_MODE = 0100666;

  /** ASYNC_READ, BIG_WRITES, ASYNC_DIO, MAX_PAGES. */
  private static final int FEATURES = 1 | 1 << 5 | 1 << 15 | 1 << 22;

  private static final int SETS_SIZE = 1 << 3;
  private static final int PAGE = 4096;
  private static final byte[] ZEROES = new byte[PAGE];

  private final Path path;
  private final int device;
  private final Thread server;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment in = arena.allocate(2L * LARGEST_BYTES, 8);

  // Under this object's monitor.
  private final MemorySegment out = arena.allocate(LARGEST_BYTES + ANSWER_BYTES, 8);
  private final Map<Long, byte[]> pages = new HashMap<>();
  private final List<Transfer> held = new ArrayList<>();
  private boolean isHanging;
  private long sizeBytes;
  private int fsyncErrno;

  /** Whether a request that hangs is answered with EINTR when the kernel asks for that. */
  public volatile boolean honoursInterrupts;

  public final AtomicInteger reads = new AtomicInteger();
  public final AtomicInteger writes = new AtomicInteger();
  public final AtomicInteger interrupts = new AtomicInteger();

  /** The modes of the fallocates that came. */
  public final List<Integer> fallocates = new ArrayList<>();

  /** A read or write that has come; {@code written} is null for a read. */
  private record Transfer(
      long unique, long offsetBytes, int lengthBytes, byte @Nullable [] written) {}

  private FuseFile(Path path, int device, long sizeBytes) {
    this.path = path;
    this.device = device;
    this.sizeBytes = sizeBytes;
    server = Thread.ofPlatform().daemon().name("fuse-" + path.getFileName()).unstarted(this::serve);
  }

  /**
   * Mounts one over a new file of a directory. Leaves the test out where this cannot be.
   *
   * @param sizeBytes how long the file is; it takes no room
   */
  public static FuseFile mount(Path directory, String name, long sizeBytes) throws IOException {
    assumeTrue(Kernel.available(), Kernel.unavailableReason());
    assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "there is no /dev/fuse to write to");
    Path path = Files.createFile(directory.resolve(name));
    int device = Kernel.open("/dev/fuse", Kernel.O_RDWR, 0);
    assumeTrue(device >= 0, () -> "/dev/fuse cannot be opened: " + Errno.sentence(device));
    String options = "fd=" + device + ",rootmode=100666,user_id=" + uid() + ",group_id=0";
    int result;
    try (Arena strings = Arena.ofConfined()) {
      result =
          (int)
              Kernel.call(
                  MOUNT,
                  strings.allocateFrom("belay-test").address(),
                  strings.allocateFrom(path.toString(), StandardCharsets.UTF_8).address(),
                  strings.allocateFrom("fuse").address(),
                  NOSUID_NODEV,
                  strings.allocateFrom(options).address(),
                  0);
    }
    if (result < 0) {
      Kernel.close(device);
    }
    assumeTrue(result >= 0, () -> "this user may not mount: " + Errno.sentence(result));
    FuseFile file = new FuseFile(path, device, sizeBytes);
    file.server.start();
    return file;
  }

  private static Object uid() throws IOException {
    return Files.getAttribute(Path.of("/proc/self"), "unix:uid");
  }

  public Path path() {
    return path;
  }

  /** From now on reads and writes are not answered. */
  public synchronized void hang() {
    isHanging = true;
  }

  /** Answers all that hangs, and what comes. */
  public synchronized void comeBack() {
    isHanging = false;
    held.forEach(this::carryOut);
    held.clear();
  }

  /** How many reads and writes hang here. */
  public synchronized int hanging() {
    return held.size();
  }

  /** Makes it shorter under whoever has it open. */
  public synchronized void truncate(long bytes) {
    sizeBytes = bytes;
  }

  /** The next fsync fails. */
  public synchronized void failFsyncOnce(int errno) {
    fsyncErrno = errno;
  }

  /** Whether a range is full of one byte. */
  public synchronized boolean isFullOf(byte value, long offsetBytes, long lengthBytes) {
    for (long at = offsetBytes; at < offsetBytes + lengthBytes; at++) {
      byte[] page = pages.get(at / PAGE);
      if (at % PAGE == 0 && at + PAGE <= offsetBytes + lengthBytes) {
        if (page == null
            ? value != FILL
            : !(page == ZEROES && value == 0) && !isFull(page, value)) {
          return false;
        }
        at += PAGE - 1;
      } else if ((page == null ? FILL : page[(int) (at % PAGE)]) != value) {
        return false;
      }
    }
    return true;
  }

  private static boolean isFull(byte[] page, byte value) {
    for (byte each : page) {
      if (each != value) {
        return false;
      }
    }
    return true;
  }

  @Override
  public void close() throws IOException {
    comeBack();
    try (Arena strings = Arena.ofConfined()) {
      long name = strings.allocateFrom(path.toString(), StandardCharsets.UTF_8).address();
      Kernel.call(UMOUNT2, name, DETACH, 0, 0, 0, 0);
    }
    Kernel.close(device); // what is under way fails now
    try {
      server.join();
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    arena.close();
  }

  // --- The server's thread ---

  private void serve() {
    for (; ; ) {
      long result = Kernel.read(device, in.address(), in.byteSize());
      if (result >= HEADER_BYTES) {
        answer();
      } else if (result != -Errno.ENOENT && result != -Errno.EAGAIN) {
        return; // unmounted
      }
    }
  }

  private int inInt(long at) {
    return in.get(ValueLayout.JAVA_INT_UNALIGNED, at);
  }

  private long inLong(long at) {
    return in.get(ValueLayout.JAVA_LONG_UNALIGNED, at);
  }

  private synchronized void answer() {
    long unique = inLong(8);
    out.fill((byte) 0);
    switch (inInt(4)) {
      case INIT -> init(unique);
      case GETATTR -> attributes(unique);
      case SETATTR -> {
        if ((inInt(HEADER_BYTES) & SETS_SIZE) != 0) {
          sizeBytes = inLong(HEADER_BYTES + 16);
        }
        attributes(unique);
      }
      case READ, WRITE -> transfer(unique);
      case FSYNC -> {
        int errno = fsyncErrno;
        fsyncErrno = 0;
        reply(unique, -errno, 0);
      }
      case FALLOCATE -> {
        int mode = inInt(HEADER_BYTES + 24);
        fallocates.add(mode);
        reply(unique, (mode & ~Kernel.FALLOC_KEEP_SIZE) == 0 ? 0 : -Errno.EOPNOTSUPP, 0);
      }
      case OPEN -> reply(unique, 0, 16);
      case STATFS -> reply(unique, 0, 80);
      case RELEASE, FLUSH, DESTROY -> reply(unique, 0, 0);
      case INTERRUPT -> interrupt(inLong(HEADER_BYTES));
      case FORGET, BATCH_FORGET -> {}
      default -> reply(unique, -Errno.ENOSYS, 0); // LOOKUP among them: the root is the file
    }
  }

  private void init(long unique) {
    long at = ANSWER_BYTES;
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at, 7);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 4, Math.min(31, inInt(HEADER_BYTES + 4)));
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 8, inInt(HEADER_BYTES + 8));
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 12, FEATURES & inInt(HEADER_BYTES + 12));
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 20, LARGEST_BYTES);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 24, 1);
    out.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 28, (short) (LARGEST_BYTES / PAGE));
    reply(unique, 0, 64);
  }

  private void attributes(long unique) {
    long at = ANSWER_BYTES + 16;
    out.set(ValueLayout.JAVA_LONG_UNALIGNED, at, 1);
    out.set(ValueLayout.JAVA_LONG_UNALIGNED, at + 8, sizeBytes);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 60, ROOT_MODE);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 64, 1);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, at + 80, PAGE);
    reply(unique, 0, ATTRIBUTES_BYTES);
  }

  private void transfer(long unique) {
    boolean isWrite = inInt(4) == WRITE;
    int length = inInt(HEADER_BYTES + 16);
    byte[] written = null;
    if (isWrite) {
      written = new byte[length];
      long from = HEADER_BYTES + TRANSFER_BYTES;
      MemorySegment.copy(in, ValueLayout.JAVA_BYTE, from, written, 0, length);
    }
    (isWrite ? writes : reads).incrementAndGet();
    Transfer transfer = new Transfer(unique, inLong(HEADER_BYTES + 8), length, written);
    if (isHanging) {
      held.add(transfer);
    } else {
      carryOut(transfer);
    }
  }

  private void interrupt(long unique) {
    interrupts.incrementAndGet();
    if (honoursInterrupts && held.removeIf(each -> each.unique == unique)) {
      reply(unique, -Errno.EINTR, 0);
    }
  }

  private void carryOut(Transfer transfer) {
    long offset = transfer.offsetBytes;
    byte[] written = transfer.written;
    if (written == null) {
      int length = Math.clamp(sizeBytes - offset, 0, transfer.lengthBytes);
      for (int done = 0; done < length; ) {
        int inPage = (int) ((offset + done) % PAGE);
        int part = Math.min(length - done, PAGE - inPage);
        byte[] page = pages.get((offset + done) / PAGE);
        MemorySegment to = out.asSlice(ANSWER_BYTES + done, part);
        if (page == null) {
          to.fill(FILL);
        } else {
          to.copyFrom(MemorySegment.ofArray(page).asSlice(inPage, part));
        }
        done += part;
      }
      reply(transfer.unique, 0, length);
      return;
    }
    for (int done = 0; done < written.length; ) {
      int inPage = (int) ((offset + done) % PAGE);
      int part = Math.min(written.length - done, PAGE - inPage);
      store((offset + done) / PAGE, inPage, written, done, part);
      done += part;
    }
    sizeBytes = Math.max(sizeBytes, offset + written.length);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, ANSWER_BYTES, written.length);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, ANSWER_BYTES + 4, 0);
    reply(transfer.unique, 0, 8);
  }

  private void store(long number, int inPage, byte[] from, int start, int length) {
    if (length == PAGE && Arrays.equals(from, start, start + PAGE, ZEROES, 0, PAGE)) {
      pages.put(number, ZEROES);
      return;
    }
    byte[] page = pages.get(number);
    if (page == null) {
      page = new byte[PAGE];
      Arrays.fill(page, FILL);
    } else if (page == ZEROES) {
      page = new byte[PAGE];
    }
    System.arraycopy(from, start, page, inPage, length);
    pages.put(number, page);
  }

  /** Answers with an error, or with so many bytes, which lie behind the answer's head. */
  private void reply(long unique, int error, int bytes) {
    int all = ANSWER_BYTES + (error == 0 ? bytes : 0);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, 0, all);
    out.set(ValueLayout.JAVA_INT_UNALIGNED, 4, error);
    out.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, unique);
    Kernel.write(device, out.address(), all);
  }
}
