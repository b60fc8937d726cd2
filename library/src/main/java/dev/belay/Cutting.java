// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import dev.belay.Extents.State;
import java.util.Objects;

/** Cuts the next pieces off a bio that is being split; see {@link Bio#split}. */
final class Cutting {
  private Cutting() {}

  /** Cuts as many pieces as may be under way, and completes the bio if none is left. */
  static void goOn(Bio bio) {
    Cutter how = Objects.requireNonNull(bio.cutter);
    bio.pending++; // so that no piece that ends at once completes this bio while it is being cut
    try {
      while (bio.cutBytes < bio.lengthBytes() && bio.pending <= bio.window) {
        if (!bio.isDone() || bio.flag().isRaised()) {
          leaveRest(bio);
          break;
        }
        Bio piece = bio.newClone(Bio.CHAIN, bio.cutBytes, bio.lengthBytes() - bio.cutBytes);
        long cut = how.cut(piece);
        piece.resize(cut);
        bio.cutBytes += cut;
        bio.pending++;
        piece.submit();
      }
    } catch (RuntimeException | Error defect) {
      bio.loop().report(defect);
      bio.recordFailed(new IoError(Errno.EIO, "it could not be cut up: " + defect), State.DONE);
      leaveRest(bio);
    }
    if (--bio.pending == 0) {
      bio.complete();
    }
  }

  private static void leaveRest(Bio bio) {
    bio.mark(bio.cutBytes, bio.lengthBytes() - bio.cutBytes, State.CLEAN);
    if (bio.isDone()) {
      bio.recordCancelled(State.DONE);
    }
    bio.cutBytes = bio.lengthBytes();
  }
}
