// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

/**
 * Runs one test that has a seed and an amount, both given by system properties, without JUnit
 * around it: {@code Soak dev.belay.sim.SimulationTest noLawIsBroken}. What is wrong goes to the
 * error output, and the exit code is 1. {@code ./dev soak} calls it.
 */
public final class Soak {
  private Soak() {}

  public static void main(String[] args) throws ReflectiveOperationException {
    Class<?> test = Class.forName(args[0]);
    Constructor<?> constructor = test.getDeclaredConstructor();
    constructor.setAccessible(true);
    Method method = test.getDeclaredMethod(args[1]);
    method.setAccessible(true);
    try {
      method.invoke(constructor.newInstance());
    } catch (InvocationTargetException e) {
      e.getCause().printStackTrace();
      System.exit(1);
    }
    System.exit(0);
  }
}
