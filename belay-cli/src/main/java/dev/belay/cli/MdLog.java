// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.function.BooleanSupplier;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What arrays have to say while they are open, a member that fails for instance: on stderr. */
final class MdLog extends Handler {
  /** Kept here, because the log manager does not. */
  private static final Logger LOG = Logger.getLogger("dev.belay");

  private static boolean isQuiet;

  private MdLog() {}

  /** From now on a line each, as this program says things. */
  static synchronized void toError() {
    if (LOG.getUseParentHandlers()) {
      LOG.setUseParentHandlers(false);
      LOG.addHandler(new MdLog());
    }
  }

  /** Does what the user has asked for, who need not be told. */
  static boolean quietly(BooleanSupplier what) {
    isQuiet = true;
    try {
      return what.getAsBoolean();
    } finally {
      isQuiet = false;
    }
  }

  @Override
  public void publish(LogRecord event) {
    if (!isQuiet && event.getLevel().intValue() >= Level.WARNING.intValue()) {
      System.err.println("belay: " + event.getMessage());
    }
  }

  @Override
  public void flush() {}

  @Override
  public void close() {}
}
