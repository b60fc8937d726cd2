// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Timers;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The write-intent bitmap of an open array: a bit for each chunk, on every member, which is set
 * before the first write to the chunk is sent, and taken away a while after the last one, behind a
 * flush of all members. After a crash only chunks whose bit is set can disagree.
 *
 * <p>Bits are set by whole pages of 4 KiB, together for all writers that wait. While the array is
 * degraded no bit is taken away, so that a member that comes back needs only the chunks whose bit
 * is set.
 *
 * <p>The loop's thread. The format is that of Linux: {@link BitmapHead} and then the bits, in one
 * area of each member.
 */
public final class IntentBitmap {
  private static final int PAGE_BYTES = 4096;
  private static final int WRITERS_A_PAGE = 1024;
  private static final int[] NO_WRITERS = new int[0];

  private final BitmapHead head;
  private final byte[] image;
  private final long usedBytes;
  private final long chunkBytes;
  private final int chunks;
  private final long tickNanos;
  private @Nullable Array array;
  private Timers.@Nullable Timer tick;

  /** How many writers each chunk has, by pages, which are there once a chunk of theirs had one. */
  private final int[][] writers;

  /** Bits that every member has. */
  private final BitSet onDisk = new BitSet();

  /** Chunks that may disagree after a crash or a failed write: only a walk takes them out. */
  private final BitSet needed = new BitSet();

  /** Chunks that were written while a member was away. */
  private final BitSet missedByAMember = new BitSet();

  /** Chunks that had a writer since the last tick. */
  private final BitSet recent = new BitSet();

  // Pages: what is to be written, and who waits for that.
  private final BitSet dirtyPages = new BitSet();
  private BitSet newBits = new BitSet();
  private ArrayDeque<Runnable> waiters = new ArrayDeque<>();
  private boolean isWriting;
  private boolean isClearing;

  /**
   * @param head as the members have it
   * @param bits the bits behind the head, all members' joined by OR
   * @param chunks how many bits there are
   */
  public IntentBitmap(BitmapHead head, BitSet bits, int chunks, boolean isClean) {
    this.head = head;
    this.chunks = chunks;
    chunkBytes = head.chunkBytes();
    tickNanos = Math.max(1, head.delaySeconds()) * 1_000_000_000L;
    usedBytes = BitmapHead.BYTES + Math.ceilDiv((long) chunks, 8);
    image = new byte[(int) (Math.ceilDiv(usedBytes, PAGE_BYTES) * PAGE_BYTES)];
    writers = new int[Math.ceilDiv(chunks, WRITERS_A_PAGE)][];
    Arrays.fill(writers, NO_WRITERS);
    onDisk.or(bits);
    if (!isClean) {
      needed.or(bits);
    }
    bits.stream().forEach(bit -> setInImage(bit, true));
  }

  void attach(Array array) {
    this.array = array;
    if (array.isDegraded()) {
      missedByAMember.or(onDisk);
    }
    tick = array.loop().timers().newTimer(this::tick);
    if (!onDisk.isEmpty()) {
      array.loop().execute(this::tickLater);
    }
  }

  private Array array() {
    return Objects.requireNonNull(array);
  }

  // --- Writers ---

  /** Whether all bits of the range are on disk; else {@code admitted} runs when they are. */
  boolean begin(long startBytes, long lengthBytes, Runnable admitted) {
    boolean isThere = true;
    int last = chunkAt(startBytes + lengthBytes - 1);
    for (int i = chunkAt(startBytes); i <= last; i++) {
      countWriter(i, 1);
      recent.set(i);
      if (!onDisk.get(i)) {
        isThere = false;
        if (!newBits.get(i)) {
          newBits.set(i);
          setInImage(i, true);
        }
      }
    }
    if (!isThere) {
      waiters.add(admitted);
      writePages();
    }
    return isThere;
  }

  /** A writer of the range is gone. */
  void end(long startBytes, long lengthBytes, boolean isWhole) {
    boolean isDegraded = array().isDegraded();
    int last = chunkAt(startBytes + lengthBytes - 1);
    for (int i = chunkAt(startBytes); i <= last; i++) {
      countWriter(i, -1);
      if (!isWhole) {
        needed.set(i);
      }
      if (isDegraded) {
        missedByAMember.set(i);
      }
    }
    tickLater();
  }

  private void countWriter(int chunk, int by) {
    int[] page = writers[chunk / WRITERS_A_PAGE];
    if (page == NO_WRITERS) {
      page = new int[WRITERS_A_PAGE];
      writers[chunk / WRITERS_A_PAGE] = page;
    }
    page[chunk % WRITERS_A_PAGE] += by;
  }

  private int chunkAt(long bytes) {
    return (int) Math.min(bytes / chunkBytes, chunks - 1L);
  }

  private void setInImage(int bit, boolean isSet) {
    int at = BitmapHead.BYTES + (bit >> 3);
    int mask = 1 << (bit & 7);
    image[at] = (byte) (isSet ? image[at] | mask : image[at] & ~mask);
    dirtyPages.set(at / PAGE_BYTES);
  }

  // --- The members' copies ---

  private void writePages() {
    if (isWriting || array().options().isReadOnly()) {
      return;
    }
    if (array().broken() != null) {
      breakDown();
      return;
    }
    isWriting = true;
    BitSet bits = newBits;
    newBits = new BitSet();
    ArrayDeque<Runnable> served = waiters;
    waiters = new ArrayDeque<>();
    dirtyPages.set(0);
    Records records = Objects.requireNonNull(array().records());
    head.setEvents(records.events());
    System.arraycopy(head.encode(), 0, image, 0, BitmapHead.BYTES);
    OwnRequests.write(array(), pieces(), () -> written(bits, served));
  }

  /** The pages that have changed, for all members; none if that throws, and the array is broken. */
  private List<OwnRequests.Piece> pieces() {
    List<OwnRequests.Piece> pieces = new ArrayList<>();
    try {
      addPages(pieces);
    } catch (RuntimeException | Error defect) {
      array().recordingThrew(defect);
      pieces.clear();
    }
    dirtyPages.clear();
    return pieces;
  }

  private void addPages(List<OwnRequests.Piece> pieces) {
    Records records = Objects.requireNonNull(array().records());
    for (int page = dirtyPages.nextSetBit(0); page >= 0; page = dirtyPages.nextSetBit(page + 1)) {
      PinnedBlock block = new PinnedBlock(PAGE_BYTES);
      long from = (long) page * PAGE_BYTES;
      MemorySegment.copy(MemorySegment.ofArray(image), from, block.segment(), 0, PAGE_BYTES);
      for (Member member : array().writable()) {
        // No more than its blocks: with metadata 1.0 something else may begin right behind it.
        long blockBytes = member.device().limits().logicalBlockBytes();
        long length = Math.min(PAGE_BYTES, Math.ceilDiv(usedBytes - from, blockBytes) * blockBytes);
        MemorySegment bytes = block.segment().asSlice(0, length);
        pieces.add(new OwnRequests.Piece(member, records.bitmapOffsetBytes(member) + from, bytes));
      }
    }
  }

  private void written(BitSet bits, ArrayDeque<Runnable> served) {
    isWriting = false;
    onDisk.or(bits);
    if (!waiters.isEmpty() || !dirtyPages.isEmpty()) {
      writePages();
    }
    OwnRequests.runAll(array(), served);
  }

  /** Nothing is written any more: nobody waits for that. */
  void breakDown() {
    ArrayDeque<Runnable> served = waiters;
    waiters = new ArrayDeque<>();
    OwnRequests.runAll(array(), served);
  }

  /** Writes the head with the records' new count of events, and then goes on. */
  void writeHead(Runnable then) {
    dirtyPages.set(0);
    waiters.add(then);
    writePages();
  }

  /** A member came that has none of it. */
  void writeAll() {
    dirtyPages.set(0, image.length / PAGE_BYTES);
    writePages();
  }

  // --- Taking bits away ---

  private void tickLater() {
    Timers.Timer timer = Objects.requireNonNull(tick);
    if (!timer.isSet() && !array().options().isReadOnly()) {
      timer.set(array().loop().clock().nanos() + tickNanos);
    }
  }

  private void tick() {
    if (isClearing) {
      tickLater(); // its flush does not reach those who come meanwhile, and who they are is in
      // recent
    } else if (!array().loop().isClosing()) {
      BitSet still = (BitSet) recent.clone();
      recent.clear();
      clear(still, () -> {});
      if (!onDisk.isEmpty() && !array().isDegraded() && !onDisk.equals(needed)) {
        tickLater();
      }
    }
  }

  /** Bits that may go: nobody writes there, and all members agree. */
  private BitSet idleBits(BitSet but) {
    BitSet idle = (BitSet) onDisk.clone();
    idle.andNot(needed);
    idle.andNot(missedByAMember);
    idle.andNot(but);
    for (int i = idle.nextSetBit(0); i >= 0; i = idle.nextSetBit(i + 1)) {
      int[] page = writers[i / WRITERS_A_PAGE];
      if (page != NO_WRITERS && page[i % WRITERS_A_PAGE] > 0) {
        idle.clear(i);
      }
    }
    return idle;
  }

  private void clear(BitSet but, Runnable then) {
    BitSet idle = idleBits(but);
    if (idle.isEmpty() || array().isDegraded() || isClearing) {
      then.run();
      return;
    }
    isClearing = true;
    // A writer that comes during the flush is not in it.
    recent.andNot(idle);
    OwnRequests.flush(
        array(),
        array().writable(),
        () -> {
          isClearing = false;
          BitSet gone = idleBits(recent);
          gone.and(idle);
          if (gone.isEmpty() || array().isDegraded()) {
            then.run();
            return;
          }
          onDisk.andNot(gone);
          gone.stream().forEach(bit -> setInImage(bit, false));
          head.setEventsCleared(Objects.requireNonNull(array().records()).events());
          waiters.add(then);
          writePages();
        });
  }

  /** No writer is left: all bits go that may. */
  void settle(Runnable then) {
    Objects.requireNonNull(tick).cancel();
    clear(new BitSet(), then);
  }

  // --- Walks ---

  /** Whether anything in the range may disagree. */
  boolean isNeeded(long startBytes, long lengthBytes) {
    return anyIn(needed, startBytes, lengthBytes);
  }

  /** Whether a bit of the range is set: a member that was away must catch up there. */
  boolean isSet(long startBytes, long lengthBytes) {
    return anyIn(onDisk, startBytes, lengthBytes);
  }

  /** Where the first chunk at or behind an offset begins that may disagree. */
  long nextNeededBytes(long startBytes) {
    return nextBytes(needed, startBytes);
  }

  /** Where the first chunk at or behind an offset begins whose bit is set. */
  long nextSetBytes(long startBytes) {
    return nextBytes(onDisk, startBytes);
  }

  private long nextBytes(BitSet bits, long startBytes) {
    int found = bits.nextSetBit(chunkAt(startBytes));
    return found < 0 ? Long.MAX_VALUE : Math.max(startBytes, found * chunkBytes);
  }

  private boolean anyIn(BitSet bits, long startBytes, long lengthBytes) {
    int found = bits.nextSetBit(chunkAt(startBytes));
    return found >= 0 && found <= chunkAt(startBytes + lengthBytes - 1);
  }

  /** Whether nothing may disagree. */
  boolean isAllAgreed() {
    return needed.isEmpty();
  }

  /** A resync came by: all chunks that end up to {@code endBytes}, from {@code startBytes} on. */
  void agreed(long startBytes, long endBytes) {
    int first = (int) Math.ceilDiv(startBytes, chunkBytes);
    int last = endBytes / chunkBytes >= chunks ? chunks : (int) (endBytes / chunkBytes);
    if (first < last) {
      needed.clear(first, last);
      tickLater();
    }
  }

  /** All members are in sync again: nobody has missed anything. */
  void nobodyMissed() {
    missedByAMember.clear();
    tickLater();
  }

  /** Everything may disagree: there is no telling. */
  void needAll() {
    needed.set(0, chunks);
  }

  /** How many chunks have their bit on disk, of how many. */
  public String status() {
    return onDisk.cardinality() + " of " + chunks + " bits set, chunks of " + chunkBytes + " bytes";
  }
}
