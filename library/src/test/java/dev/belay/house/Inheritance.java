// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import com.sun.source.tree.ClassTree;
import com.sun.source.util.TreeScanner;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Our classes derive from ours by one step at most; what the JDK derives is its own affair. */
final class Inheritance {
  private Inheritance() {}

  /** A sentence for every class whose superclass is ours and has a superclass that is ours too. */
  static List<String> findings(List<Source> sources) {
    Map<String, String> parents = new HashMap<>();
    for (Source source : sources) {
      new TreeScanner<Void, Void>() {
        @Override
        public Void visitClass(ClassTree tree, Void unused) {
          String name = tree.getSimpleName().toString();
          if (!name.isEmpty()) {
            parents.put(name, superclass(tree));
          }
          return super.visitClass(tree, unused);
        }
      }.scan(source.unit(), null);
    }
    List<String> findings = new ArrayList<>();
    parents.forEach(
        (name, parent) -> {
          String grandparent = parents.getOrDefault(parent, "");
          if (parents.containsKey(grandparent)) {
            findings.add(
                "%s extends %s, which extends %s: let one hold the other instead."
                    .formatted(name, parent, grandparent));
          }
        });
    return findings;
  }

  /** The simple name of what the class extends, without type arguments; empty if nothing. */
  private static String superclass(ClassTree tree) {
    if (tree.getExtendsClause() == null) {
      return "";
    }
    String type = tree.getExtendsClause().toString().replaceAll("<.*", "");
    return type.substring(type.lastIndexOf('.') + 1);
  }
}
