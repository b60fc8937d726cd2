// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Outcome;
import java.io.IOException;

/** A request was stopped because its flag was up; the outcome says how far it had got. */
public final class CancelledException extends IOException {
  private static final long serialVersionUID = 1;

  private final transient Outcome outcome;

  private final boolean hasTrace;

  CancelledException(Outcome outcome) {
    this(outcome, true);
  }

  private CancelledException(Outcome outcome, boolean hasTrace) {
    super(outcome.toString());
    this.outcome = outcome;
    this.hasTrace = hasTrace;
    fillInStackTrace();
  }

  /** For a future, which ends on the loop: the trace of that would tell nothing, and is dear. */
  static CancelledException withoutTrace(Outcome outcome) {
    return new CancelledException(outcome, false);
  }

  /** The super constructor calls this too, before it is known whether there is to be a trace. */
  @Override
  public synchronized Throwable fillInStackTrace() {
    return hasTrace ? super.fillInStackTrace() : this;
  }

  /** What was done, what is clean, what is unknown. */
  public Outcome outcome() {
    return outcome;
  }
}
