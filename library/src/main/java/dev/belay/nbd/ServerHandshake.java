// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The server's side of the handshake, fixed newstyle, as a machine without any I/O: bytes in, bytes
 * out, a state. For one thread.
 *
 * <p>The caller sends what {@link #output} gives (the greeting at first), and only then {@linkplain
 * #take feeds} what it has received: nothing is taken while output waits, so a client that asks
 * without reading costs no more than one reply. Bytes that were not taken stay with the caller. In
 * {@link State#START_TLS} they belong to TLS, never to this machine, so that nothing said in the
 * clear counts as said under TLS; in {@link State#SERVING} they are the first requests.
 *
 * <p>One client costs at most an option of 64 KiB and one reply; longer options are skipped, and
 * too many or too long ones end it.
 */
public final class ServerHandshake {
  /** What there is to be had. Called on the thread that feeds the handshake; must not wait. */
  public interface Exports {
    /** All that clients may see, in the order to be shown. */
    List<ExportFacts> list();

    /**
     * The export of that name; of the empty name, the default one, under its own name.
     *
     * @return null where there is none
     */
    @Nullable ExportFacts find(String name);
  }

  /** What the server thinks of TLS. */
  public enum Tls {
    /** It has none. */
    OFF,
    /** A client may have it. */
    OFFERED,
    /** Nothing is said or served without. */
    REQUIRED
  }

  /** Where it stands. */
  public enum State {
    /** Options are awaited. */
    OPEN,
    /** Once the output is sent, TLS begins; then {@link #encrypted}. */
    START_TLS,
    /** Done: once the output is sent, requests may come. */
    SERVING,
    /** To be closed, once the output is sent. */
    ENDED
  }

  /** What an option may have; the longest name and some thousand queries fit. */
  private static final int MOST_OPTION_BYTES = 1 << 16;

  /** Who sends a longer option than this has no use for its answer. */
  private static final int MOST_SKIPPED_BYTES = 1 << 25;

  /** Options a client, and so many more for each export that it was shown. */
  private static final int MOST_OPTIONS = 64;

  private static final int OPTIONS_PER_EXPORT = 16;

  private static final int FLAGS_BYTES = 4;
  private static final int OPTION_HEAD_BYTES = 16;

  /** A longer buffer is not kept from one option to the next. */
  private static final int MOST_KEPT_BYTES = 1024;

  /** The number of base:allocation. */
  private static final int ALLOCATION_CONTEXT = 1;

  private final Exports exports;
  private final Tls tls;
  private final Outgoing out = new Outgoing();

  private State state = State.OPEN;
  private String reason = "";
  private boolean wished;
  private boolean stopping;
  private boolean secure;

  /** What is being received. */
  private enum Part {
    FLAGS,
    HEAD,
    CONTENTS,
    /** The contents of an option that is too long. */
    SKIPPED
  }

  private Part part = Part.FLAGS;
  private byte[] bytes = new byte[OPTION_HEAD_BYTES];
  private int hasBytes;
  private int wantsBytes = FLAGS_BYTES;

  private boolean fixed;
  private boolean noZeroes;
  private int option;
  private int optionsLeft = MOST_OPTIONS;
  private boolean listed;

  private boolean structured;
  private boolean extended;

  /** The export that base:allocation was selected for; null for none. */
  private @Nullable String allocationOf;

  private @Nullable Session session;

  /** Begins with the greeting as output. */
  public ServerHandshake(Exports exports, Tls tls) {
    this.exports = exports;
    this.tls = tls;
    out.u64(Nbd.INIT_PASSWD).u64(Nbd.OPTION_MAGIC);
    out.u16(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES);
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

  /** In {@link State#ENDED}: why, a sentence. */
  public String reason() {
    return reason;
  }

  /** In {@link State#ENDED}: whether the client asked for it, and it is nobody's fault. */
  public boolean wished() {
    return wished;
  }

  /** TLS is up, after {@link State#START_TLS}. What was said before is forgotten. */
  public void encrypted() {
    if (state != State.START_TLS) {
      throw new IllegalStateException("TLS was not asked for: the handshake is " + state + ".");
    }
    state = State.OPEN;
    secure = true;
    structured = false;
    extended = false;
    allocationOf = null;
  }

  /** From now on all options are refused, as the server is being shut down. */
  public void stopping() {
    stopping = true;
  }

  /**
   * Takes what it can of received bytes.
   *
   * @return how many were taken, from the first on: none while there is output, nor when not {@link
   *     State#OPEN}, and never beyond the end of an option that has to be answered
   */
  public int take(MemorySegment from, long offsetBytes, int lengthBytes) {
    int taken = 0;
    while (taken < lengthBytes && state == State.OPEN && out.isEmpty()) {
      int count = Math.min(lengthBytes - taken, wantsBytes - hasBytes);
      if (part != Part.SKIPPED) {
        // It grows with what has come, not with what is announced.
        if (hasBytes + count > bytes.length) {
          bytes = Arrays.copyOf(bytes, Math.max(hasBytes + count, 2 * bytes.length));
        }
        MemorySegment to = MemorySegment.ofArray(bytes);
        MemorySegment.copy(from, offsetBytes + taken, to, hasBytes, count);
      }
      hasBytes += count;
      taken += count;
      if (hasBytes == wantsBytes) {
        complete();
      }
    }
    return taken;
  }

  /** How much memory the client makes this hold, besides what waits to be sent. */
  int heldBytes() {
    return bytes.length;
  }

  private void complete() {
    ByteBuffer read = ByteBuffer.wrap(bytes, 0, Math.min(hasBytes, bytes.length));
    switch (part) {
      case FLAGS -> {
        clientFlags(read.getInt());
        await(Part.HEAD, OPTION_HEAD_BYTES);
      }
      case HEAD -> head(read.getLong(), read.getInt(), Integer.toUnsignedLong(read.getInt()));
      case CONTENTS -> {
        answer(read);
        await(Part.HEAD, OPTION_HEAD_BYTES);
        if (bytes.length > MOST_KEPT_BYTES) {
          bytes = new byte[OPTION_HEAD_BYTES];
        }
      }
      case SKIPPED -> {
        answerTooLong();
        await(Part.HEAD, OPTION_HEAD_BYTES);
      }
    }
  }

  private void await(Part next, int lengthBytes) {
    part = next;
    hasBytes = 0;
    wantsBytes = lengthBytes;
  }

  private void clientFlags(int flags) {
    fixed = (flags & Nbd.FLAG_C_FIXED_NEWSTYLE) != 0;
    noZeroes = (flags & Nbd.FLAG_C_NO_ZEROES) != 0;
    int unknown = flags & ~(Nbd.FLAG_C_FIXED_NEWSTYLE | Nbd.FLAG_C_NO_ZEROES);
    if (unknown != 0) {
      end("The client set flags that nobody offered: 0x%x.".formatted(unknown));
    }
  }

  private void head(long magic, int number, long lengthBytes) {
    option = number;
    if (magic != Nbd.OPTION_MAGIC) {
      end("What the client sent where an option was awaited is none: 0x%x.".formatted(magic));
    } else if (--optionsLeft < 0) {
      end("The client sent too many options without choosing an export.");
    } else if (lengthBytes > MOST_SKIPPED_BYTES) {
      end(
          "The client announced %s with %d bytes, which is beyond all reason."
              .formatted(Nbd.optionName(number), lengthBytes));
    } else if (lengthBytes > MOST_OPTION_BYTES) {
      await(Part.SKIPPED, (int) lengthBytes);
    } else {
      await(Part.CONTENTS, (int) lengthBytes);
      if (lengthBytes == 0) {
        complete();
      }
    }
  }

  private void answerTooLong() {
    if (option == Nbd.OPT_EXPORT_NAME) {
      end("The client asked for an export by a name that is too long.");
    } else if (!mayAnswer()) {
      return;
    } else if (unknown()) {
      unsupported();
    } else {
      String rule = "may have " + MOST_OPTION_BYTES + " bytes here, this one had more.";
      error(Nbd.REP_ERR_TOO_BIG, "An option " + rule);
    }
  }

  private boolean unknown() {
    return option < Nbd.OPT_EXPORT_NAME
        || option == Nbd.OPT_PEEK_EXPORT
        || option > Nbd.OPT_EXTENDED_HEADERS;
  }

  private void unsupported() {
    error(Nbd.REP_ERR_UNSUP, "There is no " + Nbd.optionName(option) + " here.");
  }

  /** Answers what must be refused whatever the option has in it. */
  private boolean mayAnswer() {
    boolean named = option == Nbd.OPT_EXPORT_NAME;
    if (option == Nbd.OPT_ABORT) {
      acknowledge();
      wished = true;
      end("The client ended the handshake.");
    } else if (stopping) {
      refuse(named, Nbd.REP_ERR_SHUTDOWN, "The server is being shut down.");
    } else if (!fixed && !named) {
      refuse(false, Nbd.REP_ERR_INVALID, "A client that is not fixed newstyle has no options.");
    } else if (tls == Tls.REQUIRED && !secure && option != Nbd.OPT_STARTTLS) {
      // To one that is not fixed newstyle, TLS must not be named; its one option ends it anyway.
      refuse(named, Nbd.REP_ERR_TLS_REQD, "This server wants TLS first: STARTTLS.");
    } else {
      return true;
    }
    return false;
  }

  private void refuse(boolean ends, int reply, String sentence) {
    if (ends) {
      end("The client was refused at EXPORT_NAME: " + sentence);
    } else {
      error(reply, sentence);
    }
  }

  private void answer(ByteBuffer read) {
    if (!mayAnswer()) {
      return;
    }
    switch (option) {
      case Nbd.OPT_EXPORT_NAME -> exportName(read);
      case Nbd.OPT_LIST -> {
        if (bare(read)) {
          list();
        }
      }
      case Nbd.OPT_STARTTLS -> startTls(read);
      case Nbd.OPT_INFO, Nbd.OPT_GO -> info(read);
      case Nbd.OPT_STRUCTURED_REPLY -> {
        if (bare(read)) {
          structuredReply();
        }
      }
      case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT -> metaContext(read);
      case Nbd.OPT_EXTENDED_HEADERS -> {
        if (bare(read)) {
          structured = true;
          extended = true;
          acknowledge();
        }
      }
      default -> unsupported();
    }
  }

  /** Whether the option is without contents, as it must be; answers otherwise. */
  private boolean bare(ByteBuffer read) {
    if (read.hasRemaining()) {
      invalid("has no contents, but " + read.remaining() + " bytes came with it.");
      return false;
    }
    return true;
  }

  private void exportName(ByteBuffer read) {
    String name = Strings.take(read, read.remaining());
    ExportFacts facts = name == null ? null : exports.find(name);
    if (extended) {
      end("The client agreed on extended headers and then sent EXPORT_NAME instead of GO.");
    } else if (facts == null) {
      String which = name == null ? "by something that is no name" : Strings.quoted(name);
      end("The client asked for an export " + which + ": there is none.");
    } else {
      Session agreed = agree(facts);
      out.u64(facts.sizeBytes()).u16(agreed.export().flags());
      if (!noZeroes) {
        out.raw(new byte[Nbd.ZEROES_BYTES]);
      }
      session = agreed;
      state = State.SERVING;
    }
  }

  private void list() {
    List<ExportFacts> all = exports.list();
    for (ExportFacts facts : all) {
      byte[] name = facts.name().getBytes(StandardCharsets.UTF_8);
      byte[] description = facts.description().getBytes(StandardCharsets.UTF_8);
      reply(Nbd.REP_SERVER, 4 + name.length + description.length);
      out.u32(name.length).raw(name).raw(description);
    }
    if (!listed) {
      // Who lists may ask about each.
      listed = true;
      optionsLeft += (int) Math.min(1 << 20, (long) OPTIONS_PER_EXPORT * all.size());
    }
    acknowledge();
  }

  private void startTls(ByteBuffer read) {
    if (!bare(read)) {
      return;
    }
    if (secure) {
      invalid("came again, but TLS is up already.");
    } else if (tls == Tls.OFF) {
      error(Nbd.REP_ERR_POLICY, "This server has no certificate, so there is no TLS.");
    } else {
      acknowledge();
      state = State.START_TLS;
    }
  }

  private void info(ByteBuffer read) {
    String name = null;
    int asked = 0;
    if (read.remaining() >= 6) {
      long nameBytes = Integer.toUnsignedLong(read.getInt());
      if (nameBytes <= read.remaining() - 2) {
        name = Strings.take(read, (int) nameBytes);
        int count = Short.toUnsignedInt(read.getShort());
        if (read.remaining() != 2 * count) {
          name = null;
        }
        while (name != null && read.hasRemaining()) {
          int kind = Short.toUnsignedInt(read.getShort());
          asked |= kind < Integer.SIZE ? 1 << kind : 0;
        }
      }
    }
    if (name == null) {
      invalid(
          "is a name of at most "
              + Nbd.STRING_BYTES
              + " bytes of UTF-8 with its length before it, and a list of kinds with its count.");
      return;
    }
    ExportFacts facts = exports.find(name);
    if (facts == null) {
      error(Nbd.REP_ERR_UNKNOWN, "There is no export " + Strings.quoted(name) + ".");
      return;
    }
    Session agreed = agree(facts);
    sendInfo(agreed.export(), asked);
    boolean go = option == Nbd.OPT_GO;
    if (go && facts.minimumBlockBytes() > 1 && (asked & 1 << Nbd.INFO_BLOCK_SIZE) == 0) {
      sendBlockSize(facts);
      error(
          Nbd.REP_ERR_BLOCK_SIZE_REQD,
          "This export is in blocks of "
              + facts.minimumBlockBytes()
              + " bytes: ask for BLOCK_SIZE.");
      return;
    }
    acknowledge();
    if (go) {
      session = agreed;
      state = State.SERVING;
    }
  }

  private void sendInfo(ExportFacts facts, int asked) {
    // Some clients do not ask for it, and must have it all the same.
    reply(Nbd.REP_INFO, 12);
    out.u16(Nbd.INFO_EXPORT).u64(facts.sizeBytes()).u16(facts.flags());
    if ((asked & 1 << Nbd.INFO_NAME) != 0) {
      sendText(Nbd.INFO_NAME, facts.name());
    }
    if ((asked & 1 << Nbd.INFO_DESCRIPTION) != 0 && !facts.description().isEmpty()) {
      sendText(Nbd.INFO_DESCRIPTION, facts.description());
    }
    if ((asked & 1 << Nbd.INFO_BLOCK_SIZE) != 0) {
      sendBlockSize(facts);
    }
  }

  private void sendText(int kind, String text) {
    byte[] raw = text.getBytes(StandardCharsets.UTF_8);
    reply(Nbd.REP_INFO, 2 + raw.length);
    out.u16(kind).raw(raw);
  }

  private void sendBlockSize(ExportFacts facts) {
    reply(Nbd.REP_INFO, 14);
    out.u16(Nbd.INFO_BLOCK_SIZE).u32(facts.minimumBlockBytes());
    out.u32(facts.preferredBlockBytes()).u32(facts.largestBytes());
  }

  private void structuredReply() {
    if (extended) {
      error(Nbd.REP_ERR_EXT_HEADER_REQD, "Extended headers are agreed on, and say more.");
    } else {
      structured = true;
      acknowledge();
    }
  }

  private void metaContext(ByteBuffer read) {
    boolean sets = option == Nbd.OPT_SET_META_CONTEXT;
    if (sets) {
      allocationOf = null;
      if (!structured) {
        invalid("needs STRUCTURED_REPLY or EXTENDED_HEADERS first.");
        return;
      }
    }
    ContextQuery query = ContextQuery.parse(read);
    if (query == null) {
      invalid(
          "is a name with its length before it, and a count of queries, each with its length"
              + " before it; none of them has more than "
              + Nbd.STRING_BYTES
              + " bytes of UTF-8.");
      return;
    }
    ExportFacts facts = exports.find(query.exportName());
    if (facts == null) {
      error(Nbd.REP_ERR_UNKNOWN, "There is no export " + Strings.quoted(query.exportName()) + ".");
      return;
    }
    if (sets ? query.selectsAllocation() : query.listsAllocation()) {
      reply(Nbd.REP_META_CONTEXT, 4 + Nbd.BASE_ALLOCATION.length());
      out.u32(sets ? ALLOCATION_CONTEXT : 0).text(Nbd.BASE_ALLOCATION);
      if (sets) {
        allocationOf = facts.name();
      }
    }
    acknowledge();
  }

  /** What it comes to with this export, after all that was negotiated. */
  private Session agree(ExportFacts facts) {
    boolean allocation = structured && facts.name().equals(allocationOf);
    int flags = facts.flags() | Nbd.FLAG_HAS_FLAGS;
    if (!structured) {
      flags &= ~Nbd.FLAG_SEND_DF;
    }
    if (!extended || !allocation) {
      flags &= ~Nbd.FLAG_BLOCK_STATUS_PAYLOAD;
    }
    return new Session(
        facts.withFlags(flags), structured, extended, allocation, ALLOCATION_CONTEXT);
  }

  private void acknowledge() {
    reply(Nbd.REP_ACK, 0);
  }

  private void invalid(String rule) {
    error(Nbd.REP_ERR_INVALID, Nbd.optionName(option) + " " + rule);
  }

  private void error(int reply, String sentence) {
    byte[] text = Strings.cut(sentence, Nbd.STRING_BYTES);
    reply(reply, text.length);
    out.raw(text);
  }

  private void reply(int type, int lengthBytes) {
    out.u64(Nbd.OPTION_REPLY_MAGIC).u32(option).u32(type).u32(lengthBytes);
  }

  private void end(String why) {
    state = State.ENDED;
    reason = why;
  }
}
