// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.md.Candidate;
import dev.belay.md.DirectIo;
import dev.belay.md.LogReplay;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.md.Superblock;
import dev.belay.stack.BarePath;
import dev.belay.stack.Expression;
import dev.belay.stack.MdArray;
import dev.belay.stack.MdOptions;
import dev.belay.stack.Stack;
import dev.belay.stack.StackException;
import dev.belay.target.Hedge;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The devices that a command was given, open for as long as it works on them, with what was read on
 * each. The thread that opens them drives their loop.
 */
final class MdMembers implements AutoCloseable {
  private static final long PATIENCE_NANOS = 30_000_000_000L;

  /** How devices are opened, and what is said where a file is missing. */
  enum Opening {
    /** For reading and writing. */
    WRITABLE("name only those that are there"),
    /** For reading alone, where they are files. */
    READ_ONLY("name only those that are there"),
    /** For a new array. */
    NEW("");

    private final String remedy;

    Opening(String remedy) {
      this.remedy = remedy;
    }
  }

  private final Loop loop;
  private final List<Expression> expressions;
  private final List<Device> devices = new ArrayList<>();
  private final List<MemberContents> contents = new ArrayList<>();

  private MdMembers(List<Expression> expressions) {
    this.expressions = expressions;
    loop = Loop.driven();
  }

  /**
   * Opens the devices and reads what they say of themselves.
   *
   * @throws StackException if a text is no device, one cannot be opened, or two are the same file
   */
  static MdMembers open(List<String> texts, Opening how) {
    List<Expression> expressions = new ArrayList<>();
    for (String text : texts) {
      Expression expression = Expression.parse(text);
      Stack.check(expression);
      expressions.add(expression);
    }
    MdLog.toError();
    refuseSameFile(expressions);
    for (Expression expression : expressions) {
      requireThere(expression, how);
    }
    MdMembers members = new MdMembers(expressions);
    for (Expression expression : expressions) {
      Expression opened =
          how == Opening.READ_ONLY && expression instanceof BarePath path
              ? Expression.parse("file(" + path.print() + ", read-only=on)")
              : expression;
      members.devices.add(Stack.build(members.loop, opened));
    }
    members.readAll();
    return members;
  }

  private static void refuseSameFile(List<Expression> expressions) {
    Map<Path, Expression> seen = new HashMap<>();
    for (Expression expression : expressions) {
      for (Path path : files(expression)) {
        Expression other = seen.put(path, expression);
        if (other != null) {
          throw new Main.Failure(
              "%s and %s are the same file: a member can be named once"
                  .formatted(other.print(), expression.print()));
        }
      }
    }
  }

  /** The files that an expression stands on, each by the one name that it really has. */
  private static List<Path> files(Expression expression) {
    List<Path> files = new ArrayList<>();
    for (Expression part : expression.inTextOrder()) {
      if (part instanceof BarePath bare) {
        try {
          Path path = Path.of(bare.path());
          files.add(Files.exists(path) ? path.toRealPath() : path.toAbsolutePath().normalize());
        } catch (IOException | InvalidPathException e) {
          throw bare.error("this path cannot be followed: " + Main.sentence(e));
        }
      }
    }
    return files;
  }

  private static void requireThere(Expression expression, Opening how) {
    if (!(expression instanceof BarePath bare)) {
      return;
    }
    Path path = Path.of(bare.path());
    if (Files.isDirectory(path)) {
      throw bare.error("a directory cannot be a member: name a file or a block device");
    }
    if (Files.isRegularFile(path) && path.toFile().length() == 0) {
      throw bare.error(
          "%s is empty, so it is no member: a file for one is made with 'truncate -s 1G %s'"
              .formatted(bare.print(), bare.print()));
    }
    if (!Files.exists(path)) {
      String name = bare.print();
      throw bare.error(
          how == Opening.NEW
              ? "there is no file %s: make it with 'truncate -s 1G %s', or write file(%s, size=1G)"
                  .formatted(name, name, name)
              : "there is no file %s: %s".formatted(name, how.remedy));
    }
  }

  /** Reads what is on the devices, again where it was read before. */
  void readAll() {
    contents.clear();
    for (int i = 0; i < devices.size(); i++) {
      contents.add(MemberContents.read(name(i), io(i)));
    }
  }

  int count() {
    return devices.size();
  }

  Loop loop() {
    return loop;
  }

  /** As the user called it. */
  String name(int index) {
    return expressions.get(index).print();
  }

  Device device(int index) {
    return devices.get(index);
  }

  DirectIo io(int index) {
    return new DirectIo(loop, devices.get(index));
  }

  MemberContents contents(int index) {
    return contents.get(index);
  }

  /** What a device says, or will say once it is written; for {@link #start}. */
  void setContents(int index, MemberContents now) {
    contents.set(index, now);
  }

  Superblock superblock(int index) {
    return Objects.requireNonNull(contents.get(index).superblock());
  }

  /** The index of the device that is called so, or is the same file; -1 for none. */
  int find(String text) {
    Expression wanted = Expression.parse(text);
    for (int i = 0; i < expressions.size(); i++) {
      if (expressions.get(i).equals(wanted)) {
        return i;
      }
    }
    List<Path> files = files(wanted);
    for (int i = 0; i < expressions.size() && !files.isEmpty(); i++) {
      if (files(expressions.get(i)).equals(files)) {
        return i;
      }
    }
    return -1;
  }

  /** {@link #find}, or a sentence. */
  int require(String text) {
    int index = find(text);
    if (index < 0) {
      throw new Main.Failure(
          "%s is not among the members that were named: name it there too".formatted(text));
    }
    return index;
  }

  /**
   * Which array the devices make.
   *
   * @throws Main.Failure if there is none that may be started, with the reason
   */
  Assembly assemble(Assembly.Wish wish) {
    return assemble(wish, null);
  }

  /**
   * Which array the devices make; those of {@code newcomer}'s array alone count as its own.
   *
   * @param newcomer text of a device that is only one of them if it says that it was; null for none
   */
  Assembly assemble(Assembly.Wish wish, @Nullable String newcomer) {
    int strange = newcomer == null ? -1 : require(newcomer);
    List<Candidate> candidates = new ArrayList<>();
    for (int i = 0; i < contents.size(); i++) {
      Superblock own = contents.get(i).superblock();
      boolean isForeign = i == strange && (own == null || !isOfOthers(own.uuid(), strange));
      if (isForeign && i == contents.size() - 1) {
        break;
      }
      candidates.add(
          isForeign
              ? Candidate.without(name(i), contents.get(i).deviceBytes(), "it is new")
              : contents.get(i).candidate());
    }
    return assemble(candidates, wish, strange);
  }

  /**
   * Which array the devices make, of whom one is to be let go.
   *
   * @param leaver text of that one
   */
  Assembly assembleWithout(Assembly.Wish wish, String leaver) {
    return assemble(
        contents.stream().map(MemberContents::candidate).toList(), wish, require(leaver));
  }

  private static Assembly assemble(List<Candidate> candidates, Assembly.Wish wish, int doubtful) {
    try {
      return Assembly.of(candidates, wish, doubtful);
    } catch (MetadataException e) {
      throw failure(e);
    }
  }

  private boolean isOfOthers(UUID uuid, int except) {
    for (int i = 0; i < contents.size(); i++) {
      Superblock own = contents.get(i).superblock();
      if (i != except && own != null && own.uuid().equals(uuid)) {
        return true;
      }
    }
    return false;
  }

  /** A sentence of the library, which has the options of an expression in it, for this program. */
  static Main.Failure failure(MetadataException e) {
    return new Main.Failure(inOptions(String.valueOf(e.getMessage())));
  }

  /** The options of an expression, as this program takes them. */
  static String inOptions(String sentence) {
    return sentence
        .replaceAll("run=(true|on)", "--run")
        .replaceAll("force=(true|on)", "--force")
        .replace("bitmap=none", "--bitmap=none");
  }

  /**
   * Opens the array; from now on only its device may touch the members. Partial parity logs that
   * are due are replayed first, and that is recorded.
   */
  MdArray start(Assembly assembly, ArrayOptions options) {
    boolean isReplayed = LogReplay.isDue(assembly) && !options.isReadOnly();
    if (isReplayed) {
      replay(assembly);
    }
    MdArray open =
        MdArray.open(
            loop,
            devices,
            contents,
            assembly,
            new MdOptions(Assembly.Wish.SAFE, options.withSyncsByItself(false), Hedge.NONE));
    Array array = open.array();
    if (isReplayed && array != null) {
      array.record();
      await();
    }
    return open;
  }

  private void replay(Assembly assembly) {
    try {
      List<DirectIo> ios = devices.stream().map(each -> new DirectIo(loop, each)).toList();
      String said = LogReplay.run(assembly, contents, ios).sentence();
      System.getLogger("dev.belay").log(System.Logger.Level.INFO, said);
    } catch (IOException e) {
      throw new Main.Failure(
          "the array's partial parity logs cannot be replayed: " + Main.sentence(e));
    }
  }

  /** Runs the loop until nothing is under way. */
  void await() {
    long start = loop.clock().nanos();
    do {
      loop.turn(10_000_000);
    } while (loop.openRequests() > 0 && loop.clock().nanos() - start < PATIENCE_NANOS);
  }

  /** Closes the array, if it was opened, and then its members. */
  @Override
  public void close() {
    if (loop.close(PATIENCE_NANOS) > 0) {
      System.err.println("belay: a member has not answered for 30 s; leaving it");
    }
  }
}
