// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static dev.belay.nbd.Nbd.CMD_BLOCK_STATUS;
import static dev.belay.nbd.Nbd.CMD_FLAG_FUA;
import static dev.belay.nbd.Nbd.CMD_FLUSH;
import static dev.belay.nbd.Nbd.CMD_READ;
import static dev.belay.nbd.Nbd.CMD_TRIM;
import static dev.belay.nbd.Nbd.CMD_WRITE;
import static dev.belay.nbd.Nbd.CMD_WRITE_ZEROES;
import static dev.belay.nbd.Nbd.FLAG_SEND_FLUSH;
import static dev.belay.nbd.Nbd.FLAG_SEND_FUA;
import static dev.belay.nbd.Nbd.STATE_HOLE;
import static dev.belay.nbd.Nbd.STATE_ZERO;

import dev.belay.Bio;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Timers;
import dev.belay.Waiting;
import dev.belay.nbd.NbdErrors;
import java.lang.foreign.Arena;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The requests of an {@link Nbd} device: which wait, which are under way over which connection, and
 * what becomes of them when connections come and go. On the thread of the device's loop.
 *
 * <p>The device's class comment says what holds here; this is how. A request has a place in flight
 * until it was answered, or its connection was lost, whatever became of its bio. A place is free
 * for each request that any connection has room for, so there is always one where there is room.
 */
final class NbdTraffic implements Waiting {
  /** A request during which the connection was lost so often is suspected to be the reason. */
  private static final int MOST_SENDS = 16;

  /** Bios that wait longer for their answers are watched, so that their flags wake us. */
  private static final long PATIENCE_NANOS = 2_000_000;

  private final Nbd device;
  private final NbdOptions options;
  private final NbdConnection[] connections;
  private final NbdRequest[] requests;
  private @Nullable NbdRequest free;

  /** What has to be sent again, and waits for a connection. */
  private final NbdRequest.Row again = new NbdRequest.Row();

  private final Parked parked = new Parked();

  /** Bios that overlap a write that was given up and may still happen. */
  private final Parked behind = new Parked();

  /** How many such writes there are. */
  private int ghosts;

  private final NbdLedger ledger;
  private final Timers.Timer patience;
  private final Timers.Timer outage;
  private long tick;
  private long losses;
  private String lastTrouble = "";

  /** Why nothing is taken now; empty while there is hope. */
  private String refusal = "";

  private boolean isLeaving;
  private @Nullable Runnable gone;

  /**
   * @param count how many connections there are to be
   */
  NbdTraffic(Nbd device, int count, Arena arena) {
    this.device = device;
    options = device.options();
    connections = new NbdConnection[count];
    for (int i = 0; i < count; i++) {
      connections[i] = new NbdConnection(device, this, arena);
    }
    requests = new NbdRequest[count * options.depth()];
    for (int i = requests.length - 1; i >= 0; i--) {
      requests[i] = new NbdRequest(i);
      requests[i].next = free;
      free = requests[i];
    }
    ledger = new NbdLedger(device.has(FLAG_SEND_FLUSH) && !options.trusted());
    Timers timers = device.loop().timers();
    patience = timers.newTimer(this::watchOld);
    outage = timers.newTimer(this::outageLasts);
  }

  /** Makes all connections that are not being made. */
  void connect() {
    for (NbdConnection each : connections) {
      each.connect();
    }
    lookForOutage();
  }

  NbdConnection first() {
    return connections[0];
  }

  // --- Down ---

  /** Takes a bio that one request can carry. */
  void take(Bio bio) {
    if (!refusal.isEmpty()) {
      bio.fail(Errno.EIO, refusal, State.CLEAN);
    } else if (again.first != null || !parked.isEmpty()) {
      parked.park(bio);
    } else {
      NbdConnection connection = roomiest(payloadOf(bio));
      if (connection == null) {
        parked.park(bio);
      } else {
        startOn(connection, bio);
      }
    }
  }

  private static long payloadOf(Bio bio) {
    return bio.op().hasBuffer() ? bio.lengthBytes() : 0;
  }

  private @Nullable NbdConnection roomiest(long bytes) {
    NbdConnection best = null;
    for (NbdConnection each : connections) {
      if (each.hasRoom(bytes) && (best == null || each.load() < best.load())) {
        best = each;
      }
    }
    return best;
  }

  private void startOn(NbdConnection connection, Bio bio) {
    if (ghosts > 0 && isHaunted(bio)) {
      behind.park(bio);
      return;
    }
    long covered = ledger.acknowledged();
    if (bio.op() == Op.FLUSH) {
      boolean isInDoubt = ledger.isInDoubt(covered);
      if (isInDoubt) {
        ledger.settleInDoubt(covered, parked, behind);
      }
      if (isInDoubt || NbdLedger.isDoomed(bio)) {
        failFlush(bio);
        return;
      }
    }
    NbdRequest request = Objects.requireNonNull(free);
    free = request.next;
    request.next = null;
    boolean isDurable = bio.isFua() && bio.op().changesMedium() && device.has(FLAG_SEND_FUA);
    request.begin(bio, commandOf(bio.op()), isDurable ? CMD_FLAG_FUA : 0);
    request.coveredWrites = covered;
    bio.setNote(request.index);
    giveTo(connection, request);
  }

  private void giveTo(NbdConnection connection, NbdRequest request) {
    connection.give(request);
    if (!patience.isSet()) {
      patience.set(device.loop().clock().nanos() + PATIENCE_NANOS);
    }
  }

  private static int commandOf(Op op) {
    return switch (op) {
      case READ -> CMD_READ;
      case WRITE -> CMD_WRITE;
      case FLUSH -> CMD_FLUSH;
      case DISCARD -> CMD_TRIM;
      case WRITE_ZEROES -> CMD_WRITE_ZEROES;
      case FIND_HOLES -> CMD_BLOCK_STATUS;
    };
  }

  private boolean isHaunted(Bio bio) {
    for (NbdConnection each : connections) {
      if (each.isHaunted(bio.offsetBytes(), bio.lengthBytes())) {
        return true;
      }
    }
    return false;
  }

  /** Sends what waits, as far as there is room: first what was sent before. */
  private void letGo() {
    for (NbdRequest each = again.first; each != null; each = again.first) {
      NbdConnection connection = roomiest(each.payloadBytes());
      if (connection == null) {
        return;
      }
      again.remove(each);
      giveTo(connection, each);
    }
    for (Bio next = parked.peek(); next != null; next = parked.peek()) {
      NbdConnection connection = roomiest(payloadOf(next));
      Bio bio = connection == null ? null : parked.letGo();
      if (connection == null || bio == null) {
        return;
      }
      startOn(connection, bio);
    }
  }

  // --- Up ---

  /** The request with this cookie; null if there is none. */
  @Nullable NbdRequest requestOf(long cookie) {
    int index = NbdRequest.indexIn(cookie);
    return index < requests.length && requests[index].cookie == cookie ? requests[index] : null;
  }

  /** The server says what the next bytes of a range are. */
  void extent(NbdRequest request, long lengthBytes, int states) {
    long length = Math.min(lengthBytes, request.lengthBytes - request.receivedBytes);
    Bio bio = request.bio;
    if (bio != null && length > 0 && (states & STATE_HOLE) != 0 && (states & STATE_ZERO) != 0) {
      long at = request.offsetBytes - bio.offsetBytes() + request.receivedBytes;
      bio.markHole(at, length);
    }
    request.receivedBytes += Math.max(0, length);
  }

  /** A request was answered, over this connection, which has let go of it. */
  void conclude(NbdRequest request, NbdConnection over) {
    Bio bio = request.bio;
    if (bio == null) {
      layToRest(request);
    } else if (request.errno != 0 || request.isDoomed || !goesOn(request, bio, over)) {
      bio.unwatch();
      release(request);
      end(request, bio);
    }
    letGo();
  }

  /** Whether there is more to ask for before the bio can end. */
  private boolean goesOn(NbdRequest request, Bio bio, NbdConnection over) {
    if (request.command == CMD_BLOCK_STATUS) {
      long told = request.receivedBytes;
      int block = device.limits().logicalBlockBytes();
      if (told == 0 || told == request.lengthBytes || told % block != 0) {
        return false;
      }
      request.offsetBytes += told;
      request.lengthBytes -= told;
      request.becomes(CMD_BLOCK_STATUS, 0);
    } else if (request.changesMedium()
        && bio.isFua()
        && !device.has(FLAG_SEND_FUA)
        && device.has(FLAG_SEND_FLUSH)) {
      request.becomes(CMD_FLUSH, 0);
    } else {
      return false;
    }
    giveTo(over, request);
    return true;
  }

  private void end(NbdRequest request, Bio bio) {
    boolean isFlush = bio.op() == Op.FLUSH;
    if (isFlush && request.isDoomed) {
      failFlush(bio);
    } else if (request.command == CMD_BLOCK_STATUS
        && (request.errno == Errno.EINVAL || request.errno == Errno.EOPNOTSUPP)) {
      bio.complete(); // the server cannot say, after all
    } else if (request.errno != 0) {
      String said = request.sentence.isEmpty() ? "" : ": " + request.sentence;
      String sentence =
          "%s: the server answered the %s of %d bytes at %d with %s%s"
              .formatted(
                  options.uri(),
                  bio.op(),
                  request.lengthBytes,
                  request.offsetBytes,
                  NbdErrors.describe(request.errno),
                  said);
      bio.fail(request.errno, sentence, State.UNKNOWN);
    } else {
      if (isFlush) {
        ledger.settle(request.coveredWrites);
      } else if (bio.op().changesMedium() && !bio.isFua()) {
        ledger.acknowledge();
      }
      bio.complete();
    }
  }

  private void failFlush(Bio bio) {
    bio.fail(
        Errno.EIO,
        options.uri()
            + ": writes that were acknowledged and not flushed may be lost: the connection was,"
            + " before this flush. Write them again, or say trust=on if the server keeps them",
        State.UNKNOWN);
  }

  private void release(NbdRequest request) {
    request.bio = null;
    request.next = free;
    free = request;
  }

  /** A request whose bio had ended was answered, or never will be. */
  private void layToRest(NbdRequest request) {
    release(request);
    if (request.changesMedium()) {
      ghosts--;
      // What waited for it may still overlap another one, and then comes back here.
      for (int i = behind.size(); i > 0; i--) {
        Bio bio = behind.letGo();
        if (bio != null) {
          take(bio);
        }
      }
    }
  }

  // --- The flag ---

  long tick() {
    return tick;
  }

  private void watchOld() {
    tick++;
    boolean isIdle = true;
    for (NbdConnection each : connections) {
      each.watchOld(tick);
      isIdle &= each.load() == 0;
    }
    if (!isIdle) {
      patience.set(device.loop().clock().nanos() + PATIENCE_NANOS);
    }
  }

  /** Wants to know when the flag of the request's bio goes up. */
  void watch(NbdRequest request) {
    Bio bio = request.bio;
    if (bio != null && !bio.isWatched() && !request.mustStop) {
      bio.watch(this);
    }
  }

  @Override
  public void flagRaised(Bio bio) {
    NbdRequest request = requests[(int) bio.note()];
    if (request.connection != null) {
      request.connection.flagRaised(request);
    } else {
      again.remove(request);
      stopped(request);
    }
  }

  /** The flag was up before it was sent, or sent again; no connection has it. */
  void stopped(NbdRequest request) {
    Bio bio = Objects.requireNonNull(request.bio);
    release(request);
    if (request.timesSent == 0) {
      bio.cancelClean();
    } else {
      bio.recordCancelled(State.UNKNOWN);
      bio.complete();
    }
    letGo();
  }

  /** Its bio ends, and its answer is still to come. */
  void abandon(NbdRequest request) {
    Bio bio = Objects.requireNonNull(request.bio);
    request.bio = null;
    ghosts += request.changesMedium() ? 1 : 0;
    bio.recordCancelled(State.UNKNOWN);
    bio.complete();
  }

  // --- Connections that come and go ---

  /** A connection came up. */
  void isUp() {
    outage.cancel();
    refusal = "";
    letGo();
  }

  void attemptFailed(String sentence) {
    lastTrouble = sentence;
    lookForOutage();
  }

  /** A connection found another export in the place of ours. */
  void exportChanged(String sentence) {
    if (!isAnyUp()) {
      giveUp(sentence);
    }
  }

  /** A connection was lost; what it had comes back right after this. */
  void connectionLost(String sentence) {
    if (isLeaving) {
      return;
    }
    losses++;
    lastTrouble = sentence;
    ledger.lost();
    long told = 0;
    for (NbdRequest each : requests) {
      Bio bio = each.bio;
      if (bio != null
          && bio.op() == Op.FLUSH
          && !bio.flag().isRaised() // else it ends without a word of this
          && ledger.isInDoubt(each.coveredWrites)) {
        each.isDoomed = true;
        told = Math.max(told, each.coveredWrites);
      }
    }
    if (told > 0) {
      ledger.settleInDoubt(told, parked, behind);
    }
  }

  /** What a lost connection had and was not answered. */
  void takeBack(NbdRequest request) {
    Bio bio = request.bio;
    if (bio == null) {
      layToRest(request);
      return;
    }
    bio.unwatch();
    if (request.isDoomed) {
      release(request);
      end(request, bio);
    } else if (request.mustStop || bio.flag().isRaised()) {
      stopped(request);
    } else if (request.timesSent > 0 && options.reconnectNanos() == 0) {
      fail(request, bio, "the connection was lost (" + lastTrouble + "), and reconnect=0");
    } else if (request.timesSent >= MOST_SENDS) {
      fail(
          request,
          bio,
          "the connection was lost %d times in a row with this request on it, at last because %s"
              .formatted(request.timesSent, lastTrouble));
    } else {
      // Also where only the flush behind a write was missing: the write may be lost, too.
      int command = commandOf(bio.op());
      request.becomes(command, request.command == command ? request.commandFlags : 0);
      again.add(request);
      watch(request);
    }
  }

  private void fail(NbdRequest request, Bio bio, String sentence) {
    release(request);
    bio.fail(
        Errno.EIO,
        options.uri() + ": " + sentence,
        request.timesSent == 0 ? State.CLEAN : State.UNKNOWN);
  }

  /** A connection has given back all that it had. */
  void isClosed() {
    lookForOutage();
    letGo();
    lookWhetherGone();
  }

  private boolean isAnyUp() {
    for (NbdConnection each : connections) {
      if (each.isUp()) {
        return true;
      }
    }
    return false;
  }

  private boolean isAnyComing() {
    for (NbdConnection each : connections) {
      if (each.isComing()) {
        return true;
      }
    }
    return false;
  }

  private void lookForOutage() {
    if (isAnyUp() || isLeaving || !refusal.isEmpty() || outage.isSet()) {
      return;
    }
    if (options.reconnectNanos() > 0) {
      outage.set(device.loop().clock().after(options.reconnectNanos()));
    } else if (!isAnyComing()) {
      giveUp(lastTrouble);
    }
  }

  private void outageLasts() {
    giveUp(
        "no connection for %d ms, at last because %s"
            .formatted(options.reconnectNanos() / 1_000_000, lastTrouble));
  }

  /** What waits fails, and so does what comes, until there is a connection again. */
  private void giveUp(String sentence) {
    outage.cancel();
    refusal = options.uri() + ": " + sentence;
    for (NbdRequest each = again.first; each != null; each = again.first) {
      again.remove(each);
      Bio bio = Objects.requireNonNull(each.bio);
      bio.unwatch();
      fail(each, bio, sentence);
    }
    for (Parked row : new Parked[] {parked, behind}) {
      for (Bio bio = row.letGo(); bio != null; bio = row.letGo()) {
        bio.fail(Errno.EIO, refusal, State.CLEAN);
      }
    }
  }

  // --- What it says of itself, and its end ---

  void showHeld(Held held) {
    for (NbdConnection each : connections) {
      each.showHeld(held);
    }
    for (NbdRequest each = again.first; each != null; each = each.next) {
      if (each.bio != null) {
        held.show(each.bio, "waits for a connection, to be sent again");
      }
    }
    parked.showHeld(held, isAnyUp() ? "waits for a place in flight" : "waits for a connection");
    behind.showHeld(held, "waits for the answer to a write that was given up");
  }

  /** One line: what there is, without what the device is. */
  String status() {
    int up = 0;
    int load = 0;
    for (NbdConnection each : connections) {
      up += each.isUp() ? 1 : 0;
      load += each.load();
    }
    StringBuilder text = new StringBuilder();
    text.append(up)
        .append(" of ")
        .append(connections.length)
        .append(" connections, ")
        .append(load)
        .append(" in flight, ");
    text.append(parked.size() + behind.size() + again.size()).append(" parked");
    if (losses > 0) {
      text.append(", lost ").append(losses).append(losses == 1 ? " connection" : " connections");
    }
    if (up < connections.length && !lastTrouble.isEmpty()) {
      text.append("; ").append(lastTrouble);
    }
    return text.toString();
  }

  boolean isLeaving() {
    return isLeaving;
  }

  /** Says goodbye over all connections; {@code gone} runs when no wire is left. */
  void leave(Runnable gone) {
    isLeaving = true;
    this.gone = gone;
    patience.cancel();
    outage.cancel();
    for (NbdConnection each : connections) {
      each.leave();
    }
    lookWhetherGone();
  }

  private void lookWhetherGone() {
    Runnable what = gone;
    for (NbdConnection each : connections) {
      if (!each.isGone()) {
        return;
      }
    }
    if (what != null) {
      gone = null;
      what.run();
    }
  }
}
