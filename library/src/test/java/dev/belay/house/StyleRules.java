// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import com.sun.source.tree.BlockTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.ModifiersTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.TypeParameterTree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.TreeScanner;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import javax.lang.model.element.Modifier;

/** The part of STYLE.md that a parser can see. Every finding names a file, a line and a remedy. */
final class StyleRules extends TreeScanner<Void, Void> {
  static final int MAX_FILE_LINES = 900;
  static final int MAX_METHOD_LINES = 70;
  static final int MAX_COLUMNS = 100;

  private static final String LICENCE = "// SPDX-License-Identifier: Apache-2.0";

  /** Words that say nothing about what a thing is or does, with their usual endings. */
  private static final Pattern EMPTY_WORD =
      Pattern.compile(
          "process(es|ed|ing)?|handl(e|es|er|ers|ed|ing)|manag(e|es|er|ers|ed|ing)|tasks?"
              + "|data|util(s|ity|ities)?|helpers?|impls?");

  /** Spelled in two parts, so that this file does not find itself. */
  private static final Pattern LEFT_OVER =
      Pattern.compile("\\b(" + "TO" + "DO|FIX" + "ME|X" + "XX|HA" + "CK)\\b");

  private static final Pattern WORD_BORDER =
      Pattern.compile("_+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])");

  private final Source source;
  private final List<String> findings = new ArrayList<>();

  private StyleRules(Source source) {
    this.source = source;
  }

  /** All that is wrong with one source: nothing, if it is in order. */
  static List<String> findings(Source source) {
    StyleRules rules = new StyleRules(source);
    rules.readLines();
    rules.scan(source.unit(), null);
    return rules.findings;
  }

  private void readLines() {
    List<String> lines = source.text().lines().toList();
    if (lines.isEmpty() || !lines.getFirst().equals(LICENCE)) {
      find(1, "The first line has to be: " + LICENCE);
    }
    if (lines.size() > MAX_FILE_LINES) {
      find(lines.size(), "A file has at most " + MAX_FILE_LINES + " lines: split it.");
    }
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      if (line.codePointCount(0, line.length()) > MAX_COLUMNS && !line.startsWith("import ")) {
        find(i + 1, "A line has at most " + MAX_COLUMNS + " columns.");
      }
      if (LEFT_OVER.matcher(line).find()) {
        find(i + 1, "Finish it, or write down in the issue what is left; no marks in the code.");
      }
    }
  }

  @Override
  public Void visitClass(ClassTree tree, Void unused) {
    String name = tree.getSimpleName().toString();
    checkName(name, tree);
    // An anonymous class has no name; JMH and jcstress derive from their classes, so bench is free.
    if (tree.getKind() == Tree.Kind.CLASS
        && !name.isEmpty()
        && !source.path().startsWith("bench/")
        && !isClosed(tree.getModifiers())) {
      find(source.firstLine(tree), "Make the class " + name + " final, abstract or sealed.");
    }
    for (Tree member : tree.getMembers()) {
      if (member instanceof BlockTree) {
        checkLength(member, "An initializer");
      }
    }
    return super.visitClass(tree, unused);
  }

  @Override
  public Void visitMethod(MethodTree tree, Void unused) {
    if (!overrides(tree)) {
      checkName(tree.getName().toString(), tree);
    }
    checkLength(tree, "A method");
    return super.visitMethod(tree, unused);
  }

  @Override
  public Void visitVariable(VariableTree tree, Void unused) {
    if (tree.getName() != null) {
      checkName(tree.getName().toString(), tree);
    }
    return super.visitVariable(tree, unused);
  }

  @Override
  public Void visitTypeParameter(TypeParameterTree tree, Void unused) {
    checkName(tree.getName().toString(), tree);
    return super.visitTypeParameter(tree, unused);
  }

  private void checkName(String name, Tree tree) {
    for (String word : words(name)) {
      if (EMPTY_WORD.matcher(word).matches()) {
        find(
            source.firstLine(tree),
            "The name " + name + " holds the empty word \"" + word + "\": say what it is or does.");
      }
    }
  }

  private void checkLength(Tree tree, String what) {
    long lines = source.lastLine(tree) - source.firstLine(tree) + 1;
    if (lines > MAX_METHOD_LINES) {
      find(
          source.firstLine(tree),
          what + " has at most " + MAX_METHOD_LINES + " lines, this one has " + lines + ".");
    }
  }

  private void find(long line, String sentence) {
    findings.add(source.path() + ":" + line + ": " + sentence);
  }

  /** The lower-case words of an identifier: {@code maxIOSize} gives max, io, size. */
  static List<String> words(String name) {
    List<String> words = new ArrayList<>();
    for (String word : WORD_BORDER.split(name)) {
      if (!word.isEmpty()) {
        words.add(word.toLowerCase(Locale.ROOT));
      }
    }
    return words;
  }

  private static boolean isClosed(ModifiersTree modifiers) {
    Set<Modifier> flags = modifiers.getFlags();
    return flags.contains(Modifier.FINAL)
        || flags.contains(Modifier.ABSTRACT)
        || flags.contains(Modifier.SEALED)
        || flags.contains(Modifier.NON_SEALED);
  }

  /** Whoever overrides did not choose the name. */
  private static boolean overrides(MethodTree method) {
    return method.getModifiers().getAnnotations().stream()
        .anyMatch(a -> a.getAnnotationType().toString().equals("Override"));
  }
}
