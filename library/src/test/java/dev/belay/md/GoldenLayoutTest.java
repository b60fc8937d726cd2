// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The layouts and the arithmetic against arrays that Linux made, where there are any at hand. Every
 * sector of such an array holds copies of its own number, below a salt.
 */
final class GoldenLayoutTest {
  private static final Pattern FILE = Pattern.compile("(.+)-(\\d+)\\.img(\\.gz)?");

  /** Whose members are not all in sync, or of which not all are members. */
  private static final Pattern NOT_WHOLE =
      Pattern.compile(
          ".*(degraded|half|missing|dirty|bits|split|bad-|journal|re-?added|rebuilt|replace|spare"
              + "|0\\.90).*");

  @TestFactory
  Stream<DynamicTest> everyWholeArrayHasItsChunksAndParityWhereTheLayoutSays() throws IOException {
    Map<String, Map<Integer, Path>> arrays = new TreeMap<>();
    Path directory = Path.of(System.getProperty("belay.golden", "../../shared/golden"), "md");
    if (Files.isDirectory(directory)) {
      try (Stream<Path> files = Files.list(directory)) {
        files.forEach(
            file -> {
              Matcher name = FILE.matcher(file.getFileName().toString());
              if (name.matches() && !NOT_WHOLE.matcher(name.group(1)).matches()) {
                arrays
                    .computeIfAbsent(name.group(1), array -> new TreeMap<>())
                    .put(Integer.parseInt(name.group(2)), file);
              }
            });
      }
    }
    return arrays.entrySet().stream()
        .map(
            array ->
                DynamicTest.dynamicTest(
                    array.getKey(), () -> check(List.copyOf(array.getValue().values()))));
  }

  private static void check(List<Path> files) throws Exception {
    try (Arena arena = Arena.ofConfined()) {
      List<Superblock> blocks = new ArrayList<>();
      MemorySegment[] members = new MemorySegment[files.size()];
      for (Path file : files) {
        byte[] bytes = read(file);
        byte[][] candidates = new byte[3][];
        for (int minor = 0; minor <= 2; minor++) {
          int at = (int) Superblock.placeBytes(minor, bytes.length);
          candidates[minor] = HeadFiles.at(bytes, at, Superblock.BYTES);
        }
        Superblock block = Superblock.find(candidates, bytes.length);
        blocks.add(block);
        MemorySegment member = arena.allocate(bytes.length, 4096);
        member.copyFrom(MemorySegment.ofArray(bytes));
        members[block.role()] = member.asSlice(block.startBytes());
      }
      Superblock any = blocks.get(0);
      switch (any.level()) {
        case RAID0 -> checkZones(blocks, members);
        case RAID1 -> checkCopies(CopiesLayout.raid1(members.length, any.usedBytes()), members);
        case RAID10 ->
            checkCopies(
                CopiesLayout.raid10(
                    any.layout(), members.length, any.chunkBytes(), any.usedBytes()),
                members);
        case RAID4, RAID5, RAID6 ->
            checkParity(
                new ParityLayout(any.level(), any.layout(), members.length, any.chunkBytes()),
                any.usedBytes(),
                members,
                arena);
      }
    }
  }

  private static byte[] read(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return file.toString().endsWith(".gz")
          ? new GZIPInputStream(in).readAllBytes()
          : in.readAllBytes();
    }
  }

  private static void checkZones(List<Superblock> blocks, MemorySegment[] members) {
    long[] sizes = new long[members.length];
    for (Superblock block : blocks) {
      sizes[block.role()] = block.roomBytes();
    }
    Superblock any = blocks.get(0);
    boolean differ = new ZonesLayout(sizes, any.chunkBytes(), 1).isLayoutNeeded();
    if (differ && any.layout() == ZonesLayout.UNKNOWN) {
      assertThatThrownBy(() -> new ZonesLayout(sizes, any.chunkBytes(), any.layout()))
          .hasMessageContaining("differ in size");
      return;
    }
    ZonesLayout layout = new ZonesLayout(sizes, any.chunkBytes(), any.layout());
    for (long at = 0; at < layout.arrayBytes(); at += 512) {
      checkSector(members[layout.member(at)], layout.memberOffset(at), at);
    }
  }

  private static void checkCopies(CopiesLayout layout, MemorySegment[] members) {
    for (long at = 0; at < layout.arrayBytes(); at += 512) {
      for (int copy = 0; copy < layout.copies(); copy++) {
        checkSector(members[layout.member(at, copy)], layout.memberOffset(at, copy), at);
      }
    }
  }

  private static void checkParity(
      ParityLayout layout, long memberBytes, MemorySegment[] members, Arena arena) {
    long chunk = layout.chunkBytes();
    for (long at = 0; at < layout.arrayBytes(memberBytes); at += 512) {
      MemorySegment member = members[layout.member(layout.row(at), layout.column(at))];
      checkSector(member, layout.row(at) * chunk + at % chunk, at);
    }
    long p = arena.allocate(chunk).address();
    long q = arena.allocate(chunk).address();
    long[] columns = new long[layout.columns()];
    int[] qIndexes = new int[layout.columns()];
    for (long row = 0; row < memberBytes / chunk; row++) {
      for (int column = 0; column < columns.length; column++) {
        columns[column] = members[layout.member(row, column)].address() + row * chunk;
        qIndexes[column] = layout.qIndex(row, column);
      }
      boolean two = layout.level() == Level.RAID6;
      Syndromes.generate(columns, qIndexes, columns.length, p, two ? q : 0, chunk);
      long kernelP = members[layout.parityMember(row)].address() + row * chunk;
      assertThat(Syndromes.isSame(p, kernelP, chunk)).as("P of row %s", row).isTrue();
      if (two) {
        long kernelQ = members[layout.qMember(row)].address() + row * chunk;
        assertThat(Syndromes.isSame(q, kernelQ, chunk)).as("Q of row %s", row).isTrue();
      }
    }
  }

  private static void checkSector(MemorySegment member, long offset, long at) {
    long first = member.get(ValueLayout.JAVA_LONG, offset);
    if ((first & ((1L << 40) - 1)) != at / 512) {
      assertThat(first & ((1L << 40) - 1)).as("the sector at %s", at).isEqualTo(at / 512);
    }
  }
}
