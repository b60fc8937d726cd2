// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static dev.belay.nbd.Nbd.CMD_DISC;
import static dev.belay.nbd.Nbd.CMD_FLAG_PAYLOAD_LEN;
import static dev.belay.nbd.Nbd.CMD_FLUSH;
import static dev.belay.nbd.Nbd.CMD_WRITE;

import dev.belay.Bio;
import dev.belay.Clock;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.Timers;
import dev.belay.nbd.ClientHandshake;
import dev.belay.nbd.RequestHeader;
import dev.belay.nbd.Session;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.net.Wire;
import dev.belay.net.WireEnd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One connection of an {@link Nbd} device: what it was given, what it has sent and not heard of,
 * and the wire. It belongs to the device's loop, as the device does.
 *
 * <p>Requests wait in a row until the wire asks what there is to send; each flag is looked at right
 * there. From then on a request counts as sent. The headers of one send lie side by side in memory
 * of the connection, payloads are sent from where they are.
 *
 * <p>When the connection is lost in any way, the wire is closed; only when it says that it refers
 * to no memory any more, the device gets back what was not answered, and decides.
 */
final class NbdConnection implements Sender {
  /** How much is gathered for one send, so that its end is a sign of life. */
  private static final long SEND_BYTES = 1 << 20;

  private static final int MOST_HEADERS = 128;

  /** How long the wire may hold on to memory of a request that was asked to stop. */
  private static final long STUCK_NANOS = 50_000_000;

  private static final long FIRST_DELAY_NANOS = 50_000_000;
  private static final long LONGEST_DELAY_NANOS = 5_000_000_000L;

  private static final System.Logger LOG = System.getLogger("dev.belay");

  private enum State {
    DOWN,
    CONNECTING,
    UP,
    CLOSING
  }

  private final Nbd device;
  private final NbdTraffic traffic;
  private final NbdOptions options;
  private final Clock clock;
  private final NbdReplies replies;
  private final MemorySegment headers;
  private final NbdRequest.Row queued = new NbdRequest.Row();
  private final NbdRequest.Row inFlight = new NbdRequest.Row();
  private final WireEnd whenReceived = this::received; // made once, and not for each receive
  private final Timers.Timer retry;
  private final Timers.Timer silence;
  private final Timers.Timer stuck;
  private State state = State.DOWN;
  private @Nullable Wire wire;
  private @Nullable NbdGreeting greeting;
  private boolean extended;
  private long payloadBytes;
  private long delayNanos;
  private long heardNanos;

  /** How many sends there were; the last of them is under way if {@code isSending}. */
  private long sends;

  private boolean isSending;

  /** How many requests wait for the wire to let go of their memory. */
  private int held;

  private boolean saysGoodbye;
  private boolean saidGoodbye;
  private String trouble = "";

  NbdConnection(Nbd device, NbdTraffic traffic, Arena arena) {
    this.device = device;
    this.traffic = traffic;
    options = device.options();
    clock = device.loop().clock();
    replies = new NbdReplies(traffic, this, arena);
    headers = arena.allocate((long) MOST_HEADERS * RequestHeader.bytes(true), 64);
    Timers timers = device.loop().timers();
    retry = timers.newTimer(this::connect);
    silence = timers.newTimer(this::listenForSilence);
    stuck = timers.newTimer(this::lookWhetherStuck);
  }

  // --- Coming up ---

  /** Makes the connection, if it is down. */
  void connect() {
    if (state == State.DOWN && !traffic.isLeaving()) {
      retry.cancel();
      state = State.CONNECTING;
      greeting = new NbdGreeting(device.sockets(), options, false, this::greeted);
      greeting.begin();
    }
  }

  /** Its wire is being made by somebody else, and comes by {@link #begin}. */
  void await() {
    state = State.CONNECTING;
  }

  private void greeted(@Nullable Wire made, @Nullable ClientHandshake done, String sentence) {
    greeting = null;
    if (made == null || done == null) {
      cameToNothing(sentence);
      return;
    }
    Session session = done.session();
    String objection = device.objection(session.export());
    if (traffic.isLeaving() || !objection.isEmpty()) {
      state = State.CLOSING;
      made.close(() -> cameToNothing(objection));
      if (!objection.isEmpty()) {
        traffic.exportChanged(objection);
      }
      return;
    }
    begin(made, session);
  }

  private void cameToNothing(String sentence) {
    state = State.DOWN;
    trouble = sentence;
    retryLater();
    traffic.attemptFailed(sentence);
    traffic.isClosed();
  }

  /** Takes over a wire whose handshake is done. */
  void begin(Wire made, Session session) {
    retry.cancel();
    wire = made;
    state = State.UP;
    extended = session.extendedHeaders();
    isSending = false;
    held = 0;
    trouble = "";
    replies.begin(session);
    receive();
    traffic.isUp();
  }

  private void retryLater() {
    if (traffic.isLeaving() || options.reconnectNanos() == 0) {
      return;
    }
    delayNanos =
        delayNanos == 0 ? FIRST_DELAY_NANOS : Math.min(2 * delayNanos, LONGEST_DELAY_NANOS);
    retry.set(clock.after(delayNanos));
  }

  // --- What it has ---

  boolean isUp() {
    return state == State.UP;
  }

  boolean isComing() {
    return state == State.CONNECTING;
  }

  /** How many requests it has, those included for whose answers nobody waits. */
  int load() {
    return queued.size() + inFlight.size();
  }

  /** Whether it takes another request with so much payload now. */
  boolean hasRoom(long bytes) {
    int load = load();
    return state == State.UP
        && (load == 0 || (load < options.depth() && payloadBytes + bytes <= Nbd.WINDOW_BYTES));
  }

  /** Takes a request, to be sent soon. */
  void give(NbdRequest request) {
    request.connection = this;
    payloadBytes += request.payloadBytes();
    queued.add(request);
    wantSend();
  }

  private void wantSend() {
    if (state == State.UP) {
      Objects.requireNonNull(wire).wantSend(this);
    }
  }

  /** Takes a request out, wherever it stands. */
  private void letGo(NbdRequest request) {
    Objects.requireNonNull(request.row).remove(request);
    payloadBytes -= request.payloadBytes();
    request.connection = null;
  }

  boolean hasInFlight(NbdRequest request) {
    return request.row == inFlight;
  }

  /** Whether a bio that has ended may still change this range on the medium. */
  boolean isHaunted(long offsetBytes, long lengthBytes) {
    for (NbdRequest each = inFlight.first; each != null; each = each.next) {
      if (each.bio == null && each.changesMedium() && each.overlaps(offsetBytes, lengthBytes)) {
        return true;
      }
    }
    return false;
  }

  // --- Down: sending ---

  @Override
  public void gather(Gather into) {
    if (state != State.UP) {
      return;
    }
    sends++;
    boolean wasIdle = inFlight.size() == 0;
    int headerBytes = RequestHeader.bytes(extended);
    int begun = 0;
    int at = 0;
    NbdRequest request = queued.first;
    while (request != null
        && into.room() >= 2
        && into.bytes() < SEND_BYTES
        && at + headerBytes <= headers.byteSize()) {
      Bio bio = Objects.requireNonNull(request.bio);
      if (bio.flag().isRaised()) {
        bio.unwatch();
        flagRaised(request);
        request = queued.first;
        continue;
      }
      queued.remove(request);
      inFlight.add(request);
      request.sent(sends, traffic.tick());
      putHeader(request, at);
      at += headerBytes;
      if (request.command == CMD_WRITE) {
        into.add(headers.address() + begun, at - begun);
        into.add(bio.address(), (int) request.lengthBytes);
        begun = at;
      }
      request = queued.first;
    }
    if (saysGoodbye && !saidGoodbye && into.room() > 0) {
      RequestHeader.write(headers, at, extended, CMD_DISC, 0, 0, 0, 0);
      at += headerBytes;
      saidGoodbye = true;
    }
    if (at > begun) {
      into.add(headers.address() + begun, at - begun);
    }
    isSending = at > 0;
    if (at > 0) {
      listen(wasIdle);
    }
  }

  private void putHeader(NbdRequest request, int at) {
    boolean isFlush = request.command == CMD_FLUSH; // of a bio with a range, perhaps
    RequestHeader.write(
        headers,
        at,
        extended,
        request.command,
        request.commandFlags
            | (extended && request.command == CMD_WRITE ? CMD_FLAG_PAYLOAD_LEN : 0),
        request.cookie,
        isFlush ? 0 : request.offsetBytes,
        isFlush ? 0 : request.lengthBytes);
  }

  @Override
  public void sent(int result) {
    isSending = false;
    if (state != State.UP || result == -Errno.ECANCELED) {
      return;
    }
    if (result < 0) {
      fail("sending failed: " + Errno.describe(-result));
      return;
    }
    if (saidGoodbye) {
      fail("");
      return;
    }
    heard();
    if (held > 0) {
      releaseHeld();
    }
    if (queued.first != null || saysGoodbye) {
      wantSend();
    }
  }

  /** Goes on with those for which the wire's hold on their memory was all that was in the way. */
  private void releaseHeld() {
    NbdRequest next;
    for (NbdRequest each = inFlight.first; each != null && held > 0; each = next) {
      next = each.next;
      if (usesMemory(each)) {
        continue;
      }
      if (each.isAnswered) {
        held--;
        conclude(each);
      } else if (each.mustStop) {
        held--;
        abandon(each);
      }
    }
  }

  // --- Up: receiving ---

  private void receive() {
    Objects.requireNonNull(wire).receive(replies.nextAddress(), replies.nextBytes(), whenReceived);
  }

  private void received(int result) {
    if (state != State.UP || result == -Errno.ECANCELED) {
      return;
    }
    if (result <= 0) {
      fail(
          result == 0
              ? "the server ended the connection"
              : "receiving failed: " + Errno.describe(-result));
      return;
    }
    heard();
    String broken = replies.take(result);
    if (!broken.isEmpty()) {
      fail("the server broke the protocol: " + broken);
    } else if (state == State.UP) {
      if (held > 0) {
        releaseHeld();
      }
      receive();
    }
  }

  /** The whole answer is here. */
  void answered(NbdRequest request) {
    if (usesMemory(request)) {
      request.isAnswered = true;
      held += request.mustStop ? 0 : 1;
    } else {
      held -= request.mustStop ? 1 : 0;
      conclude(request);
    }
  }

  private void conclude(NbdRequest request) {
    if (request.errno == Errno.ESHUTDOWN && options.reconnectNanos() > 0) {
      fail("the server shuts down");
      return;
    }
    delayNanos = 0; // it does something
    letGo(request);
    traffic.conclude(request, this);
  }

  // --- The flag ---

  /** The flag of the request's bio is up; it is not watched any more. */
  void flagRaised(NbdRequest request) {
    if (request.row == queued) {
      letGo(request);
      traffic.stopped(request);
    } else if (!usesMemory(request)) {
      abandon(request);
    } else if (!request.mustStop) {
      request.mustStop = true;
      held += request.isAnswered ? 0 : 1;
      if (!stuck.isSet()) {
        stuck.set(clock.after(STUCK_NANOS));
      }
    }
  }

  /** Its bio ends now, the request itself when its answer comes. */
  private void abandon(NbdRequest request) {
    request.mustStop = false;
    traffic.abandon(request);
  }

  /** Whether the wire reads from, or writes into, the memory of the request's bio. */
  private boolean usesMemory(NbdRequest request) {
    return (isSending && request.sentIn == sends && request.command == CMD_WRITE)
        || replies.isReceivingInto(request);
  }

  /**
   * A server that takes nothing keeps memory of requests that were asked to stop. Where nobody else
   * waits for an answer here, the connection is given up for them.
   */
  private void lookWhetherStuck() {
    if (saysGoodbye) {
      fail("");
    }
    if (state != State.UP || held == 0) {
      return;
    }
    for (NbdRequest each = inFlight.first; each != null; each = each.next) {
      if (each.bio != null && !each.mustStop) {
        stuck.set(clock.after(STUCK_NANOS));
        return;
      }
    }
    if (queued.first == null) {
      fail("all that was under way was asked to stop, and the server took no more of it");
    } else {
      stuck.set(clock.after(STUCK_NANOS));
    }
  }

  /** Watches all bios that have waited here for longer than a tick. */
  void watchOld(long tick) {
    for (NbdRequest each = inFlight.first; each != null; ) {
      NbdRequest next = each.next;
      if (each.sentAtTick < tick) {
        traffic.watch(each);
      }
      each = next;
    }
    for (NbdRequest each = queued.first; each != null; ) {
      NbdRequest next = each.next;
      traffic.watch(each);
      each = next;
    }
  }

  // --- Silence and loss ---

  private void heard() {
    if (options.timeoutNanos() > 0) {
      heardNanos = clock.nanos();
    }
  }

  private void listen(boolean wasIdle) {
    long timeoutNanos = options.timeoutNanos();
    if (timeoutNanos > 0 && wasIdle) {
      heardNanos = clock.nanos();
      silence.set(heardNanos + timeoutNanos);
    }
  }

  private void listenForSilence() {
    if (state != State.UP || inFlight.size() == 0) {
      return;
    }
    long timeoutNanos = options.timeoutNanos();
    if (clock.nanos() - heardNanos < timeoutNanos) {
      silence.set(heardNanos + timeoutNanos);
    } else {
      fail("the server answered nothing for " + timeoutNanos / 1_000_000 + " ms");
    }
  }

  /** Gives it up; an empty sentence: as was meant. */
  private void fail(String sentence) {
    if (state != State.UP) {
      return;
    }
    state = State.CLOSING;
    trouble = sentence;
    silence.cancel();
    stuck.cancel();
    if (!sentence.isEmpty()) {
      LOG.log(System.Logger.Level.WARNING, "{0}: {1}", options.uri(), sentence);
    }
    Objects.requireNonNull(wire).close(this::closed);
  }

  private void closed() {
    state = State.DOWN;
    wire = null;
    isSending = false;
    held = 0;
    replies.end();
    for (NbdRequest each = inFlight.first; each != null; ) {
      NbdRequest next = each.next;
      if (each.isAnswered) {
        letGo(each);
        traffic.conclude(each, this);
      }
      each = next;
    }
    traffic.connectionLost(trouble);
    // What was sent goes first, in the order in which it was.
    giveBack(inFlight);
    giveBack(queued);
    if (delayNanos == 0 && !traffic.isLeaving() && options.reconnectNanos() > 0) {
      delayNanos = FIRST_DELAY_NANOS;
      retry.set(clock.nanos());
    } else {
      retryLater();
    }
    traffic.isClosed();
  }

  private void giveBack(NbdRequest.Row row) {
    for (NbdRequest each = row.first; each != null; each = row.first) {
      letGo(each);
      traffic.takeBack(each);
    }
  }

  // --- The end ---

  /** Says goodbye, where there is somebody to say it to, and closes. */
  void leave() {
    retry.cancel();
    if (greeting != null) {
      greeting.abandon();
    }
    if (state == State.UP) {
      saysGoodbye = true;
      wantSend();
      stuck.set(clock.after(STUCK_NANOS));
    }
  }

  /** Whether no wire of it is open; one that is being made may still come, and is closed then. */
  boolean isGone() {
    return state == State.DOWN
        || (state == State.CONNECTING && (greeting == null || !greeting.hasWire()));
  }

  /** Shows the bios that it has. */
  void showHeld(Held held) {
    for (NbdRequest each = inFlight.first; each != null; each = each.next) {
      if (each.bio != null) {
        held.show(each.bio, "is with the server");
      }
    }
    for (NbdRequest each = queued.first; each != null; each = each.next) {
      if (each.bio != null) {
        held.show(each.bio, "is about to be sent");
      }
    }
  }
}
