// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.CancelFlag;
import dev.belay.nbd.Nbd;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The requests of one connection, and the memory that they hold: as many as there is room for. A
 * slot is made when it is first needed, and used again. Only on the loop's thread.
 */
final class Slots {
  /** So many requests at a time, however small they are. */
  static final int MOST_REQUESTS = 1024;

  private final Connection connection;
  private final Served served;
  private final List<Request> all = new ArrayList<>();
  private @Nullable Request firstFree;
  private int used;
  private long heldBytes;

  /** The next request waits for memory that other connections have. */
  private boolean waitsForOthers;

  Slots(Connection connection, Served served) {
    this.connection = connection;
    this.served = served;
  }

  /** Takes room for one more request, or nothing: then it has to wait. */
  boolean takeRoom(int bytes) {
    endWait();
    if (used == MOST_REQUESTS) {
      return false;
    }
    if (bytes == 0) {
      return true;
    }
    if (heldBytes > 0 && heldBytes + bytes > served.options().mostBytesPerConnection()) {
      return false;
    }
    if (!served.budget().take(heldBytes, bytes)) {
      // Who gives back before this wakes nobody, so it is tried once more after it.
      waitsForOthers = true;
      served.beginWait(connection);
      if (!served.budget().take(heldBytes, bytes)) {
        return false;
      }
      endWait();
    }
    heldBytes += bytes;
    return true;
  }

  /** Waits no longer for what others have. */
  void endWait() {
    if (waitsForOthers) {
      waitsForOthers = false;
      served.endWait(connection);
    }
  }

  /** A free slot, for which room was taken. */
  Request take(int heldBytes) {
    used++;
    Request request = firstFree;
    if (request == null) {
      request = new Request(connection, served);
      all.add(request);
    } else {
      firstFree = request.next;
      request.next = null;
    }
    request.heldBytes = heldBytes;
    return request;
  }

  /** Takes the memory for a request whose room was taken; answers 0 or ENOMEM. */
  int takeBlock(Request request, int bytes) {
    try {
      request.block = served.blocks().take(bytes);
      return 0;
    } catch (OutOfMemoryError e) {
      return Nbd.ENOMEM;
    }
  }

  /** A request needs no memory any more. */
  void giveBlock(Request request) {
    if (request.block != null) {
      served.blocks().give(request.block);
      request.block = null;
    }
    if (request.heldBytes > 0) {
      heldBytes -= request.heldBytes;
      served.budget().give(heldBytes, request.heldBytes);
      request.heldBytes = 0;
    }
  }

  /** A request is over: its slot and its memory are for others. */
  void free(Request request) {
    giveBlock(request);
    request.release();
    request.next = firstFree;
    firstFree = request;
    used--;
  }

  /** How many requests are received and not answered. */
  int used() {
    return used;
  }

  /** How much memory they hold. */
  long heldBytes() {
    return heldBytes;
  }

  /** Raises the flag of one request; false if there is none of that number. */
  boolean cancel(long number) {
    for (Request each : all) {
      if (each.state != Request.FREE && each.number == number) {
        each.flag.raise(CancelFlag.Reason.EXPLICIT);
        return true;
      }
    }
    return false;
  }

  /** Raises the flags of all requests that are under way; what comes later is not meant. */
  void cancelAll() {
    show(each -> each.flag.raise(CancelFlag.Reason.EXPLICIT));
  }

  /** Shows each request that is under way. */
  void show(Consumer<Request> to) {
    for (Request each : all) {
      if (each.state != Request.FREE) {
        to.accept(each);
      }
    }
  }
}
