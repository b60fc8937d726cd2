// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Extents;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.Waiting;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Any offset, any length and any memory on top of a device that has blocks and wants its memory
 * aligned.
 *
 * <p>What fits the lower device goes straight there. The rest is cut into pieces of at most 64 KiB,
 * each of which goes through a bounce buffer: a read is copied out of it; a write first reads its
 * first and last block, where it covers them in part only, puts the new bytes over them and writes
 * whole blocks. Zeroes are written in the same way at their edges; a discard leaves out the blocks
 * that it covers in part.
 *
 * <p><b>Bytes that nobody wrote are never changed.</b> A read-modify-write puts back the bytes
 * around its own as it read them, so nothing else may change these blocks between its read and the
 * end of its write. Therefore every piece that changes the medium takes a turn, by these rules:
 *
 * <ol>
 *   <li>Two pieces conflict if they have a block in common and at least one of them covers a block
 *       in part.
 *   <li>A piece begins, with its reads, when no piece that came before it and conflicts with it is
 *       left; it leaves when its write has ended, or when it is cancelled.
 * </ol>
 *
 * So while a piece that covers a block in part is between its read and the end of its write, any
 * other that shares the block and came earlier has left, and any that came later has not begun.
 * What is exempt: pieces that cover whole blocks only, against each other, since they read nothing
 * and can lose only bytes that both of them write. Reads, since they change nothing, and since a
 * byte that is written again as it was reads the same before, after and meanwhile. Discards, since
 * what they cover reads as anything afterwards, old content included.
 *
 * <p>No piece waits for ever: each waits for earlier ones only; and bounce buffers, of which there
 * is a fixed number, are taken after the turn, so that whoever has one needs only the lower device
 * to go on. Every piece lies inside a region of 4 MiB, and by its region in one list, in order of
 * arrival: only pieces in the same list are compared.
 *
 * <p>The flag: a piece that waits for its turn or for memory completes clean at once. The commit
 * point of a piece is where its write is sent: before it, the piece ends clean, whatever it has
 * read; afterwards it is in flight as any other. If that write fails, then what the lower device
 * says of the blocks holds for the bytes around the piece as well, though they are in nobody's
 * outcome. A read that is stopped copies out what was done; the rest of the buffer is untouched.
 *
 * <pre>align(LOWER [, block=SIZE] [, bounce=SIZE])</pre>
 */
public final class Align extends Device {
  /** How much memory is for bounce buffers, unless it is said. */
  public static final long DEFAULT_BOUNCE_BYTES = 4L << 20;

  private static final long PIECE_BYTES = 64L << 10;
  private static final long REGION_BYTES = 4L << 20;
  private static final int LISTS = 256;

  private final Device lower;
  private final long blockBytes;
  private final long blockMask;
  private final long memoryMask;
  private final long pieceBytes;
  private final Pieces pieces;
  private final Cutter cutter = this::cut;

  /**
   * @param blockBytes what the lower device gets whole multiples of: a power of two, at least its
   *     logical block, at most 1 MiB; more than its block where the medium has larger ones inside
   * @param bounceBytes the memory for bounce buffers, of 64 KiB or a block each; at least one
   * @throws IllegalArgumentException if the block or the memory is not as said
   */
  public Align(Loop loop, Device lower, int blockBytes, long bounceBytes) {
    super(loop, "align", unaligned(lower.limits(), blockBytes), List.of(lower));
    this.lower = lower;
    this.blockBytes = blockBytes;
    blockMask = blockBytes - 1L;
    memoryMask = lower.limits().memoryAlignmentBytes() - 1L;
    pieceBytes = Math.max(PIECE_BYTES, blockBytes);
    if (bounceBytes < pieceBytes) {
      throw new IllegalArgumentException(
          "align needs memory for one bounce buffer at least, "
              + pieceBytes
              + " bytes, and got "
              + bounceBytes);
    }
    pieces = new Pieces(bounceBytes / pieceBytes);
  }

  private static Limits unaligned(Limits lower, int blockBytes) {
    if (Integer.bitCount(blockBytes) != 1
        || blockBytes < lower.logicalBlockBytes()
        || blockBytes > 1 << 20) {
      throw new IllegalArgumentException(
          "align's block is a power of two from "
              + lower.logicalBlockBytes()
              + ", the lower device's block, to 1 MiB, not "
              + blockBytes);
    }
    long sizeBytes = lower.sizeBytes() - lower.sizeBytes() % blockBytes;
    return new Limits(sizeBytes, 1, 1, lower.largestTransferBytes());
  }

  @Override
  public Verdict map(Bio bio) {
    if (bio.op() == Op.FLUSH) {
      bio.remap(lower, 0);
    } else if (bio.lengthBytes() == 0) {
      bio.complete();
      return Verdict.TAKEN;
    } else if (bio.op() == Op.DISCARD) {
      return discard(bio);
    } else if (!bio.op().changesMedium() && isStraight(bio)) {
      bio.remap(lower, bio.offsetBytes());
    } else if (bio.op() == Op.FIND_HOLES) {
      return findHoles(bio);
    } else if (pieceLength(bio) == bio.lengthBytes()) {
      bio.remap(pieces, bio.offsetBytes());
    } else {
      bio.split(cutter);
      return Verdict.TAKEN;
    }
    return Verdict.REMAPPED;
  }

  private Verdict discard(Bio bio) {
    long first = roundUp(bio.offsetBytes());
    long end = roundDown(bio.offsetBytes() + bio.lengthBytes());
    if (end - first == bio.lengthBytes()) {
      bio.remap(lower, first);
      return Verdict.REMAPPED;
    }
    if (end <= first) {
      bio.complete();
      return Verdict.TAKEN;
    }
    bio.beginChain();
    bio.chain()
        .setStartInParent(first - bio.offsetBytes())
        .remap(lower, first)
        .resize(end - first)
        .submit();
    bio.endChain();
    return Verdict.TAKEN;
  }

  /** Asks about all blocks that it touches. */
  private Verdict findHoles(Bio bio) {
    long first = roundDown(bio.offsetBytes());
    long end = roundUp(bio.offsetBytes() + bio.lengthBytes());
    long skip = bio.offsetBytes() - first;
    BioEnd whenFound =
        clone -> {
          if (clone.isCancelled() && isWholeDone(clone, skip, bio.lengthBytes())) {
            bio.holes().addAll(clone.holes(), -skip, bio.lengthBytes());
          } else {
            bio.join(clone);
          }
          bio.complete();
        };
    bio.newClone(whenFound)
        .setStartInParent(-skip)
        .remap(lower, first)
        .resize(end - first)
        .submit();
    return Verdict.TAKEN;
  }

  /** Whether a clone that was stopped had done a part all the same, and only not what is around. */
  private static boolean isWholeDone(Bio clone, long startBytes, long lengthBytes) {
    long behind = startBytes + lengthBytes;
    return clone.extents().list().stream()
        .filter(extent -> extent.endBytes() > startBytes && extent.offsetBytes() < behind)
        .allMatch(extent -> extent.state() == State.DONE);
  }

  private long cut(Bio piece) {
    piece.remap(pieces, piece.offsetBytes());
    return pieceLength(piece);
  }

  /** How much of the bio is the next piece: all that can go straight, or one that bounces. */
  private long pieceLength(Bio rest) {
    long offset = rest.offsetBytes();
    long length = rest.lengthBytes();
    long toBlock = roundUp(offset) - offset;
    boolean isNextStraight = length - toBlock >= blockBytes && isMemoryFit(rest, toBlock);
    if (isNextStraight && toBlock > 0) {
      return toBlock;
    }
    if (isNextStraight) {
      long whole = roundDown(length);
      return rest.op() == Op.READ ? whole : Math.min(whole, toNext(offset, REGION_BYTES));
    }
    return Math.min(length, toNext(offset, pieceBytes));
  }

  private boolean isStraight(Bio bio) {
    return ((bio.offsetBytes() | bio.lengthBytes()) & blockMask) == 0 && isMemoryFit(bio, 0);
  }

  private boolean isMemoryFit(Bio bio, long startBytes) {
    return !bio.op().hasBuffer() || ((bio.address() + startBytes) & memoryMask) == 0;
  }

  private static long toNext(long offsetBytes, long stepBytes) {
    return stepBytes - offsetBytes % stepBytes;
  }

  private long roundDown(long bytes) {
    return bytes & ~blockMask;
  }

  private long roundUp(long bytes) {
    return (bytes + blockMask) & ~blockMask;
  }

  /** Where the pieces take turns and bounce: a device, so that pieces get to it as bios do. */
  private final class Pieces extends Device {
    private final Arena arena = Arena.ofShared();
    private final ArrayDeque<MemorySegment> bounces = new ArrayDeque<>();
    private final LinkedHashSet<Piece> forMemory = new LinkedHashSet<>();
    private final @Nullable Piece[] firsts = new @Nullable Piece[LISTS];
    private final @Nullable Piece[] lasts = new @Nullable Piece[LISTS];
    private final ArrayDeque<Piece> spare = new ArrayDeque<>();

    /** Those that wait no longer. They go on one after the other, not one inside the other. */
    private final ArrayDeque<Piece> ready = new ArrayDeque<>();

    private boolean isLettingGo;
    private int underWay;

    Pieces(long count) {
      super(lower.loop(), "align", Align.this.limits(), List.of(lower));
      for (long i = 0; i < count; i++) {
        bounces.add(arena.allocate(pieceBytes, Math.max(memoryMask + 1, 64)));
      }
    }

    @Override
    public Verdict map(Bio bio) {
      if (bio.op() == Op.READ && isStraight(bio)) {
        bio.remap(lower, bio.offsetBytes());
        return Verdict.REMAPPED;
      }
      Piece piece = spare.isEmpty() ? new Piece() : spare.removeLast();
      underWay++;
      piece.begin(bio);
      letGo();
      return Verdict.TAKEN;
    }

    private void letGo() {
      if (isLettingGo) {
        return;
      }
      isLettingGo = true;
      try {
        goOnReady();
      } finally {
        isLettingGo = false;
      }
    }

    /** All of them, whatever one of them throws. */
    private void goOnReady() {
      for (Piece piece = ready.poll(); piece != null; piece = ready.poll()) {
        try {
          piece.goOn();
        } catch (RuntimeException | Error defect) {
          goOnReady();
          throw defect;
        }
      }
    }

    @Override
    public void showHeld(Held held) {
      for (Piece each : firsts) {
        for (Piece piece = each; piece != null; piece = piece.next) {
          if (piece.waitsFor > 0) {
            held.show(piece.bio(), "waits for its turn");
          }
        }
      }
      forMemory.forEach(piece -> held.show(piece.bio(), "waits for a bounce buffer"));
    }

    private int listOf(Piece piece) {
      return (int) (piece.first / REGION_BYTES) & (LISTS - 1);
    }

    /** Puts the piece at the end of its list; it waits for those before it that conflict. */
    private void takeTurn(Piece piece) {
      int list = listOf(piece);
      for (Piece other = firsts[list]; other != null; other = other.next) {
        piece.waitsFor += other.conflictsWith(piece) ? 1 : 0;
      }
      Piece last = lasts[list];
      piece.previous = last;
      piece.next = null;
      if (last == null) {
        firsts[list] = piece;
      } else {
        last.next = piece;
      }
      lasts[list] = piece;
    }

    private void leaveTurn(Piece piece) {
      for (Piece other = piece.next; other != null; other = other.next) {
        if (other.conflictsWith(piece) && --other.waitsFor == 0) {
          ready.add(other);
        }
      }
      int list = listOf(piece);
      if (piece.previous == null) {
        firsts[list] = piece.next;
      } else {
        piece.previous.next = piece.next;
      }
      if (piece.next == null) {
        lasts[list] = piece.previous;
      } else {
        piece.next.previous = piece.previous;
      }
    }

    /** Gives the buffer to who waits longest, else back to the others. */
    private void giveBack(MemorySegment bounce) {
      if (forMemory.isEmpty()) {
        bounces.push(bounce);
      } else {
        Piece piece = forMemory.removeFirst();
        piece.bounce = bounce;
        ready.add(piece);
      }
    }

    @Override
    public void close() {
      arena.close();
    }
  }

  /**
   * One piece on its way: waits for its turn, waits for memory, reads its edges, is sent. It is the
   * end of its clones, and the place where its bio waits.
   */
  private final class Piece implements BioEnd, Waiting {
    private @Nullable Bio bio;

    // The blocks that it touches, and whether it covers some of them in part.
    private long first;
    private long end;
    private boolean isPartial;
    private boolean bounces;

    private @Nullable Piece previous;
    private @Nullable Piece next;
    private int waitsFor;
    private @Nullable MemorySegment bounce;
    private int edgeReads;

    private Bio bio() {
      return Objects.requireNonNull(bio);
    }

    private MemorySegment bounce() {
      return Objects.requireNonNull(bounce);
    }

    void begin(Bio whole) {
      bio = whole;
      long offset = whole.offsetBytes();
      first = roundDown(offset);
      end = roundUp(offset + whole.lengthBytes());
      isPartial = first != offset || end != offset + whole.lengthBytes();
      bounces = !isStraight(whole);
      waitsFor = 0;
      if (whole.op() != Op.READ) {
        pieces.takeTurn(this);
      }
      if (waitsFor == 0) {
        pieces.ready.add(this);
      } else {
        whole.watch(this);
      }
    }

    boolean conflictsWith(Piece other) {
      return (isPartial || other.isPartial) && first < other.end && other.first < end;
    }

    /** It waits no longer: for its turn at first, and then for memory. */
    void goOn() {
      Bio whole = bio();
      whole.unwatch();
      if (bounces && bounce == null) {
        bounce = pieces.bounces.poll();
        if (bounce == null) {
          pieces.forMemory.add(this);
          whole.watch(this);
          return;
        }
      }
      if (!bounces) {
        whole.newClone(this).remap(lower, first).submit();
      } else if (whole.op() == Op.READ) {
        submitBlocks(Op.READ);
      } else {
        readEdges();
      }
    }

    private void readEdges() {
      Bio whole = bio();
      boolean head = first != whole.offsetBytes();
      boolean tail = end != whole.offsetBytes() + whole.lengthBytes();
      boolean isOneBlock = end - first == blockBytes;
      edgeReads = isOneBlock ? (isPartial ? 1 : 0) : (head ? 1 : 0) + (tail ? 1 : 0);
      if (edgeReads == 0) {
        write();
        return;
      }
      if (head || isOneBlock) {
        readEdge(first);
      }
      if (tail && !isOneBlock) {
        readEdge(end - blockBytes);
      }
    }

    private void readEdge(long blockOffset) {
      Bio read = bio().newClone(this).setOp(Op.READ).setBuffer(bounce(), blockOffset - first);
      read.setFua(false);
      read.remap(lower, blockOffset).resize(blockBytes).submit();
    }

    /** The commit point is behind this, at the checkpoint, which looks at the flag once more. */
    private void write() {
      Bio whole = bio();
      long start = whole.offsetBytes() - first;
      long length = whole.lengthBytes();
      IoError why = null;
      if (whole.op() == Op.WRITE) {
        why = whole.copyFromBuffer(0, bounce(), start, length);
      } else {
        bounce().asSlice(start, length).fill((byte) 0);
      }
      if (why != null) {
        whole.recordFailed(why, State.CLEAN);
        finish();
        return;
      }
      submitBlocks(Op.WRITE);
    }

    private void submitBlocks(Op op) {
      Bio whole = bio();
      whole
          .newClone(this)
          .setOp(op)
          .setBuffer(bounce(), 0)
          .setStartInParent(first - whole.offsetBytes())
          .remap(lower, first)
          .resize(end - first)
          .submit();
    }

    @Override
    public void ended(Bio clone) {
      if (edgeReads > 0) {
        edgeEnded(clone);
      } else {
        Bio whole = bio();
        long skip = whole.offsetBytes() - first;
        if (!(clone.isCancelled() && isWholeDone(clone, skip, whole.lengthBytes()))) {
          whole.join(clone);
        }
        if (bounces && whole.op() == Op.READ) {
          copyOut(clone);
        }
        finish();
      }
      pieces.letGo();
    }

    private void edgeEnded(Bio clone) {
      Bio whole = bio();
      if (clone.isFailed()) {
        IoError error = Objects.requireNonNull(clone.error());
        whole.recordFailed(error, State.CLEAN);
      } else if (clone.isCancelled()) {
        whole.recordCancelled(State.CLEAN);
      }
      if (--edgeReads > 0) {
        return;
      }
      if (whole.isDone()) {
        write();
      } else {
        finish();
      }
    }

    private void copyOut(Bio clone) {
      Bio whole = bio();
      long skip = whole.offsetBytes() - first;
      for (Extents.Extent extent : clone.extents().list()) {
        long from = Math.max(extent.offsetBytes(), skip);
        long to = Math.min(extent.endBytes(), skip + whole.lengthBytes());
        if (extent.state() == State.DONE && from < to) {
          IoError why = whole.copyToBuffer(from - skip, bounce(), from, to - from);
          if (why != null) {
            whole.recordFailed(why, State.UNKNOWN);
            return;
          }
        }
      }
    }

    /** The flag went up while it waited, for its turn or for memory: nothing was sent. */
    @Override
    public void flagRaised(Bio same) {
      pieces.forMemory.remove(this);
      pieces.ready.remove(this);
      bio().recordCancelled(State.CLEAN);
      finish();
      pieces.letGo();
    }

    private void finish() {
      Bio whole = bio();
      if (whole.op() != Op.READ) {
        pieces.leaveTurn(this);
      }
      if (bounce != null) {
        pieces.giveBack(bounce);
      }
      bounce = null;
      bio = null;
      previous = null;
      next = null;
      pieces.spare.add(this);
      pieces.underWay--;
      whole.complete();
    }
  }

  @Override
  public void showHeld(Held held) {
    pieces.showHeld(held);
  }

  @Override
  public String status() {
    return "blocks of %d bytes; %d pieces under way, %d bounce buffers free, %d wait for one"
        .formatted(blockBytes, pieces.underWay, pieces.bounces.size(), pieces.forMemory.size());
  }
}
