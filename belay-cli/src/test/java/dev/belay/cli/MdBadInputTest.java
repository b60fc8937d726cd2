// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static dev.belay.cli.MdFiles.MIB;
import static dev.belay.cli.MdFiles.done;
import static dev.belay.cli.MdFiles.md;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What cannot be is a sentence that says what would be right, and nothing is written. */
final class MdBadInputTest {
  private static final long SIZE = 9 * MIB;

  @TempDir Path directory;

  private MdFiles files;
  private List<String> members;

  @BeforeEach
  void makeAnArray() throws IOException {
    files = new MdFiles(directory);
    members = files.files(3, SIZE);
    done("create", members, "--level=5", "--chunk=64", "--assume-clean");
  }

  /** Does something bad to the files of the array. */
  @FunctionalInterface
  interface Harm {
    void to(MdBadInputTest test) throws IOException;
  }

  private static Arguments of(String what, Harm harm, String... sentences) {
    return Arguments.of(what, harm, sentences);
  }

  static Stream<Arguments> harms() {
    return Stream.of(
        of(
            "truncated",
            t -> MdFiles.cutOff(t.members.get(1), 5 * MIB),
            "b.img is left out: the device has 5242880 bytes, but its superblock needs 9437184: it"
                + " was cut off",
            "bring them back, or use --run to start without them"),
        of(
            "cut to nothing",
            t -> MdFiles.cutOff(t.members.get(1), 0),
            "b.img is empty, so it is no member"),
        of(
            "foreign",
            t -> {
              List<String> others = List.of(t.members.get(1), t.files.file("x.img", SIZE));
              done("create", others, "--level=1", "--assume-clean", "--force");
            },
            "b.img: it belongs to the array",
            "take it out of the list"),
        of(
            "a corrupted superblock",
            t -> MdFiles.spoil(t.members.get(1), 4096 + 100),
            "b.img is left out: the superblock's checksum is",
            "it is damaged"),
        of(
            "two corrupted superblocks",
            t -> {
              MdFiles.spoil(t.members.get(1), 4096 + 100);
              MdFiles.spoil(t.members.get(2), 4096 + 200);
            },
            "1 of the 3 members of this raid5 are here and in sync, too few to read it all"),
        of(
            "zeroed",
            t -> {
              Files.delete(Path.of(t.members.get(1)));
              t.files.file("b.img", SIZE);
            },
            "b.img is left out: there is no md superblock: not at byte",
            "--run"),
        of(
            "all zeroed",
            t -> {
              for (String member : t.members) {
                Files.delete(Path.of(member));
              }
              t.files.files(3, SIZE);
            },
            "there is no array here",
            "there is no md superblock"),
        of(
            "a copy of another",
            t -> {
              Files.delete(Path.of(t.members.get(1)));
              Files.copy(Path.of(t.members.get(0)), Path.of(t.members.get(1)));
            },
            "are both member 0 of the array, with the same event count: one is a copy of the"
                + " other"),
        of(
            "gone",
            t -> Files.delete(Path.of(t.members.get(1))),
            "there is no file",
            "name only those that are there"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("harms")
  void aHarmedMemberIsASentenceAndNothingIsWritten(String what, Harm harm, String[] sentences)
      throws IOException {
    harm.to(this);
    Map<String, Long> before = sums();
    for (String command : List.of("assemble", "stop", "scrub", "repair")) {
      Run run = md(command, members);
      assertThat(run.code()).as(command + ": " + run.all()).isIn(1, 2);
      assertThat(run.err()).startsWith("belay: ").contains(sentences);
      MainTest.assertNoTrace(run);
    }
    Run replace =
        md("replace", members, "--member=" + members.get(0), "--with=" + files.path("new.img"));
    assertThat(replace.code()).isIn(1, 2);
    assertThat(sums()).isEqualTo(before);
  }

  private Map<String, Long> sums() throws IOException {
    Map<String, Long> sums = new TreeMap<>();
    try (Stream<Path> list = Files.list(directory)) {
      for (Path path : list.toList()) {
        CRC32 sum = new CRC32();
        sum.update(Files.readAllBytes(path));
        sums.put(path.toString(), sum.getValue());
      }
    }
    return sums;
  }

  @Test
  void swappedMembersAreRight() {
    List<String> swapped = List.of(members.get(2), members.get(0), members.get(1));
    assertThat(done("assemble", swapped)).contains("[3/3] [UUU]");
  }

  static Stream<Arguments> calls() {
    return Stream.of(
        Arguments.of("create A B C --level=5", 1, "is not empty: it is a member of the array"),
        Arguments.of("create A A C --level=5", 1, "are the same file"),
        Arguments.of("create X Y --level=7", 2, "--level is 0, 1, 4, 5, 6 or 10"),
        Arguments.of("create X Y Z --level=6", 2, "a raid6 has at least 4 members"),
        Arguments.of("create NOPE Y --level=1", 2, "truncate -s 1G"),
        Arguments.of("create X Y --level=1 --chunk=64", 1, "a raid1 has no chunks"),
        Arguments.of("create X Y Z --level=5 --chunk=63", 1, "a power of two"),
        Arguments.of("create X Y Z --level=5 --layout=n2", 2, "it has: left-asymmetric"),
        Arguments.of("create X Y Z --level=10 --layout=ls", 2, "near, far, offset"),
        Arguments.of("create X Y --level=1 --raid-devices=3", 2, "'missing'"),
        Arguments.of("create X Y --level=1 --metadata=0.90", 2, "--metadata is 1.0, 1.1 or 1.2"),
        Arguments.of("create X Y --level=1 --bitmap=ext", 2, "--bitmap is internal or none"),
        Arguments.of("create X Y --level=1 --consistency-policy=ppl", 2, "ppl is for raid5"),
        Arguments.of("create X Y Z --level=5 --size=1T", 1, "the smallest has room for"),
        Arguments.of("create missing missing --level=1", 2, "at least one has to be there"),
        Arguments.of("create X missing --level=0", 1, "missing"),
        Arguments.of("create X TINY --level=1", 1, "at least 12288"),
        Arguments.of("examine X", 1, "there is no md superblock"),
        Arguments.of("examine NOPE", 2, "there is no file"),
        Arguments.of("assemble A B C --uuid=12", 2, "32 hexadecimal digits"),
        Arguments.of("detail A B C --uuid=" + "0".repeat(32), 1, "no member of the array is here"),
        Arguments.of("detail A", 1, "too few to read it all"),
        Arguments.of("fail A B C --member=X", 1, "is not among the members"),
        Arguments.of("fail A B --member=A --run", 1, "cannot do without it"),
        Arguments.of("add A B C --member=C", 1, "is a member of this array already"),
        Arguments.of("add A B --member=NOPE --run", 2, "there is no file"),
        Arguments.of("add A B --member=TINY --run", 1, "a device of 4096 bytes cannot be a member"),
        Arguments.of("remove A B C --member=A", 1, "in use as member 0"),
        Arguments.of("replace A B C --member=A --with=B", 1, "a member of this array already"),
        Arguments.of("replace A B C --member=X --with=Y", 1, "is not among the members"),
        Arguments.of("scrub A B --run", 1, "degraded"),
        Arguments.of("assemble A B C --speed-limit-max=fast", 2, "--speed-limit-max"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("calls")
  void aWrongCallIsASentenceAndNothingIsWritten(String call, int code, String sentence)
      throws IOException {
    files.file("X.img", SIZE);
    files.file("Y.img", SIZE);
    files.file("Z.img", SIZE);
    files.file("TINY.img", 4096);
    Map<String, Long> before = sums();
    List<String> args = new ArrayList<>(List.of("md"));
    for (String word : call.split(" ")) {
      String name = word.replaceFirst("^--(member|with)=", "");
      String path =
          name.matches("[ABC]")
              ? files.path((char) (name.charAt(0) + 32) + ".img")
              : name.matches("X|Y|Z|TINY|NOPE") ? files.path(name + ".img") : name;
      args.add(word.substring(0, word.length() - name.length()) + path);
    }
    Run run = Run.of(args.toArray(String[]::new));
    assertThat(run.err()).startsWith("belay: ").contains(sentence);
    assertThat(run.code()).as(run.all()).isEqualTo(code);
    MainTest.assertNoTrace(run);
    assertThat(sums()).isEqualTo(before);
  }
}
