// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static dev.belay.cli.MdFiles.MIB;
import static dev.belay.cli.MdFiles.done;
import static dev.belay.cli.MdFiles.md;
import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.md.Superblock;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** Arrays made, broken and mended by the commands of md, as a person would. */
final class MdTest {
  private static final long SIZE = 9 * MIB;

  @TempDir Path directory;

  private MdFiles files;

  @BeforeEach
  void begin() {
    files = new MdFiles(directory);
  }

  @Test
  void everyCommandHasHelpAndDescribesWhatItTakes() {
    CommandLine md = Main.commandLine().getSubcommands().get("md");
    assertThat(md.getSubcommands().keySet())
        .containsExactlyInAnyOrder(
            "create",
            "examine",
            "detail",
            "assemble",
            "stop",
            "fail",
            "add",
            "remove",
            "replace",
            "scrub",
            "repair");
    for (CommandLine command : md.getSubcommands().values()) {
      Run run = Run.of("md", command.getCommandName(), "--help");
      assertThat(run.code()).isZero();
      assertThat(run.out()).contains("Usage: belay md " + command.getCommandName());
      assertThat(command.getCommandSpec().args()).allMatch(arg -> arg.description().length > 0);
    }
    assertThat(Run.of("md").code()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 3, '--chunk=64'",
    "1, 2, '--bitmap=internal --bitmap-chunk=64'",
    "1, 3, '--metadata=1.0 --bitmap=internal --bitmap-chunk=64'",
    "4, 3, '--chunk=64k --metadata=1.1'",
    "5, 3, '--chunk=64 --bitmap=internal --bitmap-chunk=64'",
    "5, 4, '--chunk=32 --layout=ra --metadata=1.0 --name=host:five'",
    "5, 3, '--chunk=64 --consistency-policy=ppl'",
    "6, 4, '--chunk=64 --layout=ddf-N-continue'",
    "10, 4, '--chunk=64 --bitmap=internal --bitmap-chunk=64'",
    "10, 3, '--chunk=64 --layout=f2'",
    "10, 5, '--chunk=64 --layout=o2 --size=4M'",
  })
  void whatIsCreatedHoldsWhatIsWritten(String level, int count, String options) throws Exception {
    List<String> members = files.files(count, SIZE);
    List<String> args = new ArrayList<>(List.of("--level=" + level));
    args.addAll(List.of(options.split(" ")));
    String made = done("create", members, args.toArray(String[]::new));
    assertThat(made).contains("made a raid" + level, "use it: md(");
    MdFiles.stamp(members);
    MdFiles.verify(members.reversed(), "");
    assertThat(done("detail", members)).contains("State : clean");
    if (!level.equals("0")) {
      assertThat(done("scrub", members)).contains("0 bytes did not agree");
      MdFiles.verify(members.subList(1, count), ", run=on");
    }
    agreesWithMdadm(members);
  }

  /** Every line that both print says the same in both. */
  private static void agreesWithMdadm(List<String> members) throws Exception {
    if (!MdFiles.hasMdadm()) {
      return;
    }
    for (String member : members) {
      Map<String, String> theirs = rows(MdFiles.mdadm(member));
      Map<String, String> ours = rows(done("examine", List.of(member)));
      assertThat(theirs).containsKeys("State", "Checksum", "Device Role", "Array State");
      assertThat(theirs.get("Checksum")).endsWith("correct");
      theirs.keySet().retainAll(ours.keySet());
      ours.keySet().retainAll(theirs.keySet());
      assertThat(ours).hasSizeGreaterThan(12).containsExactlyInAnyOrderEntriesOf(theirs);
    }
  }

  private static Map<String, String> rows(String text) {
    Map<String, String> rows = new LinkedHashMap<>();
    for (String line : text.lines().toList()) {
      int colon = line.indexOf(" : ");
      if (colon > 0) {
        rows.put(line.substring(0, colon).strip(), line.substring(colon + 3).strip());
      }
    }
    return rows;
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "5", "6", "10"})
  void aMemberFailsAndComesBackByTheBitmap(String level) throws Exception {
    List<String> members = files.files(4, SIZE);
    List<String> rest = new ArrayList<>(members);
    String lost = rest.remove(1);
    done("create", members, create(level, "--bitmap=internal", "--bitmap-chunk=64"));
    MdFiles.stamp(members);
    assertThat(done("fail", members, "--member=" + lost)).contains("[4/3] [U_UU]");
    assertThat(done("detail", members)).contains("clean, degraded", "left out   " + lost);
    assertThat(md("fail", members, "--member=" + lost).err()).contains("is out already");
    Run write = Run.of("io", "write", MdFiles.expression(rest), "--length=1M", "--seed=2");
    assertThat(write.code()).as(write.all()).isZero();
    assertThat(done("add", rest, "--member=" + lost)).contains("by the bitmap", "[UUUU]");
    assertThat(done("scrub", members)).contains("0 bytes did not agree");
    for (List<String> some : List.of(members, members.subList(1, 4))) {
      MdFiles.verify(some, ", run=on", "--length=1M", "--seed=2");
      MdFiles.verify(some, ", run=on", "--offset=1M");
    }
    agreesWithMdadm(members);
  }

  private static String[] create(String level, String... more) {
    List<String> args = new ArrayList<>(List.of("--level=" + level));
    if (!level.equals("1")) {
      args.add("--chunk=64");
    }
    args.addAll(List.of(more));
    return args.toArray(String[]::new);
  }

  @ParameterizedTest
  @CsvSource({"1, 1.0", "5, 1.2", "6, 1.1", "10, 1.2"})
  void aNewMemberIsRebuilt(String level, String metadata) throws Exception {
    List<String> members = files.files(4, SIZE);
    done("create", members, create(level, "--metadata=" + metadata));
    MdFiles.stamp(members);
    done("fail", members, "--member=" + members.get(2));
    List<String> rest = new ArrayList<>(members);
    rest.remove(2);
    String larger = files.file("new.img", SIZE + MIB);
    assertThat(done("add", rest, "--member=" + larger)).contains("recovery done", "[UUUU]");
    rest.add(larger);
    assertThat(done("scrub", rest)).contains("0 bytes did not agree");
    MdFiles.verify(rest.subList(1, 4), ", run=on");
    assertThat(md("add", rest, "--member=" + larger).err()).contains("a member of this array");
    String small = files.file("small.img", SIZE - 2 * MIB);
    assertThat(md("add", rest, "--member=" + small).err()).contains("too few", "needs at least");
    agreesWithMdadm(rest);
  }

  @Test
  void aSpareTakesThePlaceOfOneThatFails() throws Exception {
    List<String> members = files.files(5, SIZE);
    String made =
        done("create", members.subList(0, 4), create("5", "--raid-devices=3", "--bitmap=internal"));
    assertThat(made).contains("spares: 1");
    List<String> four = members.subList(0, 4);
    assertThat(done("detail", four)).contains("3       -      spare");
    String failed = done("fail", four, "--member=" + members.get(0));
    assertThat(failed).contains("recovery done", "[3/3] [UUU]");
    List<String> now = members.subList(1, 4);
    assertThat(done("add", now, "--member=" + members.get(4))).contains("is a spare");
    List<String> withSpare = members.subList(1, 5);
    assertThat(done("detail", withSpare)).contains("Spare Devices : 1");
    agreesWithMdadm(withSpare);
    String gone = "--member=" + members.get(4);
    assertThat(md("remove", withSpare, "--member=" + members.get(1)).err())
        .contains("in use as member 1");
    assertThat(done("remove", withSpare, gone, "--zero-superblock")).contains("a spare");
    assertThat(md("examine", members.subList(4, 5)).err()).contains("no md superblock");
    assertThat(md("remove", now, gone).err()).contains("no superblock");
    assertThat(done("scrub", now)).contains("0 bytes did not agree");
  }

  @ParameterizedTest
  @CsvSource({"1, 1.0", "5, 1.2", "10, 1.1"})
  void oneTakesThePlaceOfAnother(String level, String metadata) throws Exception {
    List<String> members = files.files(4, SIZE);
    done("create", members, create(level, "--metadata=" + metadata, "--bitmap=internal"));
    MdFiles.stamp(members);
    String with = files.file("new.img", SIZE + MIB);
    String said = done("replace", members, "--member=" + members.get(3), "--with=" + with);
    assertThat(said).contains("copy done", "has taken the place", "[UUUU]");
    List<String> now = new ArrayList<>(members.subList(0, 3));
    now.add(with);
    assertThat(done("scrub", now)).contains("0 bytes did not agree");
    MdFiles.verify(now.subList(1, 4), ", run=on");
    assertThat(done("detail", List.of(now.get(0), now.get(1), now.get(2), with, members.get(3))))
        .contains("left out   " + members.get(3));
    agreesWithMdadm(now);
  }

  @Test
  void whatTheOldMemberCannotReadIsRebuiltFromTheOthers() throws Exception {
    List<String> members = files.files(3, SIZE);
    done("create", members, create("5"));
    MdFiles.stamp(members);
    String with = files.file("new.img", SIZE);
    String torn = "fault(" + members.get(1) + ", effect=error, op=read, range=5M-6M)";
    List<String> named = List.of(members.get(0), torn, members.get(2));
    Run run = md("replace", named, "--member=" + torn, "--with=" + with);
    assertThat(run.code()).as(run.all()).isZero();
    assertThat(run.out()).contains("cannot be read everywhere", "recovery done", "[UUU]");
    List<String> now = List.of(members.get(0), members.get(2), with);
    assertThat(done("scrub", now)).contains("0 bytes did not agree");
    MdFiles.verify(now.subList(1, 3), ", run=on");
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "5", "6", "10"})
  void aScrubFindsAndARepairMendsWhatDoesNotAgree(String level) throws Exception {
    List<String> members = files.files(4, SIZE);
    done("create", members, create(level));
    MdFiles.spoil(members.get(1), 3 * MIB);
    Run scrub = md("scrub", members);
    assertThat(scrub.code()).as(scrub.all()).isEqualTo(1);
    assertThat(scrub.out()).doesNotContain("check: 0 bytes");
    assertThat(done("repair", members)).doesNotContain("repair: 0 bytes");
    assertThat(done("scrub", members)).contains("check: 0 bytes");
  }

  @Test
  void aResyncThatIsDueIsSaidAndThenDone() throws Exception {
    List<String> members = files.files(3, SIZE);
    assertThat(done("create", members, create("5", "--no-sync"))).contains("a resync is due");
    assertThat(done("detail", members)).contains("active, resyncing", "Resync Status : 0%");
    assertThat(done("assemble", members, "--no-sync")).contains("due: a resync");
    Run fail = md("fail", members, "--member=" + members.get(0));
    assertThat(fail.code()).isEqualTo(1);
    assertThat(fail.err()).contains("belay md stop first");
    assertThat(done("assemble", members, "--readonly")).contains("due: a resync");
    assertThat(done("stop", members)).contains("resync done", "[UUU]");
    assertThat(done("detail", members)).contains("State : clean");
    assertThat(done("stop", members)).doesNotContain("resync done");
  }

  @Test
  void whatWasThereBeforeDoesNotMatter() throws Exception {
    List<String> members = files.files(3, SIZE);
    byte[] noise = new byte[(int) SIZE];
    for (String member : members) {
      new Random(members.indexOf(member)).nextBytes(noise);
      Files.write(Path.of(member), noise);
    }
    done("create", members, create("5", "--bitmap=internal", "--force"));
    assertThat(done("scrub", members)).contains("0 bytes did not agree");
    MdFiles.stamp(members);
    MdFiles.verify(members.subList(1, 3), ", run=on");
    agreesWithMdadm(members);
  }

  @Test
  void missingMembersAreLeftForLater() throws Exception {
    List<String> members = files.files(3, SIZE);
    List<String> named = List.of(members.get(0), "missing", members.get(2));
    assertThat(done("create", named, create("5"))).contains("degraded: missing member 1");
    List<String> two = List.of(members.get(0), members.get(2));
    assertThat(done("detail", two)).contains("clean, degraded", "removed");
    assertThat(done("add", two, "--member=" + members.get(1))).contains("[UUU]");
    assertThat(done("scrub", members)).contains("0 bytes did not agree");
  }

  @Test
  void theLineOfProgressIsThatOfTheKernel() {
    assertThat(MdWalk.line("recovery", 126 << 10, 1000 << 10, 874 << 8))
        .isEqualTo(
            "[==>.................]  recovery = 12.6% (126/1000) finish=0.1min speed=218K/sec");
    assertThat(MdWalk.line("check", 0, 0, 0)).startsWith("[====================]  check = 100.0%");
  }

  /** Both halves are written alone; the second as often as it takes to have more events, or not. */
  private List<String> split(int writes, String bitmap) throws Exception {
    List<String> both = files.files(2, SIZE);
    done("create", both, "--level=1", "--bitmap=" + bitmap, "--assume-clean");
    MdFiles.stamp(both);
    for (int i = 0; i < 2; i++) {
      for (int k = 0; k < (i == 0 ? 2 : writes); k++) {
        Run write =
            Run.of(
                "io",
                "write",
                "md(" + both.get(i) + ", run=on)",
                "--offset=" + (i + 1) + "M",
                "--length=64k",
                "--seed=" + (i + 2));
        assertThat(write.code()).as(write.all()).isZero();
      }
    }
    return both;
  }

  @ParameterizedTest
  @CsvSource({"1, internal", "2, none", "3, internal", "3, none"})
  void aSplitMirrorIsJoinedAgainWhenToldSo(int writes, String bitmap) throws Exception {
    List<String> both = split(writes, bitmap);
    String kept = both.get(0);
    String lost = both.get(1);
    assertThat(md("assemble", both).err()).contains("split", "belay md add --force");
    byte[] before = Files.readAllBytes(Path.of(lost));
    Run refused = md("add", List.of(kept), "--member=" + lost);
    assertThat(refused.code()).isEqualTo(1);
    assertThat(refused.err()).contains("split", "written alone", "--force to overwrite all of it");
    assertThat(Files.readAllBytes(Path.of(lost))).isEqualTo(before);
    assertThat(done("add", List.of(kept), "--member=" + lost, "--force"))
        .contains("all of " + lost + " is overwritten", "[2/2] [UU]");
    assertThat(done("scrub", both)).contains("0 bytes did not agree");
    for (String one : both) {
      String alone = "md(" + one + ", run=on, read-only=on)";
      Run kepts = Run.of("io", "verify", alone, "--offset=1M", "--length=64k", "--seed=2");
      assertThat(kepts.code()).as(kepts.all()).isZero();
      Run rest = Run.of("io", "verify", alone, "--offset=2M");
      assertThat(rest.code()).as(rest.all()).isZero();
    }
  }

  @Test
  void aSplitHalfIsJoinedAgainOnceItsSuperblockIsGone() throws Exception {
    List<String> both = split(3, "internal");
    String kept = both.get(0);
    String lost = both.get(1);
    assertThat(done("remove", List.of(kept), "--member=" + lost, "--zero-superblock"))
        .contains("its superblock is gone");
    assertThat(done("add", List.of(kept), "--member=" + lost)).contains("[2/2] [UU]");
    assertThat(done("scrub", both)).contains("0 bytes did not agree");
  }

  @Test
  void theNewerOneIsNotAddedToTheStaleOne() throws Exception {
    List<String> both = files.files(2, SIZE);
    done("create", both, "--level=1", "--assume-clean");
    String stale = both.get(1);
    done("fail", both, "--member=" + stale);
    MdFiles.stamp(List.of(both.get(0)));
    Run refused = md("add", List.of(stale), "--member=" + both.get(0), "--force");
    assertThat(refused.code()).isEqualTo(1);
    assertThat(refused.err())
        .contains("to bring that one back: belay md add " + both.get(0) + " --member=" + stale);
    MdFiles.verify(List.of(both.get(0)), "");
  }

  @Test
  void aSpareWithTooSmallALogIsLeftOutAndTheArrayGoesOn() throws Exception {
    List<String> members = files.files(4, SIZE);
    done(
        "create",
        members,
        "--level=5",
        "--raid-devices=3",
        "--consistency-policy=ppl",
        "--chunk=64",
        "--assume-clean");
    String spare = members.get(3);
    try (RandomAccessFile file = new RandomAccessFile(spare, "rw")) {
      byte[] bytes = new byte[Superblock.BYTES];
      file.seek(4096);
      file.readFully(bytes);
      Superblock block = Superblock.parse(bytes, 2, 4096);
      block.setPpl(block.pplAtBytes().orElseThrow(), 32 << 10);
      file.seek(4096);
      file.write(block.encode());
    }
    assertThat(done("assemble", members, "--readonly"))
        .contains(spare + " is left out: its partial parity log has 32768 bytes");
    // A program that has it open would fill the spare beside its writes.
    done("fail", members, "--member=" + members.get(1), "--no-sync");
    Run write =
        Run.of(
            "io",
            "write",
            MdFiles.expression(members),
            "--block=64k",
            "--depth=1",
            "--deadline=30s");
    assertThat(write.code()).as(write.all()).isZero();
    assertThat(md("add", members, "--member=" + spare).err()).contains("32768 bytes", "--force");
    assertThat(done("add", members, "--member=" + spare, "--force")).contains("[3/3] [UUU]");
    assertThat(done("scrub", members)).contains("0 bytes did not agree");
    MdFiles.verify(members, "");
  }
}
