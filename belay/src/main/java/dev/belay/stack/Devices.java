// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.leaf.Memory;
import dev.belay.leaf.Null;
import dev.belay.target.Linear;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Every device there is, by its name: a line in the list, and below it what reads its options. */
final class Devices {
  private static final long BLOCK_LARGEST_BYTES = 1 << 20;

  /** In the order in which they are shown. */
  static final Map<String, Form> FORMS =
      byName(
          List.of(
              Form.leaf("null", Devices::openNull, "size", "block"),
              Form.leaf("memory", Devices::openMemory, "size", "block"),
              Form.onOne("linear", Devices::openLinear, "offset", "size")));

  private Devices() {}

  private static Map<String, Form> byName(List<Form> forms) {
    Map<String, Form> map = new LinkedHashMap<>();
    for (Form form : forms) {
      map.put(form.name(), form);
    }
    return map;
  }

  private static Device openNull(Loop loop, DeviceCall call, List<Device> none) {
    return new Null(loop, call.sizeBytes("size", 1L << 40), blockBytes(call, 512));
  }

  private static Device openMemory(Loop loop, DeviceCall call, List<Device> none) {
    return new Memory(loop, call.sizeBytes("size"), blockBytes(call, 512));
  }

  private static Device openLinear(Loop loop, DeviceCall call, List<Device> lowers) {
    Device lower = lowers.getFirst();
    long offset = call.sizeBytes("offset", 0);
    long rest = Math.max(0, lower.limits().sizeBytes() - offset);
    return new Linear(loop, lower, offset, call.sizeBytes("size", rest));
  }

  private static int blockBytes(DeviceCall call, int absentBytes) {
    long bytes = call.sizeBytes("block", absentBytes);
    if (bytes < 1 || bytes > BLOCK_LARGEST_BYTES || Long.bitCount(bytes) != 1) {
      throw call.optionError("block", "block: a block is a power of two, 1 to 1M, such as 4k");
    }
    return (int) bytes;
  }
}
