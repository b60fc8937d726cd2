// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * Holds every source of every module to STYLE.md, and shows that each rule finds what it is for.
 */
final class StyleTest {
  private static final String HEAD = "// SPDX-License-Identifier: Apache-2.0\npackage p;\n";

  @Test
  void everySourceKeepsTheRules() throws Exception {
    List<String> findings = new ArrayList<>();
    for (Source source : Source.of(Sources.all())) {
      findings.addAll(StyleRules.findings(source));
    }
    assertThat(findings).isEmpty();
  }

  @Test
  void everyPackageIsNullMarked() throws Exception {
    var packages = new TreeSet<String>();
    var marked = new TreeSet<String>();
    for (Source source : Source.of(Sources.in("main"))) {
      if (source.simpleName().equals("package-info") && source.text().contains("\n@NullMarked\n")) {
        marked.add(source.packageName());
      } else if (!source.simpleName().equals("module-info")) {
        packages.add(source.packageName());
      }
    }
    packages.removeAll(marked);
    assertThat(packages).as("packages without a package-info.java that says @NullMarked").isEmpty();
  }

  @Test
  void noClassIsMoreThanOneStepBelowAnother() throws Exception {
    assertThat(Inheritance.findings(Source.of(Sources.in("main")))).isEmpty();
  }

  @Test
  void aLongLineOfDescentIsFound() {
    List<Source> sources =
        List.of(
            Source.of("A.java", HEAD + "abstract class A extends Thread {}"),
            Source.of("B.java", HEAD + "abstract class B extends A {}"),
            Source.of("C.java", HEAD + "final class C extends B {}"));
    assertThat(Inheritance.findings(sources)).singleElement().asString().contains("C", "B", "A");
  }

  @Test
  void aCleanSourcePasses() {
    assertThat(find("final class Clean { @Override public void handle() {} int metadata; }"))
        .isEmpty();
  }

  @Test
  void aMissingLicenceIsFound() {
    assertThat(StyleRules.findings(Source.of("A.java", "package p;\nfinal class A {}\n")))
        .singleElement()
        .asString()
        .startsWith("A.java:1: ");
  }

  @Test
  void aLongFileIsFound() {
    assertThat(find("final class A {}" + "\n".repeat(StyleRules.MAX_FILE_LINES)))
        .singleElement()
        .asString()
        .contains("at most 900 lines");
    assertThat(find("final class A {}" + "\n".repeat(StyleRules.MAX_FILE_LINES - 2))).isEmpty();
  }

  @Test
  void aLongMethodIsFound() {
    String body = "\n".repeat(StyleRules.MAX_METHOD_LINES - 1);
    assertThat(find("final class A {\n void m() {" + body + "}\n}")).isEmpty();
    assertThat(find("final class A {\n void m() {" + body + "\n}\n}"))
        .containsExactly("A.java:4: A method has at most 70 lines, this one has 71.");
    assertThat(find("final class A {\n static {" + body + "\n}\n}"))
        .containsExactly("A.java:4: An initializer has at most 70 lines, this one has 71.");
    assertThat(find("final class A {\n A() {" + body + "\n}\n}")).hasSize(1);
  }

  @Test
  void aLongLineIsFound() {
    assertThat(find("final class A {} //" + "x".repeat(StyleRules.MAX_COLUMNS))).hasSize(1);
    assertThat(find("final class A {} //" + "x".repeat(StyleRules.MAX_COLUMNS - 19))).isEmpty();
  }

  @Test
  void emptyWordsInNamesAreFound() {
    for (String member :
        List.of(
            "int dataBytes;",
            "void process() {}",
            "void m(int handleCount) {}",
            "void m() { int TASK_COUNT = 1; }",
            "record ReadImpl(int a) {}",
            "record R(int userData) {}",
            "interface LoopManager {}",
            "enum StringUtils {}",
            "void m() { Runnable r = () -> { int helper; }; }",
            "<Data> void m() {}")) {
      assertThat(find("final class A { " + member + " }")).as(member).hasSize(1);
    }
  }

  @Test
  void openClassesAreFound() {
    assertThat(find("class A {}")).hasSize(1);
    assertThat(find("final class A { static class B {} }")).hasSize(1);
    assertThat(find("final class A { record R() {} enum E {} interface I {} }")).isEmpty();
    assertThat(find("final class A { Object o = new Object() {}; }")).isEmpty();
    assertThat(find("sealed class A permits B {} final class B extends A {}")).isEmpty();
  }

  @Test
  void leftOversAreFound() {
    for (String mark : List.of("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) {
      assertThat(find("final class A {} // " + mark + ": later")).as(mark).hasSize(1);
    }
  }

  @Test
  void identifiersFallIntoWords() {
    assertThat(StyleRules.words("maxIOSize")).containsExactly("max", "io", "size");
    assertThat(StyleRules.words("QUEUE_DEPTH")).containsExactly("queue", "depth");
    assertThat(StyleRules.words("raid5Layout")).containsExactly("raid5", "layout");
    assertThat(StyleRules.words("_")).isEqualTo(Collections.emptyList());
  }

  private static List<String> find(String code) {
    return StyleRules.findings(Source.of("A.java", HEAD + code));
  }
}
