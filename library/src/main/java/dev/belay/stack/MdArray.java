// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.Assembly.Seat;
import dev.belay.md.BitmapHead;
import dev.belay.md.CopiesLayout;
import dev.belay.md.DirectIo;
import dev.belay.md.IntentBitmap;
import dev.belay.md.Level;
import dev.belay.md.LogReplay;
import dev.belay.md.Member;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.md.ParityLayout;
import dev.belay.md.Records;
import dev.belay.md.Superblock;
import dev.belay.md.ZonesLayout;
import dev.belay.target.Mirror;
import dev.belay.target.Parity;
import dev.belay.target.Raid0;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * An array of Linux md that was put together from what its members say.
 *
 * @param device the array as a device
 * @param array its state; null for RAID 0, which has none
 * @param assembly who its members are, and who was left out
 */
public record MdArray(Device device, @Nullable Array array, Assembly assembly) {

  /**
   * Reads what is on the devices, which are opened for it and closed again, by a loop of their own.
   *
   * @throws StackException if one of them cannot be opened
   */
  public static List<MemberContents> look(List<? extends Expression> members) {
    List<MemberContents> found = new ArrayList<>();
    onThreadOfItsOwn(() -> members.forEach(member -> found.add(look(member))));
    return found;
  }

  /** A driven loop needs a platform thread, and the caller's may be a virtual one. */
  private static void onThreadOfItsOwn(Runnable work) {
    AtomicReference<@Nullable Throwable> wrong = new AtomicReference<>();
    Thread thread =
        Thread.ofPlatform()
            .name("belay-md-look")
            .start(
                () -> {
                  try {
                    work.run();
                  } catch (RuntimeException | Error e) {
                    wrong.set(e);
                  }
                });
    boolean isInterrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        isInterrupted = true;
      }
    }
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
    Throwable why = wrong.get();
    if (why instanceof Error error) {
      throw error;
    }
    if (why instanceof RuntimeException exception) {
      throw exception;
    }
  }

  private static MemberContents look(Expression member) {
    Loop loop = Loop.driven();
    Device device = Stack.build(loop, Expression.parse(member.print()));
    try {
      return MemberContents.read(member.print(), new DirectIo(loop, device));
    } finally {
      loop.close(0);
    }
  }

  /**
   * Decides which array the devices make up.
   *
   * @throws MetadataException if there is none that may be started: why, and what would help
   */
  public static Assembly assemble(List<MemberContents> members, Assembly.Wish wish)
      throws MetadataException {
    return Assembly.of(members.stream().map(MemberContents::candidate).toList(), wish);
  }

  /**
   * Replays the partial parity logs of an array that was not stopped, if it has such; this is to be
   * done before {@link #open}, which else has a resync due. The members are opened for it and
   * closed again, by a loop of their own.
   *
   * @return what came of it; none if there was nothing to do, or the array is only read
   * @throws MetadataException if the array can only be read after it, and may not be written
   */
  public static Optional<LogReplay.Result> replayLogs(
      List<? extends Expression> members,
      List<MemberContents> contents,
      Assembly assembly,
      MdOptions options)
      throws MetadataException {
    if (!LogReplay.isDue(assembly)) {
      return Optional.empty();
    }
    if (options.array().isReadOnly()) {
      if (assembly.degraded() > 0 && !options.wish().force()) {
        throw new MetadataException(
            "the array is dirty and degraded, and its partial parity log is to be replayed before"
                + " it can be read right: open it once without read-only, or use force=on and check"
                + " the contents");
      }
      return Optional.empty();
    }
    AtomicReference<LogReplay.@Nullable Result> result = new AtomicReference<>();
    onThreadOfItsOwn(
        () -> {
          Loop loop = Loop.driven();
          try {
            List<DirectIo> ios = new ArrayList<>();
            for (Expression member : members) {
              Device device = Stack.build(loop, Expression.parse(member.print()));
              ios.add(new DirectIo(loop, device));
            }
            result.set(LogReplay.run(assembly, contents, ios));
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          } finally {
            loop.close(0);
          }
        });
    return Optional.ofNullable(result.get());
  }

  /**
   * Makes the array's device. Nothing is written before the first write, or before a walk that is
   * due begins.
   *
   * @param devices the candidates' devices, of {@code loop}, in the order of {@code contents}
   * @throws IllegalArgumentException if a device does not fit the array, its block for instance
   */
  public static MdArray open(
      Loop loop,
      List<Device> devices,
      List<MemberContents> contents,
      Assembly assembly,
      MdOptions options) {
    Opening opening = new Opening(loop, devices, contents, assembly, options);
    return assembly.superblock().level() == Level.RAID0 ? opening.raid0() : opening.redundant();
  }

  /** What is at hand while an array is opened. */
  private record Opening(
      Loop loop,
      List<Device> devices,
      List<MemberContents> contents,
      Assembly assembly,
      MdOptions options) {

    private Superblock superblockOf(int candidate) {
      return Objects.requireNonNull(contents.get(candidate).superblock());
    }

    MdArray raid0() {
      Superblock common = assembly.superblock();
      List<Device> members = new ArrayList<>();
      long[] startBytes = new long[assembly.seats().size()];
      long[] sizes = new long[startBytes.length];
      for (int i = 0; i < startBytes.length; i++) {
        int candidate = assembly.seats().get(i).member().orElseThrow();
        members.add(devices.get(candidate));
        startBytes[i] = superblockOf(candidate).startBytes();
        sizes[i] = superblockOf(candidate).roomBytes();
      }
      ZonesLayout layout = new ZonesLayout(sizes, common.chunkBytes(), common.layout());
      return new MdArray(new Raid0(loop, members, startBytes, layout), null, assembly);
    }

    MdArray redundant() {
      Superblock common = assembly.superblock();
      @Nullable Member[] slots = new @Nullable Member[assembly.seats().size()];
      List<Member> spares = new ArrayList<>();
      Map<Member, Superblock> superblocks = new HashMap<>();
      for (int slot = 0; slot < slots.length; slot++) {
        Seat seat = assembly.seats().get(slot);
        if (seat.member().isPresent()) {
          Member member = member(seat.member().getAsInt(), slot, seat);
          slots[slot] = member;
          superblocks.put(member, superblockOf(seat.member().getAsInt()).copy());
        }
      }
      for (int candidate : assembly.spares()) {
        Member spare = member(candidate, -1, null);
        spares.add(spare);
        superblocks.put(spare, superblockOf(candidate).copy());
      }
      Records records = new Records(superblocks, assembly.events(), common.resyncBytes());
      Array array =
          new Array(loop, common.level(), options.array(), slots, spares, records, bitmap());
      return new MdArray(level(array, common), array, assembly);
    }

    private Member member(int candidate, int slot, @Nullable Seat seat) {
      Superblock superblock = superblockOf(candidate);
      if (!options.array().isReadOnly()) {
        requireWholeBlocks(candidate, superblock);
      }
      Member.State state =
          seat == null
              ? Member.State.SPARE
              : seat.state() == Assembly.State.RECOVERING
                  ? Member.State.REBUILDING
                  : Member.State.IN_SYNC;
      // The bits of a RAID 10 count bytes of the array, and a rebuild walks over a member.
      boolean byBitmap = seat != null && seat.byBitmap() && superblock.level() != Level.RAID10;
      return new Member(
              contents.get(candidate).name(),
              devices.get(candidate),
              superblock.startBytes(),
              slot,
              state,
              seat == null || (seat.byBitmap() && !byBitmap) ? 0 : seat.recoveryBytes())
          .withBadBlocks(contents.get(candidate).badBlocks())
          .withWriteMostly(superblock.writeMostly())
          .withCatchingUp(byBitmap);
    }

    /** What is written about a member goes in whole blocks, which must not hold anything else. */
    private void requireWholeBlocks(int candidate, Superblock superblock) {
      int block = devices.get(candidate).limits().logicalBlockBytes();
      long bitmapAtBytes = superblock.bitmapAtBytes().orElse(0);
      long logAtBytes = superblock.pplAtBytes().orElse(0);
      if ((superblock.atBytes() | bitmapAtBytes | logAtBytes) % block != 0) {
        throw new IllegalArgumentException(
            "%s has blocks of %d bytes, and its superblock, at byte %d, %s: the array can only be"
                    .formatted(
                        contents.get(candidate).name(),
                        block,
                        superblock.atBytes(),
                        bitmapAtBytes + logAtBytes == 0
                            ? "does not begin with one"
                            : "and its bitmap or log, at byte %d, do not both begin with one"
                                .formatted(bitmapAtBytes + logAtBytes))
                + " read there, with read-only=on");
      }
    }

    /** The bits of all members together: who has one too few was about to get it. */
    private @Nullable IntentBitmap bitmap() {
      Superblock common = assembly.superblock();
      if (common.bitmapAtBytes().isEmpty()) {
        return null;
      }
      BitmapHead head = null;
      BitSet bits = new BitSet();
      boolean isCurrent = true;
      for (Seat seat : assembly.seats()) {
        if (seat.state() == Assembly.State.IN_SYNC) {
          MemberContents member = contents.get(seat.member().orElseThrow());
          BitmapHead found = member.bitmap();
          isCurrent &= found != null && found.isCurrent(assembly.events() - 1);
          bits.or(member.bits());
          head = head == null ? found : head;
        }
      }
      if (head == null) {
        // Every copy is damaged. Without bits all is resynced, and the damage stays as it is.
        return null;
      }
      long count = BitmapHead.bits(BitmapHead.syncBytes(common), head.chunkBytes());
      if (!isCurrent) {
        bits.set(0, (int) count);
      }
      return new IntentBitmap(head.copy(), bits, (int) count, assembly.isClean());
    }

    private Device level(Array array, Superblock common) {
      int members = common.raidDevices();
      long used = common.usedBytes();
      return switch (common.level()) {
        case RAID1 -> new Mirror(loop, array, CopiesLayout.raid1(members, used), options.hedge());
        case RAID10 ->
            new Mirror(
                loop,
                array,
                CopiesLayout.raid10(common.layout(), members, common.chunkBytes(), used),
                options.hedge());
        case RAID4, RAID5, RAID6 ->
            new Parity(
                array,
                new ParityLayout(common.level(), common.layout(), members, common.chunkBytes()),
                used);
        case RAID0 -> throw new AssertionError("a raid0 has no redundancy");
      };
    }
  }
}
