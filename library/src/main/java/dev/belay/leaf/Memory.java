// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@code memory(size=1G, block=512)}: a device in native memory, which is gone when it is closed.
 *
 * <p>The memory is taken in chunks, when they are first written: what was never written reads as
 * zeroes and costs nothing. Chunks that are discarded or zeroed whole are kept for the next that is
 * needed; all are given back on close. A flush and FUA have nothing to do.
 *
 * <p>A request of up to one chunk is done in map. A longer one is copied chunk by chunk, a few of
 * them in each turn of the loop and in turn with the other long ones, and its flag is looked at
 * before each: what was copied by then is done, the rest is clean. Chunks that are not there are
 * its holes.
 */
public final class Memory extends Device {
  /** How much is taken at a time, and copied without a look at the flag. */
  static final int CHUNK_BYTES = 256 << 10;

  private static final int CHUNKS_PER_TURN = 16;

  /** How much is looked at for holes at a time. */
  private static final long LOOKED_AT_BYTES = 1024L * CHUNK_BYTES;

  private static final MemorySegment ZEROES = Arena.global().allocate(CHUNK_BYTES, 64);

  private final Arena arena = Arena.ofShared();
  private final @Nullable MemorySegment[] chunks;
  private final List<MemorySegment> spare = new ArrayList<>();
  private long chunksInUse;

  /** Long requests under way; the note of each says how many of its bytes are done. */
  private final ArrayDeque<Bio> copying = new ArrayDeque<>();

  private boolean willCopyOn;

  /**
   * @param sizeBytes how large it is, a multiple of the block
   * @param blockBytes the logical block, a power of two
   */
  public Memory(Loop loop, long sizeBytes, int blockBytes) {
    super(loop, "memory", new Limits(sizeBytes, blockBytes, 1, CHUNK_BYTES), List.of());
    long count = Math.ceilDiv(sizeBytes, CHUNK_BYTES);
    if (count > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "a memory device has at most 511 TiB, and " + sizeBytes + " bytes are more");
    }
    chunks = new @Nullable MemorySegment[(int) count];
  }

  @Override
  public Verdict map(Bio bio) {
    if (bio.op() == Op.FLUSH) {
      bio.complete();
    } else if (bio.lengthBytes() <= pieceBytes(bio)) {
      if (transfer(bio, 0, bio.lengthBytes())) {
        bio.complete();
      }
    } else {
      bio.setNote(0);
      copying.add(bio);
      copyOnSoon();
    }
    return Verdict.TAKEN;
  }

  private static long pieceBytes(Bio bio) {
    return bio.op() == Op.FIND_HOLES ? LOOKED_AT_BYTES : CHUNK_BYTES;
  }

  private void copyOnSoon() {
    if (!willCopyOn) {
      willCopyOn = true;
      loop().execute(this::copyOn);
    }
  }

  private void copyOn() {
    willCopyOn = false;
    for (int i = 0; i < CHUNKS_PER_TURN && !copying.isEmpty(); i++) {
      Bio bio = copying.remove();
      long done = bio.note();
      long left = bio.lengthBytes() - done;
      if (bio.flag().isRaised()) {
        bio.mark(done, left, State.CLEAN);
        bio.recordCancelled(State.DONE);
        bio.complete();
      } else {
        // A piece ends where a chunk does, so that whole chunks can be let go of.
        long inChunk = (bio.offsetBytes() + done) % CHUNK_BYTES;
        long piece = Math.min(left, pieceBytes(bio) - inChunk);
        if (!transfer(bio, done, piece)) {
          continue;
        }
        if (piece == left) {
          bio.complete();
        } else {
          bio.setNote(done + piece);
          copying.add(bio);
        }
      }
    }
    if (!copying.isEmpty()) {
      copyOnSoon();
    }
  }

  /** Does a part of a bio; false if that failed and the bio is completed. */
  private boolean transfer(Bio bio, long startBytes, long lengthBytes) {
    long at = startBytes;
    long end = startBytes + lengthBytes;
    while (at < end) {
      long offset = bio.offsetBytes() + at;
      int index = (int) (offset / CHUNK_BYTES);
      long inChunk = offset % CHUNK_BYTES;
      long length = Math.min(end - at, CHUNK_BYTES - inChunk);
      MemorySegment chunk = chunks[index];
      IoError why = null;
      switch (bio.op()) {
        case READ ->
            why =
                chunk == null
                    ? bio.copyToBuffer(at, ZEROES, 0, length)
                    : bio.copyToBuffer(at, chunk, inChunk, length);
        case WRITE -> {
          boolean isNew = chunk == null;
          if (chunk == null) {
            chunk = takeChunk(index, length < CHUNK_BYTES);
          }
          if (chunk == null) {
            failForWantOfMemory(bio, at);
            return false;
          }
          why = bio.copyFromBuffer(at, chunk, inChunk, length);
          if (why != null && isNew) {
            zero(index, 0, CHUNK_BYTES); // it may hold what was discarded long ago
          }
        }
        case DISCARD, WRITE_ZEROES -> zero(index, inChunk, length);
        case FIND_HOLES -> {
          if (chunk == null) {
            bio.markHole(at, length);
          }
        }
        case FLUSH -> throw new IllegalStateException("a flush has no range");
      }
      if (why != null) {
        failForBuffer(bio, at, length, why);
        return false;
      }
      at += length;
    }
    return true;
  }

  /**
   * The buffer is not usable; of the piece that was copied just now some bytes may have arrived.
   */
  private static void failForBuffer(Bio bio, long doneBytes, long pieceBytes, IoError why) {
    long behind = doneBytes + pieceBytes;
    bio.mark(doneBytes, pieceBytes, State.UNKNOWN);
    bio.mark(behind, bio.lengthBytes() - behind, State.CLEAN);
    bio.recordFailed(why, State.DONE);
    bio.complete();
  }

  private void zero(int index, long inChunk, long lengthBytes) {
    MemorySegment chunk = chunks[index];
    if (chunk == null) {
      return;
    }
    if (lengthBytes == CHUNK_BYTES) {
      chunks[index] = null;
      chunksInUse--;
      spare.add(chunk);
    } else {
      chunk.asSlice(inChunk, lengthBytes).fill((byte) 0);
    }
  }

  private @Nullable MemorySegment takeChunk(int index, boolean zeroed) {
    MemorySegment chunk;
    if (spare.isEmpty()) {
      try {
        chunk = arena.allocate(CHUNK_BYTES, 64);
      } catch (OutOfMemoryError e) {
        return null;
      }
    } else {
      chunk = spare.removeLast();
      if (zeroed) {
        chunk.fill((byte) 0);
      }
    }
    chunks[index] = chunk;
    chunksInUse++;
    return chunk;
  }

  private void failForWantOfMemory(Bio bio, long doneBytes) {
    bio.mark(doneBytes, bio.lengthBytes() - doneBytes, State.CLEAN);
    String sentence =
        "the memory device could not get another "
            + CHUNK_BYTES
            + " bytes of native memory, for offset "
            + (bio.offsetBytes() + doneBytes)
            + ": it has "
            + chunksInUse * CHUNK_BYTES;
    bio.fail(Errno.ENOMEM, sentence, State.DONE);
  }

  @Override
  public boolean zeroesFast() {
    return true;
  }

  @Override
  public void showHeld(Held held) {
    copying.forEach(bio -> held.show(bio, "is copied"));
  }

  @Override
  public String status() {
    long usedMiB = (chunksInUse * CHUNK_BYTES) >> 20;
    return usedMiB + " of " + (limits().sizeBytes() >> 20) + " MiB written";
  }

  @Override
  public void close() {
    arena.close();
  }
}
