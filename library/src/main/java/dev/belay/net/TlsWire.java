// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.Timers.Timer;
import java.nio.ByteBuffer;
import java.util.function.Consumer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * An encrypted byte stream over another. All runs on the loop's thread, save the arithmetic of
 * certificates, for which threads of its own are there, so that who shakes hands does not hold up
 * who reads and writes.
 *
 * <p>Errors, beside those of the wire below: -EPROTO for whatever the peer did against TLS, among
 * it an end of the stream that TLS did not announce (then what came last may be missing, and
 * someone in between may have wanted it so), and for a certificate that is not good; -EPIPE for
 * sending to a peer that said that it takes no more. {@link #failure} says it in a sentence. After
 * an error the wire can only be closed; the peer is told by an alert, where it still listens.
 *
 * <p>With TLS 1.3 a client that the server refuses for its certificate learns so only after its own
 * handshake: by its first receive.
 *
 * <p>Memory: some 90 KiB a connection, and up to 0.5 MiB where large pieces are sent and received;
 * nothing that a peer does adds to that. Closing tells the peer, for which it takes half a second
 * at most, unless a send is under way: then it closes at once, and the peer finds the end cut off.
 */
public final class TlsWire implements Wire {
  private static final int LARGE_BYTES = 256 << 10; // so much is encrypted at a time
  private static final int SMALL_BYTES = 32 << 10;
  private static final long FAREWELL_NANOS = 500_000_000;
  private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

  /** What became of a handshake. On the loop's thread, once. */
  @FunctionalInterface
  public interface Handshaken {
    /**
     * It is done, or the wire can only be closed, which is in every case its owner's to do.
     *
     * @param result 0; or a negated error number, -ECANCELED where the wire was closed before
     * @param sentence why it failed, for a person; empty where it did not
     */
    void ended(int result, String sentence);
  }

  private final SSLEngine engine;
  private final Raw raw = new Raw();
  private Wire inner;
  private Loop loop;
  private @Nullable Handshaken shaken;

  // What comes.
  private final TlsIn in;
  private boolean isReceivingRaw;
  private boolean rawEnded;
  private boolean saidEnd;
  private boolean isEarly; // a client that has not yet heard anything from the server
  private long wantAddress;
  private int wantBytes;
  private @Nullable WireEnd want;
  private HangUp hangUp;

  // What goes.
  private final TlsOut out;
  private boolean isRawAsked;
  private boolean isSendingRaw;
  private boolean isRawBroken;

  // How it ends.
  boolean isThinking; // tests look at it
  private int posted;
  private int failed;
  private String sentence = "";
  private boolean isClosing;
  private boolean isInnerClosing;
  private @Nullable Timer farewell;
  private @Nullable Runnable whenClosed;
  private @Nullable Runnable moving;

  /** With any engine whose mode is set. */
  TlsWire(Loop loop, Wire inner, SSLEngine engine, byte[] leftover, Handshaken shaken) {
    this.loop = loop;
    this.inner = inner;
    this.shaken = shaken;
    hangUp = new HangUp(loop);
    this.engine = engine;
    isEarly = engine.getUseClientMode();
    int plainBytes = engine.getSession().getApplicationBufferSize();
    int packetBytes = engine.getSession().getPacketBufferSize();
    in = new TlsIn(leftover, SMALL_BYTES + packetBytes, plainBytes);
    out = new TlsOut(SMALL_BYTES, LARGE_BYTES, packetBytes);
    post(this::begin);
  }

  /**
   * Shakes hands as a client. On the loop's thread.
   *
   * @param loop the one that owns {@code inner}
   * @param inner nothing is under way on it; this wire's own from now on
   * @param tls a client's
   * @param leftover what was received from {@code inner} and belongs to the handshake
   * @return the wire, to be closed at any time; what is asked of it waits for the handshake
   */
  public static TlsWire client(Loop loop, Wire inner, Tls tls, byte[] leftover, Handshaken shaken) {
    if (tls.isServer()) {
      throw new IllegalArgumentException("a client cannot be one with a server's certificates");
    }
    return new TlsWire(loop, inner, tls.engine(), leftover, shaken);
  }

  /** Shakes hands as a server; the rest as for a client. */
  public static TlsWire server(Loop loop, Wire inner, Tls tls, byte[] leftover, Handshaken shaken) {
    if (!tls.isServer()) {
      throw new IllegalArgumentException("a server cannot be one with a client's certificates");
    }
    return new TlsWire(loop, inner, tls.engine(), leftover, shaken);
  }

  /** Why it failed, a sentence without its full stop; empty as long as it has not. */
  public String failure() {
    return sentence;
  }

  /** Whom the peer's certificate names; empty where it showed none. After the handshake. */
  public String peerName() {
    return TlsTrust.peerName(engine);
  }

  @Override
  public String peer() {
    return inner.peer();
  }

  @Override
  public void awaitHangUp(WireEnd end) {
    hangUp.await(end);
    inner.awaitHangUp(
        result -> {
          if (!isClosing) {
            hangUp.noticed(in.isEmpty()); // else what came lies in front of the end
          }
        });
  }

  private void begin() {
    try {
      engine.beginHandshake();
    } catch (SSLException | RuntimeException e) {
      failed(TlsFailure.sentence(e, engine));
    }
    advance();
  }

  /** Goes on with whatever can go on; harmless where nothing can. */
  private void advance() {
    if (isClosing || failed != 0 || isThinking) {
      return;
    }
    if (shaken != null) {
      shake();
    }
    if (shaken == null && want != null && !isClosing && failed == 0) {
      deliver();
    }
  }

  // --- The handshake ---

  private void shake() {
    while (failed == 0) {
      switch (engine.getHandshakeStatus()) {
        case NEED_TASK -> {
          think();
          return;
        }
        case NEED_WRAP -> {
          wantRaw();
          return;
        }
        case NEED_UNWRAP, NEED_UNWRAP_AGAIN -> {
          if (!unwrap(NOTHING)) {
            return;
          }
        }
        default -> {
          if (!isSendingRaw) {
            shakenHands();
          }
          return;
        }
      }
    }
  }

  private void shakenHands() {
    if (engine.isInboundDone() || engine.isOutboundDone()) {
      fail(Errno.EPROTO, TlsFailure.LEFT);
      return;
    }
    if (engine.getNeedClientAuth() && peerName().isEmpty()) {
      fail(Errno.EPROTO, "the client showed no certificate");
      return;
    }
    Handshaken told = shaken;
    shaken = null;
    if (told != null) {
      told.ended(0, "");
    }
    if (out.isAsked() && !isClosing) {
      wantRaw();
    }
  }

  /** Has the engine's arithmetic done elsewhere; nothing else is asked of the engine meanwhile. */
  private void think() {
    isThinking = true;
    TlsThinkers.think(engine, loop, this::thought);
  }

  private void thought(@Nullable Throwable defect) {
    isThinking = false;
    if (isClosing) {
      return;
    }
    if (defect != null) {
      failed(TlsFailure.sentence(defect, engine));
    }
    if (out.isAsked() || out.isUnderWay()) {
      wantRaw();
    }
    advance();
    moveSoon();
  }

  // --- Receiving ---

  @Override
  public void receive(long address, int lengthBytes, WireEnd end) {
    if (want != null || isClosing || lengthBytes <= 0) {
      throw new IllegalStateException(
          lengthBytes <= 0
              ? "nothing to receive into"
              : "one receive at a time, and none on a closed wire");
    }
    wantAddress = address;
    wantBytes = lengthBytes;
    want = end;
    hangUp.receiving();
    if (failed != 0) {
      post(this::tellFailure);
    } else if (in.lacksBytes() && !in.isSpilling() && !rawEnded && !saidEnd && shaken == null) {
      receiveRaw();
    } else {
      post(this::advance);
    }
  }

  private void deliver() {
    ByteBuffer into = TlsRoom.view(wantAddress, wantBytes);
    in.take(into);
    while (failed == 0 && !saidEnd && into.hasRemaining() && !in.isSpilling()) {
      if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
        wantRaw(); // its answers leave before more is asked of it, or they would pile up
        break;
      }
      if (!unwrap(into)) {
        break;
      }
    }
    int count = into.position();
    if (count > 0 || (saidEnd && failed == 0)) {
      received(count);
    }
  }

  private void received(int result) {
    WireEnd end = want;
    want = null;
    if (end != null) {
      isEarly &= result <= 0;
      hangUp.received(result);
      end.ended(result);
    }
  }

  private boolean goesOn(SSLEngineResult result, boolean isEmpty) {
    return switch (result.getStatus()) {
      case BUFFER_UNDERFLOW -> {
        if (isEmpty && rawEnded) {
          fail(Errno.EPROTO, TlsFailure.end(shaken != null, isEarly));
        } else if (isEmpty) {
          receiveRaw();
        }
        yield false;
      }
      case CLOSED -> {
        saidEnd = true;
        if (shaken != null) {
          fail(Errno.EPROTO, TlsFailure.LEFT);
        } else if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
          wantRaw();
        }
        yield false;
      }
      case BUFFER_OVERFLOW ->
          in.enlargeSpill(engine.getSession().getApplicationBufferSize())
              || failed(TlsFailure.TOO_LONG);
      default ->
          shaken == null ? isStill(result) : !in.isSpilling() || failed(TlsFailure.TOO_EARLY);
    };
  }

  /** What the peer wants of the engine after the handshake: keys renewed, but nothing else. */
  private boolean isStill(SSLEngineResult result) {
    HandshakeStatus status = engine.getHandshakeStatus();
    if (status == HandshakeStatus.NOT_HANDSHAKING || status == HandshakeStatus.FINISHED) {
      return true;
    }
    boolean isOld = !engine.getSession().getProtocol().equals("TLSv1.3");
    if (isOld && !engine.isInboundDone() && !engine.isOutboundDone()) {
      return failed(TlsFailure.ANEW);
    }
    if (status == HandshakeStatus.NEED_TASK) {
      think();
      return false;
    }
    return result.bytesConsumed() > 0 || status == HandshakeStatus.NEED_WRAP;
  }

  private void receiveRaw() {
    if (isReceivingRaw) {
      return;
    }
    boolean isLarge = wantBytes > SMALL_BYTES && shaken == null;
    int room = in.makeRoom(isLarge ? LARGE_BYTES : 0);
    if (room == 0) {
      fail(Errno.EPROTO, TlsFailure.TOO_LONG);
      return;
    }
    isReceivingRaw = true;
    inner.receive(in.address(), room, this::receivedRaw);
  }

  private void receivedRaw(int result) {
    isReceivingRaw = false;
    if (isClosing || failed != 0) {
      return;
    }
    if (result > 0) {
      in.arrived(result);
    } else if (result == 0) {
      rawEnded = true;
    } else {
      fail(-result, Errno.describe(-result) + (isEarly ? TlsFailure.EARLY : ""));
      return;
    }
    advance();
    moveSoon();
  }

  /** Decrypts one record, and answers whether there is another to look at. */
  private boolean unwrap(ByteBuffer into) {
    try {
      return goesOn(in.unwrap(engine, into), into.position() == 0);
    } catch (SSLException | RuntimeException e) {
      failed(TlsFailure.sentence(e, engine));
      return false;
    }
  }

  // --- Sending ---

  @Override
  public void wantSend(Sender sender) {
    out.ask(sender);
    if (failed != 0) {
      post(this::tellFailure);
    } else if (shaken == null && !isClosing) {
      wantRaw();
    }
  }

  private void wantRaw() {
    if (!isRawAsked && !isSendingRaw && !isInnerClosing) {
      isRawAsked = true;
      inner.wantSend(raw);
    }
  }

  /** What the wire below is given to send: records. */
  private final class Raw implements Sender {
    @Override
    public void gather(Gather into) {
      isRawAsked = false;
      out.begin();
      if (!isThinking) {
        encrypt();
      }
      int count = out.recordBytes();
      if (count > 0) {
        isSendingRaw = true;
        into.add(out.address(), count);
      } else {
        post(TlsWire.this::nothingToSend);
      }
    }

    @Override
    public void sent(int result) {
      isSendingRaw = false;
      sentRaw(result);
    }
  }

  private void encrypt() {
    try {
      if (!out.encrypt(engine, shaken == null && failed == 0 && !isClosing)) {
        fail(Errno.EPIPE, "the other side said that it takes no more");
      }
    } catch (SSLException | RuntimeException e) {
      if (!isClosing) {
        failed(TlsFailure.sentence(e, engine));
      }
    }
  }

  private void nothingToSend() {
    if (isClosing && !isRawAsked && !isSendingRaw) {
      closeInner();
    } else {
      advance();
    }
  }

  private void sentRaw(int result) {
    if (isClosing) {
      if (result < 0 || engine.getHandshakeStatus() != HandshakeStatus.NEED_WRAP) {
        closeInner();
      } else {
        wantRaw();
      }
      return;
    }
    if (result < 0) {
      isRawBroken = true;
      fail(-result, Errno.describe(-result));
      return;
    }
    if (!out.hasPlain() && failed == 0) {
      out.tell(0);
    }
    if (isClosing) {
      return;
    }
    if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP
        || (failed == 0 && shaken == null && (out.isUnderWay() || out.isAsked()))) {
      wantRaw();
    }
    advance();
    moveSoon();
  }

  // --- The end ---

  private boolean failed(String why) {
    fail(Errno.EPROTO, why);
    return false;
  }

  /** Keeps the first failure, tells the peer if it can, and those who wait, in a moment. */
  private void fail(int errno, String why) {
    if (failed != 0 || isClosing) {
      return;
    }
    failed = -errno;
    sentence = why;
    post(this::tellFailure);
  }

  private void tellFailure() {
    if (failed == -Errno.EPROTO && !isThinking && !isClosing && !engine.isOutboundDone()) {
      engine.closeOutbound();
      wantRaw();
    }
    Handshaken told = shaken;
    if (told != null && !isClosing) {
      shaken = null;
      told.ended(failed, sentence);
    }
    if (!isClosing) {
      received(failed);
    }
    if (!isClosing && !out.isUnderWay()) {
      out.gather();
    }
    if (!isClosing) {
      out.tell(failed);
    }
  }

  /** Has something run on the loop, soon, and the wire stay there until then. */
  private void post(Runnable what) {
    posted++;
    loop.execute(
        () -> {
          posted--;
          what.run();
          tryMove();
        });
  }

  @Override
  public void close(Runnable closed) {
    if (isClosing) {
      throw new IllegalStateException("closed twice");
    }
    isClosing = true;
    whenClosed = closed;
    if (isThinking || out.isUnderWay() || isRawBroken) {
      closeInner(); // nothing can be said any more, or not before much else
      return;
    }
    engine.closeOutbound();
    farewell = loop.timers().newTimer(this::closeInner);
    farewell.set(loop.clock().nanos() + FAREWELL_NANOS);
    wantRaw();
  }

  private void closeInner() {
    if (isInnerClosing) {
      return;
    }
    isInnerClosing = true;
    if (farewell != null) {
      farewell.cancel();
    }
    inner.close(this::innerClosed);
  }

  private void innerClosed() {
    Handshaken told = shaken;
    shaken = null;
    if (told != null) {
      told.ended(-Errno.ECANCELED, "it was closed in the midst of the TLS handshake");
    }
    received(-Errno.ECANCELED);
    out.tell(-Errno.ECANCELED);
    WireEnd waiting = hangUp.close();
    if (waiting != null) {
      waiting.ended(-Errno.ECANCELED);
    }
    in.close();
    out.close();
    Runnable closed = whenClosed;
    if (closed != null) {
      closed.run();
    }
  }

  @Override
  public void move(Sockets to, Consumer<Wire> arrived) {
    if (want != null || out.isUnderWay() || isClosing || shaken != null) {
      throw new IllegalStateException("a wire is moved with nothing under way on it");
    }
    moving =
        () ->
            inner.move(
                to,
                wire -> {
                  inner = wire;
                  loop = to.loop();
                  hangUp = new HangUp(loop);
                  arrived.accept(this);
                });
    moveSoon();
  }

  /** From a message of its own: behind it nobody here looks at what is another loop's by then. */
  private void moveSoon() {
    if (moving != null) {
      post(() -> {});
    }
  }

  /** Goes once nothing of the wire's own is under way: an answer to renewed keys, a message. */
  private void tryMove() {
    Runnable go = moving;
    boolean isBusy = isSendingRaw || isRawAsked || isReceivingRaw || isThinking || posted > 0;
    if (go != null && !isBusy) {
      moving = null;
      go.run();
    }
  }
}
