// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.leaf.FileOptions;
import dev.belay.leaf.Memory;
import dev.belay.leaf.Nbd;
import dev.belay.leaf.NbdOptions;
import dev.belay.leaf.Null;
import dev.belay.leaf.ThreadFile;
import dev.belay.leaf.UringFile;
import dev.belay.leaf.UringTuning;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.md.ZonesLayout;
import dev.belay.nbd.NbdUri;
import dev.belay.net.Address;
import dev.belay.net.Sockets;
import dev.belay.target.Align;
import dev.belay.target.Concat;
import dev.belay.target.Delay;
import dev.belay.target.Fault;
import dev.belay.target.Hedge;
import dev.belay.target.Linear;
import dev.belay.target.Mirror;
import dev.belay.target.Parity;
import dev.belay.target.Raid0;
import dev.belay.target.Stripe;
import dev.belay.target.Throttle;
import dev.belay.testing.Pipes;
import dev.belay.testing.SimNbd;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Every device, and how the contract matrix makes one. A new device gets a row here. */
final class MatrixRows {
  private MatrixRows() {}

  /**
   * A target.
   *
   * @param passes whether what comes in goes on by itself, be it later
   */
  record Target(String name, boolean passes, Maker maker) {
    /** Makes it, over as many lower devices as it needs. */
    Device make(Loop loop, Supplier<Device> lower) {
      return maker.make(loop, lower);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /** Makes a target over what {@code lower} gives, once for each lower device. */
  @FunctionalInterface
  interface Maker {
    Device make(Loop loop, Supplier<Device> lower);
  }

  /**
   * A leaf.
   *
   * @param keeps whether what is written can be read again
   */
  record Leaf(String name, boolean keeps, Opener opener) {
    @Override
    public String toString() {
      return name;
    }
  }

  /** Opens a leaf of {@link #LEAF_BYTES}, with files in a directory. */
  @FunctionalInterface
  interface Opener {
    Device open(Loop loop, Path directory) throws IOException;
  }

  static final long LEAF_BYTES = 1 << 20;

  /**
   * What would take too long on real time: its rate is low, so that it cuts even short requests.
   */
  static final String SLOW = "throttle of bytes";

  private static final int BLOCK = HeldLeaf.BLOCK_BYTES;

  /** Whole blocks also of a file, which may have coarser ones. */
  private static final long CHUNK = 4096;

  static final List<Target> TARGETS =
      List.of(
          passing("linear", MatrixRows::linear),
          passing("concat", (loop, lower) -> new Concat(loop, many(3, lower))),
          passing("concat of one", (loop, lower) -> new Concat(loop, many(1, lower))),
          passing("stripe", (loop, lower) -> new Stripe(loop, many(3, lower), CHUNK)),
          passing("stripe of one", (loop, lower) -> new Stripe(loop, many(1, lower), CHUNK)),
          passing("raid0", (loop, lower) -> raid0(loop, many(3, lower))),
          passing("align", (loop, lower) -> align(loop, lower.get(), 1)),
          passing("align to coarser blocks", (loop, lower) -> align(loop, lower.get(), 4)),
          passing("delay", (loop, lower) -> new Delay(loop, lower.get(), 1000, 2000, 3000)),
          passing("delay of reads", (loop, lower) -> new Delay(loop, lower.get(), 1000, 0, 0)),
          passing(
              SLOW,
              (loop, lower) -> new Throttle(loop, lower.get(), 1e6, 50L * 4 * BLOCK, 1_000_000)),
          passing(
              "throttle of operations",
              (loop, lower) -> new Throttle(loop, lower.get(), 1e6, 0, 1)),
          passing("fault", (loop, lower) -> new Fault(loop, lower.get(), List.of(), 1)),
          passing(
              "slow fault",
              (loop, lower) ->
                  new Fault(
                      loop,
                      lower.get(),
                      List.of(Fault.Rule.of(Fault.Effect.SLOW).withDelay(1000)),
                      1)),
          new Target(
              "hanging fault",
              false,
              (loop, lower) ->
                  new Fault(loop, lower.get(), List.of(Fault.Rule.of(Fault.Effect.HANG)), 1)));

  /**
   * Targets that write more than they are given, and go on once they have committed: other laws
   * hold for what reaches their members.
   */
  static final List<Target> ARRAYS =
      List.of(
          passing("raid1", (loop, lower) -> Mirror.raid1(loop, many(2, lower), Hedge.NONE)),
          passing("raid10", (loop, lower) -> raid10(loop, many(4, lower), "n2")),
          passing("raid10 of far copies", (loop, lower) -> raid10(loop, many(3, lower), "f2")),
          passing("raid4", (loop, lower) -> parity(loop, Level.RAID4, many(3, lower))),
          passing("raid5", (loop, lower) -> parity(loop, Level.RAID5, many(3, lower))),
          passing("raid6", (loop, lower) -> parity(loop, Level.RAID6, many(5, lower))));

  static final List<Leaf> LEAVES = leaves();

  private static List<Leaf> leaves() {
    Leaf memory = new Leaf("memory", true, (loop, dir) -> new Memory(loop, LEAF_BYTES, BLOCK));
    Leaf none = new Leaf("null", false, (loop, dir) -> new Null(loop, LEAF_BYTES, BLOCK));
    Leaf threads =
        new Leaf(
            "file by threads",
            true,
            (loop, dir) -> ThreadFile.open(loop, options(dir, "threads"), 4, 2));
    Leaf uring =
        new Leaf(
            "file by io_uring",
            true,
            (loop, dir) ->
                UringFile.open(
                    loop, options(dir, "uring"), UringTuning.DEFAULT.withPiece(16 << 10)));
    Leaf nbd = new Leaf("nbd", true, (loop, dir) -> nbd(loop));
    return UringSupport.look().usable()
        ? List.of(memory, none, threads, uring, nbd)
        : List.of(memory, none, threads, nbd);
  }

  /** Over a network in memory, with the server on the same loop. */
  private static Device nbd(Loop loop) {
    Sockets sockets = new Pipes(1).of(loop);
    SimNbd server =
        new SimNbd(sockets, new Address.Unix("/sim"), (int) LEAF_BYTES, 1)
            .withBlocks(BLOCK, 32 << 10);
    NbdUri uri = NbdUri.parse("nbd+unix:///disk?socket=/sim");
    return new Nbd(
        loop, sockets, NbdOptions.of(uri).withConnections(2).withDepth(8), server.session());
  }

  private static FileOptions options(Path directory, String name) {
    String path = directory.resolve(name + System.nanoTime()).toString();
    return FileOptions.of(path).withSize(LEAF_BYTES);
  }

  private static Target passing(String name, Maker maker) {
    return new Target(name, true, maker);
  }

  private static Device linear(Loop loop, Supplier<Device> lower) {
    Device below = lower.get();
    // Whole blocks of an align as well, above which a request would bounce and lose its addresses.
    int block = Math.max(4 * BLOCK, below.limits().logicalBlockBytes());
    return new Linear(loop, below, block, below.limits().sizeBytes() - 3L * block);
  }

  private static Device raid0(Loop loop, List<Device> lowers) {
    return Raid0.byHand(loop, lowers, CHUNK, ZonesLayout.ALTERNATE);
  }

  private static Device parity(Loop loop, Level level, List<Device> lowers) {
    return Parity.byHand(loop, level, lowers, CHUNK, ParityLayout.defaultNumber(level));
  }

  private static Device align(Loop loop, Device lower, int blocks) {
    int block = Math.max(BLOCK, lower.limits().logicalBlockBytes());
    return new Align(loop, lower, block * blocks, 128 << 10);
  }

  private static Device raid10(Loop loop, List<Device> lowers, String layout) {
    return Mirror.raid10(loop, lowers, CopiesLayout.number(layout), CHUNK, Hedge.NONE);
  }

  private static List<Device> many(int count, Supplier<Device> lower) {
    return Stream.generate(lower).limit(count).toList();
  }

  /** The operations that have a range. */
  static final List<Op> RANGE_OPS =
      List.of(Op.READ, Op.WRITE, Op.DISCARD, Op.WRITE_ZEROES, Op.FIND_HOLES);
}
