// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which byte ranges of a request were done, which are clean, which are unknown. The ranges are
 * relative to the request's first byte, in order, without gaps or overlaps, and cover it whole.
 * Immutable.
 */
public final class Extents {
  /** What is known of a range. */
  public enum State {
    /** Read into the buffer, or written to the medium. */
    DONE,
    /** Never sent: the medium and the buffer are untouched. */
    CLEAN,
    /** Sent, and no answer that can be trusted. */
    UNKNOWN
  }

  /**
   * A range in one state.
   *
   * @param offsetBytes from the request's first byte
   * @param lengthBytes above zero
   */
  public record Extent(long offsetBytes, long lengthBytes, State state) {
    /** The first byte behind the range. */
    public long endBytes() {
      return offsetBytes + lengthBytes;
    }
  }

  private final List<Extent> list;

  private Extents(List<Extent> list) {
    this.list = list;
  }

  /** One state for all {@code lengthBytes}; no range at all where that is zero. */
  public static Extents whole(long lengthBytes, State state) {
    return new Extents(lengthBytes == 0 ? List.of() : List.of(new Extent(0, lengthBytes, state)));
  }

  /** The ranges, by offset. */
  public List<Extent> list() {
    return list;
  }

  /** How many bytes are in {@code state}. */
  public long bytes(State state) {
    long sum = 0;
    for (Extent extent : list) {
      sum += extent.state() == state ? extent.lengthBytes() : 0;
    }
    return sum;
  }

  /** The state of one byte of the request. */
  public State at(long offsetBytes) {
    int low = 0;
    int high = list.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      Extent extent = list.get(middle);
      if (offsetBytes < extent.offsetBytes()) {
        high = middle - 1;
      } else if (offsetBytes >= extent.endBytes()) {
        low = middle + 1;
      } else {
        return extent.state();
      }
    }
    throw new IndexOutOfBoundsException("byte " + offsetBytes + " is outside " + this);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Extents that && list.equals(that.list);
  }

  @Override
  public int hashCode() {
    return list.hashCode();
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("[");
    for (Extent extent : list) {
      text.append(text.length() > 1 ? ", " : "")
          .append(extent.offsetBytes())
          .append('+')
          .append(extent.lengthBytes())
          .append(' ')
          .append(extent.state());
    }
    return text.append(']').toString();
  }

  /**
   * The ranges of one bio while it runs, in the order in which its children come back. A range that
   * nobody noted is done. Only on the loop's thread.
   */
  static final class Log {
    private long[] starts = new long[8];
    private long[] ends = new long[8];
    private @Nullable State[] states = new @Nullable State[8];
    private int size;

    void clear() {
      size = 0;
    }

    boolean isEmpty() {
      return size == 0;
    }

    /** Notes a range that is not done; neighbours in one state become one. */
    void add(long start, long end, State state) {
      if (start >= end || state == State.DONE) {
        return;
      }
      if (size > 0 && states[size - 1] == state && ends[size - 1] == start) {
        ends[size - 1] = end;
        return;
      }
      if (size > 0 && states[size - 1] == state && starts[size - 1] == end) {
        starts[size - 1] = start;
        return;
      }
      if (size == starts.length) {
        starts = Arrays.copyOf(starts, 2 * size);
        ends = Arrays.copyOf(ends, 2 * size);
        states = Arrays.copyOf(states, 2 * size);
      }
      starts[size] = start;
      ends[size] = end;
      states[size++] = state;
    }

    /** Copies what {@code child} noted, moved by {@code offset} and cut to [0, length). */
    void addAll(Log child, long offset, long length) {
      for (int i = 0; i < child.size; i++) {
        long start = Math.max(0, child.starts[i] + offset);
        long end = Math.min(length, child.ends[i] + offset);
        State state = child.states[i];
        if (state != null) {
          add(start, end, state);
        }
      }
    }

    /** The whole truth about a bio of {@code length}; where notes overlap, UNKNOWN wins. */
    Extents toExtents(long length) {
      long[] unknown = union(State.UNKNOWN);
      long[] clean = union(State.CLEAN);
      List<Extent> found = new ArrayList<>();
      int u = 0;
      int c = 0;
      long at = 0;
      while (at < length) {
        while (u < unknown.length && unknown[u + 1] <= at) {
          u += 2;
        }
        while (c < clean.length && clean[c + 1] <= at) {
          c += 2;
        }
        long unknownFrom = u < unknown.length ? unknown[u] : length;
        long cleanFrom = c < clean.length ? clean[c] : length;
        State state;
        long end;
        if (unknownFrom <= at) {
          state = State.UNKNOWN;
          end = unknown[u + 1];
        } else if (cleanFrom <= at) {
          state = State.CLEAN;
          end = Math.min(clean[c + 1], unknownFrom);
        } else {
          state = State.DONE;
          end = Math.min(unknownFrom, cleanFrom);
        }
        end = Math.min(end, length);
        found.add(new Extent(at, end - at, state));
        at = end;
      }
      return new Extents(List.copyOf(found));
    }

    /** The union of all ranges in {@code state}: start, end, start, end, ascending. */
    private long[] union(State state) {
      int count = 0;
      long[][] ranges = new long[size][];
      for (int i = 0; i < size; i++) {
        if (states[i] == state) {
          ranges[count++] = new long[] {starts[i], ends[i]};
        }
      }
      Arrays.sort(ranges, 0, count, (a, b) -> Long.compare(a[0], b[0]));
      long[] merged = new long[2 * count];
      int end = 0;
      for (int i = 0; i < count; i++) {
        if (end > 0 && ranges[i][0] <= merged[end - 1]) {
          merged[end - 1] = Math.max(merged[end - 1], ranges[i][1]);
        } else {
          merged[end++] = ranges[i][0];
          merged[end++] = ranges[i][1];
        }
      }
      return Arrays.copyOf(merged, end);
    }
  }
}
