// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/**
 * Makes the devices that a stack expression describes.
 *
 * <p>The whole text is checked first, names and options, so that a slip of the pen opens and makes
 * nothing. Then the devices are opened in the order of the text, the lower before the upper.
 */
public final class Stack {
  private Stack() {}

  /** The names of all devices. */
  public static Set<String> deviceNames() {
    return Devices.FORMS.keySet();
  }

  /** Reads {@code text} and makes its devices; see {@link #build(Loop, Expression)}. */
  public static Device build(Loop loop, String text) {
    Expression expression;
    try {
      expression = Expression.parse(text);
    } catch (StackException e) {
      loop.close(0);
      throw e;
    }
    return build(loop, expression);
  }

  /**
   * Makes the devices of an expression.
   *
   * @param loop the loop that is to own them: a driven one on its thread, or a threaded one before
   *     it is started
   * @return the topmost device
   * @throws StackException if a device cannot be made, with its place in the text. Then the loop is
   *     closed, and with it every device that was open
   */
  public static Device build(Loop loop, Expression expression) {
    try {
      check(expression);
      return open(loop, expression);
    } catch (RuntimeException | Error e) {
      loop.close(0);
      throw e;
    }
  }

  /**
   * Checks names, arguments and the keys of options, without opening anything.
   *
   * @throws StackException at the first mistake
   */
  public static void check(Expression expression) {
    expression.checkNames(deviceNames());
    for (Expression part : expression.inTextOrder()) {
      if (part instanceof DeviceCall call) {
        form(call).check(call);
      }
    }
  }

  private static Form form(DeviceCall call) {
    Form form = Devices.FORMS.get(call.name());
    if (form == null) {
      throw call.error("there is no device " + call.name());
    }
    return form;
  }

  private static Device open(Loop loop, Expression expression) {
    IdentityHashMap<Expression, Device> open = new IdentityHashMap<>();
    for (Expression part : lowersFirst(expression)) {
      DeviceCall call =
          switch (part) {
            case DeviceCall given -> given;
            case BarePath path -> asFile(path);
          };
      List<Device> lowers = new ArrayList<>();
      if (!form(call).takesPath()) {
        for (Expression lower : call.args()) {
          Device device = open.get(lower);
          if (device == null) {
            throw new IllegalStateException("a lower device was not opened");
          }
          lowers.add(device);
        }
      }
      open.put(part, open(loop, part, call, lowers));
    }
    Device root = open.get(expression);
    if (root == null) {
      throw new IllegalStateException("the topmost device was not opened");
    }
    return root;
  }

  /** A path that stands for a device. */
  private static DeviceCall asFile(BarePath path) {
    return new DeviceCall(
        path.source(), path.start(), path.end(), "file", List.of(path), List.of());
  }

  private static Device open(Loop loop, Expression at, DeviceCall call, List<Device> lowers) {
    Form form = form(call);
    Expression place = form.takesPath() ? call.args().getFirst() : at;
    try {
      return form.opener().open(loop, call, lowers);
    } catch (StackException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      String said = e.getMessage();
      throw because(e, place.error(said == null ? form.name() + " cannot open: " + e : said));
    } catch (OutOfMemoryError e) {
      throw because(e, place.error(form.name() + " does not fit into the memory of this program"));
    }
  }

  private static StackException because(Throwable cause, StackException said) {
    said.initCause(cause);
    return said;
  }

  /** All that is to be opened, each behind what it stands on; any depth. */
  private static List<Expression> lowersFirst(Expression expression) {
    List<Expression> order = new ArrayList<>();
    ArrayDeque<Expression> waiting = new ArrayDeque<>();
    waiting.push(expression);
    while (!waiting.isEmpty()) {
      Expression next = waiting.pop();
      order.add(next);
      if (next instanceof DeviceCall call && !form(call).takesPath()) {
        call.args().forEach(waiting::push);
      }
    }
    return order.reversed();
  }
}
