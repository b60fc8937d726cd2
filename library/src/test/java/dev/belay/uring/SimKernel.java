// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import dev.belay.testing.SimClock;
import dev.belay.testing.Steps;
import dev.belay.uring.RingWeather.Knob;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A kernel below the real {@link Ring}, on virtual time: it reads entries and posts completions in
 * the same memory as Linux would, and fails as Linux can. Everything it does follows from its
 * random numbers and its {@link RingWeather}.
 *
 * <p>What it allows itself was read in io_uring.c, wait.c, cancel.c, poll.c, rw.c and io-wq.c of
 * Linux 5.11 to 6.18. What a user of the interface must not do is a {@linkplain #violations
 * violation}.
 */
public final class SimKernel extends RingCalls {
  /** A wait that nothing will ever end. */
  public static final class Stuck extends RuntimeException {
    private static final long serialVersionUID = 1;

    Stuck() {
      super("the loop sleeps for ever: a request is open and nothing will happen any more");
    }
  }

  /** A completion that waits for room in the queue, or is about to be in it. */
  private record Kept(long token, int result, int flags, SimSent sent) {}

  /** How much memory one needs for its queues. */
  public static final int SPACE_BYTES = 256 << 10;

  /** Above all real descriptors, so that none of those is meant by mistake. */
  private static final int FIRST_FD = 1_500_000_000;

  private static final int RING_SLOT = 3;
  private static final long HANG_NANOS = 10_000_000_000L;
  private static final long HOPELESS_NANOS = 1_000_000_000;
  private static final int EBADFD = 77;
  private static final int[] REFUSALS = {
    Errno.EAGAIN, Errno.EBUSY, Errno.EINTR, Errno.ENOMEM, Errno.EPERM, Errno.ENXIO
  };

  // Where things are in the first mapping; the entries are another.
  private static final int SQ_HEAD = 0;
  private static final int SQ_TAIL = 4;
  private static final int SQ_FLAGS = 8;
  private static final int SQ_DROPPED = 12;
  private static final int CQ_HEAD = 16;
  private static final int CQ_TAIL = 20;
  private static final int CQ_OVERFLOW = 24;
  private static final int CQES = 64;
  private static final long SQES_AT = 0x10000000L;

  private final SimClock clock;
  private final Steps steps;
  private final SplittableRandom random;
  private final long base;
  private final long sqes;
  private RingWeather weather;
  private int sqEntries;
  private int cqEntries;
  private int array = -1;
  private boolean defers;
  private boolean isEnabled;
  private boolean isOff;
  private boolean isWaiting;
  private int ringFd = -1;
  private BooleanSupplier onStuck = () -> false;
  private int enters;
  private long refusedSinceNanos = -1;
  private boolean hasRefusedForGood;
  private int nextFd = FIRST_FD;

  private final List<SimEntry> entries = new ArrayList<>();
  private final ArrayDeque<SimEntry> spare = new ArrayDeque<>();
  private final ArrayDeque<SimSent> sending = new ArrayDeque<>();
  private final List<@Nullable SimDevice> devices = new ArrayList<>();
  private final ArrayDeque<Kept> overflow = new ArrayDeque<>();
  private final SimSent nobody = new SimSent();
  private boolean hasDropped;
  private int dropped;
  private int eventfd = -1;
  private int signals;
  private int[] fileTable = new int[0];
  private final long[] bufferStarts = new long[64];
  private final long[] bufferEnds = new long[64];
  private long[] lastTokens = new long[64];
  private final List<String> violations = new ArrayList<>();

  /**
   * @param space memory for the queues, of {@link #SPACE_BYTES}, for one kernel at a time
   */
  public SimKernel(
      SimClock clock,
      Steps steps,
      RingWeather weather,
      SplittableRandom random,
      MemorySegment space) {
    this.clock = clock;
    this.steps = steps;
    this.weather = weather;
    this.random = random;
    base = space.address();
    sqes = base + SPACE_BYTES / 2;
    space.fill((byte) 0);
    Arrays.fill(lastTokens, -1);
  }

  // --- What tests ask for ---

  public SimClock clock() {
    return clock;
  }

  public SplittableRandom random() {
    return random;
  }

  public RingWeather weather() {
    return weather;
  }

  /** Changes its behaviour from now on; what was decided by the set-up stays. */
  public void setWeather(RingWeather weather) {
    this.weather = weather;
  }

  /** What the user of the interface did wrong; a sentence each. */
  public List<String> violations() {
    return violations;
  }

  void violate(String sentence) {
    violations.add(sentence);
  }

  /** A new descriptor. */
  public int open(SimDevice device) {
    devices.add(device);
    return nextFd++;
  }

  /** Power loss: nothing is answered any more, and nothing takes effect. */
  public void switchOff() {
    isOff = true;
  }

  public boolean isOff() {
    return isOff;
  }

  /** The next entry for a device is of this request. */
  public void willSend(SimSent sent) {
    sending.add(sent);
  }

  /** Whether the loop sleeps in a call. */
  public boolean isWaiting() {
    return isWaiting;
  }

  /** How many calls there were that could submit. */
  public int enters() {
    return enters;
  }

  /** How many completions were lost, ever. */
  public int dropped() {
    return dropped;
  }

  /** How many entries of devices are not answered. */
  public int pending() {
    int count = 0;
    for (Kept kept : overflow) {
      count += kept.sent == nobody ? 0 : 1;
    }
    for (SimEntry entry : entries) {
      count += entry.device != null ? 1 : 0;
    }
    return count;
  }

  /** What it has taken and not answered. */
  public String show() {
    StringBuilder text = new StringBuilder();
    for (SimEntry entry : entries) {
      text.append(entry.dueNanos == SimEntry.NEVER ? "; waits: " : "; due: ");
      text.append(Abi.opName(entry.op)).append(" of ").append(entry.fd - FIRST_FD);
      text.append(entry.isStopped ? ", stopped" : "");
    }
    return text.toString();
  }

  /** How many descriptors of devices are open. */
  public int openDevices() {
    int count = 0;
    for (SimDevice device : devices) {
      count += device != null ? 1 : 0;
    }
    return count;
  }

  /** Whether every call is refused from now on, for good. */
  public boolean isRefusingForEver() {
    return weather.of(Knob.REFUSES_FOR) >= 1000 && enters >= weather.of(Knob.REFUSES_FROM);
  }

  /** Whether it ever refused everything for so long, and so, that nobody had to hope. */
  public boolean hasRefusedForGood() {
    return hasRefusedForGood;
  }

  /** What is asked when a wait would never end: whether it may end as if a signal had come. */
  public void onStuck(BooleanSupplier goesOn) {
    onStuck = goesOn;
  }

  /** What hangs goes on. False if nothing did. */
  public boolean release() {
    boolean any = false;
    for (SimEntry entry : entries) {
      if (entry.hangs) {
        entry.hangs = false;
        entry.dueNanos = clock.nowNanos();
        any = true;
      }
    }
    return any;
  }

  /** Whether something happens to one of a thousand, with these odds. */
  public boolean happens(Knob knob) {
    int odds = weather.of(knob);
    return odds > 0 && random.nextInt(1000) < odds;
  }

  /** A time within the usual latency from now. */
  public long soonNanos() {
    return clock.nowNanos() + random.nextLong(2L * weather.of(Knob.LATENCY_NANOS) + 1);
  }

  /** It hangs from now on, or for as long as nobody would wait. */
  void hang(SimEntry entry) {
    entry.hangs = true;
    entry.dueNanos = clock.nowNanos() + HANG_NANOS;
  }

  // --- The calls ---

  @Override
  protected int setUp(int wantedSq, long params) {
    int wantedCq = RawMemory.getInt(params + 4);
    int flags = RawMemory.getInt(params + 8);
    int old = weather.of(Knob.OLD);
    if ((old > 0 && (flags & Abi.SETUP_NO_SQARRAY) != 0)
        || (old > 1 && (flags & Abi.SETUP_DEFER_TASKRUN) != 0)) {
      return -Errno.EINVAL;
    }
    int sq = weather.of(Knob.SQ_ENTRIES);
    int cq = weather.of(Knob.CQ_ENTRIES);
    sqEntries = sq == 0 ? wantedSq : 1 << (sq - 1);
    cqEntries = cq == 0 ? wantedCq : 1 << cq;
    defers = (flags & Abi.SETUP_DEFER_TASKRUN) != 0;
    isEnabled = (flags & Abi.SETUP_R_DISABLED) == 0;
    int arrayAt = CQES + cqEntries * RingSetup.CQE_BYTES;
    array = (flags & Abi.SETUP_NO_SQARRAY) == 0 ? arrayAt : -1;
    RawMemory.putInt(params, sqEntries);
    RawMemory.putInt(params + 4, cqEntries);
    RawMemory.putInt(params + 20, Abi.FEAT_SINGLE_MMAP | Abi.FEAT_NODROP | Abi.FEAT_EXT_ARG);
    int[] sqOffsets = {SQ_HEAD, SQ_TAIL, 28, 32, SQ_FLAGS, SQ_DROPPED, arrayAt};
    int[] cqOffsets = {CQ_HEAD, CQ_TAIL, 28, 32, CQ_OVERFLOW, CQES};
    for (int i = 0; i < sqOffsets.length; i++) {
      RawMemory.putInt(params + 40 + 4 * i, sqOffsets[i]);
    }
    for (int i = 0; i < cqOffsets.length; i++) {
      RawMemory.putInt(params + 80 + 4 * i, cqOffsets[i]);
    }
    devices.add(null);
    ringFd = nextFd++;
    return ringFd;
  }

  @Override
  protected long map(int fd, long lengthBytes, long offsetBytes) {
    return offsetBytes == SQES_AT ? sqes : base;
  }

  @Override
  protected int unmap(long address, long lengthBytes) {
    return 0;
  }

  @Override
  public int close(int fd) {
    for (SimEntry entry : entries) {
      if (entry.device != null && entry.device == deviceOf(fd) && !isOff) {
        violate("the descriptor of an entry was closed that the kernel still has");
      }
    }
    if (fd < FIRST_FD || fd >= nextFd) {
      violate("a descriptor was closed that was never open: " + fd);
      return -Errno.EBADF;
    }
    SimDevice device = deviceOf(fd);
    devices.set(fd - FIRST_FD, null);
    if (device != null) {
      device.closed(this);
    }
    return 0;
  }

  @Override
  public int eventfd() {
    devices.add(null);
    eventfd = nextFd++;
    return eventfd;
  }

  @Override
  public int signal(int fd) {
    signals++;
    for (int i = 0; i < entries.size(); i++) {
      if (entries.get(i).op == Abi.OP_POLL_ADD && entries.get(i).fd == eventfd) {
        entries.get(i).dueNanos = clock.nowNanos();
      }
    }
    return 0;
  }

  @Override
  public int await(int fd, long atMostNanos) {
    isWaiting = true;
    steps.step();
    if (signals == 0) {
      clock.advance(Math.max(0, atMostNanos));
      postDue(false);
      steps.step();
    }
    isWaiting = false;
    int had = signals;
    signals = 0;
    return had > 0 ? 1 : 0;
  }

  @Override
  protected int register(int fd, int operation, long argument, int count) {
    steps.step();
    switch (operation) {
      case Abi.REGISTER_ENABLE_RINGS -> isEnabled = true;
      case Abi.REGISTER_RING_FDS -> {
        RawMemory.putInt(argument, RING_SLOT);
        return random.nextBoolean() ? 1 : -Errno.EINVAL;
      }
      case Abi.UNREGISTER_RING_FDS -> {}
      case Abi.REGISTER_FILES -> {
        if (weather.of(Knob.NO_FILES) != 0) {
          return -Errno.EMFILE;
        }
        fileTable = new int[count];
        Arrays.fill(fileTable, -1);
      }
      case Abi.REGISTER_FILES_UPDATE -> {
        int file = RawMemory.getInt(RawMemory.getLong(argument + 8));
        fileTable[RawMemory.getInt(argument)] = file;
        return 1;
      }
      case Abi.REGISTER_BUFFERS2 -> {
        return weather.of(Knob.NO_BUFFERS) != 0 ? -Errno.ENOMEM : 0;
      }
      case Abi.REGISTER_BUFFERS_UPDATE -> {
        long vector = RawMemory.getLong(argument + 8);
        int slot = RawMemory.getInt(argument);
        bufferStarts[slot] = RawMemory.getLong(vector);
        bufferEnds[slot] = bufferStarts[slot] + RawMemory.getLong(vector + 8);
        return 1;
      }
      default -> violate("an unknown registration: " + operation);
    }
    return 0;
  }

  @Override
  protected int enter(
      MemorySegment errno, int fd, int count, int least, int flags, long argument, int bytes) {
    steps.step();
    int refusal = refusal(fd, flags);
    boolean isPassing = refusal == Errno.EAGAIN || refusal == Errno.EBUSY;
    if (refusal == 0 || isPassing || refusal == Errno.EINTR || refusal == Errno.ENOMEM) {
      refusedSinceNanos = -1;
    } else if (refusedSinceNanos < 0) {
      refusedSinceNanos = clock.nowNanos();
    } else {
      hasRefusedForGood |= clock.nowNanos() - refusedSinceNanos >= HOPELESS_NANOS;
    }
    if (refusal != 0) {
      return -refusal;
    }
    boolean waits = (flags & Abi.ENTER_GETEVENTS) != 0;
    if (weather.of(Knob.BUSY) != 0 && count > 0) {
      flush();
      if (!overflow.isEmpty()) {
        return -Errno.EBUSY;
      }
    }
    int taken = take(count);
    if (taken < count) {
      return taken == 0 ? -Errno.EAGAIN : taken;
    }
    postDue(waits);
    if (!waits) {
      return taken;
    }
    flush();
    long end = least == 0 ? clock.nowNanos() : SimEntry.NEVER;
    if (least > 0 && (flags & Abi.ENTER_EXT_ARG) != 0) {
      long time = RawMemory.getLong(argument + 16);
      long nanos = RawMemory.getLong(time) * 1_000_000_000L + RawMemory.getLong(time + 8);
      end = nanos > Long.MAX_VALUE / 2 ? SimEntry.NEVER : clock.nowNanos() + nanos;
    }
    int waited = least == 0 ? 0 : waitFor(least, end);
    postDue(false); // what came meanwhile is there, or is said to be
    return taken > 0 ? taken : waited;
  }

  private int refusal(int fd, int flags) {
    boolean isSlot = (flags & Abi.ENTER_REGISTERED_RING) != 0;
    if (fd != (isSlot ? RING_SLOT : ringFd)) {
      violate("a ring was entered by another descriptor");
      return Errno.EBADF;
    }
    if (!isEnabled) {
      return EBADFD;
    }
    int number = enters++;
    int from = weather.of(Knob.REFUSES_FROM);
    int howMany = weather.of(Knob.REFUSES_FOR);
    boolean isInWindow = number >= from && (number < from + howMany || howMany >= 1000);
    if (howMany > 0 && isInWindow) {
      return REFUSALS[weather.of(Knob.REFUSES_WITH)];
    }
    return happens(Knob.REFUSES) ? REFUSALS[random.nextInt(REFUSALS.length)] : 0;
  }

  private int waitFor(int least, long endNanos) {
    isWaiting = true;
    try {
      return waitForCompletions(least, endNanos);
    } finally {
      isWaiting = false;
    }
  }

  /** As io_cqring_wait. */
  private int waitForCompletions(int least, long endNanos) {
    for (; ; ) {
      if (ready() >= Math.min(least, cqEntries)) {
        return 0;
      }
      steps.step();
      postDue(true);
      flush();
      if (hasDropped && ready() == 0) {
        hasDropped = false;
        return -Errno.EBADR;
      }
      if (ready() >= Math.min(least, cqEntries)) {
        return 0;
      }
      if (happens(Knob.SIGNALS)) {
        return ready() > 0 ? 0 : -Errno.EINTR;
      }
      long next = nextDueNanos();
      if (next > endNanos) {
        clock.advance(Math.max(0, endNanos - clock.nowNanos()));
        return ready() > 0 ? 0 : -Errno.ETIME;
      }
      if (next == SimEntry.NEVER) {
        if (!onStuck.getAsBoolean()) {
          throw new Stuck();
        }
        return -Errno.EINTR;
      }
      clock.advance(Math.max(0, next - clock.nowNanos()));
    }
  }

  // --- Entries ---

  private int take(int count) {
    int head = RawMemory.getInt(base + SQ_HEAD);
    int there = RawMemory.getInt(base + SQ_TAIL) - head;
    if (count != there || there > sqEntries) {
      violate("%d entries were submitted, and %d are there".formatted(count, there));
    }
    int ofDevices = 0;
    for (int i = 0; i < count; i++) {
      long sqe = sqe(head + i);
      boolean isFiles = isFiles(RawMemory.getInt(sqe) & 0xff, RawMemory.getLong(sqe + 32));
      ofDevices += isFiles ? 1 : 0;
    }
    while (sending.size() > ofDevices) {
      sending.remove(); // prepared, and taken back before there was a call
    }
    int takes = count > 0 && happens(Knob.PARTS) ? random.nextInt(count + 1) : count;
    for (int i = 0; i < takes; i++) {
      SimEntry entry = read(sqe(head + i));
      RawMemory.putIntRelease(base + SQ_HEAD, head + i + 1);
      start(entry);
    }
    sending.clear();
    return takes;
  }

  private static boolean isFiles(int op, long token) {
    return token >= 0 && op != Abi.OP_ASYNC_CANCEL && op != Abi.OP_POLL_ADD;
  }

  private long sqe(int position) {
    int masked = position & (sqEntries - 1);
    int index = array < 0 ? masked : RawMemory.getInt(base + array + 4L * masked);
    return sqes + (long) index * RingSetup.SQE_BYTES;
  }

  private SimEntry read(long sqe) {
    SimEntry entry = spare.isEmpty() ? new SimEntry() : spare.pop();
    int head = RawMemory.getInt(sqe);
    entry.op = head & 0xff;
    entry.sqeFlags = (head >>> 8) & 0xff;
    entry.priority = head >>> 16;
    entry.fd = RawMemory.getInt(sqe + 4);
    entry.offset = RawMemory.getLong(sqe + 8);
    entry.address = RawMemory.getLong(sqe + 16);
    entry.length = RawMemory.getInt(sqe + 24);
    entry.opFlags = RawMemory.getInt(sqe + 28);
    entry.token = RawMemory.getLong(sqe + 32);
    entry.buffer = RawMemory.getInt(sqe + 40);
    entry.result = 0;
    entry.flags = 0;
    entry.hangs = false;
    entry.beginsNanos = SimEntry.NEVER;
    entry.isWithDevice = false;
    entry.isStopped = false;
    entry.earlyBlocks = 0;
    entry.device = null;
    entry.sent = nobody;
    return entry;
  }

  private void start(SimEntry entry) {
    entries.add(entry);
    if (entry.op == Abi.OP_ASYNC_CANCEL) {
      entry.dueNanos = happens(Knob.LATE_ABORTS) ? soonNanos() : clock.nowNanos();
      if (entry.dueNanos == clock.nowNanos()) {
        answer(entry);
      }
      return;
    }
    if (entry.op == Abi.OP_POLL_ADD && entry.fd == eventfd) {
      entry.dueNanos = signals > 0 ? clock.nowNanos() : SimEntry.NEVER;
      return;
    }
    if (isFiles(entry.op, entry.token) && !sending.isEmpty()) {
      entry.sent = sending.remove();
      entry.sent.taken++;
      entry.sent.pending++;
    }
    checkToken(entry.token);
    SimDevice device = deviceOf(descriptor(entry));
    entry.device = device;
    if (device == null) {
      violate("an entry for a descriptor that is not open");
      return;
    }
    device.begin(this, entry);
    if (!entry.hangs && entry.dueNanos != SimEntry.NEVER && happens(Knob.INLINE)) {
      entry.dueNanos = Math.min(entry.dueNanos, clock.nowNanos());
      answer(entry);
    }
  }

  private int descriptor(SimEntry entry) {
    if ((entry.sqeFlags & Abi.SQE_FIXED_FILE) == 0) {
      return entry.fd;
    }
    return entry.fd < fileTable.length ? fileTable[entry.fd] : -1;
  }

  private @Nullable SimDevice deviceOf(int fd) {
    int index = fd - FIRST_FD;
    return index >= 0 && index < devices.size() ? devices.get(index) : null;
  }

  /** Of a file's entries none has the token of an earlier one: a late answer could mean either. */
  private void checkToken(long token) {
    if (token < 0) {
      return;
    }
    int slot = (int) token & 0xfffff;
    if (slot >= lastTokens.length) {
      int had = lastTokens.length;
      lastTokens = Arrays.copyOf(lastTokens, 2 * slot);
      Arrays.fill(lastTokens, had, lastTokens.length, -1);
    }
    if (token <= lastTokens[slot]) {
      violate("law 10: the token of an earlier entry was used again");
    }
    lastTokens[slot] = token;
  }

  /** Whether a range lies in the registered memory that an entry names. */
  boolean isRegistered(SimEntry entry) {
    return entry.address >= bufferStarts[entry.buffer]
        && entry.address + entry.length <= bufferEnds[entry.buffer];
  }

  // --- Answers ---

  /** What is due is answered, in any order; where the ring defers that, only in a wait. */
  public void tick() {
    postDue(false);
  }

  private void postDue(boolean isInWait) {
    if (isOff) {
      return;
    }
    int count = 0;
    for (int i = 0; i < entries.size(); i++) {
      count += entries.get(i).dueNanos <= clock.nowNanos() ? 1 : 0;
    }
    if (count > 0 && defers && !isInWait) {
      setSqFlag(Abi.SQ_TASKRUN, true);
      return;
    }
    setSqFlag(Abi.SQ_TASKRUN, false);
    for (; count > 0; count--) {
      int nth = random.nextInt(count);
      for (int i = 0; i < entries.size(); i++) {
        SimEntry entry = entries.get(i);
        if (entry.dueNanos <= clock.nowNanos() && nth-- == 0) {
          answer(entry);
          break;
        }
      }
    }
  }

  private long nextDueNanos() {
    long next = SimEntry.NEVER;
    for (int i = 0; i < entries.size(); i++) {
      next = Math.min(next, entries.get(i).dueNanos);
    }
    return isOff ? SimEntry.NEVER : next;
  }

  private void answer(SimEntry entry) {
    if (entry.op == Abi.OP_ASYNC_CANCEL) {
      entries.remove(entry);
      int result = cancel(entry.address);
      post(entry, result, 0);
      spare.push(entry);
      return;
    }
    if (entry.device == null) {
      answerWake(entry);
      return;
    }
    if (!entry.device.end(this, entry)) {
      return;
    }
    entries.remove(entry);
    post(entry, entry.result, entry.flags);
    spare.push(entry);
  }

  private void answerWake(SimEntry entry) {
    boolean isLast = (entry.length & Abi.POLL_ADD_MULTI) == 0 || happens(Knob.ENDS_POLL);
    entry.dueNanos = SimEntry.NEVER;
    if (isLast) {
      entries.remove(entry);
    }
    post(entry, Abi.POLLIN, isLast ? 0 : Abi.CQE_F_MORE);
  }

  private int cancel(long token) {
    for (int i = 0; i < entries.size(); i++) {
      SimEntry target = entries.get(i);
      if (target.token == token && target.device != null) {
        target.sent.aborts++;
        return target.device.abort(this, target);
      }
    }
    return -Errno.ENOENT;
  }

  private int ready() {
    return RawMemory.getInt(base + CQ_TAIL) - RawMemory.getIntAcquire(base + CQ_HEAD);
  }

  private void post(SimEntry entry, int result, int flags) {
    if (overflow.isEmpty() && ready() < cqEntries) {
      write(new Kept(entry.token, result, flags, entry.sent));
      return;
    }
    if (happens(Knob.DROPS)) {
      entry.sent.pending--;
      dropped++;
      hasDropped = true;
      entry.sent.lost++;
      RawMemory.putIntRelease(base + CQ_OVERFLOW, dropped);
      return;
    }
    overflow.add(new Kept(entry.token, result, flags, entry.sent));
    setSqFlag(Abi.SQ_CQ_OVERFLOW, true);
  }

  private void write(Kept completion) {
    completion.sent.pending--;
    int tail = RawMemory.getInt(base + CQ_TAIL);
    long cqe = base + CQES + (long) (tail & (cqEntries - 1)) * RingSetup.CQE_BYTES;
    RawMemory.putLong(cqe, completion.token);
    RawMemory.putInt(cqe + 8, completion.result);
    RawMemory.putInt(cqe + 12, completion.flags);
    RawMemory.putIntRelease(base + CQ_TAIL, tail + 1);
  }

  private void flush() {
    while (!overflow.isEmpty() && ready() < cqEntries) {
      write(overflow.remove());
    }
    setSqFlag(Abi.SQ_CQ_OVERFLOW, !overflow.isEmpty());
  }

  private void setSqFlag(int flag, boolean isUp) {
    int flags = RawMemory.getInt(base + SQ_FLAGS);
    RawMemory.putIntRelease(base + SQ_FLAGS, isUp ? flags | flag : flags & ~flag);
  }
}
