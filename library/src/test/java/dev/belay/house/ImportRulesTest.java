// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Proves that uses between packages run downward only, and that a breach would be found. */
final class ImportRulesTest {
  @Test
  void usesRunDownward() throws Exception {
    assertThat(ImportRules.findings(Source.of(Sources.in("main")))).isEmpty();
  }

  @Test
  void whatPointsDownPasses() {
    assertThat(
            ImportRules.findings(
                List.of(
                    source("dev.belay.target", "import dev.belay.Bio;"),
                    source("dev.belay.leaf", "import static dev.belay.uring.Ring.open;"),
                    source("dev.belay.front", "import dev.belay.stack.Stack;"),
                    source("dev.belay.cli", "import dev.belay.target.*;"),
                    source("dev.belay.uring", "import java.util.List;"))))
        .isEmpty();
  }

  @Test
  void whatPointsUpIsFound() {
    assertThat(found("dev.belay", "import dev.belay.leaf.Memory;")).hasSize(1);
    assertThat(found("dev.belay.uring", "import dev.belay.Bio;")).hasSize(1);
    assertThat(found("dev.belay.uring", "import dev.belay.*;")).hasSize(1);
    assertThat(found("dev.belay.leaf", "import dev.belay.target.Linear;")).hasSize(1);
    assertThat(found("dev.belay.md", "import static dev.belay.front.Volume.open;")).hasSize(1);
    assertThat(found("dev.belay.target", "import dev.belay.stack.Parser;")).hasSize(1);
    assertThat(found("dev.belay.stack", "import dev.belay.front.Volume;")).hasSize(1);
  }

  @Test
  void aNameInFullIsFoundToo() {
    Source source =
        Source.of("A.java", "package dev.belay;\nfinal class A { dev.belay.leaf.Memory m; }");
    assertThat(ImportRules.findings(List.of(source))).hasSize(1);
  }

  @Test
  void anUnknownPackageIsFound() {
    assertThat(found("dev.belay.attic", "import java.util.List;")).hasSize(1);
  }

  private static List<String> found(String packageName, String importLine) {
    return ImportRules.findings(List.of(source(packageName, importLine)));
  }

  private static Source source(String packageName, String importLine) {
    return Source.of(
        "A.java", "package " + packageName + ";\n" + importLine + "\nfinal class A {}");
  }
}
