// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import org.jspecify.annotations.Nullable;

/**
 * How a request ended: the truth, all of it. Immutable.
 *
 * @param kind DONE, CANCELLED or FAILED
 * @param lengthBytes how long the request was
 * @param extents which ranges were done, clean, unknown
 * @param reason why its flag was up, if it was; a request can be DONE all the same
 * @param error the first error, for FAILED only
 */
public record Outcome(
    Kind kind,
    long lengthBytes,
    Extents extents,
    CancelFlag.@Nullable Reason reason,
    @Nullable IoError error) {

  /** The three ways to end. */
  public enum Kind {
    /** Everything was done. */
    DONE,
    /** Stopped because its flag was up, and nothing failed. */
    CANCELLED,
    /** A device failed it. */
    FAILED
  }

  /** DONE, {@code lengthBytes} of it. */
  public static Outcome done(long lengthBytes) {
    return new Outcome(
        Kind.DONE, lengthBytes, Extents.whole(lengthBytes, Extents.State.DONE), null, null);
  }

  /** Bytes that were read or written. */
  public long doneBytes() {
    return extents.bytes(Extents.State.DONE);
  }

  /** Bytes that were never sent to a device. */
  public long cleanBytes() {
    return extents.bytes(Extents.State.CLEAN);
  }

  /** Bytes that were sent and never answered for. */
  public long unknownBytes() {
    return extents.bytes(Extents.State.UNKNOWN);
  }

  /** As the kernel's aio would say it: the length, or a negative errno (-ECANCELED among them). */
  public long result() {
    return switch (kind) {
      case DONE -> lengthBytes;
      case CANCELLED -> -Errno.ECANCELED;
      case FAILED -> error == null ? -Errno.EIO : -error.errno();
    };
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(kind.name());
    if (error != null) {
      text.append(": ").append(error);
    } else if (kind == Kind.CANCELLED && reason != null) {
      text.append(" (").append(reason).append(')');
    }
    text.append(": ").append(doneBytes()).append(" of ").append(lengthBytes).append(" bytes done");
    if (kind != Kind.DONE) {
      text.append(", ").append(cleanBytes()).append(" clean");
      text.append(", ").append(unknownBytes()).append(" unknown");
    }
    return text.toString();
  }
}
