// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.Tree;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import javax.lang.model.element.Modifier;

/** What comes with a device: a page in docs/devices, and a row in the contract matrix. */
final class DeviceRules {
  private static final Set<String> PACKAGES = Set.of("dev.belay.target", "dev.belay.leaf");

  private DeviceRules() {}

  /** The names of the concrete top-level classes that are devices, sorted. */
  static Set<String> devices(List<Source> sources) {
    Set<String> names = new TreeSet<>();
    for (Source source : sources) {
      if (!PACKAGES.contains(source.packageName())) {
        continue;
      }
      for (Tree type : source.unit().getTypeDecls()) {
        if (type instanceof ClassTree tree && isDevice(tree)) {
          names.add(tree.getSimpleName().toString());
        }
      }
    }
    return names;
  }

  /**
   * A sentence for every device without its page or its row.
   *
   * @param pages text by file name. A page belongs to a device if it is called as the device in
   *     lower case, or if it names the class as code: {@code `UringFile`}
   * @param matrix the sources of the contract matrix; none: not looked at
   */
  static List<String> findings(
      Set<String> devices, Map<String, String> pages, List<String> matrix) {
    List<String> findings = new ArrayList<>();
    for (String device : devices) {
      String lower = device.toLowerCase(Locale.ROOT);
      if (!pages.containsKey(lower + ".md")
          && pages.values().stream().noneMatch(p -> p.contains("`" + device + "`"))) {
        findings.add(
            "%s has no page: write docs/devices/%s.md, or name `%s` in another device's page."
                .formatted(device, lower, device));
      }
      Pattern row = Pattern.compile("\\b(" + device + "|" + lower + ")\\b");
      if (!matrix.isEmpty() && matrix.stream().noneMatch(m -> row.matcher(m).find())) {
        findings.add(device + " has no row in the contract matrix: add it there.");
      }
    }
    return findings;
  }

  private static boolean isDevice(ClassTree tree) {
    boolean isAbstract = tree.getModifiers().getFlags().contains(Modifier.ABSTRACT);
    return !isAbstract
        && (isNamedDevice(tree.getExtendsClause())
            || tree.getImplementsClause().stream().anyMatch(DeviceRules::isNamedDevice));
  }

  private static boolean isNamedDevice(Tree type) {
    return type != null
        && (type.toString().equals("Device") || type.toString().endsWith(".Device"));
  }
}
