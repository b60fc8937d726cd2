// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/**
 * One java source, parsed (not resolved) by the JDK's own parser.
 *
 * @param path below the repository's root, with slashes
 */
record Source(String path, String text, CompilationUnitTree unit, SourcePositions positions) {
  /** Parses one text as if it lay at that path. */
  static Source of(String path, String text) {
    return parse(List.of(new Text(path, text))).getFirst();
  }

  /** Reads and parses files in one run of the parser, which is much faster than one by one. */
  static List<Source> of(List<Path> files) throws IOException {
    List<Text> texts = new ArrayList<>();
    for (Path file : files) {
      String path = Sources.root().relativize(file).toString().replace('\\', '/');
      texts.add(new Text(path, Files.readString(file)));
    }
    return parse(texts);
  }

  private static List<Source> parse(List<Text> texts) {
    if (texts.isEmpty()) {
      return List.of();
    }
    var compiler = ToolProvider.getSystemJavaCompiler();
    var javac =
        (JavacTask) compiler.getTask(null, null, d -> {}, List.of("-proc:none"), null, texts);
    SourcePositions positions = Trees.instance(javac).getSourcePositions();
    List<Source> parsed = new ArrayList<>();
    try {
      Iterator<? extends CompilationUnitTree> units = javac.parse().iterator();
      for (Text text : texts) {
        parsed.add(new Source(text.path, text.text, units.next(), positions));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return parsed;
  }

  /** The package that the source declares, or the empty string. */
  String packageName() {
    return unit.getPackageName() == null ? "" : unit.getPackageName().toString();
  }

  /** The file's name without its ending. */
  String simpleName() {
    return path.substring(path.lastIndexOf('/') + 1, path.length() - ".java".length());
  }

  long firstLine(Tree tree) {
    return unit.getLineMap().getLineNumber(positions.getStartPosition(unit, tree));
  }

  long lastLine(Tree tree) {
    return unit.getLineMap().getLineNumber(positions.getEndPosition(unit, tree));
  }

  private static final class Text extends SimpleJavaFileObject {
    private final String path;
    private final String text;

    Text(String path, String text) {
      super(URI.create("text:///" + path), JavaFileObject.Kind.SOURCE);
      this.path = path;
      this.text = text;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return text;
    }
  }
}
