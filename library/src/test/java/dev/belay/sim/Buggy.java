// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.Waiting;
import java.util.List;

/** One device with one bug at a time: the canary, which the simulation has to find. */
final class Buggy extends Device implements Waiting {
  /** The bugs. */
  enum Bug {
    /** Some requests are forgotten. */
    DROPS_A_COMPLETION,
    /** Some are completed again. */
    COMPLETES_TWICE,
    /** When the flag goes up, it says "clean" of what it has sent. */
    SAYS_CLEAN_AFTER_IT_SENT,
    /** Writes to two devices, and lets the flag stop one of them. */
    KEEPS_THE_FLAG_AFTER_ITS_COMMIT,
    /** Takes over how its clone ended, but not what became of the bytes. */
    FORGETS_THE_EXTENTS,
    /** Says that all is well. */
    FORGETS_TO_JOIN,
    /** Takes the flag away without having a commit point. */
    SENDS_AFTER_THE_FLAG,
    /** Gives the clone a flag of its own. */
    LOSES_THE_FLAG,
    /** Makes an error of what was only cancelled. */
    CALLS_A_CANCEL_AN_ERROR,
    /** Flushes one of two devices. */
    FLUSHES_THE_FIRST_ONLY,
    /** Forgets that a write had to be durable. */
    DROPS_FUA,
    /** Sends some requests a block too far to the right. */
    MISDIRECTS,
    /** Completes a write when it is sent, and not when it is done. */
    COMPLETES_TOO_EARLY,
    /** Says of the first block of every range that it is a hole. */
    FINDS_HOLES_WHERE_NONE_ARE,
  }

  private final Bug bug;
  private final Device lower;

  Buggy(Loop loop, List<Device> lowers, Bug bug) {
    super(loop, "buggy", limits(lowers), lowers);
    this.bug = bug;
    lower = lowers.get(0);
  }

  private static Limits limits(List<Device> lowers) {
    Limits both = lowers.get(0).limits().stackedOn(lowers.get(1).limits());
    long first = lowers.get(0).limits().sizeBytes();
    return both.withSize(Math.min(first, lowers.get(1).limits().sizeBytes()));
  }

  private boolean isHit(Bio bio) {
    long block = bio.offsetBytes() / limits().logicalBlockBytes();
    return bio.op() != Op.FLUSH && block % 7 == 3;
  }

  @Override
  public Verdict map(Bio bio) {
    switch (bug) {
      case DROPS_A_COMPLETION -> send(bio, clone -> passUnless(isHit(clone), clone));
      case COMPLETES_TWICE -> send(bio, this::passTwice);
      case SAYS_CLEAN_AFTER_IT_SENT -> sendAndWatch(bio);
      case KEEPS_THE_FLAG_AFTER_ITS_COMMIT -> sendToBoth(bio);
      case FORGETS_THE_EXTENTS -> send(bio, Buggy::passWithoutExtents);
      case FORGETS_TO_JOIN -> send(bio, clone -> clone.parent().complete());
      case SENDS_AFTER_THE_FLAG -> {
        Bio clone = bio.newClone(Plain::pass).setFlag(CancelFlag.NEVER);
        clone.remap(lower, bio.offsetBytes()).submit();
      }
      case LOSES_THE_FLAG -> {
        Bio clone = bio.newClone(Plain::pass).setFlag(new CancelFlag());
        clone.remap(lower, bio.offsetBytes()).submit();
      }
      case CALLS_A_CANCEL_AN_ERROR -> send(bio, Buggy::passAsError);
      case FLUSHES_THE_FIRST_ONLY -> spread(bio);
      case DROPS_FUA -> {
        Bio clone = bio.newClone(Plain::pass);
        clone.setFua(false);
        clone.remap(lower, bio.offsetBytes()).submit();
      }
      case MISDIRECTS -> misdirect(bio);
      case FINDS_HOLES_WHERE_NONE_ARE ->
          send(
              bio,
              clone -> {
                if (clone.op() == Op.FIND_HOLES) {
                  clone.parent().markHole(0, limits().logicalBlockBytes());
                }
                Plain.pass(clone);
              });
      case COMPLETES_TOO_EARLY -> {
        if (bio.op() == Op.WRITE) {
          bio.newClone(clone -> {}).remap(lower, bio.offsetBytes()).submit();
          bio.complete();
        } else {
          bio.remap(lower, bio.offsetBytes());
          return Verdict.REMAPPED;
        }
      }
    }
    return Verdict.TAKEN;
  }

  private void send(Bio bio, dev.belay.BioEnd end) {
    bio.newClone(end).remap(lower, bio.offsetBytes()).submit();
  }

  private static void passUnless(boolean isHit, Bio clone) {
    if (!isHit) {
      Plain.pass(clone);
    }
  }

  private void passTwice(Bio clone) {
    Plain.pass(clone);
    if (isHit(clone)) {
      clone.parent().complete();
    }
  }

  private static void passWithoutExtents(Bio clone) {
    Bio parent = clone.parent();
    if (clone.isCancelled()) {
      parent.recordCancelled(Extents.State.CLEAN);
      parent.complete();
    } else {
      Plain.pass(clone);
    }
  }

  private static void passAsError(Bio clone) {
    Bio parent = clone.parent();
    if (clone.isCancelled()) {
      parent.fail(dev.belay.Errno.EIO, "no answer", Extents.State.UNKNOWN);
    } else {
      Plain.pass(clone);
    }
  }

  private void sendAndWatch(Bio bio) {
    bio.watch(this);
    send(
        bio,
        clone -> {
          if (bio.isWatched()) {
            bio.unwatch();
            Plain.pass(clone);
          }
        });
  }

  @Override
  public void flagRaised(Bio bio) {
    bio.cancelClean();
  }

  private void sendToBoth(Bio bio) {
    if (bio.op() == Op.READ) {
      send(bio, Plain::pass);
      return;
    }
    bio.beginChain();
    for (Device leg : lowers()) {
      bio.chain().remap(leg, bio.offsetBytes()).submit();
    }
    bio.endChain();
  }

  /** The first half lies on one device, the second on the other. */
  private void spread(Bio bio) {
    long block = limits().logicalBlockBytes();
    if (bio.op() == Op.FLUSH) {
      send(bio, Plain::pass);
      return;
    }
    bio.split(
        piece -> {
          int column = (int) (piece.offsetBytes() / block % 2);
          piece.remap(lowers().get(column), piece.offsetBytes());
          return block;
        });
  }

  private void misdirect(Bio bio) {
    long block = limits().logicalBlockBytes();
    long end = bio.offsetBytes() + bio.lengthBytes();
    boolean isHit = bio.lengthBytes() > 4 * block && end < limits().sizeBytes() && isHit(bio);
    bio.newClone(Plain::pass).remap(lower, bio.offsetBytes() + (isHit ? block : 0)).submit();
  }
}
