// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.front.Volume;
import dev.belay.md.Assembly;
import dev.belay.md.CopiesLayout;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.md.Superblock;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Arrays that Linux made read right, whole and with every tolerated combination of members taken
 * away; in any order of members; and what cannot be served is refused in a sentence.
 */
final class LinuxArraysTest {
  private static final int SECTOR = 512;
  private static final ValueLayout.OfLong WORD =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final Path GIVEN = Path.of("../../shared/golden/md");
  private static final Pattern CHECK = Pattern.compile("\\+ pat check /dev/md0 (.*)");

  /** What is refused, and a part of the sentence that says why. */
  private static final Map<String, String> REFUSED =
      Map.of(
          "raid0-unset", "layout",
          "raid1-metadata-0.90", "0.90",
          "raid1-split", "split",
          "raid5-journal", "journal",
          "raid5-reshape-half", "reshape");

  @TempDir private Path directory;

  /** The array whose files begin so. */
  record Made(Path directory, String name) {
    @Override
    public String toString() {
      return name;
    }

    List<Path> packed() throws IOException {
      List<Path> found = new ArrayList<>();
      for (int i = 0; Files.exists(directory.resolve(name + "-" + i + ".img.gz")); i++) {
        found.add(directory.resolve(name + "-" + i + ".img.gz"));
      }
      return found;
    }

    String text() throws IOException {
      return Files.readString(directory.resolve(name + ".txt"));
    }
  }

  /** Sectors that hold a salt. */
  record Content(long salt, long start, long count) {}

  static List<Made> arrays() throws IOException {
    Path ours = Path.of("src/test/resources/md/arrays");
    List<Made> found = new ArrayList<>();
    for (Path directory : List.of(ours, GIVEN)) {
      if (Files.isDirectory(directory)) {
        try (Stream<Path> files = Files.list(directory)) {
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.endsWith(".txt"))
              .sorted()
              .forEach(name -> found.add(new Made(directory, name.replace(".txt", ""))));
        }
      }
    }
    return found;
  }

  @ParameterizedTest
  @MethodSource("arrays")
  void readsRight(Made made) throws IOException, MetadataException {
    List<Path> files = unpack(made, directory);
    if (REFUSED.containsKey(made.name())) {
      assertThatThrownBy(() -> Volume.open(expression(files, "sync=off")).close())
          .isInstanceOf(StackException.class)
          .hasMessageContaining(REFUSED.get(made.name()));
      return;
    }
    List<Content> contents = contents(made);
    byte[][] before = sums(files);
    checkEveryCombination(made, files, contents);
    assertThat(sums(files)).as("nothing is written").isDeepEqualTo(before);
  }

  /** Whether it can be opened at all. */
  static boolean isServed(Made made) {
    return !REFUSED.containsKey(made.name());
  }

  /** Reads all of it, whole and with each tolerated combination of members taken away. */
  static void checkEveryCombination(Made made, List<Path> files, List<Content> contents)
      throws IOException, MetadataException {
    List<MemberContents> found = MdArray.look(files.stream().map(LinuxArraysTest::path).toList());
    Assembly assembly = MdArray.assemble(found, new Assembly.Wish(true, true, Optional.empty()));
    List<Integer> seated = new ArrayList<>();
    assembly.seats().stream()
        .filter(seat -> seat.state() == Assembly.State.IN_SYNC)
        .forEach(seat -> seated.add(seat.member().orElseThrow()));
    // What no other copy has, where one is known to be bad, is an error as it should be.
    boolean mayMiss = found.stream().allMatch(member -> member.badBlocks().isEmpty());
    int combinations = 0;
    for (int gone = 0; gone < 1 << seated.size(); gone++) {
      if (!isTolerated(assembly, seated, gone) || (gone > 0 && !mayMiss)) {
        continue;
      }
      List<Path> left = new ArrayList<>(files);
      for (int i = 0; i < seated.size(); i++) {
        if ((gone >> i & 1) == 1) {
          left.remove(files.get(seated.get(i)));
        }
      }
      Collections.rotate(left, combinations++);
      checkContent(left, contents, made + " without " + Integer.toBinaryString(gone));
    }
    assertThat(combinations).isPositive();
  }

  /** Sectors as they are told by the texts. */
  static byte[] bytes(long salt, long startSector, long count) {
    ByteBuffer bytes = ByteBuffer.allocate((int) count * SECTOR).order(ByteOrder.LITTLE_ENDIAN);
    for (long sector = startSector; sector < startSector + count; sector++) {
      for (int i = 0; i < SECTOR; i += Long.BYTES) {
        bytes.putLong((salt << 40) + sector);
      }
    }
    return bytes.array();
  }

  /** Whether an array can do without the seats that are gone now, beside those that were before. */
  private static boolean isTolerated(Assembly assembly, List<Integer> seated, int gone) {
    Superblock common = assembly.superblock();
    boolean[] missing = new boolean[assembly.seats().size()];
    int count = 0;
    for (int slot = 0; slot < missing.length; slot++) {
      Assembly.Seat seat = assembly.seats().get(slot);
      int place = seat.member().isPresent() ? seated.indexOf(seat.member().getAsInt()) : -1;
      missing[slot] = place < 0 || (gone >> place & 1) == 1;
      count += missing[slot] ? 1 : 0;
    }
    return switch (common.level()) {
      case RAID0 -> count == 0;
      case RAID1 -> count < missing.length;
      case RAID4, RAID5 -> count <= 1;
      case RAID6 -> count <= 2;
      case RAID10 ->
          CopiesLayout.raid10(
                  common.layout(), missing.length, common.chunkBytes(), common.usedBytes())
              .canRunWithout(slot -> missing[slot]);
    };
  }

  private static void checkContent(List<Path> files, List<Content> contents, String what)
      throws IOException {
    try (Volume volume = Volume.open(expression(files, "run=on, force=on, read-only=on"));
        Arena arena = Arena.ofShared()) {
      long size = volume.sizeBytes();
      MemorySegment all = arena.allocate(size, 4096);
      volume.read(0, all);
      long[] salts = new long[(int) (size / SECTOR)];
      for (Content content : contents) {
        long end = content.count() < 0 ? salts.length : content.start() + content.count();
        Arrays.fill(salts, (int) content.start(), (int) end, content.salt());
      }
      for (int sector = 0; sector < salts.length; sector++) {
        for (int i = 0; i < SECTOR && salts[sector] != 0; i += Long.BYTES) {
          long value = all.get(WORD, (long) sector * SECTOR + i);
          if (value != (salts[sector] << 40) + sector) {
            throw new AssertionError("%s: sector %d of %d".formatted(what, sector, salts.length));
          }
        }
      }
    }
  }

  private static String expression(List<Path> files, String options) {
    String members =
        files.stream().map(file -> path(file).print()).collect(Collectors.joining(", "));
    return "md(" + members + ", " + options + ")";
  }

  private static BarePath path(Path file) {
    return BarePath.of(file.toString());
  }

  static List<Path> unpack(Made made, Path directory) throws IOException {
    List<Path> files = new ArrayList<>();
    for (Path packed : made.packed()) {
      Path file = directory.resolve(Objects.requireNonNull(packed.getFileName()) + ".img");
      try (InputStream in = new GZIPInputStream(Files.newInputStream(packed))) {
        Files.copy(in, file);
      }
      files.add(file);
    }
    return files;
  }

  private static byte[][] sums(List<Path> files) {
    return files.stream()
        .map(
            file -> {
              try {
                byte[] bytes = Files.readAllBytes(file);
                return java.security.MessageDigest.getInstance("SHA-256").digest(bytes);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              } catch (java.security.NoSuchAlgorithmException e) {
                throw new AssertionError(e);
              }
            })
        .toArray(byte[][]::new);
  }

  /** What the text says that the array holds, at last. */
  static List<Content> contents(Made made) throws IOException {
    String text = made.text();
    if (made.directory().equals(GIVEN)) {
      Matcher salt = Pattern.compile("\\((\\d+) << 40\\)").matcher(text);
      assertThat(salt.find()).isTrue();
      List<Content> contents = new ArrayList<>();
      contents.add(new Content(Long.parseLong(salt.group(1)), 0, -1));
      if (made.name().equals("raid5-3-degraded")) {
        contents.add(new Content(66, 0, 4096));
      }
      return contents;
    }
    int end = text.indexOf("\nafterwards");
    Matcher check = CHECK.matcher(end < 0 ? text : text.substring(0, end));
    String last = null;
    while (check.find()) {
      last = check.group(1);
    }
    if (last == null) {
      return List.of();
    }
    String[] words = last.trim().split(" ");
    return IntStream.range(0, words.length / 3)
        .mapToObj(
            i ->
                new Content(
                    Long.parseLong(words[3 * i]),
                    Long.parseLong(words[3 * i + 1]),
                    words[3 * i + 2].equals("-") ? -1 : Long.parseLong(words[3 * i + 2])))
        .toList();
  }
}
