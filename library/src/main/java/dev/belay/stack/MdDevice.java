// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.md.LogReplay;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The device {@code md}: puts together the array that its members say they are.
 *
 * <pre>
 * md(LOWER, LOWER, ... [, run=on] [, force=on] [, read-only=on] [, uuid=UUID] [, sync=off]
 *    [, sync-speed-min=RATE] [, sync-speed-max=RATE] [, hedge=DURATION|pNN])
 * </pre>
 */
final class MdDevice {
  private static final System.Logger LOG = System.getLogger("dev.belay");

  private MdDevice() {}

  static Device open(Loop loop, DeviceCall call, List<Device> lowers) {
    MdOptions options = options(call);
    List<MemberContents> contents = MdArray.look(call.args());
    Assembly assembly;
    Optional<LogReplay.Result> replay;
    try {
      assembly = MdArray.assemble(contents, options.wish());
      replay = MdArray.replayLogs(call.args(), contents, assembly, options);
    } catch (MetadataException e) {
      throw call.error("md cannot put an array together: " + e.getMessage());
    } catch (UncheckedIOException e) {
      throw call.error("md cannot replay the array's partial parity logs: " + e.getMessage());
    }
    for (String remark : assembly.remarks()) {
      LOG.log(System.Logger.Level.WARNING, remark);
    }
    MdArray open = MdArray.open(loop, lowers, contents, assembly, options);
    Array array = open.array();
    if (replay.isPresent() && array != null) {
      LOG.log(System.Logger.Level.INFO, replay.get().sentence());
      loop.execute(array::record); // so that nobody has to replay them once more
    }
    return open.device();
  }

  private static MdOptions options(DeviceCall call) {
    Assembly.Wish wish =
        new Assembly.Wish(call.onOff("run", false), call.onOff("force", false), uuid(call));
    ArrayOptions usual = ArrayOptions.DEFAULT;
    long slowest = call.bytesPerSecond("sync-speed-min", usual.slowestSyncBytesPerSecond());
    long fastest =
        call.bytesPerSecond("sync-speed-max", Math.max(slowest, usual.fastestSyncBytesPerSecond()));
    if (slowest > fastest) {
      throw call.optionError(
          "sync-speed-min", "sync-speed-min is above sync-speed-max: say them the other way round");
    }
    ArrayOptions array =
        usual
            .withReadOnly(call.onOff("read-only", false))
            .withSyncsByItself(call.onOff("sync", true))
            .withSyncRates(slowest, fastest);
    return new MdOptions(wish, array, Mirrors.hedge(call));
  }

  private static Optional<UUID> uuid(DeviceCall call) {
    String text = call.text("uuid", "");
    if (text.isEmpty()) {
      return Optional.empty();
    }
    String digits = text.replaceAll("[:-]", "");
    if (!digits.matches("[0-9a-fA-F]{32}")) {
      throw call.optionError(
          "uuid", "a uuid has 32 hexadecimal digits, such as 01234567:89abcdef:01234567:89abcdef");
    }
    return Optional.of(
        new UUID(
            Long.parseUnsignedLong(digits.substring(0, 16), 16),
            Long.parseUnsignedLong(digits.substring(16), 16)));
  }
}
