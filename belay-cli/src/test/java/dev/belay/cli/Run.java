// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.PrintWriter;
import java.io.StringWriter;

/** One run of the program inside the test's JVM: its exit code and what it printed. */
record Run(int code, String out, String err) {
  static Run of(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Main.run(new PrintWriter(out), new PrintWriter(err), args);
    return new Run(code, out.toString(), err.toString());
  }

  /** Both, as a person sees them. */
  String all() {
    return out + err;
  }
}
