// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.util.ArrayDeque;

/** Writes the canonical form, with a list of open calls instead of recursion. */
final class Printer {
  private final StringBuilder out = new StringBuilder();
  private final ArrayDeque<OpenCall> open = new ArrayDeque<>();

  private Printer() {}

  static String print(Expression expression) {
    var printer = new Printer();
    printer.begin(expression);
    while (!printer.open.isEmpty()) {
      printer.next(printer.open.getLast());
    }
    return printer.out.toString();
  }

  private void begin(Expression expression) {
    switch (expression) {
      case BarePath path -> out.append(Quoting.print(path.path()));
      case DeviceCall call -> {
        out.append(call.name()).append('(');
        open.addLast(new OpenCall(call));
      }
    }
  }

  private void next(OpenCall current) {
    DeviceCall call = current.call;
    if (current.printedArgs < call.args().size()) {
      out.append(current.printedArgs > 0 ? ", " : "");
      begin(call.args().get(current.printedArgs++));
      return;
    }
    String separator = call.args().isEmpty() ? "" : ", ";
    for (Option option : call.options()) {
      out.append(separator).append(option);
      separator = ", ";
    }
    out.append(')');
    open.removeLast();
  }

  /** A call whose parenthesis has been printed, and how many of its arguments. */
  private static final class OpenCall {
    final DeviceCall call;
    int printedArgs;

    OpenCall(DeviceCall call) {
      this.call = call;
    }
  }
}
