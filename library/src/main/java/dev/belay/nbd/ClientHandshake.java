// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The client's side of the handshake, newstyle, as a machine without any I/O: bytes in, bytes out,
 * a state. For one thread.
 *
 * <p>It has two modes: it {@linkplain #open opens} an export, or {@linkplain #list lists} them all.
 * The caller feeds what it has received with {@link #take} and sends what {@link #output} gives;
 * nothing is taken while output waits. Bytes that were not taken stay with the caller: in {@link
 * State#START_TLS} they belong to TLS, in {@link State#SERVING} they are the first replies.
 *
 * <p>A server costs at most one reply of 16 KiB and, when listing, 4 MiB; what is longer, or comes
 * without end, ends it with a sentence.
 */
public final class ClientHandshake {
  /** What the client thinks of TLS. */
  public enum Tls {
    /** It has none: a server that demands it is not used. */
    OFF,
    /** If the server has it. */
    OFFERED,
    /** Nothing is asked for without. */
    REQUIRED
  }

  /** Where it stands. */
  public enum State {
    /** Answers are awaited. */
    OPEN,
    /** TLS is to begin now; then {@link #encrypted}. */
    START_TLS,
    /** Done: requests may be sent. */
    SERVING,
    /** All exports are known; to be closed, once the output is sent. */
    LISTED,
    /** It came to nothing; to be closed, once the output is sent. */
    ENDED
  }

  /**
   * What the client would like.
   *
   * @param exportName as the server knows it; empty for the default one; of no use when listing
   * @param structuredReplies whether to ask for them
   * @param extendedHeaders whether to ask for them first
   * @param allocation whether to ask for base:allocation, where replies are structured
   */
  public record Wishes(
      String exportName,
      Tls tls,
      boolean structuredReplies,
      boolean extendedHeaders,
      boolean allocation) {
    /** All there is. */
    public static Wishes of(String exportName, Tls tls) {
      return new Wishes(exportName, tls, true, true, true);
    }
  }

  /** To open one export. */
  public static ClientHandshake open(Wishes wishes) {
    return new ClientHandshake(wishes, false);
  }

  /** To list all exports. */
  public static ClientHandshake list(Tls tls) {
    return new ClientHandshake(Wishes.of("", tls), true);
  }

  /**
   * An export in a list.
   *
   * @param name as clients ask for it
   * @param description for people; may be empty
   * @param facts what the server says of it; null where it does not
   * @param problem why there are no facts, a sentence; empty where there are
   */
  public record Listed(
      String name, String description, @Nullable ExportFacts facts, String problem) {}

  private static final int GREETING_BYTES = 18;
  private static final int REPLY_HEAD_BYTES = 20;
  private static final int EXPORT_BYTES = 10;

  /** Two strings and their lengths fit, and some more. */
  private static final int MOST_REPLY_BYTES = 1 << 14;

  /** How many replies one option may have: those that are not lists have a handful. */
  private static final int MOST_REPLIES = 64;

  private static final int MOST_LISTED = 10_000;
  private static final int MOST_LISTED_BYTES = 1 << 22;

  /** What is being received. */
  private enum Part {
    GREETING,
    REPLY_HEAD,
    REPLY,
    /** The answer to EXPORT_NAME, which has no head. */
    EXPORT
  }

  private final Wishes wishes;
  private final boolean listing;
  private final Outgoing out = new Outgoing();
  private final List<Listed> exports = new ArrayList<>();
  private final ArrayDeque<Listed> unasked = new ArrayDeque<>();

  private State state = State.OPEN;
  private String reason = "";
  private boolean secure;

  private Part part = Part.GREETING;
  private byte[] bytes = new byte[REPLY_HEAD_BYTES];
  private int hasBytes;
  private int wantsBytes = GREETING_BYTES;

  private boolean noZeroes;

  /** The option that is being answered, the type of the reply, and how many more may come. */
  private int option;

  private int replyType;
  private int repliesLeft;
  private int listedBytes;

  private boolean structured;
  private boolean extended;
  private boolean allocation;
  private int allocationContext;
  private InfoGathering info;
  private @Nullable Session session;

  private ClientHandshake(Wishes wishes, boolean listing) {
    this.wishes = wishes;
    this.listing = listing;
    info = new InfoGathering(wishes.exportName());
    if (wishes.exportName().getBytes(StandardCharsets.UTF_8).length > Nbd.STRING_BYTES
        || wishes.exportName().indexOf('\0') >= 0) {
      throw new IllegalArgumentException(
          "The name of an export has at most " + Nbd.STRING_BYTES + " bytes, and no NUL.");
    }
  }

  /** Where it stands. */
  public State state() {
    return state;
  }

  /** What is to be sent now, which is then the caller's to send; empty for nothing. */
  public byte[] output() {
    return out.take();
  }

  /** What was agreed on, in {@link State#SERVING}. */
  public Session session() {
    if (session == null) {
      throw new IllegalStateException("The handshake is not done: it is " + state + ".");
    }
    return session;
  }

  /** In {@link State#LISTED}: what the server has. */
  public List<Listed> exports() {
    return List.copyOf(exports);
  }

  /** In {@link State#ENDED}: why, a sentence. */
  public String reason() {
    return reason;
  }

  /** Whether all goes over TLS by now. */
  public boolean secure() {
    return secure;
  }

  /** TLS is up, after {@link State#START_TLS}. */
  public void encrypted() {
    if (state != State.START_TLS) {
      throw new IllegalStateException("TLS was not agreed on: the handshake is " + state + ".");
    }
    secure = true;
    state = State.OPEN;
    afterTls();
  }

  /** The server closed the connection: ends it with a reason that says at what point. */
  public void peerClosed() {
    if (state != State.OPEN && state != State.START_TLS) {
      return;
    }
    out.take();
    if (part == Part.GREETING) {
      violated("The server closed the connection without a word.");
    } else if (part == Part.EXPORT) {
      violated(
          "The server closed the connection when asked for export "
              + Strings.quoted(wishes.exportName())
              + ": it has none of that name, or does not give it to us.");
    } else {
      violated("The server closed the connection during " + Nbd.optionName(option) + ".");
    }
  }

  /**
   * Takes what it can of received bytes.
   *
   * @return how many were taken, from the first on: none while there is output, nor when not {@link
   *     State#OPEN}
   */
  public int take(MemorySegment from, long offsetBytes, int lengthBytes) {
    int taken = 0;
    while (taken < lengthBytes && state == State.OPEN && out.isEmpty()) {
      int count = Math.min(lengthBytes - taken, wantsBytes - hasBytes);
      if (hasBytes + count > bytes.length) {
        bytes = Arrays.copyOf(bytes, Math.max(hasBytes + count, 2 * bytes.length));
      }
      MemorySegment.copy(from, offsetBytes + taken, MemorySegment.ofArray(bytes), hasBytes, count);
      hasBytes += count;
      taken += count;
      if (hasBytes == wantsBytes) {
        complete();
      }
    }
    return taken;
  }

  /** How much memory the server makes this hold, besides the list. */
  int heldBytes() {
    return bytes.length;
  }

  private void complete() {
    ByteBuffer read = ByteBuffer.wrap(bytes, 0, hasBytes);
    switch (part) {
      case GREETING -> greeting(read);
      case REPLY_HEAD -> replyHead(read);
      case REPLY -> {
        await(Part.REPLY_HEAD, REPLY_HEAD_BYTES);
        reply(read);
      }
      case EXPORT -> {
        info.export(read.getLong(), read.getShort());
        serve();
      }
    }
  }

  private void await(Part next, int lengthBytes) {
    part = next;
    hasBytes = 0;
    wantsBytes = lengthBytes;
  }

  private void greeting(ByteBuffer read) {
    long first = read.getLong();
    long second = read.getLong();
    int flags = Short.toUnsignedInt(read.getShort());
    if (first != Nbd.INIT_PASSWD) {
      violated("What answers there is no NBD server.");
    } else if (second == Nbd.OLDSTYLE_MAGIC) {
      violated("The server speaks the oldstyle protocol, which is not supported.");
    } else if (second != Nbd.OPTION_MAGIC) {
      violated("The server greets as no known version of NBD does.");
    } else {
      boolean fixed = (flags & Nbd.FLAG_FIXED_NEWSTYLE) != 0;
      noZeroes = (flags & Nbd.FLAG_NO_ZEROES) != 0;
      out.u32((fixed ? Nbd.FLAG_C_FIXED_NEWSTYLE : 0) | (noZeroes ? Nbd.FLAG_C_NO_ZEROES : 0));
      await(Part.REPLY_HEAD, REPLY_HEAD_BYTES);
      if (fixed) {
        begin();
      } else if (wishes.tls() == Tls.REQUIRED || listing) {
        violated("The server is too old to " + (listing ? "list its exports." : "have TLS."));
      } else {
        exportName();
      }
    }
  }

  private void begin() {
    if (wishes.tls() == Tls.OFF) {
      afterTls();
    } else {
      ask(Nbd.OPT_STARTTLS);
    }
  }

  private void afterTls() {
    if (listing) {
      ask(Nbd.OPT_LIST);
    } else if (wishes.extendedHeaders()) {
      ask(Nbd.OPT_EXTENDED_HEADERS);
    } else {
      afterExtended();
    }
  }

  private void afterExtended() {
    if (wishes.structuredReplies() && !extended) {
      ask(Nbd.OPT_STRUCTURED_REPLY);
    } else {
      afterStructured();
    }
  }

  private void afterStructured() {
    if (!structured || !wishes.allocation()) {
      ask(Nbd.OPT_GO, info.request());
      return;
    }
    byte[] name = wishes.exportName().getBytes(StandardCharsets.UTF_8);
    Outgoing contents = new Outgoing().u32(name.length).raw(name).u32(1);
    contents.u32(Nbd.BASE_ALLOCATION.length()).text(Nbd.BASE_ALLOCATION);
    ask(Nbd.OPT_SET_META_CONTEXT, contents.take());
  }

  private void exportName() {
    ask(Nbd.OPT_EXPORT_NAME, wishes.exportName().getBytes(StandardCharsets.UTF_8));
    await(Part.EXPORT, EXPORT_BYTES + (noZeroes ? 0 : Nbd.ZEROES_BYTES));
  }

  private void nextInfo() {
    Listed next = unasked.peek();
    if (next == null) {
      ask(Nbd.OPT_ABORT);
      state = State.LISTED;
    } else {
      info = new InfoGathering(next.name());
      ask(Nbd.OPT_INFO, info.request());
    }
  }

  private void ask(int what, byte... contents) {
    option = what;
    repliesLeft = what == Nbd.OPT_LIST ? MOST_LISTED : MOST_REPLIES;
    out.u64(Nbd.OPTION_MAGIC).u32(what).u32(contents.length).raw(contents);
  }

  private void replyHead(ByteBuffer read) {
    long magic = read.getLong();
    int to = read.getInt();
    replyType = read.getInt();
    long lengthBytes = Integer.toUnsignedLong(read.getInt());
    String asked = Nbd.optionName(option);
    if (magic != Nbd.OPTION_REPLY_MAGIC) {
      violated("What the server sent as an answer to " + asked + " is none.");
    } else if (to != option) {
      violated("The server answered " + Nbd.optionName(to) + " when asked for " + asked + ".");
    } else if (lengthBytes > MOST_REPLY_BYTES) {
      violated(
          "The server's answer to %s has %d bytes, which is beyond all reason."
              .formatted(asked, lengthBytes));
    } else if (--repliesLeft < 0) {
      violated("The server answers " + asked + " without end.");
    } else {
      await(Part.REPLY, (int) lengthBytes);
      if (lengthBytes == 0) {
        complete();
      }
    }
  }

  private void reply(ByteBuffer read) {
    if (replyType < 0) {
      refused(read);
    } else if (replyType == Nbd.REP_ACK) {
      acknowledged();
    } else if (!understood(read)) {
      violated(
          "The server's %s in answer to %s is malformed, or does not belong there."
              .formatted(Nbd.optionReplyName(replyType), Nbd.optionName(option)));
    }
  }

  /** Takes an answer that is not the last. */
  private boolean understood(ByteBuffer read) {
    return switch (option) {
      case Nbd.OPT_LIST -> replyType == Nbd.REP_SERVER && listed(read);
      case Nbd.OPT_INFO, Nbd.OPT_GO -> replyType == Nbd.REP_INFO && info.take(read);
      case Nbd.OPT_SET_META_CONTEXT -> replyType == Nbd.REP_META_CONTEXT && context(read);
      default -> false;
    };
  }

  private boolean listed(ByteBuffer read) {
    listedBytes += read.remaining();
    long nameBytes = read.remaining() < 4 ? -1 : Integer.toUnsignedLong(read.getInt());
    if (nameBytes < 0 || nameBytes > read.remaining() || listedBytes > MOST_LISTED_BYTES) {
      return false;
    }
    String name = Strings.take(read, (int) nameBytes);
    if (name != null) {
      unasked.add(new Listed(name, Strings.shown(read), null, ""));
    }
    return name != null;
  }

  private boolean context(ByteBuffer read) {
    if (read.remaining() < 4) {
      return false;
    }
    int number = read.getInt();
    if (Nbd.BASE_ALLOCATION.equals(Strings.take(read, read.remaining()))) {
      allocation = true;
      allocationContext = number;
    }
    return true;
  }

  private void acknowledged() {
    switch (option) {
      case Nbd.OPT_STARTTLS -> state = State.START_TLS;
      case Nbd.OPT_EXTENDED_HEADERS -> {
        extended = true;
        structured = true;
        afterExtended();
      }
      case Nbd.OPT_STRUCTURED_REPLY -> {
        structured = true;
        afterStructured();
      }
      case Nbd.OPT_SET_META_CONTEXT -> ask(Nbd.OPT_GO, info.request());
      case Nbd.OPT_LIST -> nextInfo();
      case Nbd.OPT_INFO -> {
        Listed asked = unasked.remove();
        boolean complete = info.complete();
        exports.add(
            new Listed(
                asked.name(),
                asked.description().isEmpty() ? info.facts().description() : asked.description(),
                complete ? info.facts() : null,
                complete ? "" : info.problem()));
        nextInfo();
      }
      default -> serve();
    }
  }

  private void serve() {
    if (!info.complete()) {
      violated(info.problem());
      return;
    }
    session = new Session(info.facts(), structured, extended, allocation, allocationContext);
    state = State.SERVING;
  }

  private void refused(ByteBuffer read) {
    String says = says(read);
    if (replyType == Nbd.REP_ERR_SHUTDOWN) {
      giveUp("The server is being shut down" + says);
      return;
    }
    if (replyType == Nbd.REP_ERR_TLS_REQD && !secure && option != Nbd.OPT_INFO) {
      giveUp(
          wishes.tls() == Tls.OFF
              ? "The server wants TLS: use nbds: and say which certificates" + says
              : "The server wants TLS, and refused to begin with it" + says);
      return;
    }
    switch (option) {
      case Nbd.OPT_STARTTLS -> {
        if (wishes.tls() == Tls.REQUIRED) {
          giveUp("TLS is demanded here, and the server has none" + says);
        } else {
          afterTls();
        }
      }
      case Nbd.OPT_EXTENDED_HEADERS -> afterExtended();
      case Nbd.OPT_STRUCTURED_REPLY -> afterStructured();
      case Nbd.OPT_SET_META_CONTEXT -> {
        allocation = false;
        ask(Nbd.OPT_GO, info.request());
      }
      case Nbd.OPT_INFO -> {
        Listed asked = unasked.remove();
        exports.add(
            new Listed(asked.name(), asked.description(), null, "It is not described" + says));
        nextInfo();
      }
      case Nbd.OPT_GO -> {
        if (replyType == Nbd.REP_ERR_UNSUP && !extended) {
          exportName();
        } else if (replyType == Nbd.REP_ERR_UNKNOWN) {
          giveUp("The server has no export " + Strings.quoted(wishes.exportName()) + says);
        } else {
          giveUp(
              "The server does not give us export " + Strings.quoted(wishes.exportName()) + says);
        }
      }
      default -> giveUp("The server refused " + Nbd.optionName(option) + says);
    }
  }

  /** The end of a sentence that quotes the server. */
  private String says(ByteBuffer read) {
    String message = Strings.shown(read);
    String name = Nbd.optionReplyName(replyType);
    return message.isEmpty() ? " (" + name + ")." : "; the server says: \"" + message + "\"";
  }

  /** Ends it as the protocol wants: by saying so. */
  private void giveUp(String why) {
    ask(Nbd.OPT_ABORT);
    state = State.ENDED;
    reason = why;
  }

  /** Ends it without a word, as the other end does not keep to the protocol. */
  private void violated(String why) {
    state = State.ENDED;
    reason = why;
  }
}
