// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.md.CopiesLayout;
import dev.belay.target.Hedge;
import dev.belay.target.Mirror;
import java.util.List;

/** Opens mirrors that are described by hand. */
final class Mirrors {
  private Mirrors() {}

  static Device openRaid1(Loop loop, DeviceCall call, List<Device> lowers) {
    return Mirror.raid1(loop, lowers, hedge(call));
  }

  static Device openRaid10(Loop loop, DeviceCall call, List<Device> lowers) {
    int number;
    try {
      number = CopiesLayout.number(call.text("layout", "n2"));
    } catch (IllegalArgumentException e) {
      throw call.optionError("layout", String.valueOf(e.getMessage()));
    }
    return Mirror.raid10(loop, lowers, number, call.sizeBytes("chunk", 64 << 10), hedge(call));
  }

  /** The option hedge: a duration, or a percentile such as p95. */
  static Hedge hedge(DeviceCall call) {
    String text = call.text("hedge", "");
    if (text.isEmpty() && call.option("hedge") == null) {
      return Hedge.NONE;
    }
    if (!text.matches("p\\d{1,2}(\\.\\d{1,3})?")) {
      long delayNanos = text.startsWith("p") ? 0 : call.durationNanos("hedge", 0);
      if (delayNanos == 0) {
        throw call.optionError(
            "hedge",
            "hedge is when a second leg is asked: a time such as 2ms, or a percentile such as p95");
      }
      return Hedge.after(delayNanos);
    }
    double percentile = Double.parseDouble(text.substring(1));
    if (percentile < 1) {
      throw call.optionError("hedge", "hedge is a percentile from p1 to p99.999, such as p95");
    }
    return Hedge.afterPercentile(percentile);
  }
}
