// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import org.jspecify.annotations.Nullable;

/** A path that stands where a device can stand: the file, or block device, of that name. */
public final class BarePath implements Expression {
  private final String source;
  private final int start;
  private final int end;
  private final String path;

  BarePath(String source, int start, int end, String path) {
    this.source = source;
    this.start = start;
    this.end = end;
    this.path = path;
  }

  /**
   * The path as an expression.
   *
   * @param path not empty; quotes and escapes are added as needed
   */
  public static BarePath of(String path) {
    if (path.isEmpty()) {
      throw new IllegalArgumentException("the path is empty: give the path of a file");
    }
    String source = Quoting.print(path);
    return new BarePath(source, 0, source.length(), path);
  }

  /** The path itself, without quotes and escapes; not empty. */
  public String path() {
    return path;
  }

  @Override
  public String source() {
    return source;
  }

  @Override
  public int start() {
    return start;
  }

  @Override
  public int end() {
    return end;
  }

  @Override
  public StackException error(String sentence) {
    return new StackException(source, start, end, sentence);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof BarePath that && path.equals(that.path);
  }

  @Override
  public int hashCode() {
    return path.hashCode();
  }

  /** {@link #print()}. */
  @Override
  public String toString() {
    return print();
  }
}
