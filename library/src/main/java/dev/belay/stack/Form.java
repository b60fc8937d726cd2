// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import java.io.IOException;
import java.util.List;

/**
 * What stands in the parentheses of a device, and what makes the device from it.
 *
 * @param name the device's name
 * @param leastLowers how many devices it stands on, at least
 * @param mostLowers and at most; {@link Integer#MAX_VALUE} for any number
 * @param takes what it takes instead of devices, such as "the path of a file"; empty for devices
 * @param opener makes the device
 * @param options the keys it knows
 */
record Form(
    String name,
    int leastLowers,
    int mostLowers,
    String takes,
    Opener opener,
    List<String> options) {

  /** Makes a device from its call, whose arguments and keys have been checked. */
  @FunctionalInterface
  interface Opener {
    /**
     * @throws StackException if the value of an option is wrong
     * @throws IllegalArgumentException if the device does not take what it is given
     * @throws IOException if what it stands on cannot be opened
     */
    Device open(Loop loop, DeviceCall call, List<Device> lowers) throws IOException;
  }

  /** A device that stands on nothing. */
  static Form leaf(String name, Opener opener, String... options) {
    return new Form(name, 0, 0, "", opener, List.of(options));
  }

  /** A device that stands on a file. */
  static Form onPath(String name, Opener opener, String... options) {
    return new Form(name, 0, 0, "the path of a file", opener, List.of(options));
  }

  /** A device that stands on something far away. */
  static Form onUri(String name, Opener opener, String... options) {
    return new Form(name, 0, 0, "the URI of an export", opener, List.of(options));
  }

  /** A device that stands on one other. */
  static Form onOne(String name, Opener opener, String... options) {
    return new Form(name, 1, 1, "", opener, List.of(options));
  }

  /** A device that stands on {@code least} others or more. */
  static Form onMany(String name, int least, Opener opener, String... options) {
    return new Form(name, least, Integer.MAX_VALUE, "", opener, List.of(options));
  }

  /** Whether one path, or something else that is no device, stands in the parentheses. */
  boolean takesPath() {
    return !takes.isEmpty();
  }

  /** Checks what stands in the parentheses, but for the values of the options. */
  void check(DeviceCall call) {
    if (takesPath()) {
      call.checkArgs(1, 1);
      if (call.args().getFirst() instanceof DeviceCall device) {
        throw device.error(
            name
                + " takes "
                + takes
                + ", but "
                + device.name()
                + " is a device: write "
                + (takes.contains("path") ? "a path" : "one, in quotes"));
      }
    } else {
      call.checkArgs(leastLowers, mostLowers);
    }
    call.checkOptions(options.toArray(String[]::new));
  }
}
