// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Outcome;
import java.io.IOException;

/** A device failed a request; the outcome says how far it had got. */
public final class FailedException extends IOException {
  private static final long serialVersionUID = 1;

  private final transient Outcome outcome;

  FailedException(Outcome outcome) {
    super(outcome.toString());
    this.outcome = outcome;
  }

  /** What was done, what is clean, what is unknown. */
  public Outcome outcome() {
    return outcome;
  }
}
