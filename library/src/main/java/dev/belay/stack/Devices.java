// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.leaf.FileEngine;
import dev.belay.leaf.FileOptions;
import dev.belay.leaf.Memory;
import dev.belay.leaf.Null;
import dev.belay.leaf.UringTuning;
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.md.ZonesLayout;
import dev.belay.target.Align;
import dev.belay.target.Concat;
import dev.belay.target.Delay;
import dev.belay.target.Fault;
import dev.belay.target.Linear;
import dev.belay.target.Parity;
import dev.belay.target.Raid0;
import dev.belay.target.Stripe;
import dev.belay.target.Throttle;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
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
              Form.onPath(
                  "file",
                  Devices::openFile,
                  "size",
                  "direct",
                  "block",
                  "read-only",
                  "engine",
                  "depth",
                  "piece",
                  "window",
                  "threads"),
              Form.onUri(
                  "nbd",
                  NbdDevice::open,
                  "connections",
                  "depth",
                  "timeout",
                  "reconnect",
                  "tls",
                  "read-only",
                  "trust"),
              Form.onOne("linear", Devices::openLinear, "offset", "size"),
              Form.onMany("concat", 1, (loop, call, lowers) -> new Concat(loop, lowers)),
              Form.onMany("stripe", 1, Devices::openStripe, "chunk"),
              Form.onMany(
                  "md",
                  1,
                  MdDevice::open,
                  "run",
                  "force",
                  "read-only",
                  "uuid",
                  "sync",
                  "sync-speed-min",
                  "sync-speed-max",
                  "hedge"),
              Form.onMany("raid0", 1, Devices::openRaid0, "chunk", "layout"),
              Form.onMany("raid1", 1, Mirrors::openRaid1, "hedge"),
              Form.onMany("raid10", 2, Mirrors::openRaid10, "layout", "chunk", "hedge"),
              Form.onMany("raid4", 2, openParity(Level.RAID4), "chunk"),
              Form.onMany("raid5", 2, openParity(Level.RAID5), "chunk", "layout"),
              Form.onMany("raid6", 4, openParity(Level.RAID6), "chunk", "layout"),
              Form.onOne("delay", Devices::openDelay, "read", "write", "flush"),
              Form.onOne("throttle", Devices::openThrottle, "iops", "bandwidth", "burst", "order"),
              Form.onOne(
                  "fault", Devices::openFault, "effect", "rate", "range", "op", "delay", "seed"),
              Form.onOne("align", Devices::openAlign, "block", "bounce")));

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

  private static Device openFile(Loop loop, DeviceCall call, List<Device> none) throws IOException {
    FileOptions options =
        FileOptions.of(((BarePath) call.args().getFirst()).path())
            .withSize(call.sizeBytes("size", FileOptions.AS_IT_IS))
            .withBlock(call.option("block") == null ? FileOptions.AS_IT_IS : blockBytes(call, 512))
            .withDirect(
                named(FileOptions.Direct.class, call.word("direct", "auto", "auto", "on", "off")))
            .withReadOnly(call.onOff("read-only", false));
    FileEngine engine =
        named(FileEngine.class, call.word("engine", "auto", "auto", "uring", "threads"));
    UringTuning usual = UringTuning.DEFAULT;
    long depth = call.count("depth", -1, 1, 32_768);
    long piece = call.sizeBytes("piece", usual.pieceBytes());
    if (piece > 1 << 30) {
      throw call.optionError("piece", "piece is how much is sent in one request: 512 to 1G");
    }
    long window = call.sizeBytes("window", Math.max(piece, usual.windowBytes()));
    int threads = (int) call.count("threads", FileEngine.DEFAULT_THREADS, 1, 10_000);
    return engine.open(
        loop,
        options,
        new UringTuning(depth < 0 ? usual.depth() : (int) depth, (int) piece, window),
        depth < 0 ? Math.max(threads, FileEngine.DEFAULT_THREADS_DEPTH) : (int) depth,
        threads);
  }

  private static <E extends Enum<E>> E named(Class<E> kind, String word) {
    return Enum.valueOf(kind, word.toUpperCase(Locale.ROOT));
  }

  private static Device openLinear(Loop loop, DeviceCall call, List<Device> lowers) {
    Device lower = lowers.getFirst();
    long offset = call.sizeBytes("offset", 0);
    long rest = Math.max(0, lower.limits().sizeBytes() - offset);
    return new Linear(loop, lower, offset, call.sizeBytes("size", rest));
  }

  private static Device openStripe(Loop loop, DeviceCall call, List<Device> lowers) {
    return new Stripe(loop, lowers, call.sizeBytes("chunk", 64 << 10));
  }

  private static Device openRaid0(Loop loop, DeviceCall call, List<Device> lowers) {
    String layout = call.word("layout", "", "original", "alternate");
    int number = layout.isEmpty() ? ZonesLayout.UNKNOWN : ZonesLayout.number(layout);
    return Raid0.byHand(loop, lowers, call.sizeBytes("chunk", 64 << 10), number);
  }

  private static Form.Opener openParity(Level level) {
    return (loop, call, lowers) -> {
      String word = call.text("layout", "");
      int layout;
      try {
        layout =
            word.isEmpty() ? ParityLayout.defaultNumber(level) : ParityLayout.number(level, word);
      } catch (IllegalArgumentException e) {
        throw call.optionError("layout", String.valueOf(e.getMessage()));
      }
      return Parity.byHand(loop, level, lowers, call.sizeBytes("chunk", 64 << 10), layout);
    };
  }

  private static Device openDelay(Loop loop, DeviceCall call, List<Device> lowers) {
    return new Delay(
        loop,
        lowers.getFirst(),
        call.durationNanos("read", 0),
        call.durationNanos("write", 0),
        call.durationNanos("flush", 0));
  }

  private static Device openThrottle(Loop loop, DeviceCall call, List<Device> lowers) {
    return new Throttle(
        loop,
        lowers.getFirst(),
        call.ratePerSecond("iops", 0),
        call.bytesPerSecond("bandwidth", 0),
        call.durationNanos("burst", 100_000_000),
        call.word("order", "oldest", "oldest", "newest").equals("newest"));
  }

  private static Device openFault(Loop loop, DeviceCall call, List<Device> lowers) {
    String none = "none";
    String effect = call.word("effect", none, none, "error", "lost", "hang", "stuck", "slow");
    String op =
        call.word("op", "any", "any", "read", "write", "flush", "discard", "zeroes", "holes");
    double rate = call.fraction("rate", 1);
    long delayNanos = call.durationNanos("delay", 0);
    List<ByteRange> ranges = call.ranges("range");
    long seed = call.count("seed", 1, 0, Long.MAX_VALUE);
    if (effect.equals(none) && call.options().stream().anyMatch(o -> !o.key().equals("seed"))) {
      throw call.optionError("effect", "a fault needs an effect: write effect=error, for instance");
    }
    if (call.option("delay") != null && !effect.equals("slow")) {
      throw call.optionError("delay", "only effect=slow has a delay: leave it out");
    }
    List<Fault.Rule> rules = new ArrayList<>();
    if (!effect.equals(none)) {
      Fault.Rule rule =
          Fault.Rule.of(named(Fault.Effect.class, effect)).withRate(rate).withDelay(delayNanos);
      if (!op.equals("any")) {
        rule =
            rule.on(
                switch (op) {
                  case "zeroes" -> Op.WRITE_ZEROES;
                  case "holes" -> Op.FIND_HOLES;
                  default -> named(Op.class, op);
                });
      }
      for (ByteRange range : ranges) {
        rules.add(rule.within(range.startBytes(), range.endBytes() - range.startBytes()));
      }
      if (ranges.isEmpty()) {
        rules.add(rule);
      }
    }
    return new Fault(loop, lowers.getFirst(), rules, seed);
  }

  private static Device openAlign(Loop loop, DeviceCall call, List<Device> lowers) {
    Device lower = lowers.getFirst();
    int block = blockBytes(call, lower.limits().logicalBlockBytes());
    return new Align(loop, lower, block, call.sizeBytes("bounce", Align.DEFAULT_BOUNCE_BYTES));
  }

  private static int blockBytes(DeviceCall call, int absentBytes) {
    long bytes = call.sizeBytes("block", absentBytes);
    if (bytes < 1 || bytes > BLOCK_LARGEST_BYTES || Long.bitCount(bytes) != 1) {
      throw call.optionError("block", "block: a block is a power of two, 1 to 1M, such as 4k");
    }
    return (int) bytes;
  }
}
