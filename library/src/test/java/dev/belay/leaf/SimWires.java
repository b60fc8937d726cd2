// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Loop;
import dev.belay.net.Wire;
import dev.belay.uring.SimKernel;
import dev.belay.uring.SimStream;

/** Wires on a ring over a {@link SimKernel}. */
public final class SimWires {
  private SimWires() {}

  /** A wire whose socket is that. */
  public static Wire adopt(Loop loop, SimKernel kernel, SimStream stream) {
    UringWire wire = SimFile.poller(loop, kernel).sockets().adopt(kernel.open(stream), "a test");
    if (wire == null) {
      throw new IllegalStateException("the loop is closed");
    }
    return wire;
  }
}
