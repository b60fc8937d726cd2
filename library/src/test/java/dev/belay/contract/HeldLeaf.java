// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Parked;
import dev.belay.Verdict;
import dev.belay.testing.Recording;
import java.util.ArrayList;
import java.util.List;

/**
 * The recording leaf: it notes what is sent to it, keeps it until the test says how it ends, and
 * parks what is more than it takes at a time.
 */
final class HeldLeaf extends Device {
  /** Blocks of so many bytes, and the leaf has {@link #BLOCKS} of them. */
  static final int BLOCK_BYTES = 512;

  static final int BLOCKS = 64;

  /** What all the leaves of one stack were sent, in order. */
  static final class Log {
    final List<Piece> all = new ArrayList<>();
    final List<HeldLeaf> leaves = new ArrayList<>();
    int lateSends;
    int closed;

    /** What waits for an answer. */
    List<Piece> inFlight() {
      return all.stream().filter(piece -> piece.answer == null).toList();
    }
  }

  /** One piece that was sent. */
  static final class Piece {
    final HeldLeaf leaf;
    final Bio bio;
    final Op op;
    final long offsetBytes;
    final long lengthBytes;
    final long address;
    Outcome.Kind answer;

    Piece(HeldLeaf leaf, Bio bio) {
      this.leaf = leaf;
      this.bio = bio;
      op = bio.op();
      offsetBytes = bio.offsetBytes();
      lengthBytes = bio.lengthBytes();
      address = bio.address();
    }

    /** The device answers. An error or an abort leaves it unknown what it did. */
    void answer(Outcome.Kind kind, String sentence) {
      answer = kind;
      leaf.inFlight--;
      switch (kind) {
        case DONE -> {}
        case CANCELLED -> bio.recordCancelled(State.UNKNOWN);
        case FAILED -> bio.recordFailed(new IoError(Errno.EIO, sentence), State.UNKNOWN);
      }
      bio.complete();
      leaf.sendMore();
    }

    /** It was stopped, but its first bytes were done. */
    void stopAfter(long doneBytes) {
      bio.recordCancelled(State.DONE);
      bio.mark(doneBytes, lengthBytes - doneBytes, State.UNKNOWN);
      answer = Outcome.Kind.CANCELLED;
      leaf.inFlight--;
      bio.complete();
      leaf.sendMore();
    }

    /** Where it lies: which leaf, and which byte. */
    String place() {
      return leaf.log.leaves.indexOf(leaf) + "@" + offsetBytes;
    }

    @Override
    public String toString() {
      return op + " " + offsetBytes + "+" + lengthBytes;
    }
  }

  private final Log log;
  private final Parked parked = new Parked();
  private int depth;
  private int inFlight;

  HeldLeaf(Loop loop, Log log, int depth) {
    super(
        loop,
        "held",
        new Limits((long) BLOCKS * BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, Long.MAX_VALUE),
        List.of());
    this.log = log;
    this.depth = depth;
    log.leaves.add(this);
  }

  /** How many it takes at a time, from now on. */
  void setDepth(int depth) {
    this.depth = depth;
    sendMore();
  }

  @Override
  public Verdict map(Bio bio) {
    if (inFlight < depth && parked.isEmpty()) {
      send(bio);
    } else {
      parked.park(bio);
    }
    return Verdict.TAKEN;
  }

  private void send(Bio bio) {
    boolean isShielded = bio.flag() == CancelFlag.NEVER;
    log.lateSends += !isShielded && Recording.flagOf(bio).isRaised() ? 1 : 0;
    inFlight++;
    log.all.add(new Piece(this, bio));
  }

  private void sendMore() {
    while (inFlight < depth) {
      Bio bio = parked.letGo();
      if (bio == null) {
        return;
      }
      send(bio);
    }
  }

  @Override
  public void showHeld(Held held) {
    parked.showHeld(held, "waits");
    log.inFlight().stream()
        .filter(piece -> piece.leaf == this)
        .forEach(piece -> held.show(piece.bio, "is in flight"));
  }

  @Override
  public void close() {
    log.closed++;
  }
}
