// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.PackageTree;
import com.sun.source.util.TreeScanner;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which package may know which: downward only, so that any of them can be read without the upper.
 */
final class ImportRules {
  private static final String ROOT = "dev.belay";

  /** What each package may use; the empty name is the root. */
  private static final Map<String, Set<String>> MAY_USE =
      Map.of(
          "", Set.of(),
          "uring", Set.of(),
          "md", Set.of(""),
          "net", Set.of(""),
          "nbd", Set.of("", "net"),
          "leaf", Set.of("", "uring", "md", "net", "nbd"),
          "target", Set.of("", "uring", "md", "nbd", "leaf"),
          "stack", Set.of("", "uring", "md", "net", "nbd", "leaf", "target"),
          "front", Set.of("", "uring", "md", "nbd", "leaf", "target", "stack"),
          "serve", Set.of("", "md", "net", "nbd", "leaf", "target", "stack", "front"));

  /** Programs above the library: free. */
  private static final Set<String> TOP = Set.of("cli", "bench", "stress");

  private static final Pattern OURS = Pattern.compile("dev\\.belay(?:\\.([a-z]\\w*))?(?:\\..*)?");

  private ImportRules() {}

  /** A sentence for every use against the rules, and for every package that the rules leave out. */
  static List<String> findings(List<Source> sources) {
    List<String> findings = new ArrayList<>();
    for (Source source : sources) {
      String from = roomOf(source.packageName());
      if (source.simpleName().equals("module-info") || from == null || TOP.contains(from)) {
        continue;
      }
      Set<String> allowed = MAY_USE.get(from);
      if (allowed == null) {
        findings.add(
            source.path() + ": Say in ImportRules what " + source.packageName() + " may use.");
        continue;
      }
      for (String to : uses(source)) {
        if (!to.equals(from) && !allowed.contains(to)) {
          findings.add(
              "%s: %s must not use %s: uses run downward only."
                  .formatted(source.path(), name(from), name(to)));
        }
      }
    }
    return findings;
  }

  /** The rooms that a source names, by an import or in full. */
  private static Set<String> uses(Source source) {
    Set<String> rooms = new TreeSet<>();
    new TreeScanner<Void, Void>() {
      @Override
      public Void visitMemberSelect(MemberSelectTree tree, Void unused) {
        String room = roomOf(tree.toString());
        if (room != null && !tree.toString().equals(ROOT)) {
          rooms.add(room);
        }
        return null;
      }

      @Override
      public Void visitPackage(PackageTree tree, Void unused) {
        return null;
      }
    }.scan(source.unit(), null);
    return rooms;
  }

  /** The part after {@code dev.belay.} in a package's or class's full name; null: not ours. */
  private static String roomOf(String name) {
    Matcher matcher = OURS.matcher(name);
    if (!matcher.matches()) {
      return null;
    }
    return matcher.group(1) == null ? "" : matcher.group(1);
  }

  private static String name(String room) {
    return room.isEmpty() ? ROOT : ROOT + "." + room;
  }
}
