// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * What LIST_META_CONTEXT and SET_META_CONTEXT carry: queries about the contexts of an export. There
 * is one context here, base:allocation; queries in unknown namespaces select nothing.
 *
 * @param selectsAllocation whether base:allocation was named
 * @param listsAllocation whether it was named, matched by {@code base:}, or nothing in particular
 *     was asked for
 */
record ContextQuery(String exportName, boolean selectsAllocation, boolean listsAllocation) {
  /** Null where the contents are malformed. */
  static @Nullable ContextQuery parse(ByteBuffer read) {
    String name = string(read);
    if (name == null || read.remaining() < 4) {
      return null;
    }
    long count = Integer.toUnsignedLong(read.getInt());
    boolean named = false;
    boolean matched = count == 0;
    for (long i = 0; i < count; i++) {
      String query = string(read);
      if (query == null) {
        return null;
      }
      named |= query.equals(Nbd.BASE_ALLOCATION);
      matched |= query.equals("base:");
    }
    return read.hasRemaining() ? null : new ContextQuery(name, named, named || matched);
  }

  private static @Nullable String string(ByteBuffer read) {
    if (read.remaining() < 4) {
      return null;
    }
    long lengthBytes = Integer.toUnsignedLong(read.getInt());
    return lengthBytes <= read.remaining() ? Strings.take(read, (int) lengthBytes) : null;
  }
}
