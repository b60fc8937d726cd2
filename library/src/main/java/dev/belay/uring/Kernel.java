// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Locale;
import java.util.Optional;

/**
 * The system calls that block I/O needs, on Linux x86_64 and aarch64.
 *
 * <p>Everything goes through one native symbol, the C library's {@code syscall(2)}, so nothing
 * depends on what that library wraps or how it lays out its structures. All calls answer as the
 * kernel does: a count or a descriptor from 0 up, or a negated error number ({@link Errno}).
 * Addresses are absolute, lengths and offsets are bytes, and the caller keeps memory alive and
 * descriptors open for the time of a call. Calls that a signal interrupted are repeated.
 *
 * <p>All methods may be called on any thread. None is linked as a critical call: each may sleep,
 * and a critical call that sleeps would hold up the garbage collector of the whole JVM, to save ten
 * nanoseconds. A virtual thread that calls pins its carrier meanwhile.
 *
 * <p>The class always loads. Where the calls cannot be made (another system, another processor,
 * native access denied), {@link #available()} is false, {@link #unavailableReason()} says why, and
 * every call throws UnsupportedOperationException with that sentence.
 */
public final class Kernel {
  public static final int O_RDONLY = 0;
  public static final int O_WRONLY = 1;
  public static final int O_RDWR = 2;
  public static final int O_CREAT = 0x40;
  public static final int O_EXCL = 0x80;
  public static final int O_TRUNC = 0x200;
  public static final int O_DSYNC = 0x1000;
  public static final int O_CLOEXEC = 0x80000;

  private static final boolean ARM =
      System.getProperty("os.arch", "").toLowerCase(Locale.ROOT).equals("aarch64");

  /** Transfers bypass the page cache; the one flag here whose number differs by processor. */
  public static final int O_DIRECT = ARM ? 0x10000 : 0x4000;

  /** One write is durable before it completes, as if opened with O_DSYNC. */
  public static final int RWF_DSYNC = 2;

  public static final int RWF_NOWAIT = 8;

  public static final int FALLOC_KEEP_SIZE = 1;
  public static final int FALLOC_PUNCH_HOLE = 2;
  public static final int FALLOC_ZERO_RANGE = 0x10;

  /** The kernel's SEEK_DATA. */
  public static final int SEEK_STORED = 3;

  public static final int SEEK_HOLE = 4;

  public static final int FADVISE_DONTNEED = 4;
  public static final int MADVISE_HUGEPAGE = 14;

  public static final int LOCK_SH = 1;
  public static final int LOCK_EX = 2;
  public static final int LOCK_NB = 4;
  public static final int LOCK_UN = 8;

  static final int IO_URING_SETUP = 425;
  static final int IO_URING_ENTER = 426;
  static final int IO_URING_REGISTER = 427;

  private static final int READ = ARM ? 63 : 0;
  private static final int WRITE = ARM ? 64 : 1;
  private static final int CLOSE = ARM ? 57 : 3;
  private static final int LSEEK = ARM ? 62 : 8;
  private static final int MMAP = ARM ? 222 : 9;
  private static final int MUNMAP = ARM ? 215 : 11;
  private static final int MADVISE = ARM ? 233 : 28;
  private static final int IOCTL = ARM ? 29 : 16;
  private static final int PREAD64 = ARM ? 67 : 17;
  private static final int PWRITE64 = ARM ? 68 : 18;
  private static final int PREADV2 = ARM ? 286 : 327;
  private static final int PWRITEV2 = ARM ? 287 : 328;
  private static final int FLOCK = ARM ? 32 : 73;
  private static final int FSYNC = ARM ? 82 : 74;
  private static final int FDATASYNC = ARM ? 83 : 75;
  private static final int FTRUNCATE = ARM ? 46 : 77;
  private static final int FADVISE64 = ARM ? 223 : 221;
  private static final int OPENAT = ARM ? 56 : 257;
  private static final int FALLOCATE = ARM ? 47 : 285;
  private static final int EVENTFD2 = ARM ? 19 : 290;
  private static final int PPOLL = ARM ? 73 : 271;
  private static final int PRLIMIT64 = ARM ? 261 : 302;
  private static final int STATX = ARM ? 291 : 332;
  private static final int FSTATFS = ARM ? 44 : 138;

  private static final int AT_FDCWD = -100;
  private static final int AT_EMPTY_PATH = 0x1000;
  private static final int EFD_FLAGS = O_CLOEXEC | 0x800;
  private static final int RLIMIT_MEMLOCK = 8;
  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_SHARED_POPULATE = 0x8001;
  private static final int MAP_PRIVATE_ANONYMOUS = 0x22;

  private static final long NANOS = 1_000_000_000L;

  private static final long BLKSSZGET = 0x1268;
  private static final long BLKPBSZGET = 0x127b;
  private static final long BLKGETSIZE64 = 0x80081272L;
  private static final long BLKDISCARD = 0x1277;
  private static final long BLKZEROOUT = 0x127f;

  /** The number and six arguments. */
  private static final FunctionDescriptor SYSCALL_SHAPE =
      FunctionDescriptor.of(
          ValueLayout.JAVA_LONG,
          Collections.nCopies(7, ValueLayout.JAVA_LONG).toArray(MemoryLayout[]::new));

  private static final String REASON;
  private static final MethodHandle SYSCALL;

  /** With one argument more, which the C library does not look at, and Java holds on to. */
  private static final MethodHandle HOLDING_SYSCALL;

  private static final int PAGE_BYTES;

  /** Where a call leaves errno: one word a thread, so that calls on threads do not mix. */
  private static final ThreadLocal<MemorySegment> ERRNO =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(errnoLayout()));

  static {
    String reason = platformReason();
    MethodHandle syscall = null;
    MethodHandle holding = null;
    int pageBytes = 4096;
    if (reason.isEmpty()) {
      try {
        Linker linker = Linker.nativeLinker();
        syscall = linkSyscall(linker, SYSCALL_SHAPE);
        holding = linkSyscall(linker, SYSCALL_SHAPE.appendArgumentLayouts(ValueLayout.ADDRESS));
        pageBytes = linkedPageBytes(linker);
        RawMemory.at(0, 0);
      } catch (IllegalCallerException e) {
        reason =
            "native access is denied to this code: start java with"
                + " --enable-native-access=ALL-UNNAMED (or =dev.belay on the module path)";
      } catch (Throwable e) {
        reason = "the C library's syscall function cannot be linked: " + e;
      }
    }
    REASON = reason;
    SYSCALL = reason.isEmpty() && syscall != null ? syscall : refusal(reason);
    HOLDING_SYSCALL =
        reason.isEmpty() && holding != null
            ? holding
            : MethodHandles.dropArguments(
                SYSCALL, SYSCALL.type().parameterCount(), MemorySegment.class);
    PAGE_BYTES = pageBytes;
  }

  private Kernel() {}

  /** Whether system calls can be made here; says nothing yet about io_uring. */
  public static boolean available() {
    return REASON.isEmpty();
  }

  /** Why {@link #available()} is false, as a sentence; empty if it is true. */
  public static String unavailableReason() {
    return REASON;
  }

  /** The size of a memory page, bytes; 4096 where it cannot be asked for. */
  public static int pageBytes() {
    return PAGE_BYTES;
  }

  /**
   * Opens a file or a device. The descriptor is never inherited by programs that are started.
   *
   * @param flags O_ constants, joined by or; O_CLOEXEC is added
   * @param mode permission bits for a file that O_CREAT makes, for instance 0644 in octal
   * @return a descriptor, or a negated error number
   */
  public static int open(String path, int flags, int mode) {
    try (Arena arena = Arena.ofConfined()) {
      long name = arena.allocateFrom(path, StandardCharsets.UTF_8).address();
      return (int) repeated(OPENAT, AT_FDCWD, name, flags | O_CLOEXEC, mode, 0, 0);
    }
  }

  /** Closes a descriptor. Never repeated: it is gone whatever the answer. */
  public static int close(int fd) {
    return (int) call(CLOSE, fd, 0, 0, 0, 0, 0);
  }

  /** Reads at the file's own position; blocks where the file does (a pipe, an eventfd). */
  public static long read(int fd, long address, long lengthBytes) {
    return repeated(READ, fd, address, lengthBytes, 0, 0, 0);
  }

  public static long write(int fd, long address, long lengthBytes) {
    return repeated(WRITE, fd, address, lengthBytes, 0, 0, 0);
  }

  /** Reads at an offset; fewer bytes than asked for, or 0, at the end of the file. */
  public static long pread(int fd, long address, long lengthBytes, long offsetBytes) {
    return repeated(PREAD64, fd, address, lengthBytes, offsetBytes, 0, 0);
  }

  public static long pwrite(int fd, long address, long lengthBytes, long offsetBytes) {
    return repeated(PWRITE64, fd, address, lengthBytes, offsetBytes, 0, 0);
  }

  /**
   * Writes at an offset with flags for this write alone.
   *
   * @param rwFlags RWF_ constants, for instance {@link #RWF_DSYNC}
   */
  public static long pwrite(int fd, long address, long lengthBytes, long offsetBytes, int rwFlags) {
    return vectored(PWRITEV2, fd, address, lengthBytes, offsetBytes, rwFlags);
  }

  /** Reads at an offset with flags for this read alone. */
  public static long pread(int fd, long address, long lengthBytes, long offsetBytes, int rwFlags) {
    return vectored(PREADV2, fd, address, lengthBytes, offsetBytes, rwFlags);
  }

  /**
   * Reads into a part of {@code memory}, which nobody can close meanwhile.
   *
   * @throws IllegalStateException if it was closed before
   * @throws WrongThreadException if it is confined to another thread
   * @throws IllegalArgumentException if it is on the heap
   */
  public static long pread(
      int fd, MemorySegment memory, long memoryOffsetBytes, long lengthBytes, long offsetBytes) {
    long address = memory.address() + memoryOffsetBytes;
    long result;
    do {
      result = holding(memory, PREAD64, fd, address, lengthBytes, offsetBytes, 0, 0);
    } while (result == -Errno.EINTR);
    return result;
  }

  /** The same for a write. */
  public static long pwrite(
      int fd, MemorySegment memory, long memoryOffsetBytes, long lengthBytes, long offsetBytes) {
    long address = memory.address() + memoryOffsetBytes;
    long result;
    do {
      result = holding(memory, PWRITE64, fd, address, lengthBytes, offsetBytes, 0, 0);
    } while (result == -Errno.EINTR);
    return result;
  }

  /** The same for a write with flags for this write alone. */
  public static long pwrite(
      int fd,
      MemorySegment memory,
      long memoryOffsetBytes,
      long lengthBytes,
      long offsetBytes,
      int rwFlags) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment vector = arena.allocate(2 * Long.BYTES, Long.BYTES);
      vector.set(ValueLayout.JAVA_LONG, 0, memory.address() + memoryOffsetBytes);
      vector.set(ValueLayout.JAVA_LONG, Long.BYTES, lengthBytes);
      long result;
      do {
        result = holding(memory, PWRITEV2, fd, vector.address(), 1, offsetBytes, 0, rwFlags);
      } while (result == -Errno.EINTR);
      return result;
    }
  }

  /** Makes content and attributes durable; sleeps until the device says so. */
  public static int fsync(int fd) {
    return (int) repeated(FSYNC, fd, 0, 0, 0, 0, 0);
  }

  /** Makes content durable, and of the attributes what reading it back needs. */
  public static int fdatasync(int fd) {
    return (int) repeated(FDATASYNC, fd, 0, 0, 0, 0, 0);
  }

  public static int ftruncate(int fd, long sizeBytes) {
    return (int) repeated(FTRUNCATE, fd, sizeBytes, 0, 0, 0, 0);
  }

  /**
   * Allocates, zeroes or frees a range of a file, or of a block device where its driver can.
   *
   * @param mode FALLOC_ constants; PUNCH_HOLE needs KEEP_SIZE too
   */
  public static int fallocate(int fd, int mode, long offsetBytes, long lengthBytes) {
    return (int) repeated(FALLOCATE, fd, mode, offsetBytes, lengthBytes, 0, 0);
  }

  /**
   * Where, from an offset on, something is stored, or nothing is. Moves the descriptor's own
   * position, which none of the transfers here uses.
   *
   * @param whence {@link #SEEK_STORED} or {@link #SEEK_HOLE}
   * @return the offset; -ENXIO if there is none before the end of the file
   */
  public static long lseek(int fd, long offsetBytes, int whence) {
    return repeated(LSEEK, fd, offsetBytes, whence, 0, 0, 0);
  }

  public static int fadvise(int fd, long offsetBytes, long lengthBytes, int advice) {
    return (int) repeated(FADVISE64, fd, offsetBytes, lengthBytes, advice, 0, 0);
  }

  /** Locks or unlocks a whole file against other openings of it (LOCK_ constants). */
  public static int flock(int fd, int operation) {
    return (int) repeated(FLOCK, fd, operation, 0, 0, 0, 0);
  }

  /** Anonymous memory, zeroed, page-aligned: its address, or a negated error number. */
  public static long mmapAnonymous(long lengthBytes) {
    return call(MMAP, 0, lengthBytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  }

  /** Maps a part of a descriptor, shared and populated: its address, or a negated error number. */
  static long mmapShared(int fd, long lengthBytes, long offsetBytes) {
    return call(MMAP, 0, lengthBytes, PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, offsetBytes);
  }

  public static int munmap(long address, long lengthBytes) {
    return (int) call(MUNMAP, address, lengthBytes, 0, 0, 0, 0);
  }

  public static int madvise(long address, long lengthBytes, int advice) {
    return (int) call(MADVISE, address, lengthBytes, advice, 0, 0, 0);
  }

  /** A new eventfd with count 0, non-blocking, or a negated error number. */
  public static int eventfd() {
    Signal.make(); // now, and not with the first signal, which must not allocate
    return (int) call(EVENTFD2, 0, EFD_FLAGS, 0, 0, 0, 0);
  }

  /**
   * Adds 1 to an eventfd, which wakes whoever waits for it. Does not block, and unless it fails, it
   * allocates nothing, on any thread: it does not ask for errno, for which there would have to be
   * memory.
   */
  public static int eventfdSignal(int fd) {
    return Signal.write(fd) >= 0
        ? 0
        : (int) Math.min(0, repeated(WRITE, fd, Signal.ONE, Signal.BYTES, 0, 0, 0));
  }

  /** Takes an eventfd's count and sets it to 0; 0 if it was 0. Does not block. */
  public static long eventfdDrain(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      long taken = repeated(READ, fd, count.address(), Long.BYTES, 0, 0, 0);
      if (taken == -Errno.EAGAIN) {
        return 0;
      }
      return taken < 0 ? taken : count.get(ValueLayout.JAVA_LONG, 0);
    }
  }

  /**
   * Waits until a descriptor can be read, or the time is over. Not repeated after a signal.
   *
   * @return 1 if it can be read, 0 if the time was over
   */
  public static int pollIn(int fd, long atMostNanos) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment polled = arena.allocate(Long.BYTES, Long.BYTES);
      polled.set(ValueLayout.JAVA_INT, 0, fd);
      polled.set(ValueLayout.JAVA_SHORT, Integer.BYTES, (short) Abi.POLLIN);
      MemorySegment time = arena.allocate(2 * Long.BYTES, Long.BYTES);
      long nanos = Math.max(0, atMostNanos);
      time.set(ValueLayout.JAVA_LONG, 0, nanos / NANOS);
      time.set(ValueLayout.JAVA_LONG, Long.BYTES, nanos % NANOS);
      return (int) call(PPOLL, polled.address(), 1, time.address(), 0, 0, 0);
    }
  }

  /** What the kernel says of an open file: {@link FileFacts}; empty attributes are 0. */
  static int statx(int fd, long factsAddress, int mask) {
    try (Arena arena = Arena.ofConfined()) {
      long name = arena.allocateFrom("").address();
      return (int) repeated(STATX, fd, name, AT_EMPTY_PATH, mask, factsAddress, 0);
    }
  }

  /** What the kernel says of the file system of an open file: {@link FileSystems}. */
  static int fstatfs(int fd, long factsAddress) {
    return (int) repeated(FSTATFS, fd, factsAddress, 0, 0, 0, 0);
  }

  /** The size of an open block device, bytes, or a negated error number. */
  public static long blockDeviceBytes(int fd) {
    return asked(fd, BLKGETSIZE64, Long.BYTES);
  }

  /** The logical block size of an open block device, bytes, or a negated error number. */
  public static int logicalBlockBytes(int fd) {
    return (int) asked(fd, BLKSSZGET, Integer.BYTES);
  }

  /** The physical block size of an open block device, bytes, or a negated error number. */
  public static int physicalBlockBytes(int fd) {
    return (int) asked(fd, BLKPBSZGET, Integer.BYTES);
  }

  /** Tells a block device that a range is no longer used. Blocks until it is done. */
  public static int blockDiscard(int fd, long offsetBytes, long lengthBytes) {
    return ranged(fd, BLKDISCARD, offsetBytes, lengthBytes);
  }

  /** Zeroes a range of a block device. Blocks until it is done. */
  public static int blockZeroOut(int fd, long offsetBytes, long lengthBytes) {
    return ranged(fd, BLKZEROOUT, offsetBytes, lengthBytes);
  }

  /** How much memory may be locked, bytes (RLIMIT_MEMLOCK); Long.MAX_VALUE if unlimited. */
  public static long memlockLimitBytes() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment limits = arena.allocate(2 * Long.BYTES, Long.BYTES);
      long result = call(PRLIMIT64, 0, RLIMIT_MEMLOCK, 0, limits.address(), 0, 0);
      long soft = limits.get(ValueLayout.JAVA_LONG, 0);
      return result < 0 ? result : soft < 0 ? Long.MAX_VALUE : soft;
    }
  }

  /** Any call, errno left in memory that the caller owns: the ring's own path. Not repeated. */
  static long call(
      MemorySegment errno, int number, long a, long b, long c, long d, long e, long f) {
    long result;
    try {
      result = (long) SYSCALL.invokeExact(errno, (long) number, a, b, c, d, e, f);
    } catch (RuntimeException | Error thrown) {
      throw thrown;
    } catch (Throwable thrown) {
      throw new IllegalStateException(thrown);
    }
    return result == -1 ? -errno.get(ValueLayout.JAVA_INT_UNALIGNED, 0) : result;
  }

  static long call(int number, long a, long b, long c, long d, long e, long f) {
    return call(ERRNO.get(), number, a, b, c, d, e, f);
  }

  /** The same, during which nobody can close the arena of {@code held}. */
  private static long holding(
      MemorySegment held, int number, long a, long b, long c, long d, long e, long f) {
    MemorySegment errno = ERRNO.get();
    long result;
    try {
      result = (long) HOLDING_SYSCALL.invokeExact(errno, (long) number, a, b, c, d, e, f, held);
    } catch (RuntimeException | Error thrown) {
      throw thrown;
    } catch (Throwable thrown) {
      throw new IllegalStateException(thrown);
    }
    return result == -1 ? -errno.get(ValueLayout.JAVA_INT_UNALIGNED, 0) : result;
  }

  private static long repeated(int number, long a, long b, long c, long d, long e, long f) {
    long result;
    do {
      result = call(number, a, b, c, d, e, f);
    } while (result == -Errno.EINTR);
    return result;
  }

  private static long vectored(
      int number, int fd, long address, long lengthBytes, long offsetBytes, int rwFlags) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment vector = arena.allocate(2 * Long.BYTES, Long.BYTES);
      vector.set(ValueLayout.JAVA_LONG, 0, address);
      vector.set(ValueLayout.JAVA_LONG, Long.BYTES, lengthBytes);
      return repeated(number, fd, vector.address(), 1, offsetBytes, 0, rwFlags);
    }
  }

  private static long asked(int fd, long request, int answerBytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment answer = arena.allocate(Long.BYTES, Long.BYTES);
      long result = repeated(IOCTL, fd, request, answer.address(), 0, 0, 0);
      if (result < 0) {
        return result;
      }
      return answerBytes == Long.BYTES
          ? answer.get(ValueLayout.JAVA_LONG, 0)
          : answer.get(ValueLayout.JAVA_INT, 0);
    }
  }

  private static int ranged(int fd, long request, long offsetBytes, long lengthBytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment range = arena.allocate(2 * Long.BYTES, Long.BYTES);
      range.set(ValueLayout.JAVA_LONG, 0, offsetBytes);
      range.set(ValueLayout.JAVA_LONG, Long.BYTES, lengthBytes);
      return (int) repeated(IOCTL, fd, request, range.address(), 0, 0, 0);
    }
  }

  static MemoryLayout errnoLayout() {
    return Linker.Option.captureStateLayout();
  }

  private static String platformReason() {
    String system = System.getProperty("os.name", "?");
    String processor = System.getProperty("os.arch", "?");
    if (!system.equals("Linux")) {
      return "io_uring is a part of Linux, and this system is " + system;
    }
    if (!ARM && !processor.equals("amd64") && !processor.equals("x86_64")) {
      return "only x86_64 and aarch64 are known here, and this processor is " + processor;
    }
    return "";
  }

  private static MethodHandle linkSyscall(Linker linker, FunctionDescriptor shape) {
    return linker.downcallHandle(
        symbol(linker, "syscall"),
        shape,
        Linker.Option.captureCallState("errno"),
        Linker.Option.firstVariadicArg(1));
  }

  private static int linkedPageBytes(Linker linker) throws Throwable {
    return (int)
        linker
            .downcallHandle(
                symbol(linker, "getpagesize"), FunctionDescriptor.of(ValueLayout.JAVA_INT))
            .invokeExact();
  }

  private static MemorySegment symbol(Linker linker, String name) {
    Optional<MemorySegment> found = linker.defaultLookup().find(name);
    return found.orElseThrow(() -> new UnsatisfiedLinkError("no symbol " + name));
  }

  /** Has the shape of the linked call and throws the reason instead, so no call has to test. */
  private static MethodHandle refusal(String reason) {
    MethodType shape =
        MethodType.methodType(
            long.class,
            MemorySegment.class,
            long.class,
            long.class,
            long.class,
            long.class,
            long.class,
            long.class,
            long.class);
    try {
      MethodHandle refuse =
          MethodHandles.lookup()
              .findStatic(Kernel.class, "refuse", MethodType.methodType(long.class, String.class));
      return MethodHandles.dropArguments(refuse.bindTo(reason), 0, shape.parameterList());
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("the refusal of system calls is missing", e);
    }
  }

  @SuppressWarnings("unused") // found by name, above
  private static long refuse(String reason) {
    throw new UnsupportedOperationException(reason);
  }

  /** What signals need; apart, so that it exists only where calls can be made. */
  private static final class Signal {
    static final long BYTES = Long.BYTES;
    static final long ONE = Arena.global().allocateFrom(ValueLayout.JAVA_LONG, 1L).address();
    static final MethodHandle WRITE_CALL = link();

    /** The JVM specializes a handle, which allocates, after some 127 calls: they are made here. */
    private static final int CALLS_TO_SPECIALIZE = 200;

    static {
      for (int i = 0; i < CALLS_TO_SPECIALIZE; i++) {
        write(-1);
      }
    }

    private Signal() {}

    /** Below zero where it failed. */
    static long write(int fd) {
      try {
        return (long) WRITE_CALL.invokeExact((long) WRITE, (long) fd, ONE, BYTES);
      } catch (RuntimeException | Error thrown) {
        throw thrown;
      } catch (Throwable thrown) {
        throw new IllegalStateException(thrown);
      }
    }

    static void make() {}

    private static MethodHandle link() {
      Linker linker = Linker.nativeLinker();
      ValueLayout.OfLong word = ValueLayout.JAVA_LONG;
      return linker.downcallHandle(
          symbol(linker, "syscall"),
          FunctionDescriptor.of(word, word, word, word, word),
          Linker.Option.firstVariadicArg(1));
    }
  }
}
