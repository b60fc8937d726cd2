// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the system says to a program that is to end: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the
 * terminal is gone). Other than an {@link OnExit}, it hears each of them, also the second, and
 * leaves it to the program how and with which code it ends.
 *
 * <p>sun.misc.Signal is the only way to that in a JDK. It is called by its name, since the compiler
 * warns of every use of it; a JVM without it, or with -Xrs, ends by the first signal as always.
 */
final class Signals implements AutoCloseable {
  private static final String[] NAMES = {"TERM", "INT", "HUP"};

  /** The signals that are heard, and what they did before. */
  private final Map<Object, Object> before = new LinkedHashMap<>();

  private @Nullable OnExit onExit;

  private Signals() {}

  /** From now until this is closed, each of the signals runs {@code heard} on some thread. */
  static Signals hear(Runnable heard) {
    Signals signals = new Signals();
    for (String name : NAMES) {
      try {
        signals.hear(name, heard);
      } catch (ReflectiveOperationException | IllegalArgumentException e) {
        if (name.equals(NAMES[0])) {
          signals.onExit = OnExit.ask(heard);
          break;
        }
      }
    }
    return signals;
  }

  private void hear(String name, Runnable heard) throws ReflectiveOperationException {
    Class<?> listener = Class.forName("sun.misc.SignalHandler");
    Object signal = Class.forName("sun.misc.Signal").getConstructor(String.class).newInstance(name);
    Object ours =
        Proxy.newProxyInstance(
            listener.getClassLoader(),
            new Class<?>[] {listener},
            (proxy, method, args) ->
                switch (method.getName()) {
                  case "hashCode" -> System.identityHashCode(proxy);
                  case "equals" -> args != null && proxy == args[0];
                  case "toString" -> "belay";
                  default -> {
                    heard.run();
                    yield null;
                  }
                });
    Object old = set(signal, ours);
    // As nohup and shells that start something in the background want it.
    Object ignored = listener.getField("SIG_IGN").get(null);
    if (old.equals(ignored)) {
      set(signal, old);
    } else {
      before.put(signal, old);
    }
  }

  private static Object set(Object signal, Object listener) throws ReflectiveOperationException {
    try {
      return Class.forName("sun.misc.Signal")
          .getMethod("handle", signal.getClass(), Class.forName("sun.misc.SignalHandler"))
          .invoke(null, signal, listener);
    } catch (InvocationTargetException e) {
      throw new ReflectiveOperationException("the JVM keeps this signal to itself", e);
    }
  }

  @Override
  public void close() {
    before.forEach(
        (signal, old) -> {
          try {
            set(signal, old);
          } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
          }
        });
    if (onExit != null) {
      onExit.close();
    }
  }
}
