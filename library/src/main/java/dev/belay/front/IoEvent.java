// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Outcome;
import org.jspecify.annotations.Nullable;

/** How one {@link Iocb} ended. Immutable; the control block may be used again once it is here. */
public final class IoEvent {
  private final Iocb iocb;
  private final long result;
  private final @Nullable Outcome outcome;

  IoEvent(Iocb iocb, long result, @Nullable Outcome outcome) {
    this.iocb = iocb;
    this.result = result;
    this.outcome = outcome;
  }

  /** The control block that was submitted. */
  public Iocb iocb() {
    return iocb;
  }

  /** The bytes that were moved, or a negative errno; {@code -ECANCELED} where it was stopped. */
  public long result() {
    return result;
  }

  /** The whole truth: what was done, what is clean, what is unknown. */
  public Outcome outcome() {
    return outcome == null ? Outcome.done(result) : outcome;
  }

  @Override
  public String toString() {
    return iocb + ": " + outcome();
  }
}
