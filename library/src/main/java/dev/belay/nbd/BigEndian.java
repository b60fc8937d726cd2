// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** How numbers lie on the wire: in network byte order, at any address. */
final class BigEndian {
  static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private BigEndian() {}
}
