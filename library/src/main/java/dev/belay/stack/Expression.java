// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * A stack expression that has been read: a {@link DeviceCall} or a {@link BarePath}.
 *
 * <p>Immutable. Knows where in its text it was written, so that whoever opens it can point at what
 * it cannot accept. Two expressions are equal if they {@linkplain #print() print} alike: names,
 * paths, arguments and options with the texts of their values, all in order. Positions, spaces and
 * needless quotes make no difference.
 */
public sealed interface Expression permits DeviceCall, BarePath {

  /**
   * Reads an expression. Any nesting depth is accepted, in time linear in the text.
   *
   * @throws StackException if the text is no expression
   */
  static Expression parse(String text) {
    return new Parser(text).parse();
  }

  /**
   * Reads an expression whose devices have the given names.
   *
   * @throws StackException if the text is no expression, or {@link #checkNames} finds a mistake
   */
  static Expression parse(String text, Collection<String> deviceNames) {
    Expression expression = parse(text);
    expression.checkNames(deviceNames);
    return expression;
  }

  /** The whole text this was read from; it may begin before this expression and end after it. */
  String source();

  /** Where this begins in {@link #source}: a char index from 0. */
  int start();

  /** Where this ends in {@link #source}, exclusive. */
  int end();

  /** An exception that points at this expression, to be thrown by who cannot open it. */
  StackException error(String sentence);

  /** The canonical text. Reading it gives an equal expression; printing that, the same text. */
  default String print() {
    return Printer.print(this);
  }

  /**
   * Checks the names of all devices, in the order of the text.
   *
   * @throws StackException if a device is none of {@code deviceNames}; or if a path, which would be
   *     a file, is one of them, so that {@code null} for {@code null()} makes no file by mistake
   */
  default void checkNames(Collection<String> deviceNames) {
    for (Expression expression : inTextOrder()) {
      switch (expression) {
        case DeviceCall call -> {
          if (!deviceNames.contains(call.name())) {
            throw call.error(
                "there is no device "
                    + Quoting.shown(call.name())
                    + Nearest.remedy(call.name(), "the devices are", deviceNames));
          }
        }
        case BarePath path -> {
          if (deviceNames.contains(path.path())) {
            throw path.error(
                path.path()
                    + " is a device, but stands here as a file: write "
                    + path.path()
                    + "() for the device, or ./"
                    + path.path()
                    + " for the file");
          }
        }
      }
    }
  }

  /** This and all that is in it, each call before its arguments. */
  default List<Expression> inTextOrder() {
    var found = new ArrayList<Expression>();
    var waiting = new ArrayDeque<Expression>();
    waiting.push(this);
    while (!waiting.isEmpty()) {
      Expression next = waiting.pop();
      found.add(next);
      if (next instanceof DeviceCall call) {
        call.args().reversed().forEach(waiting::push);
      }
    }
    return List.copyOf(found);
  }
}
