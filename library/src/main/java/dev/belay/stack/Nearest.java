// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.util.Collection;
import java.util.Locale;
import java.util.stream.Collectors;

/** Which of the known names was probably meant. */
final class Nearest {
  private Nearest() {}

  /** What to write instead: {@code ": it is probably NEAR (WHAT are A, B, C)"}. */
  static String remedy(String written, String what, Collection<String> known) {
    String nearest = find(written, known);
    String list = known.stream().sorted().collect(Collectors.joining(", "));
    return (nearest.isEmpty() ? "" : ": it is probably " + nearest)
        + (list.isEmpty() ? " (it has none)" : " (" + what + " " + list + ")");
  }

  /** The known name that is nearest to the written one, or an empty string if none is near. */
  static String find(String written, Collection<String> known) {
    String nearest = "";
    int nearestDistance = Integer.MAX_VALUE;
    String lower = lower(written);
    for (String name : known.stream().sorted().toList()) {
      boolean begun = !lower.isEmpty() && lower(name).startsWith(lower);
      int distance = begun ? 1 : distance(lower, lower(name));
      if (distance < nearestDistance && distance <= Math.max(1, name.length() / 3)) {
        nearest = name;
        nearestDistance = distance;
      }
    }
    return nearest;
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }

  /**
   * How many insertions, deletions, replacements and swaps of neighbours turn {@code a} into {@code
   * b}; for names so different in length that it cannot matter, only that difference.
   */
  static int distance(String a, String b) {
    if (a.length() > 2 * b.length() + 2) {
      return a.length() - b.length();
    }
    int[] beforeLast = new int[b.length() + 1];
    int[] last = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      last[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int[] row = new int[b.length() + 1];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        boolean same = a.charAt(i - 1) == b.charAt(j - 1);
        row[j] = Math.min(last[j - 1] + (same ? 0 : 1), Math.min(last[j], row[j - 1]) + 1);
        if (i > 1
            && j > 1
            && a.charAt(i - 1) == b.charAt(j - 2)
            && a.charAt(i - 2) == b.charAt(j - 1)) {
          row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
        }
      }
      beforeLast = last;
      last = row;
    }
    return last[b.length()];
  }
}
