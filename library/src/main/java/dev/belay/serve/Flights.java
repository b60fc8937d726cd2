// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Bio;
import dev.belay.Device;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;

/** Finds out what an export has under way, and which device holds it. On the loop's thread. */
final class Flights {
  private Flights() {}

  static List<Flight> of(Served served) {
    IdentityHashMap<Bio, String> holders = new IdentityHashMap<>();
    IdentityHashMap<Device, Boolean> seen = new IdentityHashMap<>();
    show(served.root(), holders, seen);
    long nowNanos = served.clock().nanos();
    List<Flight> all = new ArrayList<>();
    for (Connection connection : served.connections()) {
      String peer = connection.wire().peer();
      connection
          .slots()
          .show(
              request ->
                  all.add(
                      new Flight(
                          connection.number() + "." + request.number,
                          connection.number(),
                          peer,
                          served.export().name(),
                          request.command,
                          request.offsetBytes,
                          request.lengthBytes,
                          Math.max(0, nowNanos - request.arrivedNanos),
                          request.flag.isRaised(),
                          where(request, holders))));
    }
    return all;
  }

  /** Each device below and including one; a device that several stand on is asked once. */
  private static void show(
      Device device, IdentityHashMap<Bio, String> holders, IdentityHashMap<Device, Boolean> seen) {
    if (seen.put(device, true) != null) {
      return;
    }
    device.showHeld(
        (bio, how) ->
            holders.merge(
                bio.root(),
                device.kind() + ": " + how,
                (one, other) -> one.contains(other) ? one : one + "; " + other));
    for (Device lower : device.lowers()) {
      show(lower, holders, seen);
    }
  }

  private static String where(Request request, IdentityHashMap<Bio, String> holders) {
    return switch (request.state) {
      case Request.RECEIVING ->
          "its payload is received, %d of %d bytes"
              .formatted(request.receivedBytes, request.lengthBytes);
      case Request.READY -> "its reply waits to be sent";
      case Request.SENDING -> "its reply is being sent";
      default -> holders.getOrDefault(request.bio(), "in " + request.deviceName());
    };
  }
}
