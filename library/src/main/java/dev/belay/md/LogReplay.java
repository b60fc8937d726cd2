// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.md.PartialParityLog.Entry;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Makes parity right with the partial parity logs of a RAID 5 that was not stopped: for each entry
 * of a member's last header, parity becomes the sum of the columns that were being written, as they
 * are now, and of the entry's partial parity. Which of them had arrived does not matter: all other
 * columns can be computed again from it.
 *
 * <p>Whose partial parity has another checksum than its entry was never followed by writes; whose
 * written columns are not all here has nothing to gain: both are left. The algorithm is that of
 * {@code ppl_recover_entry} in Linux. For the thread that owns the devices; nothing else uses them.
 */
public final class LogReplay {
  private final Assembly assembly;
  private final List<MemberContents> contents;
  private final List<DirectIo> ios;
  private final ParityLayout layout;
  private final long usedBytes;
  private int entries;
  private int damaged;

  private LogReplay(Assembly assembly, List<MemberContents> contents, List<DirectIo> ios) {
    this.assembly = assembly;
    this.contents = contents;
    this.ios = ios;
    Superblock common = assembly.superblock();
    layout =
        new ParityLayout(
            common.level(), common.layout(), common.raidDevices(), common.chunkBytes());
    usedBytes = common.usedBytes();
  }

  /**
   * What came of it.
   *
   * @param entries how many were replayed
   * @param damaged how many headers and entries could not be relied upon
   * @param isInSync whether the array has no resync due any more
   */
  public record Result(int entries, int damaged, boolean isInSync) {
    /** For a log. */
    public String sentence() {
      return "%d entries of partial parity were replayed%s%s"
          .formatted(
              entries,
              damaged == 0 ? "" : ", and %d headers or entries were not right".formatted(damaged),
              isInSync ? ": the array is in sync" : ": a resync is still due");
    }
  }

  /** Whether an array has such logs, and stopped while it was written. */
  public static boolean isDue(Assembly assembly) {
    Superblock common = assembly.superblock();
    return common.level() == Level.RAID5
        && common.pplAtBytes().isPresent()
        && common.resyncBytes() != Superblock.CLEAN;
  }

  /**
   * Replays the logs of all members that are here, durably. The logs stay as they are. If that
   * makes the resync needless, the superblocks in {@code contents} say so afterwards; on the
   * members they are not changed.
   *
   * @param ios the candidates' devices, in the order of {@code contents}
   * @throws IOException if parity cannot be written
   */
  public static Result run(Assembly assembly, List<MemberContents> contents, List<DirectIo> ios)
      throws IOException {
    return new LogReplay(assembly, contents, ios).run();
  }

  private Result run() throws IOException {
    for (int slot = 0; slot < layout.members(); slot++) {
      DirectIo io = io(slot);
      if (io != null) {
        replay(slot, io);
      }
    }
    // An array of which no member is missing and that wrote nothing may be one that never was in
    // sync; one that is degraded has nothing to gain by a resync.
    Superblock common = assembly.superblock();
    boolean isNewlyInSync =
        damaged == 0
            && common.resyncBytes() == 0
            && (entries > 0 || assembly.count(Assembly.State.IN_SYNC) < layout.members());
    if (isNewlyInSync) {
      for (MemberContents member : contents) {
        Superblock superblock = member.superblock();
        if (superblock != null && superblock.uuid().equals(common.uuid())) {
          superblock.setResyncBytes(Superblock.CLEAN);
        }
      }
      common.setResyncBytes(Superblock.CLEAN);
    }
    return new Result(entries, damaged, common.resyncBytes() == Superblock.CLEAN);
  }

  // --- Members ---

  private @Nullable DirectIo io(int slot) {
    var candidate = assembly.seats().get(slot).member();
    return candidate.isPresent() ? ios.get(candidate.getAsInt()) : null;
  }

  private Superblock superblock(int slot) {
    int candidate = assembly.seats().get(slot).member().orElseThrow();
    return Objects.requireNonNull(contents.get(candidate).superblock());
  }

  private boolean isReadable(int slot, long inMember, long length) {
    Assembly.Seat seat = assembly.seats().get(slot);
    return switch (seat.state()) {
      case IN_SYNC -> true;
      case RECOVERING -> inMember + length <= seat.recoveryBytes();
      case MISSING -> false;
    };
  }

  // --- One log ---

  private void replay(int slot, DirectIo io) throws IOException {
    Superblock superblock = superblock(slot);
    if (superblock.pplAtBytes().isEmpty()) {
      damaged++;
      return;
    }
    byte[] area;
    try {
      area = io.read(superblock.pplAtBytes().getAsLong(), superblock.pplBytes());
    } catch (IOException e) {
      damaged++;
      return;
    }
    int at = find(area, superblock);
    if (at < 0) {
      damaged++;
      return;
    }
    PartialParityLog header = Objects.requireNonNull(parse(area, at, superblock));
    int parityAt = at + PartialParityLog.BYTES;
    for (Entry entry : header.entries()) {
      byte[] parity = Arrays.copyOfRange(area, parityAt, parityAt + entry.parityBytes());
      parityAt += entry.parityBytes();
      if (PartialParityLog.checksum(parity) != entry.checksum() || !replay(entry, parity, slot)) {
        damaged++;
      } else {
        entries++;
      }
    }
    io.flush();
  }

  /** Where the newest header is; below 0 if there is none. They stand one behind the other. */
  private static int find(byte[] area, Superblock superblock) {
    int newest = -1;
    long generation = -1;
    int at = 0;
    while (at < area.length - PartialParityLog.BYTES) {
      PartialParityLog header = parse(area, at, superblock);
      if (header == null || header.generation() < generation) {
        break;
      }
      newest = at;
      generation = header.generation();
      at += (int) header.lengthBytes();
    }
    return newest;
  }

  private static @Nullable PartialParityLog parse(byte[] area, int at, Superblock superblock) {
    try {
      byte[] bytes = Arrays.copyOfRange(area, at, at + PartialParityLog.BYTES);
      return PartialParityLog.parse(bytes, superblock.uuid(), area.length - at);
    } catch (MetadataException e) {
      return null;
    }
  }

  // --- One entry ---

  /** False if it makes no sense for this array, or what was written cannot be read. */
  private boolean replay(Entry entry, byte[] partial, int slot) throws IOException {
    long chunk = layout.chunkBytes();
    long first = entry.arrayOffsetBytes();
    // Whole chunks of partial parity may begin in the middle of one, and then go around.
    boolean isRound = entry.parityBytes() >= chunk;
    int columns =
        isRound || entry.parityBytes() == 0
            ? layout.columns()
            : entry.contentBytes() / entry.parityBytes();
    long depth =
        isRound
            ? chunk
            : entry.parityBytes() == 0 ? entry.contentBytes() / columns : entry.parityBytes();
    long end = isRound ? first + entry.contentBytes() : first + (columns - 1) * chunk + depth;
    if (entry.parityMember() != slot
        || columns < 1
        || columns > layout.columns()
        || depth > chunk
        || end > layout.arrayBytes(usedBytes)) {
      return false;
    }
    for (long at = 0; at < depth; ) {
      long length = Math.min(depth - at, chunk - (first + at) % chunk);
      for (int column = 0; column < columns; column++) {
        long left = end - first - at - column * chunk;
        length = left > 0 ? Math.min(length, left) : length;
      }
      if (!replay(first + at, end, columns, (int) length, partial, (int) at, slot)) {
        return false;
      }
      at += length;
    }
    return true;
  }

  /** A piece of an entry, of the same columns all along. */
  private boolean replay(
      long first, long end, int columns, int length, byte[] partial, int partialAt, int slot)
      throws IOException {
    long chunk = layout.chunkBytes();
    long row = layout.row(first);
    long inMember = row * chunk + first % chunk;
    if (layout.parityMember(row) != slot) {
      return false;
    }
    byte[] sum = new byte[length];
    if (partial.length > 0) {
      System.arraycopy(partial, partialAt, sum, 0, length);
    }
    boolean isAny = false;
    for (int column = 0; column < columns; column++) {
      long offset = first + column * chunk;
      if (offset >= end) {
        continue;
      }
      if (layout.row(offset) != row) {
        return false;
      }
      int member = layout.member(row, layout.column(offset));
      DirectIo io = io(member);
      if (io == null || !isReadable(member, inMember, length)) {
        return true;
      }
      try {
        add(sum, io.read(superblock(member).startBytes() + inMember, length));
      } catch (IOException e) {
        return false;
      }
      isAny = true;
    }
    if (isAny) {
      DirectIo io = Objects.requireNonNull(io(slot));
      long at = superblock(slot).startBytes() + inMember;
      if (!Arrays.equals(sum, io.read(at, length))) {
        io.write(at, sum);
      }
    }
    return true;
  }

  private static void add(byte[] sum, byte[] column) {
    for (int i = 0; i < sum.length; i++) {
      sum[i] ^= column[i];
    }
  }
}
